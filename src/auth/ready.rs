//! How an authenticator comes to credentials that serve, and keeps them serving.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::http::StatusCode;
use tokio::time::Instant;

use super::credentials::{Identity, Known};
use super::error::AuthError;
use super::guard::{Admission, Permit, REFUSED, whole_seconds};
use super::held::{Held, Usable};
use super::lookup::Lookup;
use super::source::{Means, Plan, Way};
use super::standing::{Guarded, Standing, Ticket};
use super::{Authenticator, PATIENCE};
use crate::config::Scope;
use crate::model::Timestamp;

/// Credentials to make a request with.
pub(super) struct Ready {
    pub(super) usable: Usable,
    generation: u64,
    proven: bool,
    /// Where every request shows the key.
    guarded: Option<Guarded>,
}

impl Authenticator {
    /// Credentials that a request may try now, and the ticket that it must carry.
    pub(super) async fn admitted(&self, now: Timestamp) -> Result<(Ready, Ticket), AuthError> {
        loop {
            let ready = self.ready(now).await?;
            let generation = ready.generation;
            let Some(Guarded { guard, secret, .. }) = &ready.guarded else {
                return self.probing(ready, now).await;
            };
            let changed = guard.changed();
            match guard.admit(*secret).await {
                Admission::Go(permit) => {
                    let permit = Some(Arc::new(permit));
                    return Ok((ready, Ticket { generation, probe: None, permit, endpoint: 0 }));
                }
                Admission::Paused(left) => return Err(AuthError::Paused { until: now.plus(left) }),
                Admission::Busy => changed.await,
            }
        }
    }

