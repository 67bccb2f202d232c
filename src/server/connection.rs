//! One connection, from its handshake to its end.

use super::direct::{Direct, Waiting};
use super::guard::{Activity, Guarded, Patience};
use super::routes::Site;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// Requests at once on one connection of HTTP/2. A scraper needs one.
const STREAMS: u32 = 32;

/// Spawns HTTP/2's streams where shutdown waits for them.
#[derive(Clone, Debug)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

/// Serves a connection until the client is done, too slow, or the exporter stops.
pub(super) async fn serve(site: Arc<Site>, socket: TcpStream, tasks: TaskTracker, stop: CancellationToken) {
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "The connection was gone before it began");
        return;
    }
    let Some(tls) = site.settings.web.as_ref().and_then(|web| web.current().tls.clone()) else {
        let socket = Direct::new(socket);
        let direct = socket.waiting();
        return http1(&site, socket, Some(direct), &stop).await;
    };
    let handshake = timeout(site.settings.limits.head_time, TlsAcceptor::from(tls).accept(socket));
    let accepted = tokio::select! {
        () = stop.cancelled() => return,
        accepted = handshake => accepted,
    };
    match accepted {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            http2(&site, stream, tasks, &stop).await;
        }
        Ok(Ok(stream)) => http1(&site, stream, None, &stop).await,
        Ok(Err(error)) => debug!(%error, "A TLS handshake failed"),
        Err(_) => debug!("A TLS handshake took too long"),
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin>(
    site: &Arc<Site>,
    socket: S,
    direct: Option<Arc<Waiting>>,
    stop: &CancellationToken,
) {
    let (socket, activity) = guard(site, socket, false);
    let service = service_fn(|request| {
        let (site, busy, direct) = (Arc::clone(site), activity.begin(), direct.clone());
        async move { Ok::<_, Infallible>(site.answer(request, busy).await.map(|sent| sent.over(direct))) }
    });
    let limits = &site.settings.limits;
    let mut builder = http1::Builder::new();
    // Where stand-ins may come, nothing may be copied together.
    builder.writev(direct.is_some() || socket.is_write_vectored());
    // The guard keeps the time, because hyper would count the pauses between requests as part of a head.
    builder.header_read_timeout(None).max_headers(limits.headers).max_header_size(limits.head_bytes);
    // hyper keeps no less than 8 KiB, and the whole head must fit.
    builder.max_buf_size(limits.head_bytes.max(8 * 1024));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(site.settings.grace, connection).await {
                Ok(ended) => ended,
                Err(_) => return debug!("A connection was cut at the end of the grace period"),
            }
        }
    };
    tell(ended);
}

async fn http2<S>(site: &Arc<Site>, socket: S, tasks: TaskTracker, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (socket, activity) = guard(site, socket, true);
    let answering = Arc::clone(site);
    let service = service_fn(move |request| {
        let (site, busy) = (Arc::clone(&answering), activity.begin());
        async move { Ok::<_, Infallible>(site.answer(request, busy).await) }
    });
    let limits = &site.settings.limits;
    let mut builder = http2::Builder::new(Tracked(tasks));
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    builder.max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(site.settings.grace, connection).await {
                Ok(ended) => ended,
                Err(_) => return debug!("A connection was cut at the end of the grace period"),
            }
        }
    };
    tell(ended);
}

fn guard<S>(site: &Site, socket: S, multiplexed: bool) -> (Guarded<S>, Arc<Activity>) {
    let limits = &site.settings.limits;
    let patience = Patience {
        head: limits.head_time,
        idle: limits.idle_time,
        stall: limits.stall_time,
        response: limits.response_time,
        multiplexed,
    };
    let activity = Activity::new();
    (Guarded::new(socket, patience, Arc::clone(&activity)), activity)
}

fn tell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%error, "A connection ended early");
    }
}
