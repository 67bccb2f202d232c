//! What survives a restart: the counters, and the states that changes are told against.
//!
//! One file per account in a directory of the exporter's own. A [`Shelf`] is an account's place in it:
//! [`Shelf::keep`] replaces the file in one step (a temporary file beside it, synced, renamed, the directory
//! synced), so that whatever happens meanwhile, the file is the old one or the new one, whole.
//! [`Shelf::load`] trusts nothing: a file that is not exactly what was written is set aside under another
//! name, so that a person can look at it, and the account starts afresh.
//!
//! Only what [`crate::diff`] compares is kept of an object. So what is loaded is good for telling what
//! changed, and never for being served.

mod disk;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use crate::metrics::Tally;
use crate::model::{AccountName, Collector, Fleet, SourceId, TaskId, Timestamp};

pub use frame::Damage;

/// The largest file that is read: many times what the largest fleet needs.
const MOST_BYTES: u64 = 1 << 30;

/// What is remembered of an account from one run to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Sources, tasks and speed rules, as far as changes are told by them; no other part.
    pub fleet: Fleet,
    /// What was counted.
    pub tally: Tally,
    /// When each collector last succeeded.
    pub last_success: BTreeMap<Collector, Timestamp>,
    /// Sources that the last whole reading lacked, and whose removal the next may confirm.
    pub absent_sources: Vec<SourceId>,
    /// Tasks that the last whole reading lacked.
    pub absent_tasks: Vec<TaskId>,
    /// Since when a list lacks so much that it is not believed.
    pub implausible_since: BTreeMap<Collector, Timestamp>,
}

/// The directory that accounts are kept in; it belongs to one exporter.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
    writing: Arc<Mutex<()>>,
    /// Open and locked, where this process has claimed the directory.
    claimed: Arc<OnceLock<File>>,
}

/// An account's place in the directory.
#[derive(Clone, Debug)]
pub struct Shelf {
    directory: PathBuf,
    /// One write at a time in the whole directory: an account that was taken away and came back could
    /// otherwise meet its own last write.
    writing: Arc<Mutex<()>>,
    file: String,
    account: AccountName,
    scope: String,
}

/// Why a directory is not this process's alone.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has it.
    #[error(
        "{} is in use by another sms-exporter, and two would overwrite each other's counters: \
         stop the other one, or give each its own --storage.path",
        .0.display()
    )]
    InUse(PathBuf),
    /// The directory cannot be made, or its file system knows no locks.
    #[error("cannot lock {}", .path.display())]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A small file in the directory that belongs to no account.
#[derive(Clone, Debug)]
pub struct SmallFile {
    directory: PathBuf,
    writing: Arc<Mutex<()>>,
    name: &'static str,
}

/// The largest small file that is read.
const MOST_SMALL_BYTES: u64 = 1 << 20;

/// Why an account could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The directory cannot be made.
    #[error("cannot make the directory {}", .path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing could be kept in the directory.
    #[error("nothing can be kept in {}", .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file that cannot be used, and what became of it.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used: {damage}; {fate}", .path.display())]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
    /// Where it is now.
    pub fate: Fate,
}

/// What became of a file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fate {
    /// It has another name now.
    #[error("it is set aside as {}", .0.display())]
    SetAside(PathBuf),
    /// It is where it was, and will be overwritten.
    #[error("it cannot be set aside ({0}) and will be overwritten")]
    Left(io::Error),
}

