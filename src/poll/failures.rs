//! Failing collectors in the log: one line when they begin to fail, one when they work again, a reminder an hour.

use std::collections::BTreeMap;
use std::time::Duration;

use super::episode::Episode;
use crate::model::Collector;

/// How a collector's poll went.
#[derive(Debug)]
pub(super) struct Polled {
    /// Which.
    pub(super) collector: Collector,
    /// Why it failed, where it did.
    pub(super) failure: Option<Failure>,
}

/// Why a poll failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The value of the `reason` label.
    pub(super) reason: &'static str,
    /// The error with its causes.
    pub(super) error: String,
    /// Whether what an earlier poll read is still served.
    pub(super) served: bool,
}

/// One account's failing collectors.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Collector, Episode>);

/// Collectors that one line tells of.
#[derive(Debug, Default)]
struct Line {
    collectors: Vec<&'static str>,
    error: String,
    lasted: Duration,
    served: bool,
}

impl Failures {
    /// Tells of a poll what is new in it. Collectors that fail for one reason share a line: a refused key, or a
    /// network that is gone, is one trouble.
    pub(super) fn tell(&mut self, account: &str, polls: impl IntoIterator<Item = Polled>) {
        let mut failing: BTreeMap<&'static str, Line> = BTreeMap::new();
        let mut well = Line::default();
        for Polled { collector, failure } in polls {
            let episode = self.0.entry(collector).or_default();
            let (line, lasted) = match &failure {
                Some(failure) => match episode.holds(failure.reason) {
                    Some(lasted) => (failing.entry(failure.reason).or_default(), lasted),
                    None => continue,
                },
                None => match episode.ends() {
                    Some(lasted) => (&mut well, lasted),
                    None => continue,
                },
            };
            line.collectors.push(collector.label());
            line.lasted = line.lasted.max(lasted);
            if let Some(failure) = failure {
                line.served |= failure.served;
                line.error = if line.error.is_empty() { failure.error } else { line.error.clone() };
            }
        }
        for (reason, line) in failing {
            line.tell(account, reason);
        }
        if !well.collectors.is_empty() {
            let (collectors, after) = (well.collectors.join(","), seconds(well.lasted));
            tracing::info!(account, collectors, after, "Polling works again");
        }
    }
}

impl Line {
    fn tell(self, account: &str, reason: &'static str) {
        let Self { collectors, error, lasted, served } = self;
        let (collectors, since) = (collectors.join(","), (!lasted.is_zero()).then(|| seconds(lasted)));
        if served {
            let message = "Polls fail; what was read before is served until it is too old";
            tracing::warn!(account, collectors, reason, error, since, "{message}");
        } else {
            tracing::warn!(
                account,
                collectors,
                reason,
                error,
                since,
                "Polls fail; there is nothing to serve"
            );
        }
    }
}

/// A duration for a person, to the second.
fn seconds(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

#[cfg(test)]
pub(super) mod testing {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing_subscriber::fmt::MakeWriter;

    /// What is logged, as a test reads it.
    #[derive(Clone, Default)]
    pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Log {
        /// Listens to this thread from now on.
        pub(crate) fn watch(&self) -> tracing::subscriber::DefaultGuard {
            let subscriber = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
            tracing::subscriber::set_default(subscriber.with_writer(self.clone()).finish())
        }

        /// What was told since the last call.
        pub(crate) fn lines(&self) -> Vec<String> {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
            String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Log;
    use super::*;
    use tokio::time::advance;

    fn polls(reason: Option<&'static str>, served: bool) -> impl Iterator<Item = Polled> {
        let failure =
            move || reason.map(|reason| Failure { reason, error: format!("an error of {reason}"), served });
        [Collector::Sources, Collector::Tasks]
            .into_iter()
            .map(move |collector| Polled { collector, failure: failure() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_of_failures_is_a_line_at_each_end_and_one_an_hour() {
        let (log, mut failures) = (Log::default(), Failures::default());
        let _watch = log.watch();
        failures.tell("a", polls(None, false));
        assert_eq!(log.lines(), [""; 0], "that all is well is no news");
        for _ in 0..24 * 60 {
            failures.tell("a", polls(Some("auth"), false));
            advance(Duration::from_secs(60)).await;
        }
        let lines = log.lines();
        assert_eq!(lines.len(), 24, "{lines:#?}");
        let first = "WARN Polls fail; there is nothing to serve account=\"a\" collectors=\"sources,tasks\" \
                     reason=\"auth\" error=\"an error of auth\"";
        assert_eq!(lines[0], first);
        assert_eq!(lines[23], format!("{first} since=\"23h\""));
        failures.tell("a", polls(None, false));
        let end = "INFO Polling works again account=\"a\" collectors=\"sources,tasks\" after=\"1day\"";
        assert_eq!(log.lines(), [end]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_reason_is_news_and_what_is_still_served_is_said() {
        let (log, mut failures) = (Log::default(), Failures::default());
        let _watch = log.watch();
        for reason in ["timeout", "connect", "timeout"] {
            failures.tell("a", polls(Some(reason), true));
            advance(Duration::from_secs(60)).await;
        }
        let lines = log.lines();
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[0].contains("served until it is too old") && lines[0].contains("timeout"), "{lines:?}");
        assert!(lines[1].contains("connect") && lines[1].ends_with("since=\"1m\""), "{lines:?}");
    }
}
