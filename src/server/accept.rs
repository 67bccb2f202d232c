//! The loops that take connections.

use super::ListenError;
use super::connection;
use super::routes::Site;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// After an accept error; long enough not to spin, short enough that nobody's scrape fails for it.
const PAUSE: Duration = Duration::from_millis(500);

/// Between two lines about connections that cannot be accepted.
const REMINDER: Duration = Duration::from_secs(3600);

/// Serves all listeners until told to stop, then waits for their connections for as long as the site grants.
pub(super) async fn serve(
    listeners: Vec<StdListener>,
    site: Arc<Site>,
    stop: CancellationToken,
) -> Result<(), ListenError> {
    let tasks = TaskTracker::new();
    let places = Arc::new(Semaphore::new(site.settings.limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut accepting = FuturesUnordered::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let tls = site.settings.web.as_ref().is_some_and(|web| web.current().tls.is_some());
        info!(address = %listener.local_addr()?, path = site.settings.telemetry_path, tls, "Listening");
        let loops = accept(listener, Arc::clone(&site), Arc::clone(&places), tasks.clone(), stop.clone());
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

async fn accept(
    listener: TcpListener,
    site: Arc<Site>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let next = async || {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        (accepted(&listener).await, place)
    };
    loop {
        let (socket, place) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = next() => accepted,
        };
        let serving = connection::serve(Arc::clone(&site), socket, tasks.clone(), stop.clone());
        tasks.spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

/// Accepts until it succeeds: giving up would end the exporter. Failures in a row are told once, and once an hour.
async fn accepted(listener: &TcpListener) -> TcpStream {
    let mut told: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                if told.is_some() {
                    info!("Connections are accepted again");
                }
                return socket;
            }
            Err(error) => {
                let Some(pause) = pause_after(&error) else { continue };
                if told.is_none_or(|told| told.elapsed() >= REMINDER) {
                    warn!(%error, "Connections cannot be accepted; trying again");
                    told = Some(Instant::now());
                }
                sleep(pause).await;
            }
        }
    }
}

/// Most errors are like EMFILE, where trying again at once would spin; a client that hung up first is not.
fn pause_after(error: &io::Error) -> Option<Duration> {
    (error.kind() != io::ErrorKind::ConnectionAborted).then_some(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_machine_is_given_time_and_a_client_that_hung_up_is_not_waited_for() {
        let too_many_open_files = io::Error::from_raw_os_error(24);
        assert_eq!(pause_after(&too_many_open_files), Some(PAUSE));
        assert_eq!(pause_after(&io::ErrorKind::ConnectionAborted.into()), None);
    }
}
