//! What a request shows of its sender is struck out of what comes back.
//!
//! Gateways, proxies and error pages repeat what they got: a header, a body, the canonical request. Whatever an
//! answer says is shown to people sooner or later, in a log, a page or a diagnosis, so secrets are struck out
//! of it before anybody sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use secrecy::SecretString;
use serde_json::Value;

use super::secret::reveal;

/// What stands in place of a secret.
const STRUCK: &str = "[…]";

/// Headers whose whole value is a secret.
const HEADERS: [&str; 6] = [
    "x-auth-token",
    "x-security-token",
    "x-subject-token",
    "x-metadata-token",
    "authorization",
    "proxy-authorization",
];

/// A secret of at least twice this length is known by its first so many bytes, for gateways cut what they repeat.
const BEGINNING: usize = 16;

/// In the answer to a request that succeeded, shorter ones would be found by chance.
const SHORTEST_IN_DATA: usize = 8;

/// Secrets in a request's body, which whoever made it hands over with it.
#[derive(Clone, Debug, Default)]
pub(super) struct BodySecrets(pub(super) Vec<SecretString>);

/// The secrets that a request shows. `Debug` shows none.
#[derive(Debug, Default)]
pub(super) struct Sent {
    secrets: Vec<SecretString>,
    /// How many of them, from the first on, are good for other requests: those are looked for in data as well.
    lasting: usize,
}

impl Sent {
    /// What a request shows, to the service or to a proxy on the way.
    pub(super) fn of(request: &Request<Bytes>, proxy: Option<&SecretString>) -> Self {
        let mut sent = Self::default();
        let headers = request.headers();
        let tokens = HEADERS.iter().filter(|name| !name.ends_with("authorization"));
        sent.add(tokens.filter_map(|name| text(headers.get(*name)?)));
        let bodies = request.extensions().get::<BodySecrets>();
        sent.add(bodies.iter().flat_map(|secrets| secrets.0.iter().map(|secret| reveal(secret).to_owned())));
        sent.add(proxy.iter().flat_map(|url| of_proxy(url)));
        sent.lasting = sent.secrets.len();
        let authorizations = headers.get("authorization").and_then(text);
        sent.add(authorizations.iter().flat_map(|value| {
            // A gateway may repeat the parts of the header and not the whole.
            let part = value.rsplit(['=', ' ']).next().filter(|part| part.len() >= SHORTEST_IN_DATA);
            [value.clone(), part.unwrap_or_default().to_owned()]
        }));
        sent
    }

    fn add(&mut self, secrets: impl Iterator<Item = String>) {
        self.secrets.extend(secrets.filter(|secret| !secret.is_empty()).map(SecretString::from));
    }

    /// A body without the secrets: in every form where it tells of a failure, as they were sent where it is data.
    pub(super) fn strike_body(&self, body: Bytes, is_data: bool) -> Bytes {
        if self.secrets.is_empty() {
            return body;
        }
        if is_data {
            let lasting = self.secrets.iter().take(self.lasting).map(reveal);
            let mut found =
                lasting.filter(|secret| secret.len() >= SHORTEST_IN_DATA && contains(&body, secret));
            return if found.next().is_some() { self.strike_text(&body).into() } else { body };
        }
        // Their letters may be written as escapes, so that they are found only once they are read.
        if let Ok(mut json) = serde_json::from_slice::<Value>(&body)
            && self.strike_json(&mut json)
        {
            return self.strike(&json.to_string()).into();
        }
        self.strike_text(&body).into()
    }

