//! How long to keep still after a refusal.
//!
//! The service locks a key for five minutes after more than five refused authentications in a row,
//! so a refusal is never tried again at once, and the fifth is followed by the time of a lock.

use std::time::Duration;

use tokio::time::Instant;

/// The longest pause, unless the poll interval is longer.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// How long the service locks a key; counts of earlier refusals are forgotten after it.
const LOCK: Duration = Duration::from_secs(5 * 60);

/// Refusals in a row that the service forgives.
const FORGIVEN: u32 = 5;

/// Refusals in a row, and until when nothing is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    first: Duration,
    refusals: u32,
    until: Option<Instant>,
}

impl Pause {
    /// No refusal so far; the first will be followed by a pause of `first`.
    pub(super) const fn new(first: Duration) -> Self {
        Self { first, refusals: 0, until: None }
    }

    /// The pause after so many refusals, as an earlier run left it.
    pub(super) const fn until(refusals: u32, until: Instant) -> Self {
        Self { first: Duration::ZERO, refusals, until: Some(until) }
    }

    /// Refusals in a row.
    pub(super) const fn refusals(&self) -> u32 {
        self.refusals
    }

    /// As [`Self::refused`], with another pause after a first refusal: accounts that share a key differ.
    pub(super) fn refused_after(&mut self, first: Duration, now: Instant) {
        self.first = first;
        self.refused(now);
    }

    /// Ends no sooner than this.
    pub(super) fn at_least(&mut self, until: Instant) {
        self.until = self.until.max(Some(until));
    }

    /// One more refusal: each pause is twice as long as the one before.
    pub(super) fn refused(&mut self, now: Instant) {
        self.refusals = self.refusals.saturating_add(1);
        let grown = self.first.saturating_mul(1_u32.checked_shl(self.refusals - 1).unwrap_or(u32::MAX));
        let least = if self.refusals >= FORGIVEN { LOCK } else { Duration::ZERO };
        self.until = Some(now + grown.max(least).min(LONGEST.max(self.first)));
    }

    /// A refusal of a request that was under way when the pause began: it counts with those who lock keys,
    /// and does not make the pause longer as long as they forgive it.
    pub(super) fn refused_besides(&mut self, now: Instant) {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals >= FORGIVEN {
            self.until = self.until.max(Some(now + LOCK));
        }
    }

    /// The refusals are over.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.first);
    }

    /// The time that is left to keep still.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(first: u64, count: usize) -> Vec<u64> {
        let now = Instant::now();
        let mut pause = Pause::new(Duration::from_secs(first));
        let mut next = || {
            pause.refused(now);
            pause.left(now).unwrap().as_secs()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        assert_eq!(pauses(30, 7), [30, 60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn the_sixth_refusal_that_would_lock_a_key_comes_no_sooner_than_five_minutes_after_the_fifth() {
        assert_eq!(pauses(1, 7), [1, 2, 4, 8, 300, 300, 300]);
    }

    #[test]
    fn refusals_of_requests_that_were_under_way_together_are_counted_by_the_service_too() {
        let now = Instant::now();
        let mut pause = Pause::new(Duration::from_secs(30));
        pause.refused(now);
        (0..3).for_each(|_| pause.refused_besides(now));
        assert_eq!(pause.left(now), Some(Duration::from_secs(30)));
        pause.refused(now);
        assert_eq!(pause.left(now), Some(Duration::from_secs(480)), "the fifth: the sixth would lock");
        let mut pause = Pause::new(Duration::from_secs(30));
        pause.refused(now);
        (0..4).for_each(|_| pause.refused_besides(now));
        assert_eq!(pause.left(now), Some(LOCK));
    }

    #[test]
    fn a_poll_interval_beyond_ten_minutes_is_kept() {
        assert_eq!(pauses(3600, 3), [3600, 3600, 3600]);
    }

    #[test]
    fn a_pause_ends_by_time_and_by_acceptance() {
        let now = Instant::now();
        let mut pause = Pause::new(Duration::from_secs(30));
        pause.refused(now);
        assert_eq!(pause.left(now + Duration::from_secs(30)), None);
        assert!(pause.left(now + Duration::from_secs(29)).is_some());
        pause.reset();
        assert_eq!(pause.left(now), None);
        pause.refused(now);
        assert_eq!(pause.left(now), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_thousand_refusals_overflow_nothing() {
        assert_eq!(pauses(30, 1000).last(), Some(&600));
    }
}
