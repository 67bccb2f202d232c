//! Why an operation failed: a closed set, made once, at the edge.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::wire::PageError;
use crate::auth::http::TransportError;
use crate::auth::{AuthError, without_token};

/// The longest message of the service that an error repeats, in characters.
const LONGEST: usize = 300;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No credentials, or they were refused before.
    #[error("cannot sign the request")]
    Auth(#[from] AuthError),
    /// No answer.
    #[error("no answer from the service")]
    Transport(#[from] TransportError),
    /// An answer that is not a success.
    #[error("the service answered {0}")]
    Refused(Refusal),
    /// An answer that is not what the API documents.
    #[error("the answer is not what the API documents")]
    Malformed(#[source] PageError),
    /// A list whose objects and count do not fit, twice.
    #[error("the list is incomplete: the service counts {expected} objects and {received} came")]
    Incomplete {
        /// `count`, as the service said last.
        expected: u64,
        /// Objects that came.
        received: u64,
    },
    /// A list that is longer than offsets reach, even in slices.
    #[error("the list is too long to be read: {what} has {count} objects, and pages reach {reach}")]
    TooLong {
        /// The list, or the slice of it.
        what: String,
        /// How many objects the service counts.
        count: u64,
        /// How many can be read.
        reach: u64,
    },
    /// A list that lost most of itself at once; it is believed when it goes on saying so.
    #[error(
        "the list lost {lost} of its {had} objects at once; it is believed when it has said so for ten minutes"
    )]
    Implausible {
        /// How many objects were there.
        had: u64,
        /// How many of them are missing.
        lost: u64,
        /// `count`, where the service said it.
        expected: Option<u64>,
    },
    /// A fault of the exporter's own.
    #[error("a fault of the exporter: {0}")]
    Panicked(String),
    /// The poll's time was over.
    #[error("the poll's time was over before the request could be made")]
    Deadline,
}

impl ApiError {
    /// Every value of [`Self::reason`].
    pub const REASONS: [&'static str; 16] = [
        "auth",
        "connect",
        "timeout",
        "too_long",
        "broken",
        "unauthorized",
        "forbidden",
        "throttled",
        "server_error",
        "client_error",
        "redirected",
        "malformed",
        "incomplete",
        "implausible",
        "panic",
        "deadline",
    ];

    /// The `reason` label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Auth(error) => of_credentials(error),
            Self::Transport(error) => of_transport(error),
            Self::Refused(refusal) => of_status(refusal.status),
            Self::Malformed(_) => "malformed",
            Self::Incomplete { .. } | Self::TooLong { .. } => "incomplete",
            Self::Implausible { .. } => "implausible",
            Self::Panicked(_) => "panic",
            Self::Deadline => "deadline",
        }
    }

    /// Whether the service refused because it was asked too often.
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == StatusCode::TOO_MANY_REQUESTS)
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(TransportError::Connect(_) | TransportError::Broken(_)) => true,
            Self::Refused(refusal) => matches!(refusal.status.as_u16(), 429 | 500 | 502 | 503 | 504),
            Self::Transport(TransportError::Timeout(_) | TransportError::TooLong(_))
            | Self::Auth(_)
            | Self::Malformed(_)
            | Self::Incomplete { .. }
            | Self::TooLong { .. }
            | Self::Implausible { .. }
            | Self::Panicked(_)
            | Self::Deadline => false,
        }
    }

    /// Whether the next poll may well succeed although nobody changes anything: then it need not wait for long.
    #[must_use]
    pub fn is_for_now(&self) -> bool {
        self.is_transient()
            || matches!(
                self,
                Self::Transport(TransportError::Timeout(_)) | Self::Incomplete { .. } | Self::Deadline
            )
    }

    /// What a panic said.
    pub(crate) fn from_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self::Panicked(text.or_else(|| panic.downcast_ref().cloned()).unwrap_or_else(|| "a panic".to_owned()))
    }
}

/// Why there are no credentials: a network that is gone, or a service that is ill, is no fault of theirs.
fn of_credentials(error: &AuthError) -> &'static str {
    match error.root() {
        AuthError::Transport { source, .. } => of_transport(source),
        AuthError::Failed { status, .. } => of_status(*status),
        AuthError::Malformed { .. } => "malformed",
        AuthError::Unavailable { .. }
        | AuthError::Secret(_)
        | AuthError::File { .. }
        | AuthError::Setting { .. }
        | AuthError::Setup(_)
        | AuthError::Refused { .. }
        | AuthError::NoProject { .. }
        | AuthError::ManyProjects { .. }
        | AuthError::NoDomain
        | AuthError::Paused { .. }
        | AuthError::Target
        | AuthError::Characters
        | AuthError::Shared(_) => "auth",
    }
}