    /// Headers without the secrets.
    pub(super) fn strike_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let Some(shown) = text(value) else { continue };
            let struck = self.strike(&shown);
            if struck != shown {
                // What stands in place of a secret is not plain ASCII, which no header needs to be.
                *value = HeaderValue::from_bytes(struck.as_bytes())
                    .unwrap_or_else(|_| HeaderValue::from_static("…"));
            }
        }
    }

    fn strike_text(&self, body: &[u8]) -> String {
        self.strike(&String::from_utf8_lossy(body))
    }

    /// Whether there was any in the texts of a value.
    fn strike_json(&self, json: &mut Value) -> bool {
        match json {
            Value::String(text) => {
                let struck = self.strike(text);
                let any = struck != *text;
                *text = struck;
                any
            }
            Value::Array(values) => values.iter_mut().fold(false, |any, value| self.strike_json(value) | any),
            Value::Object(values) => {
                values.values_mut().fold(false, |any, value| self.strike_json(value) | any)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn strike(&self, text: &str) -> String {
        self.secrets.iter().map(reveal).fold(text.to_owned(), |text, secret| {
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let text = without(&text, secret);
            if encoded == secret { text } else { without(&text, &encoded) }
        })
    }
}

/// A text without a secret, whatever the case of its letters, and without the beginnings of a long one.
fn without(text: &str, secret: &str) -> String {
    let (lower, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let is_cut = secret.len() >= 2 * BEGINNING && !secret.starts_with("sdk-hmac");
    let beginning = secret.get(..BEGINNING).filter(|_| is_cut).unwrap_or(&secret);
    let (mut kept, mut rest) = (String::with_capacity(text.len()), 0);
    while let Some(at) = lower.get(rest..).and_then(|tail| tail.find(beginning)) {
        let begin = rest + at;
        let tail = lower.get(begin..).unwrap_or_default();
        let same = tail.chars().zip(secret.chars()).take_while(|(one, other)| one == other);
        let length: usize = same.map(|(one, _)| one.len_utf8()).sum();
        kept.push_str(text.get(rest..begin).unwrap_or_default());
        kept.push_str(STRUCK);
        rest = begin + length;
    }
    kept.push_str(text.get(rest..).unwrap_or_default());
    kept
}

/// A proxy's password, and what the header is made of it.
fn of_proxy(url: &SecretString) -> Vec<String> {
    let Ok(url) = reqwest::Url::parse(reveal(url)) else { return Vec::new() };
    let decoded = |text: &str| {
        // Of a form, a plus would be a space.
        let text = text.replace('+', "%2B");
        form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
    };
    let Some(password) = url.password() else { return Vec::new() };
    let (user, plain) = (decoded(url.username()), decoded(password));
    vec![STANDARD.encode(format!("{user}:{plain}")), plain, password.to_owned()]
}

fn text(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(str::to_owned)
}

fn contains(body: &[u8], secret: &str) -> bool {
    body.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const TOKEN: &str = "MIIEmarked+token/of=48.characters-and.a.few.more";

    fn sent() -> Sent {
        let request = Request::get("https://sms.example.com/")
            .header("X-Auth-Token", TOKEN)
            .header(
                "Authorization",
                "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=0123marked4567",
            )
            .extension(BodySecrets(vec!["pass\"marked".to_owned().into()]))
            .body(Bytes::new())
            .unwrap();
        Sent::of(&request, Some(&"http://user:m%23arked@proxy".to_owned().into()))
    }

    fn struck(body: &str, is_data: bool) -> String {
        let body = sent().strike_body(Bytes::from(body.to_owned()), is_data);
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn no_echo_of_a_secret_is_left_in_a_failure_in_whatever_form() {
        let json = serde_json::json!({ "a": [{ "error_msg": format!("{TOKEN} and pass\"marked") }] });
        let escaped = json.to_string().replace('=', "\\u003d").replace('/', "\\/");
        let percent: String = form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
        let base64 = STANDARD.encode("user:m#arked");
        for echo in [
            format!("<html>X-Auth-Token: {TOKEN}</html>"),
            json.to_string(),
            escaped,
            percent,
            TOKEN.to_uppercase(),
            format!("{}…", TOKEN.get(..24).unwrap()),
            "Signature=0123marked4567; SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=0123marked4567".into(),
            format!("Basic {base64}, m#arked, m%23arked"),
        ] {
            let told = struck(&echo, false);
            let lower = told.to_lowercase();
            assert!(!lower.contains("arked") && !told.contains(&base64) && told.contains(STRUCK), "{told}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        for text in
            ["", "{\"count\": 1}", "ak AK not exist, expected SDK-HMAC-SHA256 Access", "MIIE", "\u{e9}"]
        {
            assert_eq!(struck(text, false), text);
            assert_eq!(struck(text, true), text);
        }
        let bytes = Bytes::from_static(b"\xff\xfe data that is no text");
        assert_eq!(sent().strike_body(bytes.clone(), true), bytes);
    }

    #[test]
    fn data_and_headers_are_rid_of_what_serves_for_other_requests() {
        let told = struck(&format!("{{\"name\":\"{TOKEN}\"}}"), true);
        assert_eq!(told, format!("{{\"name\":\"{STRUCK}\"}}"));
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-request-id"), HeaderValue::from_static(TOKEN));
        sent().strike_headers(&mut headers);
        assert!(!format!("{headers:?}").contains("marked"), "{headers:?}");
        assert!(!format!("{:?}", sent()).contains("marked"));
    }
}
