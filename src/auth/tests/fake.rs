//! A stand-in for the services that give credentials: answers by a closure, remembers what it was asked.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::http::{Bounds, Observer, Transport};
use super::super::proxy::Proxy;
use crate::config::{Account, CredentialSource, Endpoint, Region};
use crate::model::{AccountName, Timestamp};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer: status, headers, body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, String);

/// An answer of JSON.
pub(super) fn json(status: u16, body: Value) -> Answer {
    (status, Vec::new(), body.to_string())
}

/// A server on a free port; ends with this value.
pub(super) struct Fake {
    pub(super) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(answer));
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&asked);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                let service = service_fn(move |request| {
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    async move {
                        let asked = read(request).await;
                        log.lock().unwrap().push(asked.clone());
                        let answer = (answer.lock().unwrap())(&asked);
                        Ok::<_, Infallible>(respond(answer))
                    }
                });
                connections.spawn(async move {
                    let connection = hyper::server::conn::http1::Builder::new();
                    drop(connection.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { origin, asked, _tasks: tasks }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The request lines, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.origin).unwrap()
    }

    /// An account whose service and identity service are this server.
    pub(super) fn account(&self, credentials: CredentialSource) -> Account {
        let region = Region::new("cn-north-4").unwrap();
        Account {
            endpoint: self.endpoint(),
            iam_endpoint: self.endpoint(),
            ..Account::new(AccountName::new("test"), region, credentials)
        }
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Asked {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

fn respond((status, headers, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// What an observer was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) refusals: Mutex<u32>,
    pub(super) expiries: Mutex<Vec<Option<Timestamp>>>,
    pub(super) operations: Mutex<BTreeSet<&'static str>>,
}

impl Observer for Told {
    fn request(&self, operation: &'static str, _: Option<StatusCode>, _: Duration) {
        self.operations.lock().unwrap().insert(operation);
    }

    fn refused(&self) {
        *self.refusals.lock().unwrap() += 1;
    }

    fn expiry(&self, at: Option<Timestamp>) {
        self.expiries.lock().unwrap().push(at);
    }
}

/// A transport whose bounds suit a test, and what it tells.
pub(super) fn transport() -> (Transport, Arc<Told>) {
    let told = Arc::new(Told::default());
    let bounds = Bounds { request: Duration::from_secs(5), connect: Duration::from_secs(5), body: 1 << 20 };
    let observer: Arc<dyn Observer> = Arc::<Told>::clone(&told);
    (Transport::new(bounds, Proxy::default(), None, observer).unwrap(), told)
}
