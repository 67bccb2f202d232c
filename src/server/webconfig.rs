//! The web configuration: the file format of Prometheus' exporter-toolkit.
//!
//! What the toolkit accepts works here and what it refuses is refused, with the line. The differences:
//!
//! * A file that turns bad while the exporter runs leaves the last good one in force; the toolkit would answer 500.
//! * rustls has no TLS 1.0 and 1.1, no CBC and RSA key exchange suites and no P-521. A bound below 1.2 means 1.2,
//!   and such suites and curves are passed over, each with a warning.
//! * What would serve nobody or anybody (a burst of 0, client certificates of any authority that the system trusts)
//!   works as with the toolkit, with a warning. A minimum version above the maximum is refused: the toolkit would take
//!   the file and refuse every handshake.
//!
//! Like the toolkit's, the file and the certificates it names are looked at for each connection and request, but
//! read only when they changed. TLS cannot be switched on or off without a restart.

mod clients;
mod duration;
mod file;
mod names;
mod tls;

#[cfg(test)]
mod tests;

use super::rate::Bucket;
use arc_swap::ArcSwap;
use file::{RateLimit, Valid};
use http::{HeaderName, HeaderValue};
use rustls::ServerConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tokio::time::Instant;
use tracing::{error, info};

/// Why a web configuration cannot be used.
#[derive(Debug, Error)]
pub enum WebConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {problem}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said; not a source, for the text has it.
        problem: io::Error,
    },
    /// What is written means nothing or cannot be.
    #[error("{place}: {problem}")]
    Invalid {
        /// File and, where it is known, line.
        place: String,
        /// What is wrong and what was expected, without any secret.
        problem: String,
    },
}

/// The web configuration of a file, read anew when the file changes.
pub struct WebConfig {
    path: PathBuf,
    state: Mutex<State>,
    current: ArcSwap<Loaded>,
}

/// What is in force.
#[derive(Debug)]
pub(super) struct Loaded {
    /// None is plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) users: Users,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) rate: Option<Arc<Bucket>>,
    rate_limit: Option<RateLimit>,
}

/// Names and bcrypt hashes; no names, no password is asked for.
#[derive(Default)]
pub(super) struct Users(pub(super) BTreeMap<String, String>);

/// How the files looked when they were read.
struct State {
    files: Vec<PathBuf>,
    seen: Vec<Option<Fingerprint>>,
}

/// Enough to tell that a file was written or replaced: modification time (seconds, nanoseconds), length, inode.
type Fingerprint = (i64, i64, u64, u64);

/// Reads and checks a file's text, for fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(path: &Path, yaml: &str) {
    if let Err(error) = file::read_and_check(path, yaml) {
        assert!(!error.to_string().is_empty(), "what is wrong is said");
    }
}

impl WebConfig {
    /// Reads and checks the file and all that it names.
    ///
    /// # Errors
    ///
    /// With file and line, when anything cannot be read or used.
    pub fn load(path: &Path) -> Result<Self, WebConfigError> {
        let before = fingerprint(path);
        let valid = file::read_file(path)?;
        let files = valid.files(path);
        // The first file was looked at before it was read: what is written meanwhile is seen as a change.
        let seen = [before].into_iter().chain(files.iter().skip(1).map(|file| fingerprint(file))).collect();
        let loaded = Loaded::new(valid, None)?;
        let state = Mutex::new(State { files, seen });
        Ok(Self { path: path.to_owned(), state, current: ArcSwap::from_pointee(loaded) })
    }

    /// What is in force now. It looks at the files (some microseconds) and reads them if they changed.
    pub(super) fn current(&self) -> Arc<Loaded> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen: Vec<_> = state.files.iter().map(|file| fingerprint(file)).collect();
        if seen != state.seen {
            // Whatever comes of it, it is tried again only when something changes again.
            state.seen = seen;
            match self.reload(&mut state) {
                Ok(()) => info!(path = %self.path.display(), "The web configuration was read anew"),
                Err(error) => error!(%error, "The web configuration stays as it was"),
            }
        }
        self.current.load_full()
    }

    fn reload(&self, state: &mut State) -> Result<(), WebConfigError> {
        let valid = file::read_file(&self.path)?;
        let before = self.current.load_full();
        if valid.tls.is_some() != before.tls.is_some() {
            let problem = "TLS cannot be switched on or off without a restart".to_owned();
            return Err(WebConfigError::Invalid { place: self.path.display().to_string(), problem });
        }
        let files = valid.files(&self.path);
        if files != state.files {
            state.seen = files.iter().map(|file| fingerprint(file)).collect();
            state.files = files;
        }
        self.current.store(Arc::new(Loaded::new(valid, Some(&before))?));
        Ok(())
    }
}

impl Loaded {
    fn new(valid: Valid, before: Option<&Self>) -> Result<Self, WebConfigError> {
        let Valid { tls, http2, headers, users, rate_limit } = valid;
        let tls = tls.map(|tls| tls.server_config(http2).map(Arc::new)).transpose()?;
        // A bucket is not filled up by a certificate's renewal.
        let kept = before.filter(|before| before.rate_limit == rate_limit).map(|before| before.rate.clone());
        let rate = kept.unwrap_or_else(|| {
            rate_limit
                .map(|RateLimit { interval, burst }| Arc::new(Bucket::new(interval, burst, Instant::now())))
        });
        Ok(Self { tls, users: Users(users), headers, rate, rate_limit })
    }
}

fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino()))
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.0.len())
    }
}
