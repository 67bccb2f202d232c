//! A socket that gives up on clients that are too slow.
//!
//! hyper's own header timeout runs while a connection is idle too, so that it would either cut Prometheus'
//! keep-alive or leave heads that trickle alone; it has none for writes. This one tells the states apart: a head
//! under way, a response under way, idle.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) stall: Duration,
    pub(super) response: Duration,
    /// HTTP/2 sends frames between requests, so that bytes do not mean that a head is under way.
    pub(super) multiplexed: bool,
}

/// The requests under way on one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Requests>);

/// One request under way, until dropped.
#[derive(Debug)]
pub(super) struct Busy {
    activity: Arc<Activity>,
    number: u64,
}

#[derive(Debug)]
struct Requests {
    begun: u64,
    under_way: BTreeMap<u64, Instant>,
    idle_since: Instant,
    /// When the client last took a byte.
    moved: Instant,
}

/// A socket under watch.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    socket: S,
    patience: Patience,
    activity: Arc<Activity>,
    /// When bytes came last that may belong to a head, and how many requests had begun then.
    partial: Option<(Instant, u64)>,
    writing: Option<Writing>,
    read_deadline: Option<Instant>,
    write_deadline: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug)]
struct Writing {
    since: Instant,
    progress: Instant,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self(Mutex::new(Requests {
            begun: 0,
            under_way: BTreeMap::new(),
            idle_since: now,
            moved: now,
        })))
    }

    /// The handshake is done; the time for the first head begins.
    pub(super) fn restart(&self) {
        self.lock().idle_since = Instant::now();
    }

    /// The client took bytes.
    pub(super) fn wrote(&self) {
        self.lock().moved = Instant::now();
    }

    /// When the client last took bytes.
    pub(super) fn moved(&self) -> Instant {
        self.lock().moved
    }

    /// Whether a request is under way, and since when nothing has happened that counts: what was sent to the client,
    /// and the ends of requests, but no byte of the client's that is not a whole head.
    pub(super) fn standing(&self) -> (bool, Instant) {
        let requests = self.lock();
        let since = requests.under_way.values().next_back().copied().unwrap_or(requests.idle_since);
        (!requests.under_way.is_empty(), since.max(requests.moved))
    }

    /// A request's head is complete; its response is under way until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        let mut requests = self.lock();
        requests.begun += 1;
        let number = requests.begun;
        requests.under_way.insert(number, Instant::now());
        Busy { activity: Arc::clone(self), number }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut requests = self.activity.lock();
        requests.under_way.remove(&self.number);
        requests.idle_since = Instant::now();
    }
}

impl Requests {
    fn oldest(&self) -> Option<Instant> {
        self.under_way.values().next().copied()
    }
}

impl<S> Guarded<S> {
    pub(super) fn new(socket: S, patience: Patience, activity: Arc<Activity>) -> Self {
        let alarm = Box::pin(sleep_until(Instant::now() + patience.head));
        let (partial, writing, read_deadline, write_deadline) = (None, None, None, None);
        Self { socket, patience, activity, partial, writing, read_deadline, write_deadline, alarm }
    }

    /// Until when the client may keep us waiting for bytes.
    fn deadline_of_read(&self) -> Instant {
        let requests = self.activity.lock();
        let Patience { head, idle, response, multiplexed, .. } = self.patience;
        if let Some(oldest) = requests.oldest() {
            return oldest + response;
        }
        match self.partial.filter(|(_, begun)| *begun == requests.begun) {
            Some((since, _)) if !multiplexed => since.max(requests.idle_since) + head,
            Some(_) | None if requests.begun == 0 => requests.idle_since + head,
            Some(_) | None => requests.idle_since + idle,
        }
    }

    /// Until when the client must have taken something, and everything.
    fn deadline_of_write(&self) -> Instant {
        let now = Instant::now();
        let Writing { since, progress } = self.writing.unwrap_or(Writing { since: now, progress: now });
        let oldest = self.activity.lock().oldest().unwrap_or(since);
        (progress + self.patience.stall).min(oldest.min(since) + self.patience.response)
    }

    fn note_read(&mut self) {
        let begun = self.activity.lock().begun;
        if self.partial.is_none_or(|(_, earlier)| earlier != begun) {
            self.partial = Some((Instant::now(), begun));
        }
    }

    fn note_write(&mut self) {
        let now = Instant::now();
        let since = self.writing.map_or(now, |writing| writing.since);
        self.writing = Some(Writing { since, progress: now });
    }

