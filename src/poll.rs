//! The loop that reads the service and publishes pages.
//!
//! One account is one task: [`run`] lets its [`Reader`] attempt every collector, each for itself and again when its
//! own time has come, lets the [`Ledger`] tell what changed, and hands the rendered page to the [`Publisher`]. What
//! came waits two seconds at most for what is still being read. What is asked for object by object goes on beside
//! the lists ([`Details`]); a part that gets too old meanwhile is taken from the page at its time.

mod attempt;
mod details;
mod episode;
mod failures;
mod heartbeat;
mod journal;
mod keeper;
mod ledger;
mod observer;
mod publisher;
mod reader;
mod removals;

pub use episode::Episode;
pub use heartbeat::Heartbeat;
pub use keeper::Keeper;
pub use ledger::{Ledger, Readiness};
pub use observer::Meter;
pub use publisher::{AccountFacts, Publisher};
pub use reader::{Details, Reader, Reading};

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::model::{Clock, Collector, TaskId};

/// How long what came waits for what is still being read, so that a poll is one page where that costs nothing.
const HELD_BACK: Duration = Duration::from_secs(2);

/// A collector that failed by what may be over soon is attempted again so soon, however long the interval.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Details that came are on the page so soon, however long the interval.
const DETAILS_SHOWN: Duration = Duration::from_secs(30);

/// Details that are asked for at once, beside the lists.
const DETAILS_AT_ONCE: usize = 2;

/// Details that are asked for at once where there is nothing else to read.
const DETAILS_ALONE: usize = 8;

/// An account at work.
#[derive(Debug)]
pub struct Account {
    /// Reads the service.
    pub reader: Reader,
    /// What is asked for object by object.
    pub details: Details,
    /// Remembers what was read.
    pub ledger: Ledger,
    /// How often it is polled.
    pub interval: Duration,
    /// Keeps what it remembers, where that shall survive a restart.
    pub keeper: Option<Keeper>,
    /// Tells others that the loop still turns.
    pub heartbeat: Heartbeat,
}

impl Account {
    /// Goes on from what an earlier run kept; does so once.
    async fn resume(&mut self, clock: &Clock) {
        let Some(keeper) = &mut self.keeper else { return };
        if let Some(memory) = keeper.load().await {
            self.ledger.resume(memory, clock);
        }
    }

    /// Keeps what is remembered now.
    async fn keep(&mut self, clock: &Clock) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(|| self.ledger.memory(clock)).await;
        }
    }

    /// Keeps what is remembered at the end.
    async fn finish(&mut self, clock: &Clock) {
        if let Some(keeper) = &mut self.keeper {
            keeper.finish(|| self.ledger.memory(clock)).await;
        }
    }

    /// Takes what was read, and what it says of the details that are wanted.
    fn take(&mut self, reading: Reading, clock: &Clock) {
        let changed = self.ledger.take(reading, clock);
        self.want(&changed, clock);
    }

    fn want(&mut self, changed: &BTreeSet<TaskId>, clock: &Clock) {
        self.details.want(self.ledger.fleet(), changed, clock.instant());
    }
}

/// Polls an account until `stop`; what is being read then is given up.
pub async fn run(account: Account, publisher: Publisher, clock: Clock, stop: CancellationToken) {
    let mut polling = Polling::new(account, publisher, clock, stop.clone());
    polling.account.resume(&polling.clock).await;
    polling.publish();
    loop {
        polling.begin();
        let wake_at = polling.wake_at();
        polling.account.heartbeat.beat(wake_at.saturating_duration_since(Instant::now()));
        let Polling { reading, asking, .. } = &mut polling;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(reading) = reading.next() => polling.take(reading),
            Some(detail) = asking.next() => polling.take_detail(detail),
            () = sleep_until(wake_at) => {}
        }
        polling.publish_if_due().await;
    }
    polling.account.finish(&polling.clock).await;
}

/// An account while it is polled.
struct Polling {
    account: Account,
    publisher: Publisher,
    clock: Clock,
    stop: CancellationToken,
    reading: FuturesUnordered<BoxFuture<'static, Reading>>,
    asking: FuturesUnordered<BoxFuture<'static, reader::Detail>>,
    /// When each list is attempted again; those that are being read are in `begun`.
    due: BTreeMap<Collector, Instant>,
    begun: BTreeMap<Collector, Instant>,
    /// When it is noted how asking for details went.
    round_due: Instant,
    /// When a detail is due at the earliest.
    detail_due: Option<Instant>,
    /// When what came is published at the latest.
    publish_at: Option<Instant>,
}

impl Polling {
    fn new(account: Account, publisher: Publisher, clock: Clock, stop: CancellationToken) -> Self {
        let now = Instant::now();
        let due = account.reader.lists().map(|collector| (collector, now)).collect();
        let round_due = now + account.interval.min(DETAILS_SHOWN);
        Self {
            account,
            publisher,
            clock,
            stop,
            reading: FuturesUnordered::new(),
            asking: FuturesUnordered::new(),
            due,
            begun: BTreeMap::new(),
            round_due,
            detail_due: None,
            publish_at: None,
        }
    }

