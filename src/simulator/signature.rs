//! The gateway's side of SDK-HMAC-SHA256: reads what a request claims and works it out again.
//!
//! Written apart from the exporter's own signing and sharing nothing with it, so that the two can only agree
//! when both are right.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// What the `Authorization` header claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) access: String,
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
}

/// A request as the gateway received it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) method: &'a str,
    /// Path and query, still encoded.
    pub(super) target: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

impl Claim {
    /// Reads `SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`.
    pub(super) fn parse(authorization: &str) -> Option<Self> {
        let fields = authorization.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let field = |name: &str| {
            let found =
                fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))?;
            Some(found.to_owned())
        };
        let signed_headers: Vec<String> = field("SignedHeaders")?.split(';').map(str::to_owned).collect();
        Some(Self { access: field("Access")?, signed_headers, signature: field("Signature")? })
    }
}

impl Received<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The canonical request over the headers that the claim lists; a header that did not come is empty.
    pub(super) fn canonical(&self, signed_headers: &[String]) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let mut text = format!("{}\n{}\n{}\n", self.method.to_uppercase(), uri(path), canonical_query(query));
        for name in signed_headers {
            text.push_str(&format!("{name}:{}\n", self.header(name).unwrap_or_default()));
        }
        let payload = match self.header("x-sdk-content-sha256") {
            Some("UNSIGNED-PAYLOAD") => "UNSIGNED-PAYLOAD".to_owned(),
            _ => hex::encode(Sha256::digest(self.body)),
        };
        text.push_str(&format!("\n{}\n{payload}", signed_headers.join(";")));
        text
    }
}

/// The signature that belongs to a canonical request.
pub(super) fn signature(secret: &str, date: &str, canonical: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{ALGORITHM}\n{date}\n{hash}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The path with each segment encoded anew and a slash at its end.
fn uri(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(|segment| encode(decode(segment))).collect();
    let mut uri = segments.join("/");
    if !uri.ends_with('/') {
        uri.push('/');
    }
    uri
}

fn canonical_query(query: &str) -> String {
    let mut pairs = pairs(query);
    pairs.sort();
    let encoded: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    encoded.join("&")
}

/// The decoded pairs of a query. A plus is a plus.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (lossy(key), lossy(value))
        })
        .collect()
}

fn lossy(text: &str) -> String {
    String::from_utf8_lossy(&decode(text)).into_owned()
}

fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let value = pair.and_then(|pair| hex::decode(pair).ok());
        at += if value.is_some() { 3 } else { 1 };
        decoded.push(value.map_or(byte, |value| value[0]));
    }
    decoded
}

fn encode(text: impl AsRef<[u8]>) -> String {
    let mut encoded = String::new();
    for &byte in text.as_ref() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let text = include_str!("../../tests/fixtures/signing-vectors.json");
        let file: Value = serde_json::from_str(text).unwrap();
        file["vectors"].as_array().unwrap().clone()
    }

    /// The target as a client puts it on the wire; one vector keeps what its library would still have to encode.
    fn wire_target(vector: &Value) -> String {
        let target = vector["expect"]["wire_target"].as_str().unwrap();
        match target.split_once('?') {
            Some(_) => target.to_owned(),
            None => target.split('/').map(encode).collect::<Vec<_>>().join("/"),
        }
    }

    #[test]
    fn every_vector_of_the_official_signer_verifies() {
        let vectors = vectors();
        for vector in &vectors {
            let (input, expect) = (&vector["input"], &vector["expect"]);
            let headers = expect["wire_headers"].as_object().unwrap();
            let headers: Vec<_> =
                headers.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
            let target = wire_target(vector);
            let body = input["body"].as_str().unwrap_or_default().as_bytes();
            let method = input["method"].as_str().unwrap();
            let received = Received { method, target: &target, headers: &headers, body };
            let claim = Claim::parse(received.header("Authorization").unwrap()).unwrap();
            let canonical = received.canonical(&claim.signed_headers);
            assert_eq!(canonical, expect["canonical_request"].as_str().unwrap(), "{}", vector["name"]);
            let date = received.header("X-Sdk-Date").unwrap();
            let signature = signature(vector["sk"].as_str().unwrap(), date, &canonical);
            assert_eq!(signature, claim.signature, "{}", vector["name"]);
        }
        assert_eq!(vectors.len(), 23);
    }

    #[test]
    fn other_schemes_and_missing_fields_are_no_claim() {
        for text in [
            "",
            "Bearer x",
            "SDK-HMAC-SHA256 Access=a",
            "SDK-HMAC-SM3 Access=a, SignedHeaders=b, Signature=c",
        ] {
            assert_eq!(Claim::parse(text), None, "{text}");
        }
    }
}