    /// Waits for the client or the nearer deadline, whichever is first.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let nearer = [self.read_deadline, self.write_deadline].into_iter().flatten().min();
        let Some(deadline) = nearer else { return Poll::Pending };
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        match self.alarm.as_mut().poll(cx) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client is too slow")))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// As [`Self::after_write`], for what tells how many bytes were taken.
    fn after_bytes(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if matches!(outcome, Poll::Ready(Ok(1..))) {
            self.activity.wrote();
        }
        self.after_write(cx, outcome)
    }

    fn after_write<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.note_write();
            self.write_deadline = None;
            return outcome;
        }
        self.writing =
            self.writing.or_else(|| Some(Writing { since: Instant::now(), progress: Instant::now() }));
        self.write_deadline = Some(self.deadline_of_write());
        self.wait(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_read(cx, buffer);
        if outcome.is_ready() {
            this.note_read();
            this.read_deadline = None;
            return outcome;
        }
        this.read_deadline = Some(this.deadline_of_read());
        this.wait(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.after_bytes(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        this.after_bytes(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_flush(cx);
        let outcome = this.after_write(cx, outcome);
        if outcome.is_ready() {
            this.writing = None;
        }
        outcome
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_shutdown(cx);
        this.after_write(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::timeout;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(300),
        stall: Duration::from_secs(15),
        response: Duration::from_secs(60),
        multiplexed: false,
    };

    fn pair(patience: Patience) -> (Guarded<DuplexStream>, DuplexStream, Arc<Activity>) {
        let (ours, theirs) = duplex(16);
        let activity = Activity::new();
        (Guarded::new(ours, patience, Arc::clone(&activity)), theirs, activity)
    }

    /// Reads until the guard gives up; after how many seconds it did.
    async fn gives_up_reading(guarded: &mut Guarded<DuplexStream>) -> u64 {
        let begin = Instant::now();
        let mut buffer = [0; 16];
        loop {
            match guarded.read(&mut buffer).await {
                Ok(read) => assert!(read > 0, "the client is still there"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return begin.elapsed().as_secs();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_must_send_a_head() {
        let (mut guarded, _client, _activity) = pair(PATIENCE);
        assert_eq!(gives_up_reading(&mut guarded).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_cut_all_the_same() {
        let (mut guarded, mut client, activity) = pair(PATIENCE);
        drop(activity.begin());
        let trickle = async {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let cut = async {
            let seconds = gives_up_reading(&mut guarded).await;
            drop(guarded);
            seconds
        };
        assert_eq!(tokio::join!(cut, trickle).0, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_idle_between_requests() {
        let (mut guarded, mut client, activity) = pair(PATIENCE);
        client.write_all(b"a request").await.unwrap();
        assert_eq!(guarded.read(&mut [0; 16]).await.unwrap(), 9);
        drop(activity.begin());
        assert_eq!(gives_up_reading(&mut guarded).await, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_requests_are_no_head_in_http_2() {
        let (mut guarded, mut client, activity) = pair(Patience { multiplexed: true, ..PATIENCE });
        drop(activity.begin());
        client.write_all(b"a ping").await.unwrap();
        assert_eq!(gives_up_reading(&mut guarded).await, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_has_its_time_and_no_more() {
        let (mut guarded, _client, activity) = pair(PATIENCE);
        let _busy = activity.begin();
        assert_eq!(gives_up_reading(&mut guarded).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut() {
        let (mut guarded, _client, activity) = pair(PATIENCE);
        let (_busy, begin) = (activity.begin(), Instant::now());
        let error = guarded.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!((error.kind(), begin.elapsed().as_secs()), (io::ErrorKind::TimedOut, 15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_byte_now_and_then_is_cut_too() {
        let (mut guarded, mut client, activity) = pair(PATIENCE);
        // The response is handed over to the socket's queue at once; only the writes tell that it is not done.
        drop(activity.begin());
        let begin = Instant::now();
        let sip = async {
            while client.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        };
        let cut = async {
            let error = guarded.write_all(&[0; 1000]).await.unwrap_err();
            drop(guarded);
            (error.kind(), begin.elapsed().as_secs())
        };
        assert_eq!(tokio::join!(cut, sip).0, (io::ErrorKind::TimedOut, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_is_left_alone() {
        let (mut guarded, mut client, activity) = pair(PATIENCE);
        let drain = async { client.read_exact(&mut [0; 1000]).await.map(|_| ()) };
        let write = async {
            let _busy = activity.begin();
            guarded.write_all(&[0; 1000]).await?;
            guarded.flush().await
        };
        let both = async { tokio::try_join!(write, drain) };
        timeout(Duration::from_secs(1), both).await.expect("nothing waits").expect("nothing fails");
    }
}