    /// Begins what is due. A list that is still being read is not begun again.
    fn begin(&mut self) {
        let now = Instant::now();
        let due: Vec<Collector> =
            self.due.iter().filter(|(_, due)| **due <= now).map(|(collector, _)| *collector).collect();
        for collector in due {
            self.due.remove(&collector);
            self.begun.insert(collector, now);
            self.reading.push(self.account.reader.read(collector));
        }
        self.detail_due = None;
        while self.asking.len() < DETAILS_AT_ONCE {
            match self.account.details.ask(&self.account.reader, false) {
                Ok(asking) => self.asking.push(asking),
                Err(due) => {
                    self.detail_due = due;
                    break;
                }
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let stale_at = Instant::now() + self.account.ledger.stale_in(self.clock.instant());
        let others = [self.publish_at, self.detail_due, self.due.values().min().copied()];
        others.into_iter().flatten().chain([stale_at, self.round_due]).min().unwrap_or(stale_at)
    }

    fn take(&mut self, reading: Reading) {
        let (now, collector) = (Instant::now(), reading.collector());
        let begun = self.begun.remove(&collector).unwrap_or(now);
        let interval = self.account.interval;
        let again = if reading.failed_for_now() { interval.min(AGAIN_AFTER) } else { interval };
        // A list that took longer than the interval delays its own next attempt; attempts never pile up.
        self.due.insert(collector, (begun + again).max(now));
        let (account, clock) = (&mut self.account, &self.clock);
        let taken = self.publisher.unless(&self.stop, || guarded(|| account.take(reading, clock)));
        if taken == Some(false) {
            self.account.ledger.panicked(collector);
        }
        let wait = if self.begun.is_empty() { Duration::ZERO } else { HELD_BACK };
        self.publish_within(wait);
    }

    fn take_detail(&mut self, detail: reader::Detail) {
        self.account.details.take(detail, &self.clock);
        self.publish_within(self.account.interval.min(DETAILS_SHOWN));
    }

    fn publish_within(&mut self, wait: Duration) {
        let at = Instant::now() + wait;
        self.publish_at = Some(self.publish_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Publishes what came, once its time has come, and what is no longer fresh enough.
    async fn publish_if_due(&mut self) {
        let now = Instant::now();
        let round = self.round_due <= now;
        if round {
            self.round_due = now + self.account.interval.min(DETAILS_SHOWN);
        }
        let is_due = self.publish_at.is_some_and(|at| at <= now);
        if is_due || round {
            let Account { ledger, details, .. } = &mut self.account;
            let clock = &self.clock;
            self.publisher.unless(&self.stop, || guarded(|| ledger.take_details(details, round, clock)));
        }
        if is_due {
            self.publish_at = None;
            self.account.ledger.tell_failures();
            self.account.keep(&self.clock).await;
        }
        let is_stale = self.account.ledger.is_stale(self.clock.instant());
        if is_due || is_stale {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let (ledger, now) = (&mut self.account.ledger, self.clock.instant());
        self.publisher.publish_unless(&self.stop, || ledger.render(now));
    }
}

/// Does something, and says whether it came to its end: a panic on the way costs what it was about and no more.
fn guarded(act: impl FnOnce()) -> bool {
    let ended = std::panic::catch_unwind(AssertUnwindSafe(act));
    if let Err(panic) = &ended {
        tracing::error!(error = %crate::api::ApiError::from_panic(&**panic), "What was read cannot be used");
    }
    ended.is_ok()
}

/// Polls an account once, details included, and publishes what came.
pub async fn once(account: &mut Account, publisher: &Publisher, clock: &Clock) {
    account.resume(clock).await;
    for reading in account.reader.read_lists().await {
        account.take(reading, clock);
    }
    ask_all(account, clock).await;
    account.ledger.take_details(&mut account.details, true, clock);
    account.ledger.tell_failures();
    account.keep(clock).await;
    publisher.publish(account.ledger.render(clock.instant()));
}

/// Asks for all details that are due.
async fn ask_all(account: &mut Account, clock: &Clock) {
    let deadline = Instant::now() + account.reader.timeout();
    let mut asking = FuturesUnordered::new();
    loop {
        while asking.len() < DETAILS_ALONE
            && let Ok(next) = account.details.ask(&account.reader, true)
        {
            asking.push(next);
        }
        match timeout_at(deadline, asking.next()).await {
            Ok(Some(detail)) => account.details.take(detail, clock),
            Ok(None) | Err(_) => break,
        }
    }
}

/// Sees to it that what an account remembers is kept, before it is dropped.
pub async fn finish(account: &mut Account, clock: &Clock) {
    account.finish(clock).await;
}
