//! One way to the wire for every request of ours: bounded in time and bytes, never redirected.

mod clients;

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use super::echo::Sent;
use super::guard::Permit;
use super::proxy::Proxy;
use super::standing::Ticket;
use crate::config::Endpoint;
use clients::{Client, Clients, Route, is_closed};

/// Time for the machine's own services, which answer at once or are not there; as in the vendor's SDKs.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(3);

/// The mark that some editors and services put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A body that is announced as longer than this gets its memory as it comes, and not before.
const ORDINARY: usize = 2 * 1024 * 1024;

/// Told of what goes over the wire, so that the rooms above can count it.
///
/// Every method does nothing by itself; `operation` is one of a closed set such as `list_sources`.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request ended: with a status, or (`None`) without an answer.
    fn request(&self, operation: &'static str, status: Option<StatusCode>, elapsed: Duration) {
        let _ = (operation, status, elapsed);
    }

    /// A request will be tried again.
    fn retry(&self, operation: &'static str, reason: &'static str) {
        let _ = (operation, reason);
    }

    /// The service answered that it is asked too often.
    fn throttled(&self, operation: &'static str) {
        let _ = operation;
    }

    /// A request waited for its turn.
    fn waited(&self, time: Duration) {
        let _ = time;
    }

    /// The rate at which requests may go now, in requests a second.
    fn rate(&self, requests_per_second: f64) {
        let _ = requests_per_second;
    }

    /// Credentials were refused.
    fn refused(&self) {}

    /// Temporary credentials end at this instant (milliseconds since the epoch), or are permanent.
    fn expiry(&self, at: Option<crate::model::Timestamp>) {
        let _ = at;
    }
}

/// An observer that watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// What bounds a request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the start to the last byte of the answer.
    pub request: Duration,
    /// To make a connection.
    pub connect: Duration,
    /// The longest answer in bytes, after decompression.
    pub body: usize,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// What the way to the wire is made of cannot be used, such as a file of certificates.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// No connection: name, port, TLS.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// No complete answer in time.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The answer is longer than the bound.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke, or the answer is not HTTP.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    /// The answer is compressed in a way that was not asked for, or does not inflate.
    #[error("the answer cannot be decompressed")]
    Encoding(#[source] std::io::Error),
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of root certificates cannot be read.
    #[error("cannot read the certificates in {0}")]
    Certificates(std::path::PathBuf, #[source] std::io::Error),
    /// The file of root certificates holds no certificate.
    #[error("{0} holds no PEM certificate")]
    NoCertificate(std::path::PathBuf),
    /// The proxy is not a URL; says where it stands.
    #[error(
        "{0}: not the URL of a proxy such as http://proxy.example.com:3128 (or https, socks5, socks5h); \
         in a user or password, signs such as # / ? @ are written %23 %2F %3F %40"
    )]
    Proxy(String),
    /// The place where the proxy's URL should stand holds none.
    #[error("cannot read the proxy's URL")]
    NoProxy(#[source] crate::config::SecretError),
    /// The TLS library refused.
    #[error(
        "cannot set up TLS: are root certificates installed (package ca-certificates, or SSL_CERT_FILE)?"
    )]
    Client(#[source] reqwest::Error),
}

/// The way to the wire. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Transport {
    clients: Arc<Clients>,
    bounds: Bounds,
    observer: Arc<dyn Observer>,
    /// Of requests that carry no ticket.
    permit: Option<Arc<Permit>>,
}

