//! Label sets, escaped once and used for many samples.

/// Escaped labels without their braces: `a="x",b="y"`.
///
/// An object's labels are escaped once and then copied into each of its samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<u8>);

impl Labels {
    /// Escapes the pairs, in the order given.
    pub fn new(pairs: &[(&str, &str)]) -> Self {
        Self::default().with(pairs)
    }

    /// These labels with further pairs behind them.
    #[must_use]
    pub fn with(&self, pairs: &[(&str, &str)]) -> Self {
        let added: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut bytes = Vec::with_capacity(self.0.len() + added);
        bytes.extend_from_slice(&self.0);
        push_pairs(&mut bytes, pairs);
        Self(bytes)
    }

    /// The escaped bytes, without braces; empty for no labels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends escaped pairs to bytes that are either empty or end in a label.
pub(super) fn push_pairs(bytes: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    let mut comma = !bytes.is_empty();
    for (name, value) in pairs {
        push_pair(bytes, comma, name, value);
        comma = true;
    }
}

/// Appends one escaped pair, behind a comma if asked.
pub(super) fn push_pair(bytes: &mut Vec<u8>, comma: bool, name: &str, value: &str) {
    if comma {
        bytes.push(b',');
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b"=\"");
    push_escaped(bytes, value);
    bytes.push(b'"');
}

/// Escapes a label's value. Both formats agree on how.
///
/// NUL becomes U+FFFD, because Prometheus' lexer takes NUL for the end of the page, and a name with a NUL in it
/// would cost the whole scrape.
fn push_escaped(bytes: &mut Vec<u8>, value: &str) {
    let value = value.as_bytes();
    let mut plain_from = 0;
    for (at, byte) in value.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'\\' => br"\\",
            b'"' => br#"\""#,
            b'\n' => br"\n",
            0 => "\u{FFFD}".as_bytes(),
            _ => continue,
        };
        bytes.extend_from_slice(&value[plain_from..at]);
        bytes.extend_from_slice(escaped);
        plain_from = at + 1;
    }
    bytes.extend_from_slice(&value[plain_from..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The inverse of `push_escaped`, written after the format's text.
    fn unescape(escaped: &str) -> String {
        let mut plain = String::new();
        let mut chars = escaped.chars();
        while let Some(c) = chars.next() {
            assert!(c != '"' && c != '\n' && c != '\0', "must be escaped: {c:?}");
            plain.push(match c {
                '\\' => match chars.next().expect("a backslash is followed by something") {
                    'n' => '\n',
                    other => other,
                },
                other => other,
            });
        }
        plain
    }

    #[test]
    fn labels_are_joined_by_commas_and_keep_their_order() {
        let labels = Labels::new(&[("b", "1"), ("a", "2")]).with(&[("c", "3")]);
        assert_eq!(labels.as_bytes(), br#"b="1",a="2",c="3""#);
        assert_eq!(Labels::new(&[]).as_bytes(), b"");
    }

    #[test]
    fn quotes_backslashes_newlines_and_nul_are_made_harmless_and_nothing_else_changes() {
        let labels = Labels::new(&[("a", "q\" b\\ n\n z\0 t\t r\r é 云 \u{7f}")]);
        let expected = "a=\"q\\\" b\\\\ n\\n z\u{FFFD} t\t r\r é 云 \u{7f}\"";
        assert_eq!(std::str::from_utf8(labels.as_bytes()), Ok(expected));
    }

    proptest! {
        #[test]
        fn escaping_round_trips(value in any::<String>()) {
            let mut bytes = Vec::new();
            push_escaped(&mut bytes, &value);
            let escaped = String::from_utf8(bytes).expect("escaping keeps UTF-8 valid");
            prop_assert_eq!(unescape(&escaped), value.replace('\0', "\u{FFFD}"));
        }
    }
}
