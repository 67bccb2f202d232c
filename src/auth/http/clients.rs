//! The HTTP clients below a transport: made when they are needed, and anew when what they are made of changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Uri;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use secrecy::SecretString;
use tokio::time::Instant;

use super::{Bounds, SetupError};
use crate::auth::proxy::Proxy;
use crate::auth::secret::{digest_of_bytes, reveal};
use crate::auth::trouble::Trouble;
use crate::config::Endpoint;

/// How long connections are kept, however busy: a name that leads elsewhere is noticed then, and so are the system's
/// root certificates.
const GREATEST_AGE: Duration = Duration::from_secs(3 * 60);

/// How often files are looked at that a client is made of.
const LOOK: Duration = Duration::from_secs(1);

/// Answers may have so many header lines; gateways and proxies add some each.
const MOST_HEADERS: usize = 1000;

/// How a request leaves this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Without TLS, to this machine or its link; past every proxy, and no certificate is needed.
    Plain,
    /// With TLS, past every proxy.
    Direct,
    /// With TLS, through the proxy.
    Proxied,
}

/// What clients are made of, and those that were made.
#[derive(Debug)]
pub(super) struct Clients {
    bounds: Bounds,
    proxy: Proxy,
    roots: Option<PathBuf>,
    made: [Mutex<Option<Made>>; 3],
    trouble: Mutex<Trouble>,
}

/// A client, and when it is to be looked after.
#[derive(Debug)]
struct Made {
    client: Arc<Client>,
    at: Instant,
    looked: Instant,
}

/// What a client is made of, as it stands in files now.
struct Material {
    roots: Vec<reqwest::Certificate>,
    proxy: Option<SecretString>,
    digest: [u8; 32],
}

/// A client whose connections are kept, and another whose are not.
#[derive(Debug)]
pub(super) struct Client {
    pooled: reqwest::Client,
    single: OnceLock<reqwest::Client>,
    route: Route,
    bounds: Bounds,
    roots: Vec<reqwest::Certificate>,
    proxy: Option<SecretString>,
    digest: [u8; 32],
    answered: AtomicBool,
}

impl Clients {
    pub(super) fn new(bounds: Bounds, proxy: Proxy, roots: Option<PathBuf>) -> Self {
        Self { bounds, proxy, roots, made: Default::default(), trouble: Mutex::default() }
    }

