//! `SDK-HMAC-SHA256`, as the vendor's official Python SDK computes it, to the byte.
//!
//! Everything here is pure: the time is an argument, and nothing is sent. The quirks of the
//! official signer are kept, because the service verifies what that signer makes: it decodes the
//! path before it encodes it, ends the canonical path with a slash that the wire does not have,
//! and takes every header without an underscore into the signature.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::secret::reveal;
use crate::model::Timestamp;

/// Name of the algorithm, first in the string to sign and in the header.
const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// Carries the payload's hash, or says that the payload is not signed.
const CONTENT_HASH: &str = "X-Sdk-Content-Sha256";

/// Carries the time of signing; the service refuses more than 15 minutes of difference.
const DATE: &str = "X-Sdk-Date";

/// An access key, with the token that belongs to it if it is temporary. `Debug` shows no secret.
#[derive(Clone)]
pub struct Keys {
    /// The access key id.
    pub access_key: String,
    /// The secret key.
    pub secret_key: SecretString,
    /// The token of a temporary key, sent and signed as `X-Security-Token`.
    pub security_token: Option<SecretString>,
}

/// A request before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method, in any case.
    pub method: &'a str,
    /// Host and port, the port only where it is not the scheme's own.
    pub host: &'a str,
    /// The path as it goes over the wire.
    pub path: &'a str,
    /// Names and values, not encoded, in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// Headers to send; all are signed but those with an underscore in their names.
    pub headers: &'a [(&'a str, &'a str)],
    /// The exact bytes of the body.
    pub body: &'a [u8],
}

/// What a signed request sends. `Debug` shows the headers' names only.
#[derive(Clone)]
pub struct Signed {
    /// Path and query of the request line.
    pub target: String,
    /// All headers, the signature among them.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("access_key", &shortened(&self.access_key))
            .field("temporary", &self.security_token.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Signed").field("target", &self.target).field("headers", &names).finish()
    }
}

/// The first four characters of an access key id: enough to tell keys apart, too few to use.
#[must_use]
pub fn shortened(access_key: &str) -> String {
    access_key.chars().take(4).chain(['…']).collect()
}

/// Signs a request: adds host, date, security token and signature to its headers.
///
/// An `X-Sdk-Date` or `Host` among the headers is kept.
#[must_use]
pub fn sign(keys: &Keys, unsigned: &Unsigned<'_>, now: Timestamp) -> Signed {
    let mut headers = unsigned.headers.to_vec();
    // An empty token is no token: the header would be refused.
    let token = keys.security_token.as_ref().map(reveal).filter(|token| !token.is_empty());
    headers.extend(token.map(|token| ("X-Security-Token", token)));
    let date = match find(&headers, DATE) {
        Some(date) => date.trim().to_owned(),
        None => date(now),
    };
    if find(&headers, DATE).is_none() {
        headers.push((DATE, &date));
    }
    let unsigned = Unsigned { headers: &headers, ..*unsigned };
    let authorization = authorization(keys, &unsigned, &date);
    let mut headers = complete(&unsigned);
    headers.push(("Authorization".to_owned(), authorization));
    Signed { target: target(unsigned.path, unsigned.query), headers }
}

/// The value of the `Authorization` header; `date` is that of the headers.
#[must_use]
pub fn authorization(keys: &Keys, unsigned: &Unsigned<'_>, date: &str) -> String {
    let text = string_to_sign(&canonical_request(unsigned), date);
    let signature = signature(&keys.secret_key, &text);
    let signed = signed_names(&complete(unsigned)).join(";");
    format!("{ALGORITHM} Access={}, SignedHeaders={signed}, Signature={signature}", keys.access_key)
}

/// The canonical form of a request, whose hash is signed.
#[must_use]
pub fn canonical_request(unsigned: &Unsigned<'_>) -> String {
    let headers = complete(unsigned);
    let names = signed_names(&headers);
    let lines: String = names.iter().map(|name| format!("{name}:{}\n", last(&headers, name))).collect();
    let Unsigned { method, path, query, body, .. } = unsigned;
    format!(
        "{}\n{}\n{}\n{lines}\n{}\n{}",
        method.to_uppercase(),
        canonical_path(path),
        canonical_query(query),
        names.join(";"),
        payload_hash(&headers, body),
    )
}

