//! How often a key may be refused, whoever uses it and however often the exporter is told to begin anew.
//!
//! The service locks an access key, or a user, for five minutes after more than five refusals, for everybody
//! who uses it. So there is one [`Guard`] per key in the process, and all accounts with that key share it:
//! requests that are under way and refusals of the last five minutes are [`BUDGET`] at most. While a secret
//! is unproven, one request tries it and the others wait for its verdict. [`Guards`] outlive reloads, and
//! restarts where there is a file to remember them in.

mod memory;

pub use memory::RefusalFile;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

use super::pause::Pause;
use super::secret::digest;
use super::trouble::Trouble;
use crate::model::Clock;
use memory::Memory;

/// Refusals within [`WINDOW`] that are risked: one less than the service forgives.
pub(super) const BUDGET: usize = 4;

/// The time for which the service locks a key and counts its refusals, and a little more for the way to it.
const WINDOW: Duration = Duration::from_secs(5 * 60 + 10);

/// What the service counts refusals by: an access key, or a user of an account. A hash, not the name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// The identity that these words name; each is told from the next.
    pub(super) fn of(words: &[&str]) -> Self {
        Self(digest(words.iter().copied()))
    }

    fn hex(self) -> String {
        hex::encode(self.0)
    }
}

/// Tells a secret from another of the same key, in memory only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretPrint(pub(super) [u8; 32]);

impl fmt::Debug for SecretPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretPrint")
    }
}

/// What the log says of credentials that are refused.
pub(super) const REFUSED: &str = "The credentials are refused; they are not tried again before a pause";

/// A pause, for the log.
pub(super) fn whole_seconds(pause: Duration) -> String {
    humantime::format_duration(Duration::from_secs(pause.as_secs())).to_string()
}

/// The guards of a process. Clones are handles to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    guards: Arc<Mutex<HashMap<Identity, Arc<Guard>>>>,
    memory: Option<Arc<Memory>>,
    cautious: bool,
}

impl Guards {
    /// Guards that remember in `file` what was refused, so that restarts are no way around them.
    #[must_use]
    pub fn remembering(file: Arc<dyn RefusalFile>, clock: Clock) -> Self {
        Self { memory: Some(Arc::new(Memory::new(file, clock))), ..Self::default() }
    }

    /// Guards that know nothing of runs before: a secret that is refused and was never accepted is tried again
    /// only when the service has forgotten whatever happened before.
    #[must_use]
    pub fn cautious() -> Self {
        Self { cautious: true, ..Self::default() }
    }

    /// The guard of an identity; `label` is what its log lines call it.
    pub(super) fn of(&self, identity: Identity, label: &str) -> Arc<Guard> {
        let mut guards = self.guards.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let (memory, cautious) = (self.memory.clone(), self.cautious);
            let (state, changed) = (Mutex::default(), Arc::default());
            Arc::new(Guard { identity, label: label.to_owned(), memory, cautious, state, changed })
        };
        Arc::clone(guards.entry(identity).or_insert_with(new))
    }
}

/// What stands between a key and the service.
#[derive(Debug)]
pub(super) struct Guard {
    identity: Identity,
    label: String,
    memory: Option<Arc<Memory>>,
    cautious: bool,
    state: Mutex<State>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    refusals: Vec<Refusal>,
    refused: Option<Refused>,
    proven: Option<SecretPrint>,
    under_way: usize,
    /// When the attempt began that tries an unproven secret now, by the wall clock.
    trying: Option<i64>,
    /// Whether this process ever saw the key accepted.
    accepted: bool,
    trouble: Trouble,
}

/// A refusal, on both clocks: the wall's is for the file.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    at: Instant,
    wall: i64,
}

/// The secret that was refused last, and until when it is not tried.
#[derive(Clone, Debug)]
struct Refused {
    secret: SecretPrint,
    since: Instant,
    pause: Pause,
}

impl State {
    fn forget_old(&mut self, now: Instant) {
        self.refusals.retain(|refusal| now.saturating_duration_since(refusal.at) < WINDOW);
    }

    fn add(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
        self.refusals.sort_by_key(|refusal| refusal.at);
    }

    /// How long nothing may be sent with a secret.
    fn left(&mut self, secret: SecretPrint, now: Instant) -> Option<Duration> {
        self.forget_old(now);
        let full = self.refusals.len().checked_sub(BUDGET).and_then(|first| self.refusals.get(first));
        let full = full.map(|refusal| (refusal.at + WINDOW).saturating_duration_since(now));
        let refused = self.refused.as_ref().filter(|refused| refused.secret == secret);
        full.max(refused.and_then(|refused| refused.pause.left(now))).filter(|left| !left.is_zero())
    }
}

/// Whether a request may go.
pub(super) enum Admission {
    /// It may, and holds this until its verdict.
    Go(Permit),
    /// Others are under way, from whose verdict it will learn.
    Busy,
    /// Not before this time is over.
    Paused(Duration),
}

impl Guard {
    /// Ends when something changed since this call.
    pub(super) fn changed(&self) -> OwnedNotified {
        Arc::clone(&self.changed).notified_owned()
    }

    /// How long nothing may be sent with this secret, as far as this process knows.
    pub(super) fn left(&self, secret: SecretPrint) -> Option<Duration> {
        self.state().left(secret, Instant::now())
    }

