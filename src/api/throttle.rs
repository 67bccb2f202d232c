//! How fast an account's service may be asked, and when a request is repeated.
//!
//! A refusal (429) is congestion. Refusals without a success in between are one episode: it lowers the rate once,
//! and while it lasts one probe at a time goes out with growing pauses. The first probe that is let through ends it:
//! the rate is back at nine tenths of what was refused within [`RAMP`], and goes on slowly from there, the more
//! slowly the more often refusals came at the same rate. A limit that the service tells is taken as it is.
//!
//! `Retry-After` is obeyed for the operation that was refused; the probes of others may go before.
//!
//! [`Congestion`] is pure; [`RateLimiter`] gives it a clock and makes callers wait. Lists go before details: a
//! detail takes what they leave, within a rate of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Mutex as Queue, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::auth::http::Observer;
use crate::config::ApiLimits;

/// Requests made for one answer where the service fails, the first included. Refusals for the rate do not count.
pub(super) const ATTEMPTS: u32 = 4;

/// The longest wait that a `Retry-After` header is obeyed for.
const LONGEST: Duration = Duration::from_secs(300);

/// How much of the rate remains when an episode of refusals has ended, before it comes back.
const LOWERED: f64 = 0.5;

/// How much of the refused rate is back after [`RAMP`].
const BACK: f64 = 0.9;

/// How long the way back to [`BACK`] takes.
const RAMP: Duration = Duration::from_secs(20);

/// The longest pause of an episode without `Retry-After`; the first is the account's `retry_base`, and it doubles.
/// So that a service that is back is noticed within a quarter of a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How much of the rate of the last refusal is added a minute, up to that rate.
const GROWTH: f64 = 0.05;

/// The same where refusals came again and again at about the same rate: half an hour from one to the next.
const SLOWEST_GROWTH: f64 = 0.003;

/// How much is added a minute beyond the rate of the last refusal.
const GROWTH_BEYOND: f64 = 0.2;

/// Two refused rates that differ by no more than this are the same limit.
const SAME: f64 = 0.25;

/// The slowest it becomes.
const SLOWEST: f64 = 1.0 / 60.0;

/// How long a limit that the service told is believed.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// Of the account's rate, what overdue details may take while lists wait.
const OVERDUE_SHARE: f64 = 0.1;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A list, or the service's own sums: what a poll waits for.
    List,
    /// What is asked for object by object, within the rate of details and behind lists.
    Detail {
        /// Whether its answer is older than it should get: then lists may not hold it back for ever.
        overdue: bool,
    },
    /// A detail that nothing else is read beside: it may take the whole rate.
    Alone,
}

/// An episode of refusals: no request was let through since the first of them.
#[derive(Clone, Copy, Debug)]
struct Episode {
    pause: Duration,
    next_probe: Instant,
    probing: bool,
}

/// The way back after an episode.
#[derive(Clone, Copy, Debug)]
struct Recovery {
    since: Instant,
    /// The rate at which the last refusal came.
    refused_at: f64,
}

/// A token bucket whose rate follows what the service refuses.
#[derive(Clone, Debug)]
struct Congestion {
    configured: f64,
    burst: f64,
    first_pause: Duration,
    tokens: f64,
    counted_at: Instant,
    growth: f64,
    recovery: Option<Recovery>,
    told: Option<(f64, Instant)>,
    episode: Option<Episode>,
    /// Counts episodes: what a request that was sent before one comes to says nothing of it.
    epoch: u64,
}

/// When a request may go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    Now,
    At(Instant),
    /// When a probe that is under way has come back.
    AfterProbe,
}

impl Congestion {
    fn new(limits: &ApiLimits, now: Instant) -> Self {
        let burst = f64::from(limits.burst.max(1));
        Self {
            configured: limits.requests_per_second,
            burst,
            first_pause: limits.retry_base.min(LONGEST_PAUSE),
            tokens: burst,
            counted_at: now,
            growth: GROWTH,
            recovery: None,
            told: None,
            episode: None,
            epoch: 0,
        }
    }