impl Transport {
    /// A transport with these bounds; `roots` (PEM) add to the system's. Authorities are looked for by the first
    /// request that needs them, and not here.
    ///
    /// # Errors
    ///
    /// An unreadable certificate or proxy; see [`SetupError`].
    pub(super) fn new(
        bounds: Bounds,
        proxy: Proxy,
        roots: Option<&std::path::Path>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SetupError> {
        // Fails only where a provider is installed already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let clients = Clients::new(bounds, proxy, roots.map(Into::into));
        clients.check()?;
        Ok(Self { clients: Arc::new(clients), bounds, observer, permit: None })
    }

    /// The same for requests that show what this permits to show.
    pub(super) fn holding(&self, permit: Option<Arc<Permit>>) -> Self {
        Self { permit, ..self.clone() }
    }

    /// A transport to the machine's own services: past every proxy, and with little patience.
    #[must_use]
    pub fn local(&self) -> Self {
        let bounds = Bounds {
            request: self.bounds.request.min(LOCAL_TIMEOUT),
            connect: self.bounds.connect.min(LOCAL_TIMEOUT),
            body: self.bounds.body,
        };
        Self { clients: Arc::new(self.clients.past_proxies(bounds)), bounds, ..self.clone() }
    }

    /// Whether what it is made of can still be used; says what cannot.
    ///
    /// # Errors
    ///
    /// See [`SetupError`].
    pub fn check(&self) -> Result<(), SetupError> {
        self.clients.check()
    }

    /// Whether requests to an endpoint can be begun: as [`Self::check`], and with the authorities that they need.
    ///
    /// # Errors
    ///
    /// See [`SetupError`].
    pub fn check_for(&self, endpoint: &Endpoint) -> Result<(), SetupError> {
        let uri = endpoint.origin().parse().unwrap_or_default();
        self.clients.of(self.clients.route(&uri)).map(drop)
    }

    /// Begins anew: the next requests make connections of their own, from what stands in the files now.
    pub fn renew(&self) {
        self.clients.renew();
    }

    /// Which proxy requests to an endpoint go through, and why, in words without a secret.
    #[must_use]
    pub fn proxy_for(&self, endpoint: &Endpoint) -> String {
        self.clients.proxy().describe(endpoint)
    }

    /// Whether requests to an endpoint go through a proxy.
    #[must_use]
    pub fn is_proxied(&self, endpoint: &Endpoint) -> bool {
        let uri = endpoint.origin().parse().unwrap_or_default();
        self.clients.route(&uri) == Route::Proxied
    }

    /// Who is told of what goes over the wire.
    #[must_use]
    pub fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// Sends one request and reads its answer to the end, within the bounds. What the request shows of its sender
    /// is struck out of the answer.
    ///
    /// # Errors
    ///
    /// No connection, no answer in time, an answer that is too long or breaks off. A status such as
    /// 500 is an answer.
    pub async fn send(
        &self,
        operation: &'static str,
        request: http::Request<Bytes>,
    ) -> Result<Answer, TransportError> {
        let begin = Instant::now();
        let permit = Ticket::of(&request).permit.or_else(|| self.permit.clone());
        permit.iter().for_each(|permit| permit.sent());
        let exchange = tokio::time::timeout(self.bounds.request, self.exchange(request)).await;
        let result = exchange.unwrap_or(Err(TransportError::Timeout(self.bounds.request)));
        permit.iter().for_each(|permit| permit.answered());
        let status = result.as_ref().ok().map(|answer| answer.status);
        self.observer.request(operation, status, begin.elapsed());
        result
    }

    async fn exchange(&self, request: http::Request<Bytes>) -> Result<Answer, TransportError> {
        let client = self.clients.of(self.clients.route(request.uri()))?;
        let sent = Sent::of(&request, client.proxy());
        let request = reqwest::Request::try_from(request).map_err(TransportError::Broken)?;
        let response = self.head(&client, request).await?;
        let (status, mut headers) = (response.status(), response.headers().clone());
        let body = inflated(self.body(response).await?, &headers, self.bounds.body)?;
        let body = sent.strike_body(body, status.is_success());
        sent.strike_headers(&mut headers);
        Ok(Answer { status, headers, body })
    }

    /// The head of the answer. A kept connection may be closed at its other end while a request is on its way: what
    /// fails before an answer has begun goes once more at once, over a connection of its own.
    async fn head(
        &self,
        client: &Client,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, TransportError> {
        let may_repeat = client.has_answered() && request.method().is_idempotent();
        let again = if may_repeat { request.try_clone() } else { None };
        let mut result = client.pooled().execute(request).await;
        if let (Some(again), Err(error)) = (again, &result)
            && is_closed(error)
        {
            tracing::debug!("A kept connection was closed; the request goes over a new one");
            result = client.single()?.execute(again).await;
        }
        let response = result.map_err(|error| self.sort(error.without_url()))?;
        client.answered();
        Ok(response)
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Bytes, TransportError> {
        let said = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = BytesMut::with_capacity(said.unwrap_or_default().min(self.bounds.body).min(ORDINARY));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.sort(error.without_url()))? {
            if body.len() + chunk.len() > self.bounds.body {
                return Err(TransportError::TooLong(self.bounds.body));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn sort(&self, error: reqwest::Error) -> TransportError {
        if error.is_connect() {
            TransportError::Connect(error)
        } else if error.is_timeout() {
            TransportError::Timeout(self.bounds.request)
        } else {
            TransportError::Broken(error)
        }
    }
}

/// A body as it was before it was compressed, of any number of members, and without a byte order mark.
fn inflated(body: Bytes, headers: &HeaderMap, most: usize) -> Result<Bytes, TransportError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(Ok(""), |encoding| encoding.to_str());
    let mut body = match encoding.unwrap_or("unreadable").trim() {
        encoding if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") => body,
        encoding if encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip") => {
            let (mut plain, bound) = (Vec::new(), u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1));
            let mut members = flate2::bufread::MultiGzDecoder::new(&*body).take(bound);
            // An answer without a body may still say how it would be compressed.
            if !body.is_empty() {
                members.read_to_end(&mut plain).map_err(TransportError::Encoding)?;
            }
            Bytes::from(plain)
        }
        _ => return Err(TransportError::Encoding(std::io::Error::other("expected gzip, or none"))),
    };
    if body.len() > most {
        return Err(TransportError::TooLong(most));
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        body = body.slice(BYTE_ORDER_MARK.len()..);
    }
    Ok(body)
}
