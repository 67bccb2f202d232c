//! JSON that a strict reader gives up on, made readable.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::Notes;

/// The text with what no reader can take replaced; `None` where there is nothing of the kind.
///
/// A bare `NaN` or `Infinity`, which some writers of JSON emit, becomes `null`. A number beyond every `f64` and a
/// string with half a surrogate pair become `[null]`, which is neither a field nor an object nor a list of objects, so
/// that they cost and count as one value.
pub(super) fn mended(text: &str) -> Option<String> {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(token) = token(rest) {
        let (token, behind) = rest.split_at(token);
        whole.push_str(readable(token));
        rest = behind;
    }
    (whole != text).then_some(whole)
}

/// Reads a text; where that fails, once more with the last alone of the members that have the same key in an object.
///
/// Derived readers refuse a key that stands twice, whereas common readers of JSON take the last. The members that are
/// passed over are noted under `name`. What can be read as it is costs nothing more.
pub(super) fn read_last_of_each_key<T, E>(
    text: &str,
    name: &'static str,
    read: impl Fn(&str, &mut Notes) -> Result<T, E>,
) -> Result<(T, Notes), E> {
    let mut notes = Notes::default();
    let error = match read(text, &mut notes) {
        Ok(value) => return Ok((value, notes)),
        Err(error) => error,
    };
    let Some((text, passed_over)) = last_of_each_key(text) else { return Err(error) };
    let mut notes = Notes::default();
    notes.malformed_times(name, passed_over);
    read(&text, &mut notes).map(|value| (value, notes))
}

/// The text without the members of objects that a later one with the same key replaces, and how many they were;
/// `None` where every key stands once.
fn last_of_each_key(text: &str) -> Option<(String, u64)> {
    let mut replaced: Vec<Range<usize>> = Vec::new();
    // The lists and objects around; a list has no members.
    let mut around: Vec<Option<Members<'_>>> = Vec::new();
    let mut rest = text;
    while let Some(length) = token(rest) {
        let (token, behind) = rest.split_at(length);
        if let Some(Some(members)) = around.last_mut()
            && token.starts_with('"')
        {
            replaced.extend(members.key(token, text.len() - rest.len()));
        }
        for sign in token.bytes().filter(|_| !token.starts_with('"')) {
            match sign {
                b'{' => around.push(Some(Members::default())),
                b'[' => around.push(None),
                b'}' | b']' => drop(around.pop()),
                b',' => {
                    around.last_mut().into_iter().flatten().for_each(|members| members.awaits_value = false)
                }
                _ => {}
            }
        }
        rest = behind;
    }
    replaced.sort_by_key(|range| range.start);
    let passed_over = u64::try_from(replaced.len()).unwrap_or(u64::MAX);
    (passed_over > 0).then(|| (without(text, &replaced), passed_over))
}

/// The members of an object that is gone through.
#[derive(Debug, Default)]
struct Members<'a> {
    /// Where each begins.
    begins: Vec<usize>,
    /// The last with each key.
    last: HashMap<Cow<'a, str>, usize>,
    awaits_value: bool,
}

impl<'a> Members<'a> {
    /// Takes a string for a key where one is due, and gives the place of the member that it replaces: up to the
    /// next one, which there is.
    fn key(&mut self, token: &'a str, at: usize) -> Option<Range<usize>> {
        if std::mem::replace(&mut self.awaits_value, true) {
            return None;
        }
        let key = if token.contains('\\') { serde_json::from_str(token).ok().map(Cow::Owned) } else { None };
        let key = key.unwrap_or(Cow::Borrowed(token.trim_matches('"')));
        self.begins.push(at);
        let before = self.last.insert(key, self.begins.len() - 1)?;
        Some(self.begins[before]..self.begins[before + 1])
    }
}

/// The text without some places, which are in order and may lie within one another.
fn without(text: &str, places: &[Range<usize>]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for place in places.iter().chain([&(text.len()..text.len())]) {
        kept.push_str(text.get(from..place.start).unwrap_or_default());
        from = from.max(place.end);
    }
    kept
}

