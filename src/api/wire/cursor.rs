//! A place in a page that moves value by value, so that what is known already is stepped over unread.

use serde::Deserialize;

/// A place in a text of JSON.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// The text is not what it should be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl<'a> Cursor<'a> {
    /// At the beginning.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What lies ahead, without the white space before it.
    pub(super) fn ahead(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ahead = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - ahead.len();
        ahead
    }

    /// How many bytes lie behind.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Steps over bytes; they end where a character ends.
    pub(super) fn step(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Steps over a sign such as `{` if it is the next.
    pub(super) fn takes(&mut self, sign: char) -> bool {
        let takes = self.ahead().starts_with(sign);
        self.at += usize::from(takes);
        takes
    }

    /// Steps over a sign that must be the next.
    ///
    /// # Errors
    ///
    /// Something else is.
    pub(super) fn expect(&mut self, sign: char) -> Result<(), Broken> {
        if self.takes(sign) { Ok(()) } else { Err(Broken) }
    }

    /// Reads one value and steps over it; where it cannot be read the cursor stays before it.
    ///
    /// # Errors
    ///
    /// It cannot be read as a `T`.
    pub(super) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, Broken> {
        let mut values = serde_json::Deserializer::from_str(self.ahead()).into_iter();
        let value = values.next().and_then(Result::ok).ok_or(Broken)?;
        self.at += values.byte_offset();
        Ok(value)
    }

    /// Steps over what separates two members or elements, or over the sign that ends them.
    ///
    /// # Errors
    ///
    /// Neither is next.
    pub(super) fn another(&mut self, end: char) -> Result<bool, Broken> {
        if self.takes(',') {
            return Ok(true);
        }
        self.expect(end).map(|()| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn a_cursor_goes_from_value_to_value_and_stays_where_it_cannot_read() {
        let mut cursor = Cursor::new(" { \"a\" : [ 1 ,2]\n} ");
        assert!(cursor.takes('{') && !cursor.takes('['));
        assert_eq!(cursor.value::<Cow<'_, str>>(), Ok("a".into()));
        assert_eq!(cursor.expect(','), Err(Broken));
        assert_eq!(cursor.expect(':'), Ok(()));
        assert_eq!(cursor.value::<String>(), Err(Broken));
        assert!(cursor.takes('['));
        assert_eq!((cursor.value(), cursor.another(']')), (Ok(1), Ok(true)));
        assert_eq!((cursor.value(), cursor.another(']')), (Ok(2), Ok(false)));
        assert_eq!(cursor.another('}'), Ok(false));
        assert_eq!((cursor.ahead(), cursor.another('}')), ("", Err(Broken)));
    }
}
