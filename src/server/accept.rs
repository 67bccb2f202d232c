//! The loops that take connections.

use super::ListenError;
use super::connection;
use super::connections::Connections;
use super::routes::Site;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::io;
use std::net::{IpAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// After an accept error; long enough not to spin, short enough that nobody's scrape fails for it.
const PAUSE: Duration = Duration::from_millis(500);

/// Until a connection that was told to close has given its descriptor back.
const CLOSING: Duration = Duration::from_millis(5);

/// Serves all listeners until told to stop, then waits for their connections for as long as the site grants.
pub(super) async fn serve(
    listeners: Vec<StdListener>,
    site: Arc<Site>,
    stop: CancellationToken,
) -> Result<(), ListenError> {
    let tasks = TaskTracker::new();
    let mut accepting = FuturesUnordered::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let tls = site.settings.web.as_ref().is_some_and(|web| web.current().tls.is_some());
        info!(address = %listener.local_addr()?, path = site.settings.telemetry_path, tls, "Listening");
        let loops = accept(listener, Arc::clone(&site), tasks.clone(), stop.clone());
        accepting.push(tasks.spawn(loops));
    }
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        // Only `stop` ends it in order; whatever else did, nobody would be served there any more.
        Some(_) = accepting.next() => return Err(ListenError::Ended),
    }
    tasks.close();
    // The connections know the grace themselves; the second is for what they do when it ends.
    let grace = site.settings.grace + Duration::from_secs(1);
    if timeout(grace, tasks.wait()).await.is_err() {
        warn!(left = tasks.len(), "Connections outlived the grace period");
    }
    Ok(())
}

async fn accept(listener: TcpListener, site: Arc<Site>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let (socket, peer) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accepted(&listener, &site.connections) => accepted,
        };
        let admitted = site.connections.admit(peer);
        tasks.spawn(connection::serve(Arc::clone(&site), socket, admitted, tasks.clone(), stop.clone()));
    }
}

/// Accepts until it succeeds: giving up would end the exporter.
async fn accepted(listener: &TcpListener, connections: &Connections) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((socket, address)) => return (socket, address.ip()),
            // A client that hung up first; all others are like EMFILE, where trying again at once would spin.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let made_room = connections.make_room(&error);
                sleep(if made_room { CLOSING } else { PAUSE }).await;
            }
        }
    }
}
