//! How the service has taken our credentials so far, and the ticket that tells requests apart.

use std::sync::Arc;
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::guard::{Guard, Permit, SecretPrint};
use super::pause::Pause;
use super::trouble::Trouble;
use crate::model::Timestamp;

/// Which credentials a request was made with; take it before the request is sent.
///
/// Requests that were under way together are refused together, some of them after others have
/// already brought new credentials: the ticket keeps those from being taken for refused as well.
/// While the credentials are unproven, it also keeps other requests waiting until its verdict, so
/// that a wrong key is refused once and not once for each request of a poll.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub(super) generation: u64,
    #[expect(dead_code, reason = "held for its Drop, which lets the next request go")]
    pub(super) probe: Option<Arc<OwnedSemaphorePermit>>,
    /// Where the credentials are a key that the service locks.
    pub(super) permit: Option<Arc<Permit>>,
    /// The number of the endpoint that it goes to.
    pub(super) endpoint: usize,
}

impl Ticket {
    /// The ticket of a request made by [`Authenticator::get`](super::Authenticator::get).
    #[must_use]
    pub fn of(request: &Request<Bytes>) -> Self {
        let ticket = request.extensions().get::<Self>().cloned();
        ticket.unwrap_or(Self { generation: 0, probe: None, permit: None, endpoint: 0 })
    }
}

/// A key or a user with its guard, and the secret that goes with it now.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) guard: Arc<Guard>,
    pub(super) secret: SecretPrint,
    /// Whether every request shows it, as keys, or only the one that asks for a token.
    pub(super) in_every_request: bool,
}

/// What the service made of the credentials.
#[derive(Debug)]
pub(super) struct Standing {
    /// Counts up whenever credentials come, change or go.
    pub(super) generation: u64,
    /// Whether a request with this generation was accepted.
    pub(super) accepted: bool,
    /// After refusals of what was obtained from a service; what stands in files is guarded.
    pub(super) pause: Pause,
    pub(super) trouble: Trouble,
    /// Of the key or the user that the credentials' place names.
    pub(super) guarded: Option<Guarded>,
    pub(super) expiry: Option<Timestamp>,
    /// Whether the observer knows the expiry.
    pub(super) told: bool,
    /// Whether it was said that this machine's clock is wrong.
    pub(super) clock_told: bool,
}

impl Standing {
    pub(super) fn new(first_pause: Duration) -> Self {
        // Tickets of no request have generation 0, which no credentials have.
        Self {
            generation: 1,
            accepted: false,
            pause: Pause::new(first_pause),
            trouble: Trouble::default(),
            guarded: None,
            expiry: None,
            told: false,
            clock_told: false,
        }
    }

    /// Credentials came or went: nothing is known of what the service makes of them.
    pub(super) fn renew(&mut self) {
        self.generation += 1;
        self.accepted = false;
    }

    /// How long nothing is to be sent.
    pub(super) fn left(&self) -> Option<Duration> {
        let guarded = self.guarded.as_ref().filter(|guarded| guarded.in_every_request);
        self.pause.left(Instant::now()).max(guarded.and_then(|guarded| guarded.guard.left(guarded.secret)))
    }
}
