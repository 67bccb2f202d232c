//! One connection, from its handshake to its end.

use super::connections::{Admitted, Caller, Client};
use super::direct::{Direct, Waiting};
use super::guard::{Guarded, Patience};
use super::routes::Site;
use super::stream::{Stream, Streams};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
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
const STREAMS: u32 = 8;

/// Serves a connection until the client is done, too slow or has to make room, or the exporter stops.
pub(super) async fn serve(
    site: Arc<Site>,
    socket: TcpStream,
    admitted: Admitted,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let client = &admitted.client;
    tokio::select! {
        () = client.closing.cancelled() => debug!(peer = %client.peer, "A connection was closed to make room"),
        () = converse(&site, socket, client, tasks, &stop) => {}
    }
}

async fn converse(
    site: &Arc<Site>,
    socket: TcpStream,
    client: &Arc<Client>,
    tasks: TaskTracker,
    stop: &CancellationToken,
) {
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "The connection was gone before it began");
        return;
    }
    let Some(tls) = site.settings.web.as_ref().and_then(|web| web.current().tls.clone()) else {
        let socket = Direct::new(socket);
        let direct = socket.waiting();
        return http1(site, socket, client, Some(direct), stop).await;
    };
    let handshake = timeout(site.settings.limits.head_time, TlsAcceptor::from(tls).accept(socket));
    let accepted = tokio::select! {
        () = stop.cancelled() => return,
        accepted = handshake => accepted,
    };
    match accepted {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            http2(site, stream, client, tasks, stop).await;
        }
        Ok(Ok(stream)) => http1(site, stream, client, None, stop).await,
        Ok(Err(error)) => debug!(%error, "A TLS handshake failed"),
        Err(_) => debug!("A TLS handshake took too long"),
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin>(
    site: &Arc<Site>,
    socket: S,
    client: &Arc<Client>,
    direct: Option<Arc<Waiting>>,
    stop: &CancellationToken,
) {
    let socket = guard(site, socket, client, false);
    let service = service_fn(|request| {
        let (site, busy, direct) = (Arc::clone(site), client.activity.begin(), direct.clone());
        let caller = Caller::new(Arc::clone(client), None);
        async move {
            let response = site.answer(request, caller, busy).await;
            Ok::<_, Infallible>(response.map(|sent| sent.over(direct)))
        }
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

async fn http2<S>(
    site: &Arc<Site>,
    socket: S,
    client: &Arc<Client>,
    tasks: TaskTracker,
    stop: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let socket = guard(site, socket, client, true);
    let (answering, asking) = (Arc::clone(site), Arc::clone(client));
    let service = service_fn(move |request| {
        let (site, client, busy) = (Arc::clone(&answering), Arc::clone(&asking), asking.activity.begin());
        async move {
            let caller = Caller::new(client, Stream::current());
            Ok::<_, Infallible>(site.answer(request, caller, busy).await)
        }
    });
    let limits = &site.settings.limits;
    let streams = Streams { tasks, stall_time: limits.stall_time, response_time: limits.response_time };
    let mut builder = http2::Builder::new(streams);
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

fn guard<S>(site: &Site, socket: S, client: &Client, multiplexed: bool) -> Guarded<S> {
    let limits = &site.settings.limits;
    let patience = Patience {
        head: limits.head_time,
        idle: limits.idle_time,
        stall: limits.stall_time,
        response: limits.response_time,
        multiplexed,
    };
    client.activity.restart();
    Guarded::new(socket, patience, Arc::clone(&client.activity))
}

fn tell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%error, "A connection ended early");
    }
}