fn of_transport(error: &TransportError) -> &'static str {
    match error {
        TransportError::Connect(_) => "connect",
        TransportError::Timeout(_) => "timeout",
        TransportError::TooLong(_) => "too_long",
        TransportError::Broken(_) => "broken",
    }
}

fn of_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "unauthorized",
        403 => "forbidden",
        429 => "throttled",
        400..=499 => "client_error",
        // Never followed: it would carry the signature, and the client's trust, elsewhere.
        300..=399 => "redirected",
        _ => "server_error",
    }
}

/// An answer that is not a success, in the words of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The service's or the gateway's code, such as `SMS.9004` or `APIGW.0308`.
    pub code: Option<String>,
    /// The message, cut.
    pub message: String,
    /// The id by which the vendor's support finds the request.
    pub request_id: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Reads whatever the service, the gateway, IAM or a proxy in between answered.
    #[must_use]
    pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let json: Option<Value> = serde_json::from_str(&text).ok();
        let (code, message) = json.as_ref().and_then(|json| envelope(json, 0)).unzip();
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let in_body = || json.as_ref()?.get("request_id")?.as_str().map(str::to_owned);
        Self {
            status,
            code,
            message: plain(&without_token(&message.unwrap_or_else(|| text.into_owned())), LONGEST),
            request_id: header("x-request-id").or_else(in_body).map(|id| plain(&id, 64)),
        }
    }

    /// Whether the service says that nothing of the kind exists: 404, or the given code.
    #[must_use]
    pub fn is_absence(&self, code: &str) -> bool {
        self.status == StatusCode::NOT_FOUND || self.code.as_deref() == Some(code)
    }
}

/// Finds a code and its message at the top level, else in what is nested.
fn envelope(json: &Value, depth: usize) -> Option<(String, String)> {
    let object = json.as_object().filter(|_| depth < 8)?;
    let pairs = [("error_code", "error_msg"), ("errorCode", "errorMsg"), ("code", "message")];
    let found = pairs.iter().find_map(|(code, message)| {
        let code = match object.get(*code)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((plain(&code, 64), object.get(*message)?.as_str()?.to_owned()))
    });
    found.or_else(|| object.values().find_map(|value| envelope(value, depth + 1)))
}

/// One line of at most `longest` characters.
fn plain(text: &str, longest: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|character| !character.is_control()).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_envelope_of_the_samples_gives_its_code_and_message() {
        let fixture = include_str!("../../tests/fixtures/quirk-samples.json");
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let shown: Vec<String> = fixture["error_envelopes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sample| {
                let status = u16::try_from(sample["http"].as_u64().unwrap()).unwrap();
                let body =
                    sample["value_text"].as_str().map_or_else(|| sample["value"].to_string(), str::to_owned);
                Refusal::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
                    .to_string()
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn the_reason_is_the_credentials_only_where_it_is_theirs() {
        let (service, said) = ("the identity service", crate::auth::Said::default());
        let timeout = || AuthError::Transport {
            service,
            source: TransportError::Timeout(std::time::Duration::from_secs(10)),
        };
        let failed = |status| AuthError::Failed { service, status, said: said.clone() };
        let reasons = [
            (timeout(), "timeout"),
            (AuthError::Shared(timeout().into()), "timeout"),
            (failed(StatusCode::BAD_GATEWAY), "server_error"),
            (failed(StatusCode::TOO_MANY_REQUESTS), "throttled"),
            (AuthError::Malformed { service, what: "a token" }, "malformed"),
            (AuthError::NoDomain, "auth"),
        ];
        for (error, reason) in reasons {
            assert_eq!(ApiError::Auth(error).reason(), reason);
            assert!(ApiError::REASONS.contains(&reason));
        }
    }

    #[test]
    fn a_message_is_one_line_and_bounded() {
        let body = format!("a\nb\u{0}c{}", "x".repeat(10_000));
        let refusal = Refusal::read(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body.as_bytes());
        assert_eq!(refusal.message.chars().count(), LONGEST);
        assert!(refusal.message.starts_with("a bcx"));
    }
}
