//! Requests to the services that give credentials and ids.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::Value;

use super::echo::BodySecrets;
use super::error::AuthError;
use super::http::{Answer, Transport};
use super::said::Said;

/// The identity service.
pub(super) const IAM: Service = Service {
    name: "the identity service (IAM)",
    advice: "check the keys, or the user's name, account and password, and that the user may use the API",
};

/// The security token service.
pub(super) const STS: Service = Service {
    name: "the security token service (STS)",
    advice: "check the keys, or the OIDC provider, agency and token",
};

/// A service that gives credentials or ids, as a message names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// What to look after when it refuses.
    pub(super) advice: &'static str,
}

impl Service {
    /// Sends a request and takes a good answer.
    pub(super) async fn ask(
        self,
        transport: &Transport,
        operation: &'static str,
        request: Request<Bytes>,
    ) -> Result<Answer, AuthError> {
        self.good(self.send(transport, operation, request).await?)
    }

    /// Sends a request and takes any answer.
    pub(super) async fn send(
        self,
        transport: &Transport,
        operation: &'static str,
        request: Request<Bytes>,
    ) -> Result<Answer, AuthError> {
        let failed = |source| AuthError::Transport { service: self.name, source };
        transport.send(operation, request).await.map_err(failed)
    }

    /// The answer if its status is one of success, else what it says.
    pub(super) fn good(self, answer: Answer) -> Result<Answer, AuthError> {
        let Self { name: service, advice } = self;
        let status = answer.status;
        if status.is_success() {
            return Ok(answer);
        }
        let said = Said::read(&answer.body);
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            return Err(AuthError::Refused { service, status, said, advice });
        }
        Err(AuthError::Failed { service, status, said })
    }

    /// The answer's body as JSON.
    pub(super) fn json(self, answer: &Answer) -> Result<Value, AuthError> {
        serde_json::from_slice(&answer.body).map_err(|_| self.lacks("a JSON body"))
    }

    /// The complaint that an answer lacks something.
    pub(super) fn lacks(self, what: &'static str) -> AuthError {
        AuthError::Malformed { service: self.name, what }
    }
}

/// A request to `url`; a header's value that may be secret is never shown by `Debug`.
pub(super) fn request(
    method: Method,
    url: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<Request<Bytes>, AuthError> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(|_| AuthError::Target)?;
    *request.headers_mut() = header_map(headers)?;
    Ok(request)
}

/// A POST of JSON to `url`; `secret` is the one in its body.
pub(super) fn post(
    url: &str,
    headers: &[(&'static str, &str)],
    body: &Value,
    secret: Option<&SecretString>,
) -> Result<Request<Bytes>, AuthError> {
    let headers = [headers, &[("content-type", "application/json;charset=UTF-8")]].concat();
    let mut request = request(Method::POST, url, &headers, Bytes::from(body.to_string()))?;
    request.extensions_mut().insert(BodySecrets(secret.into_iter().cloned().collect()));
    Ok(request)
}

/// Headers, each marked as sensitive: `Debug` hides them, and HTTP/2 would not index them.
pub(super) fn header_map<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> Result<HeaderMap, AuthError> {
    let mut map = HeaderMap::with_capacity(headers.len() + 4);
    for (name, value) in headers {
        let name = HeaderName::try_from(name.as_ref()).map_err(|_| AuthError::Characters)?;
        let mut value = HeaderValue::try_from(value.as_ref()).map_err(|_| AuthError::Characters)?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}

/// The text of a header that holds a token.
pub(super) fn token(answer: &Answer, header: &str) -> Option<SecretString> {
    let value = answer.headers.get(header)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.into())
}

/// The text at a path of names in JSON; empty is absent.
pub(super) fn text<'a>(json: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(json, |json, name| json.get(name))?.as_str().filter(|text| !text.is_empty())
}
