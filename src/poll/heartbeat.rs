//! A sign of life of the loop that polls an account.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a loop may be later than it meant to be: a page to render, a disk to wait for, a machine that is busy.
const GRACE: Duration = Duration::from_secs(60);

/// Until when a loop means to turn again; whoever holds a clone sees whether it does.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Mutex<Instant>>);

impl Heartbeat {
    /// Of a loop that turns for the first time within `time` from now.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self(Arc::new(Mutex::new(due(time))))
    }

    /// The loop turns now, and will again within `time`.
    pub fn beat(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = due(time);
    }

    /// For how long the loop has been late; `None` while it is not.
    #[must_use]
    pub fn late(&self) -> Option<Duration> {
        let due = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Instant::now().checked_duration_since(due).filter(|late| !late.is_zero())
    }
}

fn due(time: Duration) -> Instant {
    let now = Instant::now();
    // A day, where somebody gave a loop more time than a clock can count.
    now.checked_add(time.saturating_add(GRACE)).unwrap_or(now + Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_late_once_its_time_and_the_grace_are_over_and_until_it_turns() {
        let heartbeat = Heartbeat::new(30 * SECOND);
        let seen = heartbeat.clone();
        advance(30 * SECOND + GRACE).await;
        assert_eq!(seen.late(), None);
        advance(SECOND).await;
        assert_eq!(seen.late(), Some(SECOND));
        heartbeat.beat(10 * SECOND);
        assert_eq!(seen.late(), None);
        advance(20 * SECOND + GRACE).await;
        assert_eq!(seen.late(), Some(10 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn no_time_is_too_long() {
        Heartbeat::new(Duration::MAX).beat(Duration::MAX);
    }
}