    /// Requests a second that are allowed now.
    fn rate(&self, now: Instant) -> f64 {
        if let Some((told, _)) = self.told.filter(|(_, at)| now < *at + TOLD_FOR) {
            return told.min(self.configured);
        }
        let Some(Recovery { since, refused_at }) = self.recovery else { return self.configured };
        let since =
            if self.episode.is_some() { Duration::ZERO } else { now.saturating_duration_since(since) };
        recovered(refused_at, self.growth, since).clamp(SLOWEST.min(self.configured), self.configured)
    }

    /// Takes a token, or says when there is one.
    fn take(&mut self, now: Instant) -> Turn {
        self.refill(now);
        if let Some(episode) = &mut self.episode {
            if episode.probing {
                return Turn::AfterProbe;
            }
            if now < episode.next_probe {
                return Turn::At(episode.next_probe);
            }
            episode.probing = true;
            return Turn::Now;
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Turn::Now;
        }
        Turn::At(now + for_a_token(self.tokens, self.rate(now)))
    }

    fn refill(&mut self, now: Instant) {
        let rate = self.rate(now);
        let since = now.saturating_duration_since(self.counted_at).as_secs_f64();
        // A burst is what a refusing service minds most: until the rate is back, a second's worth.
        let burst = if rate < self.configured { rate.clamp(1.0, self.burst) } else { self.burst };
        self.tokens = (self.tokens + since * rate).min(burst);
        self.counted_at = now;
    }

    /// The service refused a request of that epoch.
    fn refused(&mut self, epoch: u64, now: Instant, told: Option<f64>) {
        self.refill(now);
        if let Some(told) = told {
            self.told = Some((told, now));
        }
        match &mut self.episode {
            Some(episode) if epoch == self.epoch => {
                episode.pause = (episode.pause * 2).min(LONGEST_PAUSE);
                episode.next_probe = now + episode.pause;
                episode.probing = false;
            }
            // Under way when the episode began: it is part of it.
            Some(_) => {}
            None if epoch < self.epoch => {}
            None => self.begin_episode(now),
        }
    }

    fn begin_episode(&mut self, now: Instant) {
        let refused_at = self.rate(now);
        let same = self.recovery.is_some_and(|before| (refused_at / before.refused_at - 1.0).abs() <= SAME);
        self.growth = if same { (self.growth / 2.0).max(SLOWEST_GROWTH) } else { GROWTH };
        self.recovery = Some(Recovery { since: now, refused_at });
        self.tokens = self.tokens.min(0.0);
        self.epoch += 1;
        let next_probe = now + self.first_pause;
        self.episode = Some(Episode { pause: self.first_pause, next_probe, probing: false });
    }

    /// The service let a request of that epoch through, whatever it answered.
    fn passed(&mut self, epoch: u64, now: Instant) {
        if epoch != self.epoch || self.episode.take().is_none() {
            return;
        }
        self.counted_at = now;
        if let Some(recovery) = &mut self.recovery {
            recovery.since = now;
        }
    }

    /// A request of that epoch came to nothing that tells of the rate.
    fn unknown(&mut self, epoch: u64, now: Instant) {
        if let Some(episode) = self.episode.as_mut().filter(|_| epoch == self.epoch) {
            episode.next_probe = now + episode.pause;
            episode.probing = false;
        }
    }
}

/// The rate so long after an episode: to nine tenths of what was refused, then slowly to it, then beyond.
fn recovered(refused_at: f64, growth: f64, since: Duration) -> f64 {
    let (since, ramp) = (since.as_secs_f64(), RAMP.as_secs_f64());
    if since < ramp {
        return refused_at * (LOWERED + (BACK - LOWERED) * since / ramp);
    }
    let minutes = (since - ramp) / 60.0;
    let to_refused = (1.0 - BACK) / growth;
    if minutes < to_refused {
        refused_at * (BACK + growth * minutes)
    } else {
        refused_at * (1.0 + GROWTH_BEYOND).powf(minutes - to_refused)
    }
}

/// A rate of details, and when one was last let in between lists.
#[derive(Debug)]
struct DetailBudget {
    rate: f64,
    tokens: f64,
    counted_at: Instant,
    let_in_at: Option<Instant>,
}

