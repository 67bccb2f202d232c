//! Signing and credentials: the only room that sees a secret.
//!
//! An [`Authenticator`] makes requests that show who asks, for one account. Its credentials stand
//! in files and variables, which are read for each request, or are asked of a service, once for all
//! requests that wait for them, and renewed before they end. What the service makes of them comes
//! back by [`Authenticator::accepted`] and [`Authenticator::refused`]: a refused key is not tried
//! again before a pause that grows, because the service locks keys.

mod chain;
mod credentials;
mod environment;
mod error;
mod exchange;
mod federation;
pub mod http;
mod lookup;
mod metadata;
mod oidc;
mod pause;
mod place;
mod pod;
mod profile;
mod request;
mod said;
mod secret;
mod setup;
pub mod sign;
mod source;
mod standing;
mod temporary;
mod token;

pub use environment::Environment;
pub use error::AuthError;
pub use said::{Said, without_token};
pub use setup::transport;
pub use standing::Ticket;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::config::{Account, CredentialSource, DEFAULT_POLL_INTERVAL, Scope};
use crate::model::Timestamp;
use credentials::{Identity, Known, Obtained};
use http::Transport;
use lookup::Lookup;
use metadata::Session;
use pause::Pause;
use place::Place;
use source::{Means, Plan};
use standing::Standing;

/// How long a request waits for the verdict on another that tries unproven credentials.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the requests of one account. `Debug` shows nothing secret.
pub struct Authenticator {
    place: Place,
    source: CredentialSource,
    environment: Environment,
    transport: Transport,
    /// Held while a service is asked, so that all who wait share one answer.
    held: tokio::sync::Mutex<Held>,
    standing: Mutex<Standing>,
    /// Ended attempts to come to credentials.
    attempts: AtomicU64,
    /// One permit: one request tries unproven credentials.
    probe: Arc<Semaphore>,
}

/// What an authenticator holds between requests.
#[derive(Debug)]
struct Held {
    fingerprint: Option<[u8; 32]>,
    obtained: Option<Arc<Obtained>>,
    known: Known,
    session: Session,
    /// Keeps a failing renewal from being tried for each request, while the old credentials last.
    renewal: Pause,
    failure: Option<Arc<AuthError>>,
}

