//! Which request gets which answer.

use super::auth::Verdict;
use super::auth::Verifier;
use super::body::Sent;
use super::connections::{Caller, Connections};
use super::guard::Busy;
use super::landing;
use super::origin::{host_problem, is_cross_site};
use super::scrape::scrape;
use super::slots::{Slot, Slots};
use super::{Hooks, Settings};
use crate::exposition::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use std::sync::Arc;
use tokio::time::Instant;

/// All that answering a request needs.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) settings: Settings,
    hooks: Hooks,
    slots: Arc<Slots>,
    pub(super) connections: Arc<Connections>,
    verifier: Verifier,
}

/// A response and the slot among the scrapes that it holds.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    pub(super) slot: Option<Slot>,
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Metrics,
    Landing,
    Healthy,
    Ready,
    Reload,
    /// Where the prefix is missing or has no slash behind it: the landing page is elsewhere.
    Elsewhere,
    Other,
}

impl Route {
    fn of(path: &str, settings: &Settings) -> Self {
        let Settings { telemetry_path, route_prefix, .. } = settings;
        let Some(path) = path.strip_prefix(route_prefix.as_str()) else {
            return if path == "/" { Self::Elsewhere } else { Self::Other };
        };
        match path {
            // First, because the metrics may be at `/`.
            path if path == telemetry_path => Self::Metrics,
            "" if !route_prefix.is_empty() => Self::Elsewhere,
            "/" => Self::Landing,
            "/-/healthy" => Self::Healthy,
            "/-/ready" => Self::Ready,
            "/-/reload" => Self::Reload,
            _ => Self::Other,
        }
    }

    /// The value of the `path` label: a closed set, wherever the metrics are.
    fn label(self) -> &'static str {
        match self {
            Self::Metrics => "/metrics",
            Self::Landing | Self::Elsewhere => "/",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::Reload => "/-/reload",
            Self::Other => "other",
        }
    }

    /// What may be done with it, as Allow says it; nothing for what does not exist.
    fn allowed(self) -> Option<(&'static [Method], &'static str)> {
        match self {
            Self::Metrics | Self::Landing | Self::Elsewhere | Self::Healthy | Self::Ready => {
                Some((&[Method::GET, Method::HEAD], "GET, HEAD"))
            }
            Self::Reload => Some((&[Method::POST, Method::PUT], "POST, PUT")),
            Self::Other => None,
        }
    }
}

impl Site {
    pub(super) fn new(settings: Settings, hooks: Hooks) -> Arc<Self> {
        let slots = Slots::new(settings.limits.scrapes, hooks.clone());
        let connections = Connections::new(settings.limits.connections, hooks.clone());
        Arc::new(Self { settings, hooks, slots, connections, verifier: Verifier::default() })
    }