impl DetailBudget {
    fn take(&mut self, congestion: &mut Congestion, lists_wait: bool, overdue: bool, now: Instant) -> Turn {
        let since = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.tokens = (self.tokens + since * self.rate).min(self.rate.max(1.0));
        self.counted_at = now;
        if self.tokens < 1.0 {
            return Turn::At(now + for_a_token(self.tokens, self.rate));
        }
        if lists_wait {
            let pause = Duration::from_secs_f64(1.0 / (congestion.rate(now) * OVERDUE_SHARE));
            match self.let_in_at.map(|at| at + pause) {
                _ if !overdue || congestion.episode.is_some() => return Turn::AfterProbe,
                Some(next) if now < next => return Turn::At(next),
                Some(_) | None => {}
            }
        }
        let turn = congestion.take(now);
        if turn == Turn::Now {
            self.tokens -= 1.0;
            self.let_in_at = Some(now);
        }
        turn
    }
}

/// How long until a bucket has a whole token.
fn for_a_token(tokens: f64, rate: f64) -> Duration {
    // A microsecond more, so that rounding never leaves a sliver of a token missing at that instant.
    Duration::from_secs_f64((1.0 - tokens) / rate) + Duration::from_micros(1)
}

#[derive(Debug)]
struct State {
    congestion: Congestion,
    details: DetailBudget,
    /// Until when the service asks not to be asked for an operation; others may go before.
    closed: HashMap<&'static str, Instant>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    slots: Arc<Semaphore>,
    /// Lists wait here in the order in which they came.
    lists: Queue<()>,
    details: Queue<()>,
    lists_waiting: AtomicUsize,
    changed: Notify,
}

/// Makes callers wait for their turn. Clones share the rate.
#[derive(Clone, Debug)]
pub(crate) struct RateLimiter(Arc<Shared>);

/// A request that may go, and is under way as long as this lives.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: RateLimiter,
    operation: &'static str,
    epoch: u64,
    told: bool,
    slot: Option<OwnedSemaphorePermit>,
}

impl RateLimiter {
    /// A limiter that begins at the configured rate.
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        let now = Instant::now();
        let rate = limits.details_requests_per_second();
        let details = DetailBudget { rate, tokens: 1.0, counted_at: now, let_in_at: None };
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                congestion: Congestion::new(limits, now),
                details,
                closed: HashMap::new(),
            }),
            slots: Arc::new(Semaphore::new(limits.concurrency.max(1))),
            lists: Queue::default(),
            details: Queue::default(),
            lists_waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        }))
    }

    /// Waits for a turn. `None` where it would come after `deadline`: then nobody waits in vain.
    pub(super) async fn acquire(
        &self,
        operation: &'static str,
        priority: Priority,
        deadline: Instant,
        observer: &dyn Observer,
    ) -> Option<Permit> {
        let begin = Instant::now();
        // Before the queue, so that it holds nothing else back there.
        while let Some(open_at) = self.closed_until(operation) {
            if open_at > deadline {
                return None;
            }
            sleep_until(open_at).await;
        }
        let permit = match priority {
            Priority::List | Priority::Alone => {
                let _waiting = Waiting::begin(&self.0);
                let _turn = timeout_at(deadline, self.0.lists.lock()).await.ok()?;
                self.wait(operation, priority, deadline).await
            }
            Priority::Detail { .. } => {
                let _turn = timeout_at(deadline, self.0.details.lock()).await.ok()?;
                self.wait(operation, priority, deadline).await
            }
        };
        observer.waited(begin.elapsed());
        observer.rate(self.rate());
        permit
    }

    fn closed_until(&self, operation: &'static str) -> Option<Instant> {
        self.state().closed.get(operation).copied().filter(|open_at| *open_at > Instant::now())
    }

    /// Whether anybody else holds it too.
    pub(super) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Requests a second that are allowed now.
    pub(super) fn rate(&self) -> f64 {
        self.state().congestion.rate(Instant::now())
    }

    async fn wait(&self, operation: &'static str, priority: Priority, deadline: Instant) -> Option<Permit> {
        loop {
            // Listened to before looking, so that no change is missed in between.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            let turn = match Arc::clone(&self.0.slots).try_acquire_owned() {
                Ok(slot) => match self.take(priority, Instant::now()) {
                    (Turn::Now, epoch) => {
                        let (limiter, slot) = (self.clone(), Some(slot));
                        return Some(Permit { limiter, operation, epoch, told: false, slot });
                    }
                    (later, _) => later,
                },
                Err(_) => Turn::AfterProbe,
            };
            match turn {
                Turn::At(at) if at > deadline => return None,
                Turn::At(at) => tokio::select! { () = sleep_until(at) => {} () = changed => {} },
                Turn::Now | Turn::AfterProbe => timeout_at(deadline, changed).await.ok()?,
            }
        }
    }

    fn take(&self, priority: Priority, now: Instant) -> (Turn, u64) {
        let mut state = self.state();
        let State { congestion, details, .. } = &mut *state;
        let lists_wait = self.0.lists_waiting.load(Ordering::Relaxed) > 0;
        let turn = match priority {
            Priority::List | Priority::Alone => congestion.take(now),
            Priority::Detail { overdue } => details.take(congestion, lists_wait, overdue, now),
        };
        (turn, congestion.epoch)
    }

    // Poison means nothing: nothing that holds the lock can leave the figures in halves.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A list that waits for its turn; details see it.
