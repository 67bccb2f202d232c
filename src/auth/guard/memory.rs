//! What is remembered of refusals over restarts.
//!
//! Of an identity its hash is kept, and of the secret that was refused a salted hash that is slow to compute:
//! enough to know the same secret again, and nothing that leads to either.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::{Guard, Refusal, Refused, SecretPrint, WINDOW};
use crate::auth::pause::Pause;
use crate::auth::trouble::Trouble;
use crate::model::{Clock, Timestamp};

/// What the file's first key says.
const VERSION: u32 = 1;

/// A request waits so long for the disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes a guess at a remembered secret cost some 50 ms.
const COST: u32 = 10;

/// A small file that is replaced as a whole.
pub trait RefusalFile: fmt::Debug + Send + Sync {
    /// What was written last; `None` where nothing was.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or holds something else than was written.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces what was written.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    fn replace(&self, bytes: &[u8]) -> io::Result<()>;
}

/// The file, one reader or writer at a time.
#[derive(Debug)]
pub(super) struct Memory {
    file: Arc<dyn RefusalFile>,
    clock: Clock,
    using: Mutex<Trouble>,
}

/// The file's content.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Content {
    version: u32,
    /// By the hash of the identity.
    keys: BTreeMap<String, Entry>,
}

/// What is kept of one identity; instants are milliseconds since the epoch.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Entry {
    refusals: Vec<i64>,
    /// A request that tries a secret and had no verdict when this was written.
    trying: Option<i64>,
    refused: Option<Kept>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    /// Of the secret's fingerprint, by bcrypt.
    secret: String,
    in_row: u32,
    until: i64,
}

impl Entry {
    fn is_over(&self, wall: i64) -> bool {
        let age = |at: i64| age(at, wall);
        self.refusals.iter().chain(&self.trying).all(|at| age(*at) >= WINDOW)
            && self.refused.as_ref().is_none_or(|kept| kept.until <= wall)
    }
}

/// How old an instant is; one that lies ahead, after the clock was set back, is new.
fn age(at: i64, wall: i64) -> Duration {
    Duration::from_millis(u64::try_from(wall.saturating_sub(at)).unwrap_or(0))
}

impl Memory {
    pub(super) fn new(file: Arc<dyn RefusalFile>, clock: Clock) -> Self {
        Self { file, clock, using: Mutex::default() }
    }

    /// The wall clock, in milliseconds since the epoch.
    pub(super) fn wall(&self) -> i64 {
        self.clock.now().millis()
    }

    fn read(&self) -> io::Result<Content> {
        let Some(bytes) = self.file.read()? else { return Ok(Content::default()) };
        let content: Content = serde_json::from_slice(&bytes)?;
        if content.version == VERSION {
            Ok(content)
        } else {
            Err(io::Error::other("another version wrote it"))
        }
    }

    /// Takes up what is in the file of an identity.
    fn look(&self, guard: &Guard, secret: SecretPrint) {
        let mut trouble = self.using.lock().unwrap_or_else(PoisonError::into_inner);
        let content = told(self.read(), &mut trouble);
        let Some(entry) = content.unwrap_or_default().keys.remove(&guard.identity.hex()) else { return };
        drop(trouble);
        guard.take_up(entry, secret, self.wall());
    }

    /// Writes what is known of an identity, and keeps what others wrote.
    fn save(&self, guard: &Guard) {
        let mut trouble = self.using.lock().unwrap_or_else(PoisonError::into_inner);
        let mut content = self.read().unwrap_or_default();
        let (wall, id) = (self.wall(), guard.identity.hex());
        let before = content.keys.remove(&id).unwrap_or_default();
        content.keys.insert(id, guard.entry(before, wall));
        content.keys.retain(|_, entry| !entry.is_over(wall));
        content.version = VERSION;
        let bytes = serde_json::to_vec(&content).map_err(io::Error::other);
        told(bytes.and_then(|bytes| self.file.replace(&bytes)), &mut trouble);
    }
}