/// Credentials and the header that says what they are scoped to.
type Usable = (Arc<Obtained>, Option<(&'static str, String)>);

/// Credentials to make a request with.
struct Ready {
    usable: Usable,
    generation: u64,
    proven: bool,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("place", &self.place)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// The authenticator of an account; `transport` leads to the identity service.
    #[must_use]
    pub fn new(account: &Account, transport: Transport, environment: Environment) -> Self {
        let pause = DEFAULT_POLL_INTERVAL;
        Self {
            place: Place::of(account),
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
            ..self
        }
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
        let mut ready = self.ready(now).await?;
        let mut probe = None;
        if !ready.proven {
            let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.probe).acquire_owned()).await;
            ready = self.ready(now).await?;
            probe = permit.ok().and_then(Result::ok).filter(|_| !ready.proven).map(Arc::new);
        }
        let Ready { usable: (obtained, scope), generation, .. } = ready;
        let scope = scope.as_ref().map(|(name, id)| (*name, id.as_str()));
        let mut request = request::get(&obtained, &self.place.endpoint, path, query, scope, now)?;
        request.extensions_mut().insert(Ticket { generation, probe });
        Ok(request)
    }

    /// The service took a request's credentials: it answered 2xx, or an error that only the known get.
    pub fn accepted(&self, ticket: Ticket) {
        let mut standing = self.standing();
        if ticket.generation == standing.generation {
            standing.accepted = true;
            standing.pause.reset();
        }
    }

    /// The service refused a request's credentials: it answered 401.
    ///
    /// Tokens and temporary keys are dropped. Returns whether to try once more at once: not with
    /// permanent keys, nor when new credentials were refused at their first use. Where the ticket's
    /// credentials have been replaced since, the refusal says nothing about those in use.
    pub async fn refused(&self, ticket: Ticket) -> bool {
        let mut held = self.held.lock().await;
        let mut standing = self.standing();
        if ticket.generation != standing.generation {
            return standing.pause.left(Instant::now()).is_none();
        }
        self.transport.observer().refused();
        let renewable = held.obtained.as_ref().is_some_and(|obtained| obtained.renew.is_some());
        let again = renewable && standing.accepted;
        if renewable {
            held.obtained = None;
        }
        standing.renew();
        if !again {
            standing.pause.refused(Instant::now());
        }
        again
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

    /// Credentials that serve now: at hand, renewed or newly asked for.
    async fn ready(&self, now: Timestamp) -> Result<Ready, AuthError> {
        let before = self.attempts.load(Ordering::Acquire);
        let mut held = self.held.lock().await;
        let plan = Plan::make(&self.source, &self.place, &self.environment)?;
        let fingerprint = Some(plan.fingerprint());
        if held.fingerprint != fingerprint {
            self.start_over(&mut held, fingerprint, &plan);
        }
        if let Some(until) = self.standing().paused_until(now) {
            return Err(AuthError::Paused { until });
        }
        if let Some(ready) = held.ready(&self.place, now) {
            return Ok(self.with_standing(ready));
        }
        // Whoever waited for another's attempt shares its failure, instead of repeating it in turn.
        if let Some(failure) =
            held.failure.clone().filter(|_| self.attempts.load(Ordering::Acquire) != before)
        {
            return Err(AuthError::Shared(failure));
        }
        let result = self.obtain(&mut held, &plan, now).await;
        self.attempts.fetch_add(1, Ordering::Release);
        let failure = result.err().map(Arc::new);
        held.failure.clone_from(&failure);
        match (failure, held.ready(&self.place, now)) {
            (Some(failure), _) => Err(AuthError::Shared(failure)),
            (None, Some(ready)) => Ok(self.with_standing(ready)),
            (None, None) => {
                Err(AuthError::Unavailable { looked_at: vec!["credentials that ended".to_owned()] })
            }
        }
    }

    fn with_standing(&self, usable: Usable) -> Ready {
        let standing = self.standing();
        Ready { usable, generation: standing.generation, proven: standing.accepted }
    }

    /// Other credentials than before stand in the files and variables: they owe nothing for the old.
    fn start_over(&self, held: &mut Held, fingerprint: Option<[u8; 32]>, plan: &Plan) {
        let mut standing = self.standing();
        standing.renew();
        standing.pause.reset();
        held.fingerprint = fingerprint;
        held.obtained = None;
        held.failure = None;
        held.renewal.reset();
        held.known = plan.known.clone();
    }

    /// Asks for what is missing: credentials, then the id that they are scoped to.
    async fn obtain(&self, held: &mut Held, plan: &Plan, now: Timestamp) -> Result<(), AuthError> {
        let result = self.ask(held, plan, now).await;
        let Err(error) = &result else { return result };
        if error.is_refusal() {
            self.transport.observer().refused();
        }
        if held.ready_until_ended(&self.place, now).is_some() {
            tracing::warn!(reason = error.reason(), %error, "Credentials not renewed; the old ones still serve");
            held.renewal.refused(Instant::now());
            return Ok(());
        }
        if error.is_refusal() {
            let mut standing = self.standing();
            standing.renew();
            standing.pause.refused(Instant::now());
            held.obtained = held.obtained.take().filter(|obtained| obtained.renew.is_none());
        }
        result
    }

    async fn ask(&self, held: &mut Held, plan: &Plan, now: Timestamp) -> Result<(), AuthError> {
        let (transport, place) = (&self.transport, self.place.with(&held.known));
        if held.obtained.as_ref().is_none_or(|obtained| obtained.is_due(now)) {
            let means = Means { transport, place: &place, environment: &self.environment, now };
            let (obtained, known) = plan.follow(means, &mut held.session).await?;
            self.tell_expiry(obtained.expires);
            self.standing().renew();
            held.obtained = Some(Arc::new(obtained));
            held.known.project_id = known.project_id.or(held.known.project_id.take());
            held.known.domain_id = known.domain_id.or(held.known.domain_id.take());
            held.renewal.reset();
        }
        let Some(obtained) = held.obtained.clone() else { return Ok(()) };
        if matches!(obtained.identity, Identity::Token(_)) {
            return Ok(());
        }
        let lookup = Lookup { transport, place: &place, obtained: &obtained, now };
        match place.scope {
            Scope::Project if place.project_id.is_none() => {
                held.known.project_id = Some(lookup.project().await?);
            }
            Scope::Domain if place.domain_id.is_none() => {
                held.known.domain_id = Some(lookup.domain(&place.sts_endpoint(&self.environment)?).await?);
            }
            Scope::Project | Scope::Domain => {}
        }
        Ok(())
    }

    fn tell_expiry(&self, expiry: Option<Timestamp>) {
        let mut standing = self.standing();
        if standing.expiry != expiry || !standing.told {
            standing.expiry = expiry;
            standing.told = true;
            drop(standing);
            self.transport.observer().expiry(expiry);
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while the lock is held, and each of its states is a valid one.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(first_pause: Duration) -> Self {
        Self {
            fingerprint: None,
            obtained: None,
            known: Known::default(),
            session: Session::default(),
            renewal: Pause::new(first_pause),
            failure: None,
        }
    }

    /// What can be used without asking a service, unless it is time to renew it.
    fn ready(&self, place: &Place, now: Timestamp) -> Option<Usable> {
        let waits = self.renewal.left(Instant::now()).is_some();
        self.ready_until_ended(place, now).filter(|(obtained, _)| waits || !obtained.is_due(now))
    }

    fn ready_until_ended(&self, place: &Place, now: Timestamp) -> Option<Usable> {
        let obtained = self.obtained.clone().filter(|obtained| !obtained.has_ended(now))?;
        if matches!(obtained.identity, Identity::Token(_)) {
            return Some((obtained, None));
        }
        let (name, id) = place.scope_header(&self.known)?;
        Some((obtained, Some((name, id.to_owned()))))
    }
}

#[cfg(test)]
mod tests;
