//! The web side: /metrics and its neighbours.
//!
//! ```text
//! listen --> accept (bounded) --> connection: TLS, then HTTP/1.1 or HTTP/2 under a Guarded socket
//!                                     |
//!                      gate: rate limit, password --> routes --> scrape, landing, health, reload
//! ```
//!
//! # What is bounded, and by what
//!
//! A response holds no copy of the page: its pieces are the page's own blocks. What a client can make the exporter
//! hold is a connection's buffers (the header limit and hyper's write buffer), the exporter's own metrics as text
//! (some tens of kilobytes for each scrape) and a page that has been replaced since. [`Limits`] bounds each: so many
//! connections, so many scrapes at once, and so long for a head, a stalled write and a whole response, after which
//! the connection is closed, however slowly the client still reads.

mod accept;
mod auth;
mod body;
mod connection;
mod connections;
mod direct;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod landing;
mod listen;
mod origin;
mod rate;
mod routes;
mod scrape;
mod slots;
mod stream;
mod turns;
pub mod webconfig;

#[cfg(test)]
mod tests;

pub use landing::{Landing, LandingAccount};
pub use listen::{ListenError, activated, bind};

use crate::exposition::Published;
use futures_util::future::BoxFuture;
use std::fmt;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use webconfig::WebConfig;

/// How the web side is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the metrics are below the prefix, for example `/metrics`.
    pub telemetry_path: String,
    /// What every path begins with, for example `/sms`; empty, or a path without a slash at its end.
    pub route_prefix: String,
    /// The origin under which others know the exporter, for example `https://example.com`.
    pub external_origin: Option<String>,
    /// Whether `/-/reload` may be used.
    pub enable_lifecycle: bool,
    /// What a client may take.
    pub limits: Limits,
    /// How long connections may take to finish once the exporter is told to stop.
    pub grace: Duration,
    /// TLS, passwords, headers and the rate limit; none is plain HTTP for everyone.
    pub web: Option<Arc<WebConfig>>,
}

/// What a client may take of the exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, `--web.max-connections`, at least one; for further ones those idle longest are closed.
    pub connections: usize,
    /// Scrapes at once, `--web.max-requests`; for further ones slow ones are cut, else they get 503. 0 is no limit.
    pub scrapes: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// For the TLS handshake, and again from the first byte of a head to its last.
    pub head_time: Duration,
    /// Between a response and the next request on the same connection. Prometheus keeps its connections from
    /// scrape to scrape.
    pub idle_time: Duration,
    /// Without a byte taken by a client that is being written to.
    pub stall_time: Duration,
    /// From a request's head to the last byte of its response.
    pub response_time: Duration,
}

/// From a collector's name to the families that it makes.
pub type FamiliesOf = dyn Fn(&str) -> Option<Vec<&'static str>> + Send + Sync;

/// What the server asks of the rest of the exporter.
#[derive(Clone)]
pub struct Hooks {
    /// The page of the last poll.
    pub published: Published,
    /// The exporter's own metrics: OpenMetrics text as prometheus-client writes it.
    pub own: Arc<dyn Fn() -> String + Send + Sync>,
    /// The facts on the landing page.
    pub landing: Arc<dyn Fn() -> Landing + Send + Sync>,
    /// The families (by the name of their samples) that a collector makes, for `collect[]` and `exclude[]`; none
    /// for a collector that there is not.
    pub families: Arc<FamiliesOf>,
    /// Told of every response: the route (a closed set, `other` for what does not exist) and the status.
    pub answered: Arc<dyn Fn(&'static str, u16) + Send + Sync>,
    /// Whether there is data to serve; a line for each account that is waited for where not.
    pub ready: Arc<dyn Fn() -> Result<(), Vec<String>> + Send + Sync>,
    /// Whether what should go on by itself does; the error is a sentence for the one who asked.
    pub healthy: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Told how many connections are open, whenever that changes.
    pub connections: Arc<dyn Fn(usize) + Send + Sync>,
    /// Told of what is ended to make room for others: a `connection` or a `scrape`.
    pub evicted: Arc<dyn Fn(&'static str) + Send + Sync>,
    /// Reads the configuration anew; the error is a sentence for the one who asked.
    pub reload: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

/// Serves until told to stop, then lets connections finish within the grace period.
///
/// # Errors
///
/// When a listener cannot be used; nothing that happens later ends it.
pub async fn serve(
    listeners: Vec<TcpListener>,
    settings: Settings,
    hooks: Hooks,
    stop: CancellationToken,
) -> Result<(), ListenError> {
    accept::serve(listeners, routes::Site::new(settings, hooks), stop).await
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            telemetry_path: "/metrics".to_owned(),
            route_prefix: String::new(),
            external_origin: None,
            enable_lifecycle: false,
            limits: Limits::default(),
            grace: Duration::from_secs(5),
            web: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            scrapes: 40,
            head_bytes: 16 * 1024,
            headers: 100,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(5 * 60),
            stall_time: Duration::from_secs(15),
            response_time: Duration::from_secs(60),
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Hooks {
    /// Nothing to serve, and nobody to tell.
    fn none() -> Self {
        Self {
            published: Published::default(),
            own: Arc::new(|| "# EOF\n".to_owned()),
            landing: Arc::new(Landing::default),
            families: Arc::new(|_| None),
            answered: Arc::new(|_, _| {}),
            ready: Arc::new(|| Ok(())),
            healthy: Arc::new(|| Ok(())),
            connections: Arc::new(|_| {}),
            evicted: Arc::new(|_| {}),
            reload: Arc::new(|| Box::pin(async { Ok(()) })),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("published", &self.published).finish_non_exhaustive()
    }
}
