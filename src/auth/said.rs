//! What a service says in the body of an error, in whichever envelope.

use std::fmt;

use serde_json::Value;

/// The longest message that is kept, in characters.
const LONGEST: usize = 300;

/// How deep an envelope is looked for inside others.
const DEEPEST: usize = 4;

/// Names of code and message in the envelopes, as the vendor's SDKs look for them.
const ENVELOPES: [(&str, &str); 3] =
    [("error_code", "error_msg"), ("errorCode", "errorMsg"), ("code", "message")];

/// Code and message of an error's body, short and on one line, without security tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The service's code, such as `IAM.0007`, if it gave one.
    pub code: Option<String>,
    /// The message, or the beginning of a body in no known envelope.
    pub message: String,
}

impl Said {
    /// Reads an error's body.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let found = serde_json::from_slice(body).ok().and_then(|json: Value| envelope(&json, DEEPEST));
        let (code, message) = found.unwrap_or_else(|| (None, String::from_utf8_lossy(body).into_owned()));
        Self { code: code.map(|code| plain(&code)), message: plain(&message) }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None if self.message.is_empty() => f.write_str("without a message"),
            None => f.write_str(&self.message),
        }
    }
}

/// Takes the security token out of the gateway's echo of a canonical request.
///
/// Where a signature does not match, the gateway's message repeats the request that it saw, with
/// `|` for each newline, and the token of a temporary key is one of its headers.
#[must_use]
pub fn without_token(message: &str) -> String {
    const HEADERS: [&str; 2] = ["x-security-token:", "x-auth-token:"];
    let hide = |message: String, header: &str| {
        let lower = message.to_ascii_lowercase();
        let mut hidden = String::with_capacity(message.len());
        let mut rest = 0;
        for (at, _) in lower.match_indices(header) {
            if at < rest {
                continue;
            }
            let value = at + header.len();
            let end = lower.get(value..).and_then(|tail| tail.find(['|', '\n', ' ']));
            hidden.push_str(message.get(rest..value).unwrap_or_default());
            hidden.push_str("[…]");
            rest = end.map_or(message.len(), |end| value + end);
        }
        hidden.push_str(message.get(rest..).unwrap_or_default());
        hidden
    };
    HEADERS.iter().fold(message.to_owned(), |message, header| hide(message, header))
}

fn envelope(json: &Value, depth: usize) -> Option<(Option<String>, String)> {
    let object = json.as_object()?;
    for (code, message) in ENVELOPES {
        if let Some(message) = object.get(message).and_then(Value::as_str) {
            return Some((object.get(code).and_then(code_of), message.to_owned()));
        }
    }
    let depth = depth.checked_sub(1)?;
    object.values().find_map(|inner| envelope(inner, depth))
}

fn code_of(code: &Value) -> Option<String> {
    match code {
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn plain(message: &str) -> String {
    let message = without_token(message);
    let line: Vec<_> = message.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = line.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> String {
        Said::read(body.as_bytes()).to_string()
    }

    #[test]
    fn every_envelope_of_the_vendor_is_read() {
        let keystone =
            r#"{"error":{"message":"The username or password is wrong.","code":401,"title":"Unauthorized"}}"#;
        assert_eq!(said(keystone), "401: The username or password is wrong.");
        assert_eq!(said(r#"{"error_msg":"no","error_code":"IAM.0007"}"#), "IAM.0007: no");
        let gateway = r#"{"error_msg":"Incorrect IAM authentication information: ak X not exist","error_code":"APIGW.0301","request_id":"f"}"#;
        assert_eq!(said(gateway), "APIGW.0301: Incorrect IAM authentication information: ak X not exist");
        assert_eq!(said(r#"{"errorCode":"A","errorMsg":"b"}"#), "A: b");
        assert_eq!(said(""), "without a message");
        assert_eq!(said("<html>\n<b>Bad\tGateway</b>"), "<html> <b>Bad Gateway</b>");
        assert_eq!(said("[1,2]"), "[1,2]");
    }

    #[test]
    fn no_token_remains_in_the_gateways_canonical_request() {
        let echo = "verify aksk signature fail, canonicalRequest:GET|/v3/x/||host:h|X-Security-Token:marked|x-sdk-date:1|";
        assert_eq!(
            said(echo),
            "verify aksk signature fail, canonicalRequest:GET|/v3/x/||host:h|X-Security-Token:[…]|x-sdk-date:1|"
        );
        assert_eq!(without_token("x-security-token:marked"), "x-security-token:[…]");
    }

    #[test]
    fn a_message_is_one_short_line() {
        let long = said(&format!("{} é", "é".repeat(400)));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }

    #[test]
    fn an_envelope_nested_without_end_is_not_followed_without_end() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        assert!(said(&deep).starts_with(r#"{"a":"#));
    }
}
