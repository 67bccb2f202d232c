//! An answer before it goes over the wire.

use serde_json::{Value, json};

/// Status, headers and body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// JSON that a fault may still spoil, or bytes as they are.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Json(Value),
    Bytes(Vec<u8>),
}

impl Answer {
    pub(super) fn new(status: u16, json: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(json) }
    }

    pub(super) fn ok(json: Value) -> Self {
        Self::new(200, json)
    }

    pub(super) fn bytes(status: u16, content_type: &str, body: &[u8]) -> Self {
        let answer = Self { status, headers: Vec::new(), body: Body::Bytes(body.to_vec()) };
        answer.with("Content-Type", content_type)
    }

    /// The envelope of SMS and of the gateway.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, json!({"error_code": code, "error_msg": message}))
    }

    /// The refusal of the gateway, whose message always begins the same.
    pub(super) fn unauthorised(cause: &str) -> Self {
        let message = format!("Incorrect IAM authentication information: {cause}");
        Self::new(
            401,
            json!({"error_code": "APIGW.0301", "error_msg": message, "request_id": "8080d377bffeb6d519b0567c09cebe6b"}),
        )
    }

    pub(super) fn forbidden(what: &str) -> Self {
        let message =
            format!("You do not have permission to perform action sms:server:queryServer on {what}.");
        Self::new(
            403,
            json!({
                "error_code": "SMS.9004",
                "error_msg": format!("The current account does not have the permission to execute policy {message}"),
                "encoded_authorization_message": "XXXXXX",
                "error_param": [message],
                "details": [{"error_code": "SMS.9004", "error_msg": message}],
            }),
        )
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[cfg(test)]
    pub(super) fn json(&self) -> Option<Value> {
        match &self.body {
            Body::Json(json) => Some(json.clone()),
            Body::Bytes(bytes) => serde_json::from_slice(bytes).ok(),
        }
    }
}
