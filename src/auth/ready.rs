//! How an authenticator comes to credentials that serve, and keeps them serving.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Authenticator;
use super::credentials::Identity;
use super::error::AuthError;
use super::held::{Held, Usable};
use super::lookup::Lookup;
use super::source::{Means, Plan};
use crate::config::Scope;
use crate::model::Timestamp;

/// Credentials to make a request with.
pub(super) struct Ready {
    pub(super) usable: Usable,
    pub(super) generation: u64,
    pub(super) proven: bool,
}

impl Authenticator {
    /// Credentials that serve now: at hand, renewed or newly asked for.
    pub(super) async fn ready(&self, now: Timestamp) -> Result<Ready, AuthError> {
        let before = self.attempts.load(Ordering::Acquire);
        let mut held = self.held.lock().await;
        let plan = Plan::make(&self.source, &self.place, &self.environment);
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return self.without_plan(&mut held, error, now),
        };
        held.unreadable = false;
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
        let waited = self.attempts.load(Ordering::Acquire) != before;
        if let Some(failure) = held.failure.clone().filter(|_| waited) {
            return Err(AuthError::Shared(failure));
        }
        let result = self.obtain(&mut held, &plan, now).await;
        self.attempts.fetch_add(1, Ordering::Release);
        let failure = result.err().map(Arc::new);
        held.failure.clone_from(&failure);
        match (failure, held.ready(&self.place, now)) {
            (Some(failure), _) => Err(AuthError::Shared(failure)),
            (None, Some(ready)) => Ok(self.with_standing(ready)),
            (None, None) => Err(ended()),
        }
    }

    /// Goes on with what is held when files and variables cannot be read: a file may be being replaced.
    fn without_plan(&self, held: &mut Held, error: AuthError, now: Timestamp) -> Result<Ready, AuthError> {
        let Some(usable) = held.usable(&self.place, now) else { return Err(error) };
        if let Some(until) = self.standing().paused_until(now) {
            return Err(AuthError::Paused { until });
        }
        if !std::mem::replace(&mut held.unreadable, true) {
            let error = error.with_causes();
            tracing::warn!(error, "Credentials cannot be read; those that were read before still serve");
        }
        Ok(self.with_standing(usable))
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
        if held.usable(&self.place, now).is_some() {
            let (reason, error) = (error.reason(), error.with_causes());
            tracing::warn!(reason, error, "Credentials not renewed; the old ones still serve");
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
}

/// New credentials are at their end already: theirs is another time than ours.
fn ended() -> AuthError {
    let problem = "those that were given have ended already: check this machine's clock";
    AuthError::Unavailable { looked_at: vec![problem.to_owned()] }
}
