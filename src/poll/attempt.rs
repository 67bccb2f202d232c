//! One collector's attempt, and the memory of its attempts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{ApiError, Notes};
use crate::metrics::{AccountMeters, CollectorOutcome};
use crate::model::{Clock, Collector, Part, Timestamp};

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
}

/// An attempt that ended.
#[derive(Debug)]
pub(super) struct Attempt<T> {
    /// When it was begun.
    pub(super) begun: Timestamp,
    /// How long it took.
    pub(super) took: Duration,
    /// What came of it: the part, with what the service counts and how many duplicates were dropped.
    pub(super) result: Result<Came<T>, ApiError>,
    /// What was odd.
    pub(super) notes: Notes,
}

/// A part that came, what the service counts, and how many duplicates were dropped.
type Came<T> = (Arc<Part<T>>, Option<u64>, u64);

/// Makes an attempt and takes its time.
pub(super) async fn attempt<T>(
    clock: &Clock,
    read: impl Future<Output = Result<Read<T>, ApiError>>,
) -> Attempt<T> {
    let (begun, begin) = (clock.now(), Instant::now());
    let (result, notes) = match read.await {
        Ok(Read { data, expected, duplicates, notes }) => {
            let part = Arc::new(Part { data, read_at: clock.now() });
            (Ok((part, expected, duplicates)), notes)
        }
        Err(error) => (Err(error), Notes::default()),
    };
    Attempt { begun, took: begin.elapsed(), result, notes }
}

/// How a collector has fared so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) last_success: Option<Timestamp>,
    pub(super) failures: u32,
}

impl Record {
    /// Writes an attempt down: in the metrics and, where it failed, in one log line.
    ///
    /// `kept` is the part that stands after it, and `exported` counts its objects while they are served.
    pub(super) fn note<T>(
        &mut self,
        account: &str,
        collector: Collector,
        attempt: &Attempt<T>,
        exported: u64,
        meters: &AccountMeters,
    ) {
        let (reason, expected, duplicates) = match &attempt.result {
            Ok((part, expected, duplicates)) => {
                if self.failures > 0 {
                    tracing::info!(account, collector = collector.label(), "Polling works again");
                }
                self.failures = 0;
                self.last_success = Some(part.read_at);
                (None, *expected, *duplicates)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let chain = chain(error);
                let (collector, failures) = (collector.label(), self.failures);
                let reason = error.reason();
                if error.is_about_credentials() {
                    // Refused credentials are logged where they are kept, once for all collectors and accounts.
                    tracing::debug!(account, collector, reason, failures, error = chain, "Poll failed");
                } else {
                    tracing::warn!(
                        account,
                        collector,
                        reason,
                        failures,
                        error = chain,
                        "Poll failed; still serving what was read before"
                    );
                }
                (Some(reason), expected_by(error), 0)
            }
        };
        meters.odd(&attempt.notes.malformed, &attempt.notes.unknown);
        let (last_success, failures) = (self.last_success, self.failures);
        let outcome = CollectorOutcome {
            at: attempt.begun,
            took: attempt.took,
            last_success,
            failures,
            reason,
            expected,
            exported,
            duplicates,
        };
        meters.polled(collector, &outcome);
    }
}

/// What the service counted although the list did not come whole.
fn expected_by(error: &ApiError) -> Option<u64> {
    match error {
        ApiError::Incomplete { expected, .. } => Some(*expected),
        ApiError::TooLong { count, .. } => Some(*count),
        ApiError::Auth(_)
        | ApiError::Transport(_)
        | ApiError::Refused(_)
        | ApiError::Malformed(_)
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