/// What the secret key signs.
#[must_use]
pub fn string_to_sign(canonical_request: &str, date: &str) -> String {
    format!("{ALGORITHM}\n{date}\n{}", sha256(canonical_request.as_bytes()))
}

/// The signature of a text, in lower-case hexadecimal.
#[must_use]
pub fn signature(secret_key: &SecretString, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(reveal(secret_key).as_bytes())
        .expect("HMAC accepts keys of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Path and query as they go over the wire: the canonical query verbatim.
#[must_use]
pub fn target(path: &str, query: &[(&str, &str)]) -> String {
    let query = canonical_query(query);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The query, sorted by its raw names and then values, both encoded.
#[must_use]
pub fn canonical_query(query: &[(&str, &str)]) -> String {
    let mut pairs = query.to_vec();
    pairs.sort_unstable();
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// Percent-encodes everything but `A-Z a-z 0-9 - . _ ~`, as UTF-8 in upper-case hexadecimal.
#[must_use]
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    encoded
}

/// An instant as `X-Sdk-Date` has it: UTC to the second.
#[must_use]
pub fn date(now: Timestamp) -> String {
    let instant = jiff::Timestamp::from_millisecond(now.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The path for signing: decoded, each segment encoded, with a slash at its end.
fn canonical_path(path: &str) -> String {
    let decoded = decode(path);
    let mut path = decoded.split('/').map(encode).collect::<Vec<_>>().join("/");
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// Undoes percent-encoding; what is not UTF-8 becomes U+FFFD, what is no escape stays.
fn decode(text: &str) -> String {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let Some((&byte, rest)) = bytes.split_first() {
        let escape = match rest {
            [high, low, ..] if byte == b'%' => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        decoded.push(escape.map_or(byte, |(high, low)| high * 16 + low));
        bytes = rest.get(if escape.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The headers with host and the mark of an unsigned payload, values trimmed.
fn complete(unsigned: &Unsigned<'_>) -> Vec<(String, String)> {
    let mut headers = unsigned.headers.to_vec();
    // Exactly this spelling: the official signer looks the name up as it is sent.
    let content_type = headers.iter().find(|(name, _)| *name == "Content-Type");
    let json = |kind: &str| kind.starts_with("application/json") || kind.starts_with("application/bson");
    if content_type.is_some_and(|(_, kind)| !kind.is_empty() && !json(kind)) {
        headers.retain(|(name, _)| *name != CONTENT_HASH);
        headers.push((CONTENT_HASH, "UNSIGNED-PAYLOAD"));
    }
    if find(&headers, "Host").is_none() {
        headers.push(("Host", unsigned.host));
    }
    headers.into_iter().map(|(name, value)| (name.to_owned(), trim(value).to_owned())).collect()
}

/// White space as Python's `str.strip` knows it: four control characters more than Rust's.
fn trim(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

fn signed_names(headers: &[(String, String)]) -> Vec<String> {
    let mut names: Vec<_> =
        headers.iter().filter(|(name, _)| !name.contains('_')).map(|(name, _)| name.to_lowercase()).collect();
    names.sort_unstable();
    names
}

/// The value of the last header of that lower-case name.
fn last<'a>(headers: &'a [(String, String)], lower: &str) -> &'a str {
    headers.iter().rev().find(|(name, _)| name.to_lowercase() == lower).map_or("", |(_, value)| value)
}

fn find<'a>(headers: &[(&str, &'a str)], sought: &str) -> Option<&'a str> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(sought)).map(|(_, value)| *value)
}

fn payload_hash(headers: &[(String, String)], body: &[u8]) -> String {
    let given = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_HASH));
    match given {
        // The hash of an empty body wins over the header: so does the official signer.
        Some((_, value)) if !body.is_empty() && !value.is_empty() => value.clone(),
        Some(_) | None => sha256(body),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