#[derive(Debug)]
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.lists_waiting.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lists_waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }
}

impl Permit {
    /// The service let the request through.
    pub(super) fn passed(mut self) {
        self.told = true;
        self.limiter.state().congestion.passed(self.epoch, Instant::now());
    }

    /// The service answered 429: with a time to wait, and perhaps the limit in its words.
    pub(super) fn refused(mut self, retry_after: Option<Duration>, message: &str) {
        self.told = true;
        let (now, mut state) = (Instant::now(), self.limiter.state());
        state.congestion.refused(self.epoch, now, limit_in(message));
        if let Some(wait) = retry_after {
            state.closed.insert(self.operation, now + wait);
        }
        drop(state);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.told {
            self.limiter.state().congestion.unknown(self.epoch, Instant::now());
        }
        drop(self.slot.take());
        self.limiter.0.changed.notify_waiters();
    }
}

/// The limit in `…limit:200,time:5 minute`, in requests a second.
fn limit_in(message: &str) -> Option<f64> {
    let number = |text: &str| -> Option<f64> {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|number: &f64| *number > 0.0)
    };
    let (_, rest) = message.split_once("limit:")?;
    let limit = number(rest)?;
    let (_, rest) = rest.split_once("time:")?;
    let time = number(rest)?;
    let unit = rest.trim_start_matches(|character: char| character.is_ascii_digit()).trim_start();
    let seconds = [("second", 1.0), ("minute", 60.0), ("hour", 3600.0), ("day", 86_400.0)];
    let (_, unit) = seconds.into_iter().find(|(name, _)| unit.starts_with(name))?;
    Some(limit / (time * unit))
}

/// The wait before attempt number `attempt` (the first retry is 1), for a random `jitter` in 0..1.
///
/// Exponential from `base`, half of it by chance, so that many exporters do not come back at once.
pub(super) fn backoff(base: Duration, attempt: u32, jitter: f64) -> Duration {
    let full = base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// The wait that a `Retry-After` header asks for, in seconds or as a date.
///
/// A date is the clock's of whoever wrote it, so it is taken from theirs where the answer tells it: this machine's
/// may be hours off. `now` serves where it does not.
pub(super) fn retry_after(headers: &HeaderMap, now: crate::model::Timestamp) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    let wait = seconds.or_else(|| {
        let theirs = headers.get(http::header::DATE).and_then(|date| instant(date.to_str().ok()?));
        Some(instant(text)?.since(theirs.unwrap_or(now)))
    })?;
    Some(wait.min(LONGEST))
}

/// The instant of a header's date.
fn instant(text: &str) -> Option<crate::model::Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(crate::model::Timestamp::from_millis(date.as_millisecond()))
}

/// A source of chance that needs no seed: only the jitter hangs on it.
pub(super) fn jitter() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::hash::RandomState::new().build_hasher().finish();
    let high = u32::try_from(random >> 32).expect("the upper half of 64 bits");
    f64::from(high) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