    /// Lets a request go, if no more refusals can come of it than the service forgives.
    pub(super) async fn admit(self: &Arc<Self>, secret: SecretPrint) -> Admission {
        if self.state().proven != Some(secret) {
            self.look(secret).await;
        }
        let admission = self.enter(secret);
        // On the disk before the request goes: a process that is killed meanwhile counts it as refused.
        if matches!(&admission, Admission::Go(permit) if permit.tries) {
            self.save().await;
        }
        admission
    }

    /// As [`Self::admit`], waiting for others that are under way.
    pub(super) async fn admit_in_turn(self: &Arc<Self>, secret: SecretPrint) -> Result<Permit, Duration> {
        loop {
            let changed = self.changed();
            match self.admit(secret).await {
                Admission::Go(permit) => return Ok(permit),
                Admission::Paused(left) => return Err(left),
                Admission::Busy => changed.await,
            }
        }
    }

    fn enter(self: &Arc<Self>, secret: SecretPrint) -> Admission {
        let (now, wall) = (Instant::now(), self.wall());
        let mut state = self.state();
        if let Some(left) = state.left(secret, now) {
            return Admission::Paused(left);
        }
        let tries = state.proven != Some(secret);
        let most = if tries { 1 } else { BUDGET - state.refusals.len() };
        if state.under_way >= most {
            return Admission::Busy;
        }
        state.under_way += 1;
        if tries {
            state.trying = Some(wall);
        }
        drop(state);
        let progress = AtomicU8::new(Permit::HELD);
        Admission::Go(Permit { guard: Arc::clone(self), secret, begun: now, tries, progress })
    }

    fn accepted(&self, secret: SecretPrint) {
        let mut state = self.state();
        let first = state.proven != Some(secret);
        (state.proven, state.accepted) = (Some(secret), true);
        state.refused = None;
        let ended = state.trouble.ends();
        drop(state);
        if ended {
            tracing::info!(credentials = self.label, "The credentials are accepted again");
        }
        if first {
            self.changed.notify_waiters();
        }
    }

    /// A request was refused.
    fn note(&self, Permit { secret, begun, tries, .. }: &Permit, first_pause: Duration, said: &str) {
        let (secret, begun, now, wall) = (*secret, *begun, Instant::now(), self.wall());
        let mut state = self.state();
        if *tries {
            state.trying = None;
        }
        state.add(Refusal { at: now, wall });
        let proven_other = state.proven.is_some_and(|proven| proven != secret);
        if state.proven == Some(secret) {
            state.proven = None;
        }
        let same = state.refused.take().filter(|refused| refused.secret == secret);
        let mut refused = same.unwrap_or(Refused { secret, since: begun, pause: Pause::new(first_pause) });
        if begun < refused.since {
            refused.pause.refused_besides(now);
        } else {
            refused.pause.refused_after(first_pause, now);
            refused.since = now;
        }
        // Where another secret serves, a wrong one must not use up what it may need.
        if proven_other || (self.cautious && !state.accepted) {
            refused.pause.at_least(now + WINDOW);
        }
        let left = refused.pause.left(now).unwrap_or_default();
        state.refused = Some(refused);
        let told = state.trouble.goes_on(now);
        drop(state);
        if told {
            let (credentials, pause) = (&self.label, whole_seconds(left));
            tracing::warn!(credentials, pause, error = said, "{REFUSED}");
        }
    }

    /// A request is under way no more; `lost` where its verdict was not waited for.
    fn leave(self: &Arc<Self>, tries: bool, lost: bool) {
        let refusal = Refusal { at: Instant::now(), wall: self.wall() };
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        if tries {
            state.trying = None;
        }
        if lost {
            state.add(refusal);
        }
        drop(state);
        self.changed.notify_waiters();
        if tries {
            self.save_soon();
        }
    }

    fn wall(&self) -> i64 {
        self.memory.as_ref().map_or(0, |memory| memory.wall())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, and each of its states is a valid one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way with a guarded secret. Dropped without a verdict, it says nothing of the secret,
/// unless it was sent to try the secret and its answer was not waited for.
#[derive(Debug)]
pub(super) struct Permit {
    guard: Arc<Guard>,
    secret: SecretPrint,
    begun: Instant,
    /// Whether it is the one request that tries an unproven secret.
    tries: bool,
    progress: AtomicU8,
}

impl Permit {
    const HELD: u8 = 0;
    const SENT: u8 = 1;
    const ANSWERED: u8 = 2;

    /// The request goes over the wire now.
    pub(super) fn sent(&self) {
        self.progress.store(Self::SENT, Ordering::Relaxed);
    }

    /// An answer came, or it is known that none will.
    pub(super) fn answered(&self) {
        self.progress.store(Self::ANSWERED, Ordering::Relaxed);
    }

    /// The service took the secret.
    pub(super) fn accepted(&self) {
        self.answered();
        self.guard.accepted(self.secret);
    }

    /// The service refused the secret, in these words; the pause after a first refusal is `first_pause`. On the
    /// disk at the end.
    pub(super) async fn refused(&self, first_pause: Duration, said: &str) {
        self.answered();
        self.guard.note(self, first_pause, said);
        self.guard.save().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let lost = self.tries && self.progress.load(Ordering::Relaxed) == Self::SENT;
        self.guard.leave(self.tries, lost);
    }
}

#[cfg(test)]
mod tests;
