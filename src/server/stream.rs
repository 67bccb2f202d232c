//! Streams of HTTP/2, each with the time of a response.
//!
//! A client's window can hold a stream up while the connection goes on, with pings or other streams, so that the
//! socket's own clock says nothing about it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

tokio::task_local! {
    static CURRENT: Arc<Stream>;
}

/// The stream that a request came on.
#[derive(Debug)]
pub(super) struct Stream {
    begun: Instant,
    /// When something of the body was last taken; none before the response.
    moved: Mutex<Option<Instant>>,
    cut: CancellationToken,
}

/// Spawns streams where shutdown waits for them, and ends those that are too slow.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    pub(super) tasks: TaskTracker,
    /// Without a part of the body taken.
    pub(super) stall_time: Duration,
    /// From the request's head to the end of the response.
    pub(super) response_time: Duration,
}

impl Stream {
    fn new() -> Arc<Self> {
        let (begun, moved, cut) = (Instant::now(), Mutex::default(), CancellationToken::new());
        Arc::new(Self { begun, moved, cut })
    }

    /// The one whose task this is.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// The client takes, or could take, the next part of the body.
    pub(super) fn advance(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When it last did.
    pub(super) fn progress(&self) -> Instant {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(self.begun)
    }

    /// Resets the stream.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    fn is_responding(&self) -> bool {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Streams {
    /// Returns when the stream's time is up.
    async fn time_up(&self, stream: &Stream) {
        let end = stream.begun + self.response_time;
        loop {
            let since = if stream.is_responding() { stream.progress() } else { Instant::now() };
            let deadline = (since + self.stall_time).min(end);
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, serving: F) {
        let (streams, stream) = (self.clone(), Stream::new());
        self.tasks.spawn(async move {
            // What is dropped before its end is reset.
            tokio::select! {
                _ = CURRENT.scope(Arc::clone(&stream), serving) => {}
                () = stream.cut.cancelled() => debug!("A stream was reset to make room"),
                () = streams.time_up(&stream) => debug!("A stream was reset because the client is too slow"),
            }
        });
    }
}