    /// Those of services that no proxy leads to.
    pub(super) fn past_proxies(&self, bounds: Bounds) -> Self {
        Self::new(bounds, Proxy::default(), self.roots.clone())
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Whether the files can be used now.
    pub(super) fn check(&self) -> Result<(), SetupError> {
        self.material(Route::Proxied).map(drop)
    }

    /// The next requests make connections of their own.
    pub(super) fn renew(&self) {
        for made in &self.made {
            *made.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// The way of a request. A proxy's own loopback is not ours.
    pub(super) fn route(&self, uri: &Uri) -> Route {
        let is_near = || {
            let endpoint =
                Endpoint::parse(&format!("https://{}", uri.authority().map_or("", |at| at.as_str())));
            endpoint.is_ok_and(|endpoint| endpoint.is_loopback())
        };
        if uri.scheme_str() == Some("http") {
            Route::Plain
        } else if self.proxy.is_for(uri) && !is_near() {
            Route::Proxied
        } else {
            Route::Direct
        }
    }

    /// The client of a route: the one that was made, unless it is too old or what it is made of has changed.
    pub(super) fn of(&self, route: Route) -> Result<Arc<Client>, SetupError> {
        let slot = match route {
            Route::Plain => &self.made[0],
            Route::Direct => &self.made[1],
            Route::Proxied => &self.made[2],
        };
        let (mut slot, now) = (slot.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        if let Some(made) = slot.as_ref().filter(|made| now.saturating_duration_since(made.looked) < LOOK) {
            return Ok(Arc::clone(&made.client));
        }
        let fresh = self.material(route).and_then(|material| {
            let same = slot.as_ref().filter(|made| made.client.digest == material.digest);
            match same.filter(|made| now.saturating_duration_since(made.at) < GREATEST_AGE) {
                Some(made) => Ok((Arc::clone(&made.client), made.at)),
                None => Ok((Arc::new(Client::new(route, self.bounds, material)?), now)),
            }
        });
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let (client, at) = match (fresh, slot.as_ref()) {
            (Ok(fresh), _) => {
                trouble.ends();
                fresh
            }
            (Err(error), None) => return Err(error),
            // A file may be being replaced.
            (Err(error), Some(made)) => {
                if trouble.goes_on(now) {
                    tracing::warn!(%error, "Connections are made as before, from what was read before");
                }
                (Arc::clone(&made.client), made.at)
            }
        };
        *slot = Some(Made { client: Arc::clone(&client), at, looked: now });
        Ok(client)
    }

    fn material(&self, route: Route) -> Result<Material, SetupError> {
        if route == Route::Plain {
            return Ok(Material { roots: Vec::new(), proxy: None, digest: [0; 32] });
        }
        let pem = self.roots.as_deref().map(read).transpose()?;
        let proxy = if route == Route::Proxied { self.proxy.url()? } else { None };
        let parts = [pem.as_deref().unwrap_or_default(), proxy.as_ref().map_or("", reveal).as_bytes()];
        let digest = digest_of_bytes(parts);
        let roots = self.roots.as_deref().zip(pem.as_deref()).map(|(path, pem)| certificates(path, pem));
        Ok(Material { roots: roots.transpose()?.unwrap_or_default(), proxy, digest })
    }
}

impl Client {
    fn new(route: Route, bounds: Bounds, material: Material) -> Result<Self, SetupError> {
        let Material { roots, proxy, digest } = material;
        let pooled = client(route, bounds, &roots, proxy.as_ref(), usize::MAX)?;
        let (single, answered) = (OnceLock::new(), AtomicBool::new(false));
        Ok(Self { pooled, single, route, bounds, roots, proxy, digest, answered })
    }

    /// The proxy's URL.
    pub(super) fn proxy(&self) -> Option<&SecretString> {
        self.proxy.as_ref()
    }

    pub(super) fn pooled(&self) -> &reqwest::Client {
        &self.pooled
    }

    /// One that makes a connection for each request.
    pub(super) fn single(&self) -> Result<&reqwest::Client, SetupError> {
        if self.single.get().is_none() {
            let single = client(self.route, self.bounds, &self.roots, self.proxy.as_ref(), 0)?;
            // Another request may have been faster; both serve.
            drop(self.single.set(single));
        }
        Ok(self.single.get().unwrap_or(&self.pooled))
    }

    /// Whether an answer ever came, so that a connection may be kept.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }
}

/// Whether a connection was closed at its other end before an answer began.
pub(super) fn is_closed(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let is_closed = |cause: &(dyn std::error::Error + 'static)| {
        let closed =
            [io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted, io::ErrorKind::BrokenPipe];
        cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|error| error.is_incomplete_message() || error.is_canceled())
            || cause.downcast_ref::<io::Error>().is_some_and(|error| closed.contains(&error.kind()))
    };
    !error.is_connect() && !error.is_timeout() && causes.into_iter().any(is_closed)
}

fn client(
    route: Route,
    bounds: Bounds,
    roots: &[reqwest::Certificate],
    proxy: Option<&SecretString>,
    most_idle: usize,
) -> Result<reqwest::Client, SetupError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("sms-exporter/", env!("CARGO_PKG_VERSION")))
        .default_headers([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))].into_iter().collect())
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(bounds.connect)
        .pool_max_idle_per_host(most_idle)
        .http1_only()
        .http1_max_headers(MOST_HEADERS)
        .no_gzip()
        .no_proxy();
    builder = match route {
        Route::Plain => builder.tls_certs_only([]),
        Route::Direct | Route::Proxied => builder.tls_certs_merge(roots.to_vec()),
    };
    if let Some(proxy) = proxy {
        let refused = |_| SetupError::Proxy("the proxy".to_owned());
        builder = builder.proxy(reqwest::Proxy::all(reveal(proxy)).map_err(refused)?);
    }
    builder.build().map_err(SetupError::Client)
}

fn read(path: &Path) -> Result<Vec<u8>, SetupError> {
    std::fs::read(path).map_err(|error| SetupError::Certificates(path.into(), error))
}

/// The certificates of a file, of which there must be one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<reqwest::Certificate>, SetupError> {
    let certificates = reqwest::Certificate::from_pem_bundle(pem).ok();
    certificates
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| SetupError::NoCertificate(path.into()))
}
