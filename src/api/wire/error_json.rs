//! `error_json`: JSON in a string, with JSON in a string inside, where it is not damaged.

use std::borrow::Cow;

use serde::Deserialize;

use super::Notes;
use super::field::Field;
use super::mend::read_last_of_each_key;
use super::shape::Raw;
use crate::model::ErrorCode;

#[derive(Deserialize)]
struct WireError<'a> {
    #[serde(borrow, default)]
    error_code: Field<'a>,
}

/// The error code inside `error_json`; `None` where there is no error, or none that has a code, which is noted.
///
/// The value is a JSON string that holds an object, an object, or prose; the documents' own samples are
/// not all parseable, so where parsing fails the first `SMS.dddd` in the text is the code.
pub(super) fn error_code(field: Raw<'_>, name: &'static str, notes: &mut Notes) -> Option<ErrorCode> {
    let json = field.json()?;
    let text = field.text().unwrap_or(Cow::Borrowed(json));
    let parse = |text: &str, _: &mut Notes| {
        let error = serde_json::from_str::<WireError<'_>>(text).ok().ok_or(NotAnObject)?;
        Ok::<_, NotAnObject>(error.error_code.quiet_text().and_then(|code| ErrorCode::new(&code)))
    };
    let parsed = read_last_of_each_key(&text, name, parse).ok().and_then(|(code, odd)| {
        notes.add(&odd);
        code
    });
    let code = parsed.or_else(|| ErrorCode::find(&text));
    if code.is_none() && json != "\"\"" {
        notes.malformed(name);
    }
    code
}

/// The text is no object that could hold a code.
struct NotAnObject;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_of_error_json_gives_its_code() {
        let fixture = include_str!("../../../tests/fixtures/quirk-samples.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        for sample in fixture["error_json"].as_array().unwrap() {
            let json = format!("{{\"error_json\":{}}}", sample["value"]);
            #[derive(Deserialize)]
            struct Holder<'a> {
                #[serde(borrow, default)]
                error_json: Raw<'a>,
            }
            let holder: Holder<'_> = serde_json::from_str(&json).unwrap();
            let expected = sample["code"].as_str().and_then(ErrorCode::new);
            let mut notes = Notes::default();
            assert_eq!(error_code(holder.error_json, "f", &mut notes), expected, "{json}");
        }
    }

    #[test]
    fn a_code_that_stands_twice_is_the_last() {
        for json in [
            r#"{"error_code":"SMS.1302","error_code":"SMS.2802"}"#,
            r#""{\"error_code\":\"SMS.1302\",\"error_code\":\"SMS.2802\"}""#,
            r#""\ufeff{\"error_code\":\"SMS.1302\",\"error_code\":\"SMS.2802\"}""#,
        ] {
            let mut notes = Notes::default();
            let code = error_code(serde_json::from_str(json).unwrap(), "f", &mut notes);
            assert_eq!((code, notes.malformed["f"]), (ErrorCode::new("SMS.2802"), 1), "{json}");
        }
    }
}
