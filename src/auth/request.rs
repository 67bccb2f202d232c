//! A request of ours, with what shows who asks.

use ::http::{HeaderMap, Method, Request};
use bytes::Bytes;

use super::credentials::{Identity, Obtained};
use super::error::AuthError;
use super::exchange;
use super::secret::reveal;
use super::sign::{self, Unsigned};
use crate::config::Endpoint;
use crate::model::Timestamp;

/// A GET whose target and host reach the service as they were signed.
pub(super) fn get(
    obtained: &Obtained,
    endpoint: &Endpoint,
    path: &str,
    query: &[(&str, &str)],
    scope: Option<(&str, &str)>,
    now: Timestamp,
) -> Result<Request<Bytes>, AuthError> {
    let (target, headers) = authenticated(obtained, endpoint, path, query, scope, now)?;
    let url = format!("{}{target}", endpoint.origin());
    if !is_kept(&url, path, &sign::canonical_query(query)) {
        return Err(AuthError::Target);
    }
    let mut request = exchange::request(Method::GET, &url, &[], Bytes::new())?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Target and headers of a GET, signed or with the token; `scope` is a header to send along.
fn authenticated(
    obtained: &Obtained,
    endpoint: &Endpoint,
    path: &str,
    query: &[(&str, &str)],
    scope: Option<(&str, &str)>,
    now: Timestamp,
) -> Result<(String, HeaderMap), AuthError> {
    let mut headers = vec![("Content-Type", "application/json")];
    match &obtained.identity {
        Identity::Keys(keys) => {
            headers.extend(scope);
            let host = endpoint.authority();
            let unsigned = Unsigned { method: "GET", host, path, query, headers: &headers, body: b"" };
            let signed = sign::sign(keys, &unsigned, now);
            Ok((signed.target, exchange::header_map(&signed.headers)?))
        }
        // The token knows its scope: a header that says otherwise could only contradict it.
        Identity::Token(token) => {
            headers.push(("Host", endpoint.authority()));
            headers.push(("X-Auth-Token", reveal(token)));
            Ok((sign::target(path, query), exchange::header_map(&headers)?))
        }
    }
}

/// Whether the URL library sends path and query as they are: it resolves dots and encodes what it must.
fn is_kept(url: &str, path: &str, query: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| {
        url.path() == path && url.query().unwrap_or_default() == query && url.fragment().is_none()
    })
}