    /// Answers a request, whatever it is.
    pub(super) async fn answer<B>(&self, request: Request<B>, caller: Caller, busy: Busy) -> Response<Sent> {
        let route = Route::of(request.uri().path(), &self.settings);
        let mut reply = match self.refusal(&request, &caller).await {
            Some(refusal) => refusal,
            None => self.dispatch(route, &request, &caller).await,
        };
        self.add_headers(&mut reply);
        let (mut head, mut body) = reply.response.into_parts();
        (self.hooks.answered)(route.label(), head.status.as_u16());
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.length()));
        if request.method() == Method::HEAD {
            body = Body::default();
        }
        Response::from_parts(head, Sent::new(body, busy, reply.slot, caller.stream()))
    }

    /// The Host, then the rate limit and the password in the order of Prometheus' toolkit.
    async fn refusal<B>(&self, request: &Request<B>, caller: &Caller) -> Option<Reply> {
        if let Some(problem) = host_problem(request) {
            return Some(text(StatusCode::BAD_REQUEST, problem));
        }
        let web = self.settings.web.as_ref()?.current();
        if web.rate.as_ref().is_some_and(|bucket| !bucket.take(Instant::now())) {
            return Some(text(StatusCode::TOO_MANY_REQUESTS, "Too many requests."));
        }
        match self.verifier.verify(&web.users, request.headers(), caller.peer()).await {
            Verdict::Welcome => None,
            Verdict::Overloaded => {
                Some(text(StatusCode::SERVICE_UNAVAILABLE, "Too many passwords are being checked."))
            }
            Verdict::Stranger => {
                let mut reply = text(StatusCode::UNAUTHORIZED, "Unauthorized.");
                let headers = reply.response.headers_mut();
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
                Some(reply)
            }
        }
    }

    async fn dispatch<B>(&self, route: Route, request: &Request<B>, caller: &Caller) -> Reply {
        let Some((methods, allow)) = route.allowed() else {
            return text(StatusCode::NOT_FOUND, "There is nothing here.");
        };
        if !methods.contains(request.method()) {
            let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "This is not done here.");
            reply.response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
            return reply;
        }
        match route {
            Route::Metrics => scrape(request, &self.hooks, &self.slots, caller),
            Route::Landing => self.landing(),
            Route::Healthy => self.health(),
            Route::Ready => self.readiness(),
            Route::Elsewhere => self.elsewhere(request.uri().path()),
            Route::Reload => self.reload(request).await,
            Route::Other => text(StatusCode::NOT_FOUND, "There is nothing here."),
        }
    }

    /// To the landing page, relative to where the request came, as a proxy may have taken a part of the path off.
    fn elsewhere(&self, path: &str) -> Reply {
        let prefix = self.settings.route_prefix.trim_start_matches('/');
        let target = if path == "/" { prefix } else { prefix.rsplit('/').next().unwrap_or(prefix) };
        let mut reply = text(StatusCode::FOUND, "See the landing page.");
        if let Ok(location) = HeaderValue::from_str(&format!("./{target}/")) {
            reply.response.headers_mut().insert(header::LOCATION, location);
        }
        reply
    }

    fn landing(&self) -> Reply {
        let html = landing::html(&(self.hooks.landing)(), &self.settings.telemetry_path);
        let mut response = Response::new(Body::from(Bytes::from(html)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        // Should something unescaped ever slip through, it will not run.
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Reply { response, slot: None }
    }

    /// Healthy while what should go on by itself does; whoever asks may restart what is not.
    fn health(&self) -> Reply {
        match (self.hooks.healthy)() {
            Ok(()) => text(StatusCode::OK, "Healthy."),
            Err(problem) => text(StatusCode::SERVICE_UNAVAILABLE, &problem),
        }
    }

    /// Ready once, ready for ever: what the cloud does later shows in the metrics.
    fn readiness(&self) -> Reply {
        match (self.hooks.ready)() {
            Ok(()) => text(StatusCode::OK, "Ready."),
            Err(waiting) => {
                let lines = waiting.iter().map(|line| format!("\n{line}")).collect::<String>();
                text(StatusCode::SERVICE_UNAVAILABLE, &format!("Not ready: there is no data yet.{lines}"))
            }
        }
    }

    async fn reload<B>(&self, request: &Request<B>) -> Reply {
        if !self.settings.enable_lifecycle {
            return text(
                StatusCode::FORBIDDEN,
                "Lifecycle API is not enabled; --web.enable-lifecycle does that.",
            );
        }
        if is_cross_site(request, self.settings.external_origin.as_deref()) {
            return text(StatusCode::FORBIDDEN, "Another site asks for this; it is refused.");
        }
        match (self.hooks.reload)().await {
            Ok(()) => text(StatusCode::OK, "Reloaded."),
            Err(problem) => {
                let problem = format!("The configuration stays as it was: {problem}");
                text(StatusCode::INTERNAL_SERVER_ERROR, &problem)
            }
        }
    }

    /// The headers of the web configuration; they win over ours.
    fn add_headers(&self, reply: &mut Reply) {
        let Some(web) = self.settings.web.as_ref() else { return };
        for (name, value) in &web.current().headers {
            reply.response.headers_mut().insert(name, value.clone());
        }
    }
}

/// A line of plain text.
pub(super) fn text(status: StatusCode, line: &str) -> Reply {
    let mut response = Response::new(Body::from(Bytes::from(format!("{line}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Reply { response, slot: None }
}