/// What stands for a token.
fn readable(token: &str) -> &str {
    match token.as_bytes().first() {
        _ if matches!(token, "NaN" | "Infinity" | "-Infinity") => "null",
        Some(b'"') if serde_json::from_str::<String>(token).is_err() => "[null]",
        Some(b'-' | b'0'..=b'9') if token.parse().is_ok_and(|number: f64| number.is_infinite()) => "[null]",
        _ => token,
    }
}

/// How long the first token is: a string, a word or number, or whatever lies before the next of them.
fn token(text: &str) -> Option<usize> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    let bytes = text.as_bytes();
    let end = match *bytes.first()? {
        b'"' => string(bytes),
        byte if is_word(byte) => bytes.iter().position(|byte| !is_word(*byte)),
        _ => bytes.iter().position(|byte| is_word(*byte) || *byte == b'"'),
    };
    Some(end.unwrap_or(text.len()))
}

/// Where the string ends that begins here; `None` where it does not end.
fn string(bytes: &[u8]) -> Option<usize> {
    let mut escaped = true;
    let end = bytes.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        // The quote that opens the string is taken for an escaped one.
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map(|end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_reader_takes_is_replaced_and_nothing_else() {
        for (text, expected) in [
            (r#"{"a":NaN,"b":-Infinity,"c":Infinity}"#, Some(r#"{"a":null,"b":null,"c":null}"#)),
            (r#"{"a":1e999,"b":[-1e400]}"#, Some(r#"{"a":[null],"b":[[null]]}"#)),
            (r#"{"a":"\ud800","b":"\ud83d\ude00"}"#, Some(r#"{"a":[null],"b":"\ud83d\ude00"}"#)),
            (r#"{"NaN":"NaN 1e999","b":"\" NaN","c":"\\"}"#, None),
            (r#"{"a":123,"b":1.5e3,"c":true}"#, None),
            (r#"{"a":"no end"#, Some(r#"{"a":[null]"#)),
            ("", None),
        ] {
            assert_eq!(mended(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_last_member_with_a_key_is_kept_in_every_object() {
        for (text, expected) in [
            (r#"{"a":1,"a":2}"#, Some((r#"{"a":2}"#, 1))),
            (r#"{"a":1 , "b":[2,{"c":3,"c":4}],"a":{"a":5}}"#, Some((r#"{"b":[2,{"c":4}],"a":{"a":5}}"#, 2))),
            (r#"{"a":{"b":1,"b":2},"a":3,"a":4,"c":5}"#, Some((r#"{"a":4,"c":5}"#, 3))),
            (r#"[{"a":"a","\u0061":"x, \"a\":{"}]"#, Some((r#"[{"\u0061":"x, \"a\":{"}]"#, 1))),
            (r#"{"a":"b","b":"a","c":["a","a",{"a":"a"},{"a":1}]}"#, None),
            (r#""a""#, None),
            ("", None),
        ] {
            let kept = last_of_each_key(text);
            assert_eq!(kept.as_ref().map(|(text, count)| (&**text, *count)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_nested_thousandfold_takes_no_stack_and_no_squared_time() {
        let deep = 200_000;
        let text = format!("{}1{}", r#"{"a":0,"a":"#.repeat(deep), "}".repeat(deep));
        let (kept, passed_over) = last_of_each_key(&text).unwrap();
        assert_eq!(passed_over, 200_000);
        assert_eq!(kept, format!("{}1{}", r#"{"a":"#.repeat(deep), "}".repeat(deep)));
    }

    #[test]
    fn text_that_is_not_json_stays_what_it_is() {
        for text in ["<html>é</html>", "\u{fffd}", "{]", "-", "+-.e", "\\\"\\"] {
            let mended = mended(text);
            assert!(mended.is_none() || text.contains('"'), "{text}: {mended:?}");
            assert_eq!(last_of_each_key(text), None, "{text}");
        }
    }
}
