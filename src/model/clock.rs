//! The clocks as values: read at the edges, replaced in tests.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::Timestamp;

/// Tells the time of day, and the time that only goes forward; cheap to clone.
///
/// The first is for showing and for what the service says of its own time. Whatever lasts, grows old or is waited
/// for is measured by the second: the time of day may be set.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Instant + Send + Sync>,
}

impl Clock {
    /// A clock whose time of day is what `now` returns.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(now), monotonic: Arc::new(Instant::now) }
    }

    /// The same, measuring durations by `instant`.
    #[must_use]
    pub fn with_monotonic(self, instant: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { monotonic: Arc::new(instant), ..self }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// The time that only goes forward.
    #[must_use]
    pub fn instant(&self) -> Instant {
        (self.monotonic)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