    /// Credentials that a service gave are tried by one request before all others.
    async fn probing(&self, mut ready: Ready, now: Timestamp) -> Result<(Ready, Ticket), AuthError> {
        let mut probe = None;
        if !ready.proven {
            let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.probe).acquire_owned()).await;
            ready = self.ready(now).await?;
            probe = permit.ok().and_then(Result::ok).filter(|_| !ready.proven).map(Arc::new);
        }
        let generation = ready.generation;
        Ok((ready, Ticket { generation, probe, permit: None, endpoint: 0 }))
    }

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
        if let Some(left) = self.standing().left() {
            return Err(AuthError::Paused { until: now.plus(left) });
        }
        if let Some(ready) = held.ready(&self.place) {
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
        match (failure, held.ready(&self.place)) {
            (Some(failure), _) => Err(AuthError::Shared(failure)),
            (None, Some(ready)) => Ok(self.with_standing(ready)),
            (None, None) => Err(ended()),
        }
    }

    /// Goes on with what is held when files and variables cannot be read: a file may be being replaced.
    fn without_plan(&self, held: &mut Held, error: AuthError, now: Timestamp) -> Result<Ready, AuthError> {
        let Some(usable) = held.usable(&self.place) else { return Err(error) };
        if let Some(left) = self.standing().left() {
            return Err(AuthError::Paused { until: now.plus(left) });
        }
        if !std::mem::replace(&mut held.unreadable, true) {
            let error = error.with_causes();
            tracing::warn!(error, "Credentials cannot be read; those that were read before still serve");
        }
        Ok(self.with_standing(usable))
    }

    fn with_standing(&self, usable: Usable) -> Ready {
        let standing = self.standing();
        let guarded = standing.guarded.clone().filter(|guarded| guarded.in_every_request);
        Ready { usable, generation: standing.generation, proven: standing.accepted, guarded }
    }

    /// Other credentials than before stand in the files and variables: they owe nothing for the old.
    fn start_over(&self, held: &mut Held, fingerprint: Option<[u8; 32]>, plan: &Plan) {
        let mut standing = self.standing();
        standing.renew();
        standing.pause.reset();
        standing.guarded = plan.guarded().map(|(identity, secret)| Guarded {
            guard: self.guards.of(identity, &plan.label()),
            secret,
            in_every_request: matches!(plan.way, Way::Standing(_)),
        });
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
        if held.usable(&self.place).is_some() {
            let (reason, error) = (error.reason(), error.with_causes());
            tracing::warn!(reason, error, "Credentials not renewed; the old ones still serve");
            held.renewal.refused(Instant::now());
            return Ok(());
        }
        if error.is_refusal() {
            let mut standing = self.standing();
            standing.renew();
            if !is_guarded(standing.guarded.as_ref(), error) {
                self.pause(&mut standing, &error.to_string());
            }
            held.obtained = held.obtained.take().filter(|obtained| obtained.renew.is_none());
        }
        result
    }

    async fn ask(&self, held: &mut Held, plan: &Plan, now: Timestamp) -> Result<(), AuthError> {
        let place = self.place.with(&held.known);
        let guarded = self.standing().guarded.clone();
        if held.obtained.as_ref().is_none_or(|obtained| obtained.is_due()) {
            let guarded = guarded.as_ref().filter(|guarded| !guarded.in_every_request);
            let permit = permit(guarded, now).await?;
            let transport = &self.transport.holding(permit.clone());
            let means = Means { transport, place: &place, environment: &self.environment, now };
            let asked = plan.follow(means, &mut held.session).await;
            if let Some(permit) = &permit {
                match &asked {
                    Ok(_) => permit.accepted(),
                    Err(error) if error.is_refusal() => {
                        permit.refused(self.first_pause, &error.to_string()).await;
                    }
                    Err(_) => {}
                }
            }
            let (obtained, known) = asked?;
            self.tell_expiry(obtained.expires);
            self.tell_clock(obtained.ended_before);
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
        let known = match place.scope {
            Scope::Project => place.project_id.is_some(),
            Scope::Domain => place.domain_id.is_some(),
        };
        if known {
            return Ok(());
        }
        let permit = permit(guarded.as_ref(), now).await?;
        let transport = &self.transport.holding(permit.clone());
        let lookup = Lookup { transport, place: &place, obtained: &obtained, now };
        let found = self.look_up(lookup, &mut held.known).await;
        if let (Some(permit), Err(error)) = (&permit, &found)
            && is_guarded(guarded.as_ref(), error)
        {
            permit.refused(self.first_pause, &error.to_string()).await;
        }
        found
    }

    async fn look_up(&self, lookup: Lookup<'_>, known: &mut Known) -> Result<(), AuthError> {
        match lookup.place.scope {
            Scope::Project => known.project_id = Some(lookup.project().await?),
            Scope::Domain => {
                known.domain_id = Some(lookup.domain(&lookup.place.sts_endpoint(&self.environment)?).await?);
            }
        }
        Ok(())
    }

    /// What a service gave was refused, or a service refused to give it: a pause for this account.
    pub(super) fn pause(&self, standing: &mut Standing, said: &str) {
        standing.pause.refused(Instant::now());
        let left = standing.pause.left(Instant::now()).unwrap_or_default();
        if standing.trouble.goes_on(Instant::now()) {
            tracing::warn!(account = %self.account, pause = whole_seconds(left), error = said, "{REFUSED}");
        }
    }

    /// Says once that this machine's clock is not that of who gave the credentials.
    fn tell_clock(&self, ended_before: bool) {
        let mut standing = self.standing();
        if ended_before && !standing.clock_told {
            let account = &self.account;
            tracing::warn!(%account, "By this machine's clock the credentials had ended before they came; they are tried all the same: check the clock");
        }
        standing.clock_told = ended_before;
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

/// The permit to show a key or a password, once others that show it are through.
async fn permit(guarded: Option<&Guarded>, now: Timestamp) -> Result<Option<Arc<Permit>>, AuthError> {
    let Some(Guarded { guard, secret, .. }) = guarded else { return Ok(None) };
    let permit = guard.admit_in_turn(*secret).await;
    permit.map(|permit| Some(Arc::new(permit))).map_err(|left| AuthError::Paused { until: now.plus(left) })
}

/// Whether a refusal is one of the key or the password, which the guard counts: 403 says that a key may not look
/// ids up, and no more.
fn is_guarded(guarded: Option<&Guarded>, error: &AuthError) -> bool {
    let AuthError::Refused { status, .. } = error.root() else { return false };
    guarded.is_some_and(|guarded| !guarded.in_every_request || *status == StatusCode::UNAUTHORIZED)
}

/// New credentials ended while they were looked after.
fn ended() -> AuthError {
    let problem = "those that were given ended before they could be used";
    AuthError::Unavailable { looked_at: vec![problem.to_owned()] }
}
