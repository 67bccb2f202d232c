//! Keeps what an account remembers on the disk, without the poll waiting for a slow one.

use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::attempt::chain;
use super::episode::Episode;
use crate::metrics::AccountMeters;
use crate::model::{AccountName, Clock};
use crate::storage::{KeepError, Memory, Shelf};

/// A poll's page waits so long for what it says to be safe on the disk, so that a counter that was seen is
/// not forgotten; a disk that is slower than this costs no poll more.
const PATIENCE: Duration = Duration::from_secs(1);

/// At the end, so long: well within the grace that the process has.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Writes one account's memory, never two of them at once.
#[derive(Debug)]
pub struct Keeper {
    shelf: Shelf,
    account: AccountName,
    meters: AccountMeters,
    clock: Clock,
    loaded: bool,
    writing: Option<JoinHandle<Result<(), KeepError>>>,
    /// What was last handed over is not known to be on the disk.
    unsaved: bool,
    failing: Episode,
}

impl Keeper {
    /// A keeper of what belongs on that shelf.
    #[must_use]
    pub fn new(shelf: Shelf, account: AccountName, meters: AccountMeters, clock: Clock) -> Self {
        meters.stores();
        let failing = Episode::default();
        Self { shelf, account, meters, clock, loaded: false, writing: None, unsaved: false, failing }
    }

    /// What an earlier run kept, told once. A file that cannot be used is told of, and is as good as none.
    pub(super) async fn load(&mut self) -> Option<Memory> {
        if std::mem::replace(&mut self.loaded, true) {
            return None;
        }
        let shelf = self.shelf.clone();
        let loaded = spawn_blocking(move || shelf.load()).await;
        let account = self.account.as_str();
        let problem = match loaded {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(memory))) => {
                let file = self.shelf.path();
                let file = file.display();
                if memory.last_success.is_empty() {
                    tracing::info!(account, %file, "Going on with the counters that an earlier run kept");
                } else {
                    tracing::info!(account, %file, "Going on from what an earlier run kept");
                }
                return Some(memory);
            }
            Ok(Err(error)) => chain(&error),
            Err(panic) => chain(&panic),
        };
        tracing::warn!(account, error = problem, "Starting afresh: what an earlier run kept cannot be used");
        None
    }

    /// Writes what is remembered now, unless the last is still being written: then the next poll will.
    pub(super) async fn keep(&mut self, memory: impl FnOnce() -> Memory) {
        self.unsaved = true;
        self.settle(Duration::ZERO).await;
        if self.writing.is_none() {
            self.begin(memory());
            self.settle(PATIENCE).await;
        }
    }

    /// Writes what is remembered at the end, if it is not written yet.
    pub(super) async fn finish(&mut self, memory: impl FnOnce() -> Memory) {
        if !self.unsaved {
            return;
        }
        // A write under way may be of something older.
        let older = self.writing.is_some();
        self.settle(LAST_PATIENCE).await;
        if self.writing.is_none() && (older || self.unsaved) {
            self.begin(memory());
            self.settle(LAST_PATIENCE).await;
        }
        if self.unsaved {
            let account = self.account.as_str();
            tracing::warn!(account, "Ended before the last poll was on the disk; the one before it may be");
        }
    }

    fn begin(&mut self, memory: Memory) {
        let shelf = self.shelf.clone();
        self.writing = Some(spawn_blocking(move || shelf.keep(&memory)));
    }

    /// Waits so long for the write under way, and notes how it went.
    async fn settle(&mut self, patience: Duration) {
        let Some(mut writing) = self.writing.take() else { return };
        let account = self.account.as_str();
        match timeout(patience, &mut writing).await {
            Err(_) => self.writing = Some(writing),
            Ok(Ok(Ok(()))) => {
                if self.failing.ends().is_some() {
                    tracing::info!(account, "Storing works again");
                }
                self.unsaved = false;
                self.meters.stored(Some(self.clock.now()));
            }
            Ok(Ok(Err(error))) => self.failed(&chain(&error)),
            Ok(Err(panic)) => self.failed(&chain(&panic)),
        }
    }

    /// One warning when writes begin to fail and one an hour; the metric counts them all.
    fn failed(&mut self, error: &str) {
        let account = self.account.as_str();
        if self.failing.holds("write").is_some() {
            tracing::warn!(
                account,
                error,
                "What must survive a restart cannot be written; polling goes on, and each poll tries again"
            );
        }
        self.meters.stored(None);
    }
}
