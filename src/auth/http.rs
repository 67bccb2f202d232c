//! One way to the wire for every request of ours: bounded in time and bytes, never redirected.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::guard::Permit;
use super::standing::Ticket;

/// Time for the machine's own services, which answer at once or are not there; as in the vendor's SDKs.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(3);

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
    /// No connection: name, port, TLS.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// No complete answer in time.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The answer is longer than the bound.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke, or the answer is not HTTP or not decompressible.
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
}

/// The way to the wire.
#[derive(Clone, Debug)]
pub struct Transport {
    client: reqwest::Client,
    bounds: Bounds,
    roots: Vec<reqwest::Certificate>,
    observer: Arc<dyn Observer>,
    /// Of requests that carry no ticket.
    permit: Option<Arc<Permit>>,
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
    /// The proxy is not a URL.
    #[error("the proxy is not a URL such as http://proxy.example.com:3128")]
    Proxy,
    /// The place where the proxy's URL should stand holds none.
    #[error("cannot read the proxy's URL")]
    NoProxy(#[source] crate::config::SecretError),
    /// The TLS library refused.
    #[error(
        "cannot set up TLS: are root certificates installed (package ca-certificates, or SSL_CERT_FILE)?"
    )]
    Client(#[source] reqwest::Error),
}

impl Transport {
    /// A transport with these bounds; `proxy` replaces the environment's, `roots` (PEM) add to the system's.
    ///
    /// # Errors
    ///
    /// An unreadable certificate or proxy; see [`SetupError`].
    pub fn new(
        bounds: Bounds,
        proxy: Option<&str>,
        roots: Option<&std::path::Path>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SetupError> {
        // Fails only where a provider is installed already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let roots = roots.map(certificates).transpose()?.unwrap_or_default();
        let mut builder = builder(bounds).tls_certs_merge(roots.clone());
        if let Some(proxy) = proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| SetupError::Proxy)?);
        }
        let client = builder.build().map_err(SetupError::Client)?;
        Ok(Self { client, bounds, roots, observer, permit: None })
    }

    /// The same for requests that show what this permits to show.
    pub(super) fn holding(&self, permit: Option<Arc<Permit>>) -> Self {
        Self { permit, ..self.clone() }
    }

    /// A transport to the machine's own services: past every proxy, and with little patience.
    ///
    /// # Errors
    ///
    /// The TLS library refused.
    pub fn local(&self) -> Result<Self, SetupError> {
        let bounds = Bounds {
            request: self.bounds.request.min(LOCAL_TIMEOUT),
            connect: self.bounds.connect.min(LOCAL_TIMEOUT),
            body: self.bounds.body,
        };
        self.past_proxies(bounds)
    }

    /// The same past every proxy: for services on this machine.
    ///
    /// # Errors
    ///
    /// The TLS library refused.
    pub fn without_proxy(&self) -> Result<Self, SetupError> {
        self.past_proxies(self.bounds)
    }

    fn past_proxies(&self, bounds: Bounds) -> Result<Self, SetupError> {
        let roots = self.roots.clone();
        let builder = builder(bounds).no_proxy().tls_certs_merge(roots.clone());
        let client = builder.build().map_err(SetupError::Client)?;
        let (observer, permit) = (Arc::clone(&self.observer), self.permit.clone());
        Ok(Self { client, bounds, roots, observer, permit })
    }

    /// Who is told of what goes over the wire.
    #[must_use]
    pub fn observer(&self) -> &Arc<dyn Observer> {
        &self.observer
    }

    /// Sends one request and reads its answer to the end, within the bounds.
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
        let request = reqwest::Request::try_from(request).map_err(TransportError::Broken)?;
        let response = self.client.execute(request).await.map_err(|error| self.sort(error.without_url()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(response).await?;
        Ok(Answer { status, headers, body })
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

/// The certificates of a file, of which there must be one.
fn certificates(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, SetupError> {
    let pem = std::fs::read(path).map_err(|error| SetupError::Certificates(path.into(), error))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&pem).ok();
    certificates
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| SetupError::NoCertificate(path.into()))
}

/// What all clients have in common.
fn builder(bounds: Bounds) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("sms-exporter/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(bounds.connect)
        .http1_only()
        .gzip(true)
}
