//! JSON that a strict reader gives up on, made readable.

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
    fn text_that_is_not_json_stays_what_it_is() {
        for text in ["<html>é</html>", "\u{fffd}", "{]", "-", "+-.e", "\\\"\\"] {
            let mended = mended(text);
            assert!(mended.is_none() || text.contains('"'), "{text}: {mended:?}");
        }
    }
}
