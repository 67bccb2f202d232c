//! What an authenticator holds between requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::credentials::{Identity, Known, Obtained};
use super::error::AuthError;
use super::metadata::Session;
use super::pause::Pause;
use super::place::Place;

/// Credentials and the header that says what they are scoped to.
pub(super) type Usable = (Arc<Obtained>, Option<(&'static str, String)>);

/// Credentials, and what belongs to getting them.
#[derive(Debug)]
pub(super) struct Held {
    /// Of the plan that the credentials come from.
    pub(super) fingerprint: Option<[u8; 32]>,
    pub(super) obtained: Option<Arc<Obtained>>,
    pub(super) known: Known,
    pub(super) session: Session,
    /// Keeps a failing renewal from being tried for each request, while the old credentials last.
    pub(super) renewal: Pause,
    /// Of the last attempt, for those who waited for it.
    pub(super) failure: Option<Arc<AuthError>>,
    /// Whether it was said that the credentials' place cannot be read.
    pub(super) unreadable: bool,
}

impl Held {
    pub(super) fn new(first_pause: Duration) -> Self {
        Self {
            fingerprint: None,
            obtained: None,
            known: Known::default(),
            session: Session::default(),
            renewal: Pause::new(first_pause),
            failure: None,
            unreadable: false,
        }
    }

    /// What can be used without asking a service, unless it is time to renew it.
    pub(super) fn ready(&self, place: &Place) -> Option<Usable> {
        let waits = self.renewal.left(Instant::now()).is_some();
        self.usable(place).filter(|(obtained, _)| waits || !obtained.is_due())
    }

    /// What can be used without asking a service, until it ends.
    pub(super) fn usable(&self, place: &Place) -> Option<Usable> {
        let obtained = self.obtained.clone().filter(|obtained| !obtained.has_ended())?;
        if matches!(obtained.identity, Identity::Token(_)) {
            return Some((obtained, None));
        }
        let (name, id) = place.scope_header(&self.known)?;
        Some((obtained, Some((name, id.to_owned()))))
    }
}
