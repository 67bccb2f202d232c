//! What a fault does to an answer before it goes out.

use serde_json::Value;

use super::answer::{Answer, Body};
use super::fault::What;

/// Where raw text will stand once the JSON is written; no value of the world looks like it.
const MARK: &str = "\u{1}here\u{1}";

/// Another answer altogether, if the fault is of that kind.
pub(super) fn substitute(what: &What) -> Option<Answer> {
    let json = "application/json";
    let answer = match what {
        What::Status { code, body, content_type, headers } => {
            let mut answer = Answer::bytes(*code, content_type, body);
            answer.headers.extend(headers.iter().cloned());
            answer
        }
        What::Garbage => {
            Answer::bytes(200, json, &[0x00, 0xFF, 0x13, 0x37, 0x80, b'{', b'"', 0xC3, 0x28, 0xFE].repeat(20))
        }
        What::Html502 => Answer::bytes(502, "text/html", b"<html><body>502 Bad Gateway</body></html>"),
        What::EmptyBody200 => Answer::bytes(200, json, b""),
        What::NotJson => Answer::bytes(200, json, b"OK"),
        What::Redirect(location) => Answer::bytes(302, "text/html", b"").with("Location", location),
        What::RawBody(body) => Answer::bytes(200, json, body),
        What::Throttle { limit, retry_after } => {
            throttled(&format!(",limit:{limit},time:1 second"), *retry_after)
        }
        What::Refuse { retry_after } => throttled("", *retry_after),
        What::ConnectionReset
        | What::HangHeaders
        | What::TrickleBody(_)
        | What::EndlessBody
        | What::TruncateBody(_)
        | What::HugeHeader(_)
        | What::CountOff(_)
        | What::DropPage(_)
        | What::EmptyPage
        | What::DuplicateWithinPage
        | What::DuplicateAcrossPages
        | What::ShiftWhilePaging(_)
        | What::Turnover { .. }
        | What::Shuffle(_)
        | What::FirstOnly(_)
        | What::ReplaceField { .. }
        | What::WrongContentEncoding
        | What::SlowBy(_)
        | What::SlowUpTo(_)
        | What::KeyLocked
        | What::TokenRevoked
        | What::Quota { .. }
        | What::CutDocument(_) => return None,
    };
    Some(answer)
}

/// The refusal of the gateway when there are too many requests; `limit` are its words on how many may be.
fn throttled(limit: &str, retry_after: Option<u32>) -> Answer {
    let message = format!("The throttling threshold has been reached: policy user over ratelimit{limit}");
    let answer = Answer::error(429, "APIGW.0308", &message);
    match retry_after {
        Some(seconds) => answer.with("Retry-After", &seconds.to_string()),
        None => answer,
    }
}

/// Spoils a good answer. `last_before` is the object that stands before this page.
pub(super) fn spoil(answer: &mut Answer, what: &What, list_key: Option<&str>, last_before: Option<Value>) {
    let Body::Json(json) = &mut answer.body else { return };
    match (what, list_key) {
        (What::CountOff(by), _) => {
            if let Some(count) = json["count"].as_i64() {
                json["count"] = (count + by).into();
            }
        }
        (What::ReplaceField { path, json: text }, _) => replace(answer, path, text),
        (What::CutDocument(length), _) => cut(answer, *length),
        (_, Some(key)) => {
            if let Some(list) = json[key].as_array_mut() {
                spoil_list(list, what, last_before);
            }
        }
        (_, None) => {}
    }
}

fn spoil_list(list: &mut Vec<Value>, what: &What, last_before: Option<Value>) {
    if matches!(what, What::DropPage(_) | What::EmptyPage) {
        list.clear();
    } else if *what == What::DuplicateWithinPage {
        list.extend(list.first().cloned());
    } else if *what == What::DuplicateAcrossPages {
        list.splice(0..0, last_before);
    }
}

/// Ends the document early, and the answer with it.
fn cut(answer: &mut Answer, length: usize) {
    let Body::Json(json) = &answer.body else { return };
    let mut document = json.to_string().into_bytes();
    document.truncate(length);
    answer.body = Body::Bytes(document);
    answer.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
}

/// Puts raw text where a value was; nothing happens when there is no such value.
fn replace(answer: &mut Answer, path: &str, text: &str) {
    let Body::Json(json) = &mut answer.body else { return };
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some(value) = json.pointer_mut(&pointer) else { return };
    *value = MARK.into();
    let mark = Value::from(MARK).to_string();
    let body = json.to_string().replace(&mark, text).into_bytes();
    answer.body = Body::Bytes(body);
    answer.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spoiled(what: &What) -> String {
        let mut answer = Answer::ok(json!({"count": 9, "tasks": [{"id": "b"}, {"id": "c"}]}));
        spoil(&mut answer, what, Some("tasks"), Some(json!({"id": "a"})));
        match answer.body {
            Body::Json(json) => json.to_string(),
            Body::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
        }
    }

    #[test]
    fn each_fault_of_a_list_spoils_just_what_it_says() {
        let cases = [
            (What::CountOff(-2), r#"{"count":7,"tasks":[{"id":"b"},{"id":"c"}]}"#),
            (What::EmptyPage, r#"{"count":9,"tasks":[]}"#),
            (What::DropPage(0), r#"{"count":9,"tasks":[]}"#),
            (What::CutDocument(20), r#"{"count":9,"tasks":["#),
            (What::DuplicateWithinPage, r#"{"count":9,"tasks":[{"id":"b"},{"id":"c"},{"id":"b"}]}"#),
            (What::DuplicateAcrossPages, r#"{"count":9,"tasks":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#),
        ];
        for (what, expected) in cases {
            assert_eq!(spoiled(&what), expected);
        }
    }

    #[test]
    fn a_field_is_replaced_by_any_text_and_a_missing_one_by_nothing() {
        let replace = |path: &str, json: &str| {
            spoiled(&What::ReplaceField { path: path.to_owned(), json: json.to_owned() })
        };
        assert_eq!(replace("tasks.1.id", "1e999"), r#"{"count":9,"tasks":[{"id":"b"},{"id":1e999}]}"#);
        assert_eq!(replace("count", "NaN"), r#"{"count":NaN,"tasks":[{"id":"b"},{"id":"c"}]}"#);
        assert_eq!(replace("tasks.7.id", "1"), r#"{"count":9,"tasks":[{"id":"b"},{"id":"c"}]}"#);
    }
}
