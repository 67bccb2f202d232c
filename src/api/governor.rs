//! How fast an account's service may be asked: a token bucket that learns from refusals.
//!
//! [`Bucket`] is pure; [`Governor`] gives it a clock and makes callers wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::auth::http::Observer;
use crate::config::ApiLimits;

/// How much of the rate remains after a refusal that does not say what the limit is.
const BACKING_OFF: f64 = 0.5;

/// How far below a limit that the service told it stays: other clients share the quota.
const MARGIN: f64 = 0.9;

/// Every so often without a refusal, the rate recovers by [`RECOVERY`].
const RECOVERY_PERIOD: Duration = Duration::from_secs(60);

/// Slow on purpose: what was refused a minute ago is likely refused again.
const RECOVERY: f64 = 1.1;

/// The slowest it becomes: one request a minute still notices that the service is back.
const SLOWEST: f64 = 1.0 / 60.0;

/// A token bucket whose rate falls with refusals and recovers slowly.
#[derive(Clone, Debug)]
struct Bucket {
    configured: f64,
    rate: f64,
    burst: f64,
    tokens: f64,
    counted_at: Instant,
    recovers_at: Instant,
    not_before: Instant,
}

impl Bucket {
    fn new(requests_per_second: f64, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self {
            configured: requests_per_second,
            rate: requests_per_second,
            burst,
            tokens: burst,
            counted_at: now,
            recovers_at: now,
            not_before: now,
        }
    }

    /// Takes a token: from when on the request may go.
    fn take(&mut self, now: Instant) -> Instant {
        self.refill(now);
        self.tokens -= 1.0;
        let wait = if self.tokens < 0.0 { -self.tokens / self.rate } else { 0.0 };
        self.not_before.max(now + Duration::from_secs_f64(wait))
    }

    fn refill(&mut self, now: Instant) {
        while self.rate < self.configured && self.recovers_at + RECOVERY_PERIOD <= now {
            self.recovers_at += RECOVERY_PERIOD;
            self.rate = (self.rate * RECOVERY).min(self.configured);
        }
        let since = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.tokens = (self.tokens + since * self.rate).min(self.burst);
        self.counted_at = now;
    }

    /// The service refused: pause, and go on more slowly.
    fn refused(&mut self, now: Instant, pause: Option<Duration>, limit: Option<f64>) {
        self.refill(now);
        let slower = limit.map_or(self.rate * BACKING_OFF, |limit| limit * MARGIN);
        self.rate = slower.clamp(SLOWEST, self.rate);
        self.tokens = self.tokens.min(0.0);
        self.recovers_at = now;
        self.not_before = self.not_before.max(now + pause.unwrap_or_default());
    }
}

/// Makes callers wait for their turn. Cheap to share.
#[derive(Clone, Debug)]
pub(super) struct Governor {
    bucket: Arc<Mutex<Bucket>>,
    slots: Arc<Semaphore>,
    observer: Arc<dyn Observer>,
}

impl Governor {
    pub(super) fn new(limits: &ApiLimits, observer: Arc<dyn Observer>) -> Self {
        let bucket = Bucket::new(limits.requests_per_second, limits.burst, Instant::now());
        observer.rate(bucket.rate);
        Self {
            bucket: Arc::new(Mutex::new(bucket)),
            slots: Arc::new(Semaphore::new(limits.concurrency.max(1))),
            observer,
        }
    }

    /// The same for another account, which is told of what concerns it.
    pub(super) fn reporting_to(&self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self.clone() }
    }

    /// Whether others hold it besides this handle.
    pub(super) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.bucket) > 1
    }

    /// Waits for a turn; the request is under way as long as the permit lives.
    ///
    /// `None` where the turn would come after `deadline`: then nobody waits in vain.
    pub(super) async fn turn(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let begin = Instant::now();
        let slot = Arc::clone(&self.slots).acquire_owned();
        let slot =
            tokio::time::timeout_at(deadline, slot).await.ok()?.expect("the semaphore is never closed");
        let go = {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            let go = bucket.take(Instant::now());
            if go > deadline {
                bucket.tokens += 1.0;
                return None;
            }
            self.observer.rate(bucket.rate);
            go
        };
        sleep_until(go).await;
        self.observer.waited(begin.elapsed());
        Some(slot)
    }

    /// The service answered 429: with a time to wait, and perhaps the limit in its words.
    pub(super) fn refused(&self, retry_after: Option<Duration>, message: &str) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.refused(Instant::now(), retry_after, limit_in(message));
        self.observer.rate(bucket.rate);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::http::Unobserved;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_limit_is_learned_from_the_gateways_words() {
        assert_eq!(limit_in("policy ip over ratelimit,limit:5,time:1 second"), Some(5.0));
        assert_eq!(limit_in("policy user over ratelimit,limit:200,time:5 minute"), Some(200.0 / 300.0));
        for text in
            ["", "limit:0,time:1 second", "limit:x,time:1 second", "limit:5,time:1 fortnight", "limit:5"]
        {
            assert_eq!(limit_in(text), None, "{text}");
        }
    }

    #[test]
    fn a_burst_goes_at_once_and_then_the_rate_holds() {
        let now = Instant::now();
        let mut bucket = Bucket::new(5.0, 10, now);
        let waits: Vec<_> = (0..12).map(|_| bucket.take(now).duration_since(now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 400]);
    }

    #[test]
    fn a_refusal_pauses_and_slows_and_the_rate_recovers_slowly() {
        let now = Instant::now();
        let mut bucket = Bucket::new(5.0, 10, now);
        bucket.refused(now, Some(secs(7.0)), Some(2.0));
        assert_eq!(bucket.rate, 1.8);
        assert_eq!(bucket.take(now).duration_since(now), secs(7.0));
        bucket.refill(now + secs(59.0));
        assert_eq!(bucket.rate, 1.8);
        bucket.refill(now + secs(60.0));
        assert!((bucket.rate - 1.98).abs() < 1e-9, "{}", bucket.rate);
        bucket.refill(now + secs(3600.0));
        assert_eq!(bucket.rate, 5.0);
        (0..99).for_each(|_| bucket.refused(now, None, None));
        assert_eq!(bucket.rate, SLOWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_turn_that_comes_too_late() {
        let limits = ApiLimits { requests_per_second: 1.0, burst: 1, ..ApiLimits::default() };
        let governor = Governor::new(&limits, Arc::new(Unobserved));
        let begin = Instant::now();
        assert!(governor.turn(begin + secs(10.0)).await.is_some());
        governor.refused(Some(secs(20.0)), "");
        assert!(governor.turn(begin + secs(10.0)).await.is_none());
        assert_eq!(begin.elapsed(), secs(0.0), "refused at once, not after ten seconds");
        assert!(governor.turn(begin + secs(30.0)).await.is_some());
        assert_eq!(begin.elapsed(), secs(20.0));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_are_under_way_than_allowed() {
        let limits = ApiLimits { concurrency: 2, ..ApiLimits::default() };
        let governor = Governor::new(&limits, Arc::new(Unobserved));
        let soon = || Instant::now() + secs(1.0);
        let first = governor.turn(soon()).await.unwrap();
        let _second = governor.turn(soon()).await.unwrap();
        assert!(governor.turn(soon()).await.is_none());
        drop(first);
        assert!(governor.turn(soon()).await.is_some());
    }
}
