//! One collector's attempt, and the memory of its attempts.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::api::{ApiError, List, Notes, Reread};
use crate::metrics::{AccountMeters, CollectorOutcome};
use crate::model::{Clock, Collector, Timestamp};

/// What a collector read, with what is known of its completeness.
#[derive(Debug)]
pub(super) struct Read<T> {
    /// What was read.
    pub(super) data: T,
    /// What the service counts.
    pub(super) expected: Option<u64>,
    /// What came more than once.
    pub(super) duplicates: u64,
    /// What was odd.
    pub(super) notes: Notes,
    /// Whether what is not in it was not there.
    pub(super) whole: bool,
    /// Why it had to be read again.
    pub(super) rereads: Vec<Reread>,
    /// Whether the service's order is not stable.
    pub(super) order_unstable: bool,
}

impl<T> Read<T> {
    /// What came in one piece.
    pub(super) fn whole(data: T, expected: Option<u64>, notes: Notes) -> Self {
        let (duplicates, rereads) = (0, Vec::new());
        Self { data, expected, duplicates, notes, whole: true, rereads, order_unstable: false }
    }

    /// The same with other data.
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Read<U> {
        let Self { data, expected, duplicates, notes, whole, rereads, order_unstable } = self;
        Read { data: map(data), expected, duplicates, notes, whole, rereads, order_unstable }
    }
}

impl<T> From<List<T>> for Read<Vec<Arc<T>>> {
    fn from(list: List<T>) -> Self {
        let List { objects, expected, duplicates, notes, whole, rereads, order_unstable, .. } = list;
        Self { data: objects, expected, duplicates, notes, whole, rereads, order_unstable }
    }
}

/// An attempt that ended.
#[derive(Debug)]
pub struct Attempt<T> {
    /// When it was begun.
    pub(super) begun: Timestamp,
    /// How long it took.
    pub(super) took: Duration,
    /// When it ended.
    pub(super) ended: Timestamp,
    /// What came of it.
    pub(super) result: Result<Read<T>, ApiError>,
}

/// Makes an attempt and takes its time. A panic is a failure like any other.
pub(super) async fn attempt<T>(
    clock: &Clock,
    read: impl Future<Output = Result<Read<T>, ApiError>>,
) -> Attempt<T> {
    let (begun, begin) = (clock.now(), Instant::now());
    let result = AssertUnwindSafe(read).catch_unwind().await;
    let result = result.unwrap_or_else(|panic| Err(ApiError::from_panic(&*panic)));
    Attempt { begun, took: begin.elapsed(), ended: clock.now(), result }
}

/// How an attempt went, as far as metrics and the log tell of it.
#[derive(Debug)]
pub(super) struct Noted<'a> {
    pub(super) begun: Timestamp,
    pub(super) took: Duration,
    /// When what came was read; why nothing came.
    pub(super) result: Result<Timestamp, &'a ApiError>,
    pub(super) expected: Option<u64>,
    /// What is served now.
    pub(super) exported: u64,
    pub(super) duplicates: u64,
}

/// How a collector has fared so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// When what is held was read, by the wall clock: to be shown.
    pub(super) last_success: Option<Timestamp>,
    /// The same by the clock that only goes forward: ages are measured by it. `None` for what an earlier run read.
    pub(super) fresh_at: Option<Instant>,
    pub(super) failures: u32,
    /// Whether an attempt has ended.
    pub(super) attempted: bool,
    /// Why the last attempt failed.
    pub(super) problem: Option<String>,
    /// Whether its order is known to be unstable, so that it is told once.
    pub(super) order_unstable: bool,
}

impl Record {
    /// Writes an attempt down in the metrics.
    pub(super) fn note(
        &mut self,
        collector: Collector,
        noted: &Noted<'_>,
        meters: &AccountMeters,
        now: Instant,
    ) {
        self.attempted = true;
        let (reason, expected) = match noted.result {
            Ok(read_at) => {
                self.failures = 0;
                self.problem = None;
                (self.last_success, self.fresh_at) = (Some(read_at), Some(now));
                (None, noted.expected)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let reason = error.reason();
                self.problem = Some(format!("{reason}: {}", chain(error)));
                (Some(reason), expected_by(error))
            }
        };
        let outcome = CollectorOutcome {
            at: noted.begun,
            took: noted.took,
            last_success: self.last_success,
            failures: self.failures,
            reason,
            expected,
            exported: noted.exported,
            duplicates: noted.duplicates,
        };
        meters.polled(collector, &outcome);
    }
}

/// What the service counted although the list did not come whole.
fn expected_by(error: &ApiError) -> Option<u64> {
    match error {
        ApiError::Incomplete { expected, .. } => Some(*expected),
        ApiError::TooLong { count, .. } => Some(*count),
        ApiError::Implausible { expected, .. } => *expected,
        ApiError::Auth(_)
        | ApiError::Transport(_)
        | ApiError::Refused(_)
        | ApiError::Malformed(_)
        | ApiError::Panicked(_)
        | ApiError::Deadline => None,
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