impl Store {
    /// Keeps accounts in `directory`, which is made when something is kept.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), writing: Arc::default(), claimed: Arc::default() }
    }

    /// Makes the directory, and claims it for this process until the last clone of the store is gone. The kernel
    /// keeps the claim, so that it ends with the process however that ends.
    ///
    /// # Errors
    ///
    /// Another process has it, or it cannot be locked.
    pub fn claim(&self) -> Result<(), ClaimError> {
        let failed = |source| ClaimError::Lock { path: self.directory.clone(), source };
        disk::make_directory(&self.directory).map_err(failed)?;
        let directory = File::open(&self.directory).map_err(failed)?;
        match directory.try_lock() {
            Ok(()) => {
                self.claimed.get_or_init(|| directory);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(ClaimError::InUse(self.directory.clone())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Looks whether anything could be kept, and leaves all as it was; the answer is what is to be doubted.
    ///
    /// # Errors
    ///
    /// A directory that is none, cannot be made, or in which no file can be made.
    pub fn examine(&self) -> Result<Option<String>, KeepError> {
        let unusable = |source| KeepError::Unusable { path: self.directory.clone(), source };
        disk::probe(&self.directory).map_err(unusable)?;
        Ok(disk::open_to_all(&self.directory).map(|open| {
            let open = open.display();
            format!("every user of this machine may write in {open}, and so replace what is kept: take that right away")
        }))
    }

    /// The place of an account. `scope` says what the account looks at, such as its region and project: the
    /// states of another scope are nothing to compare with, so only the counters are taken from them.
    #[must_use]
    pub fn shelf(&self, account: &AccountName, scope: impl Into<String>) -> Shelf {
        let Self { directory, writing, .. } = self.clone();
        Shelf { directory, writing, file: file_name(account), account: account.clone(), scope: scope.into() }
    }
}

impl Store {
    /// The file of that name.
    #[must_use]
    pub fn small_file(&self, name: &'static str) -> SmallFile {
        let Self { directory, writing, .. } = self.clone();
        SmallFile { directory, writing, name }
    }
}

impl SmallFile {
    /// What was kept last; `None` where nothing was.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or is not what was written.
    pub fn load(&self) -> io::Result<Option<Vec<u8>>> {
        match disk::read(&self.directory.join(self.name), MOST_SMALL_BYTES) {
            Ok(bytes) => frame::open(&bytes).map(|content| Some(content.to_vec())).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces what is kept, and returns when it is safe on the disk.
    ///
    /// # Errors
    ///
    /// A directory or a file that cannot be written; what was kept before is still there.
    pub fn keep(&self, content: &[u8]) -> io::Result<()> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        disk::make_directory(&self.directory)?;
        disk::replace(&self.directory, self.name, &frame::seal(content), &mut |_| Ok(()))
    }
}

impl Shelf {
    /// The account's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.file)
    }

    /// What was kept last; `None` where nothing was.
    ///
    /// # Errors
    ///
    /// A file that cannot be used. It was set aside where that was possible, so that keeping can go on.
    pub fn load(&self) -> Result<Option<Memory>, Unusable> {
        let path = self.path();
        let damage = match disk::read(&path, MOST_BYTES) {
            Ok(bytes) => match decode(&bytes, &self.account, &self.scope) {
                Ok(memory) => return Ok(Some(memory)),
                Err(damage) => damage,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Damage::Unreadable(error),
        };
        let fate = disk::set_aside(&path).map_or_else(Fate::Left, Fate::SetAside);
        Err(Unusable { path, damage, fate })
    }

    /// Replaces what is kept, and returns when it is safe on the disk.
    ///
    /// # Errors
    ///
    /// A directory or a file that cannot be written; what was kept before is still there.
    pub fn keep(&self, memory: &Memory) -> Result<(), KeepError> {
        let bytes = encode(memory, &self.account, &self.scope);
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        disk::make_directory(&self.directory)
            .map_err(|source| KeepError::Directory { path: self.directory.clone(), source })?;
        disk::replace(&self.directory, &self.file, &bytes, &mut |_| Ok(()))
            .map_err(|source| KeepError::File { path: self.path(), source })
    }
}

/// An account's memory as the bytes of its file.
#[must_use]
pub fn encode(memory: &Memory, account: &AccountName, scope: &str) -> Vec<u8> {
    frame::seal(&record::write(memory, account, scope))
}

/// A file's bytes as an account's memory.
///
/// # Errors
///
/// Bytes that are not exactly what [`encode`] makes for this account.
pub fn decode(bytes: &[u8], account: &AccountName, scope: &str) -> Result<Memory, Damage> {
    record::read(frame::open(bytes)?, account, scope)
}

/// A name that is safe in a file system, says to people whose file it is, and is the account's alone.
fn file_name(account: &AccountName) -> String {
    let tame = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let readable: String = account.as_str().chars().take(40).map(tame).collect();
    let digest = hex::encode(Sha256::digest(account.as_str()));
    let tail: String = digest.chars().take(16).collect();
    format!("{readable}-{tail}.state")
}

/// Whether a file of the directory is one that [`Shelf::keep`] was writing when it was killed.
#[must_use]
pub fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == disk::UNFINISHED)
}
