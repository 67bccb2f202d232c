//! A token bucket for requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One request each interval, and bursts after a pause.
#[derive(Debug)]
pub(super) struct Bucket {
    interval: Duration,
    full: Duration,
    level: Mutex<Level>,
}

/// What is in the bucket, as time: an interval buys a request.
#[derive(Debug)]
struct Level {
    credit: Duration,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(interval: Duration, burst: u32, now: Instant) -> Self {
        let full = interval.saturating_mul(burst);
        Self { interval, full, level: Mutex::new(Level { credit: full, at: now }) }
    }

    /// Whether a request may pass now; if so, it is paid for.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let credit = level.credit.saturating_add(now.saturating_duration_since(level.at)).min(self.full);
        let rest = credit.checked_sub(self.interval);
        *level = Level { credit: rest.unwrap_or(credit), at: now };
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_granted_at_once_and_then_one_request_each_interval() {
        let begin = Instant::now();
        let bucket = Bucket::new(Duration::from_secs(2), 3, begin);
        assert_eq!((0..5).filter(|_| bucket.take(begin)).count(), 3);
        let seconds = (1..10).filter(|second| bucket.take(begin + Duration::from_secs(*second)));
        assert_eq!(seconds.collect::<Vec<_>>(), [2, 4, 6, 8]);
        let later = begin + Duration::from_secs(100);
        assert_eq!((0..5).filter(|_| bucket.take(later)).count(), 3);
    }
}
