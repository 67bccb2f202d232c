//! Tasks that last as long as the process, and no task that ends in silence.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns tasks, and ends the process where one of them ends although nobody asked it to: what it did would be
/// missed, and nobody would notice. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub(super) struct Supervisor {
    tasks: TaskTracker,
    stop: CancellationToken,
    failed: Arc<OnceLock<String>>,
}

impl Supervisor {
    /// A supervisor that cancels `stop` where a task ends unasked.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop, failed: Arc::default() }
    }

    /// Spawns a task that ends once `asked` is cancelled, and no earlier; `name` is what it is told by.
    pub(super) fn spawn(
        &self,
        name: impl Display,
        asked: CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let (name, this) = (name.to_string(), self.clone());
        self.tasks.spawn(async move {
            // Nothing of a task that panicked is used again, so that nothing half done is seen.
            let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
            if panicked || !asked.is_cancelled() {
                // Of several that end for the same reason, the first tells most.
                drop(this.failed.set(name));
                this.stop.cancel();
            }
        })
    }

    /// Waits for every task to end.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Whether every task has ended as it was asked to, so far.
    ///
    /// # Errors
    ///
    /// The first task that has not.
    pub(super) fn outcome(&self) -> anyhow::Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(name) => anyhow::bail!("{name} ended unasked, a fault of this program; start it anew"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_returns_unasked_stops_all_and_is_named() {
        for panics in [true, false] {
            let stop = CancellationToken::new();
            let supervisor = Supervisor::new(stop.clone());
            let other = supervisor.spawn("the other", stop.clone(), stop.clone().cancelled_owned());
            let task = async move { assert!(!panics, "a fault that the test wants") };
            drop(supervisor.spawn("the loop of account \"a\"", stop.clone(), task));
            supervisor.ended().await;
            assert!(stop.is_cancelled() && other.await.is_ok(), "the others are told to end");
            let told = supervisor.outcome().unwrap_err().to_string();
            assert!(told.starts_with("the loop of account \"a\" ended unasked"), "{told}");
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_when_it_is_asked_to_is_no_failure() {
        let (stop, asked) = (CancellationToken::new(), CancellationToken::new());
        let supervisor = Supervisor::new(stop.clone());
        drop(supervisor.spawn("a loop", asked.clone(), asked.clone().cancelled_owned()));
        asked.cancel();
        supervisor.ended().await;
        assert!(supervisor.outcome().is_ok() && !stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_panics_while_it_ends_is_a_failure_still() {
        let stop = CancellationToken::new();
        let supervisor = Supervisor::new(stop.clone());
        let asked = stop.clone();
        drop(supervisor.spawn("a loop", stop.clone(), async move {
            asked.cancelled().await;
            panic!("a fault that the test wants");
        }));
        stop.cancel();
        supervisor.ended().await;
        assert!(supervisor.outcome().is_err());
    }
}