/// The value, or one warning for as long as there is none.
fn told<T>(result: io::Result<T>, trouble: &mut Trouble) -> Option<T> {
    match result {
        Ok(value) => {
            trouble.ends();
            Some(value)
        }
        Err(error) => {
            if trouble.goes_on(Instant::now()) {
                tracing::warn!(%error, "Refusals of credentials are not remembered over a restart");
            }
            None
        }
    }
}

impl Guard {
    /// Learns what earlier runs, and others that use the same directory, know of the key.
    pub(super) async fn look(self: &Arc<Self>, secret: SecretPrint) {
        let (guard, memory) = (Arc::clone(self), self.memory.clone());
        if let Some(memory) = memory {
            within_patience(spawn_blocking(move || memory.look(&guard, secret))).await;
        }
    }

    /// Writes what is known, and returns when it is on the disk.
    pub(super) async fn save(self: &Arc<Self>) {
        let (guard, memory) = (Arc::clone(self), self.memory.clone());
        if let Some(memory) = memory {
            within_patience(spawn_blocking(move || memory.save(&guard))).await;
        }
    }

    /// Writes what is known, without waiting for it.
    pub(super) fn save_soon(self: &Arc<Self>) {
        let (guard, memory) = (Arc::clone(self), self.memory.clone());
        if let (Some(memory), Ok(runtime)) = (memory, tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || memory.save(&guard)));
        }
    }

    fn take_up(&self, entry: Entry, secret: SecretPrint, wall: i64) {
        let now = Instant::now();
        let kept = entry.refused.filter(|kept| kept.until > wall && kept.is_of(secret));
        let mut state = self.state();
        // An attempt of this process is its own affair; another's had no verdict yet, or never will.
        let trying = entry.trying.filter(|at| state.trying != Some(*at));
        for at in entry.refusals.into_iter().chain(trying) {
            let ago = age(at, wall);
            if ago < WINDOW && state.refusals.iter().all(|refusal| refusal.wall != at) {
                state.add(Refusal { at: now.checked_sub(ago).unwrap_or(now), wall: at });
            }
        }
        let Some(kept) = kept else { return };
        let until = now + age(wall, kept.until);
        if state.left(secret, now).is_none_or(|left| now + left < until) {
            let pause = Pause::until(kept.in_row, until);
            state.refused = Some(Refused { secret, since: now, pause });
        }
    }

    fn entry(&self, before: Entry, wall: i64) -> Entry {
        let now = Instant::now();
        let mut state = self.state();
        state.forget_old(now);
        let mut refusals: Vec<i64> = state.refusals.iter().map(|refusal| refusal.wall).collect();
        refusals.extend(before.refusals.into_iter().filter(|at| age(*at, wall) < WINDOW));
        refusals.sort_unstable();
        refusals.dedup();
        let (trying, refused) = (state.trying, state.refused.clone());
        drop(state);
        let kept = refused.and_then(|refused| {
            let left = refused.pause.left(now)?;
            let until = Timestamp::from_millis(wall).plus(left).millis();
            let known = before.refused.filter(|kept| kept.is_of(refused.secret));
            let secret = known.map(|kept| kept.secret).or_else(|| slow_hash(refused.secret))?;
            Some(Kept { secret, in_row: refused.pause.refusals(), until })
        });
        Entry { refusals, trying, refused: kept }
    }
}

impl Kept {
    fn is_of(&self, secret: SecretPrint) -> bool {
        bcrypt::verify(hex::encode(secret.0), &self.secret).unwrap_or(false)
    }
}

fn slow_hash(secret: SecretPrint) -> Option<String> {
    bcrypt::hash(hex::encode(secret.0), COST).ok()
}

/// Waits for the disk, but not for one that hangs.
async fn within_patience(job: tokio::task::JoinHandle<()>) {
    // Whatever went wrong was told where it happened; the job goes on after the patience.
    drop(timeout(PATIENCE, job).await);
}
