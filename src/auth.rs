//! Signing and credentials: the only room that sees a secret.
//!
//! An [`Authenticator`] makes requests that show who asks, for one account. Its credentials stand
//! in files and variables, which are read for each request, or are asked of a service, once for all
//! requests that wait for them, and renewed before they end. What the service makes of them comes
//! back by [`Authenticator::accepted`] and [`Authenticator::refused`]: a refused key is not tried
//! again before a pause that grows, because the service locks keys. [`Guards`] see to that for all
//! accounts that use a key.

mod chain;
mod credentials;
mod echo;
mod endpoints;
mod environment;
mod error;
mod exchange;
mod federation;
mod guard;
mod held;
pub mod http;
mod lookup;
mod metadata;
mod oidc;
mod pause;
mod place;
mod pod;
mod profile;
mod proxy;
mod ready;
mod request;
mod said;
mod secret;
mod setup;
pub mod sign;
mod source;
mod standing;
mod temporary;
mod token;
mod trouble;

pub use environment::Environment;
pub use error::AuthError;
pub use guard::{Guards, Identity, RefusalFile};
pub use said::{Said, without_token};
pub use setup::transport;
pub use standing::Ticket;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::config::{Account, CredentialSource, DEFAULT_POLL_INTERVAL, Scope};
use crate::model::{AccountName, Timestamp};
use endpoints::Endpoints;
use held::Held;
use http::Transport;
use place::Place;
use source::Plan;
use standing::Standing;

/// How long a request waits for the verdict on another that tries unproven credentials.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the requests of one account. `Debug` shows nothing secret.
pub struct Authenticator {
    place: Place,
    endpoints: Endpoints,
    source: CredentialSource,
    environment: Environment,
    transport: Transport,
    account: AccountName,
    guards: Guards,
    first_pause: Duration,
    /// Held while a service is asked, so that all who wait share one answer.
    held: tokio::sync::Mutex<Held>,
    standing: Mutex<Standing>,
    /// Ended attempts to come to credentials.
    attempts: AtomicU64,
    /// One permit: one request tries unproven credentials that a service gave; keys have their guard.
    probe: Arc<Semaphore>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("place", &self.place)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What the service counts an account's requests and refusals by: the key or the user that stands in the
/// credentials' place now. `None` where there is none, or where it cannot be read.
#[must_use]
pub fn identity(account: &Account, environment: &Environment) -> Option<Identity> {
    let plan = Plan::make(&account.credentials, &Place::of(account), environment).ok()?;
    plan.guarded().map(|(identity, _)| identity)
}

impl Authenticator {
    /// The authenticator of an account; `transport` leads to the identity service.
    #[must_use]
    pub fn new(account: &Account, transport: Transport, environment: Environment) -> Self {
        let pause = DEFAULT_POLL_INTERVAL;
        Self {
            account: account.name.clone(),
            guards: Guards::default(),
            first_pause: pause,
            place: Place::of(account),
            endpoints: Endpoints::of(account),
            source: account.credentials.clone(),
            environment,
            transport,
            held: tokio::sync::Mutex::new(Held::new(pause)),
            standing: Mutex::new(Standing::new(pause)),
            attempts: AtomicU64::new(0),
            probe: Arc::new(Semaphore::new(1)),
        }
    }

    /// With another pause after the first refusal: the poll interval.
    #[must_use]
    pub fn with_pause(self, first: Duration) -> Self {
        Self {
            held: tokio::sync::Mutex::new(Held::new(first)),
            standing: Mutex::new(Standing::new(first)),
            first_pause: first,
            ..self
        }
    }

    /// With the guards of all accounts of the process.
    #[must_use]
    pub fn guarded_by(self, guards: Guards) -> Self {
        Self { guards, ..self }
    }

    /// A GET of `path`, as it goes over the wire, at the account's endpoint; `now` is the wall clock.
    ///
    /// The names and values of `query` are encoded here. Once answered, the request's [`Ticket`]
    /// goes to [`accepted`](Self::accepted) or [`refused`](Self::refused), or is dropped where the
    /// answer says nothing about the credentials.
    ///
    /// # Errors
    ///
    /// No credentials, or a pause after a refusal; see [`AuthError`].
    pub async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Request<Bytes>, AuthError> {
        let (ready, ticket) = self.admitted(now).await?;
        let (obtained, scope) = ready.usable;
        let scope = scope.as_ref().map(|(name, id)| (*name, id.as_str()));
        let (number, endpoint) = self.endpoints.chosen();
        let mut request = request::get(&obtained, endpoint, path, query, scope, now)?;
        request.extensions_mut().insert(Ticket { endpoint: number, ..ticket });
        Ok(request)
    }

    /// The service took a request's credentials: it answered 2xx, or an error that only the known get.
    pub fn accepted(&self, ticket: Ticket) {
        ticket.permit.iter().for_each(|permit| permit.accepted());
        let mut standing = self.standing();
        if ticket.generation == standing.generation {
            standing.accepted = true;
            standing.pause.reset();
            if standing.trouble.ends() {
                tracing::info!(account = %self.account, "The credentials are accepted again");
            }
        }
    }

    /// The service refused a request's credentials: it answered 401, and `said` so in its words, for the log.
    ///
    /// Tokens and temporary keys are dropped. Returns whether to try once more at once: not with
    /// permanent keys, nor when new credentials were refused at their first use. Where the ticket's
    /// credentials have been replaced since, the refusal says nothing about those in use.
    pub async fn refused(&self, ticket: Ticket, said: &str) -> bool {
        // Before the lock: whoever holds it may wait for this verdict.
        if let Some(permit) = &ticket.permit {
            permit.refused(self.first_pause, said).await;
        }
        let mut held = self.held.lock().await;
        let mut standing = self.standing();
        if ticket.generation != standing.generation {
            return standing.left().is_none();
        }
        self.transport.observer().refused();
        let renewable = held.obtained.as_ref().is_some_and(|obtained| obtained.renew.is_some());
        let again = renewable && standing.accepted;
        if renewable {
            held.obtained = None;
        }
        standing.renew();
        if !again && ticket.permit.is_none() {
            self.pause(&mut standing, said);
        }
        again
    }

    /// No connection could be made for a request. Returns whether to try once more at once, at another endpoint.
    pub fn unreachable(&self, ticket: &Ticket, why: &str) -> bool {
        self.endpoints.leave(ticket.endpoint, self.account.as_str(), why)
    }

    /// When the current credentials end; `None` for permanent ones and before the first request.
    #[must_use]
    pub fn expiry(&self) -> Option<Timestamp> {
        self.standing().expiry
    }

    /// The id that requests are scoped to, looked up if need be: the project's, or with
    /// [`Scope::Domain`] the account's. `None` where a token's answer did not tell.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub async fn project_id(&self, now: Timestamp) -> Result<Option<String>, AuthError> {
        self.ready(now).await?;
        let known = &self.held.lock().await.known;
        Ok(match self.place.scope {
            Scope::Project => known.project_id.clone(),
            Scope::Domain => known.domain_id.clone(),
        })
    }

    /// Where the credentials come from, in words, such as `access key AKEX… from HUAWEICLOUD_SDK_AK`.
    ///
    /// # Errors
    ///
    /// No place has credentials; no service is asked.
    pub fn describe(&self) -> Result<String, AuthError> {
        Plan::make(&self.source, &self.place, &self.environment).map(|plan| plan.describe())
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while the lock is held, and each of its states is a valid one.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
