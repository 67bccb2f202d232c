//! `error_json`: JSON in a string, with JSON in a string inside, where it is not damaged.

use std::borrow::Cow;

use serde::Deserialize;

use super::field::Field;
use super::shape::Raw;
use crate::model::ErrorCode;

#[derive(Deserialize)]
struct WireError<'a> {
    #[serde(borrow, default)]
    error_code: Field<'a>,
}

/// The error code inside `error_json`; `None` where there is no error.
///
/// The value is a JSON string that holds an object, an object, or prose; the documents' own samples are
/// not all parseable, so where parsing fails the first `SMS.dddd` in the text is the code.
pub(super) fn error_code(field: Raw<'_>) -> Option<ErrorCode> {
    let json = field.json()?;
    let text = field.text().unwrap_or(Cow::Borrowed(json));
    let parsed = serde_json::from_str::<WireError<'_>>(&text).ok();
    let code = parsed.and_then(|error| error.error_code.quiet_text().and_then(|code| ErrorCode::new(&code)));
    code.or_else(|| ErrorCode::find(&text))
}

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
            assert_eq!(error_code(holder.error_json), expected, "{json}");
        }
    }
}
