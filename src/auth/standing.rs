//! How the service has taken our credentials so far, and the ticket that tells requests apart.

use std::sync::Arc;
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::pause::Pause;
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
}

impl Ticket {
    /// The ticket of a request made by [`Authenticator::get`](super::Authenticator::get).
    #[must_use]
    pub fn of(request: &Request<Bytes>) -> Self {
        let ticket = request.extensions().get::<Self>().cloned();
        ticket.unwrap_or(Self { generation: 0, probe: None })
    }
}

/// What the service made of the credentials.
#[derive(Debug)]
pub(super) struct Standing {
    /// Counts up whenever credentials come, change or go.
    pub(super) generation: u64,
    /// Whether a request with this generation was accepted.
    pub(super) accepted: bool,
    pub(super) pause: Pause,
    pub(super) expiry: Option<Timestamp>,
    /// Whether the observer knows the expiry.
    pub(super) told: bool,
}

impl Standing {
    pub(super) fn new(first_pause: Duration) -> Self {
        // Tickets of no request have generation 0, which no credentials have.
        Self { generation: 1, accepted: false, pause: Pause::new(first_pause), expiry: None, told: false }
    }

    /// Credentials came or went: nothing is known of what the service makes of them.
    pub(super) fn renew(&mut self) {
        self.generation += 1;
        self.accepted = false;
    }

    /// When the pause ends.
    pub(super) fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.pause.left(Instant::now()).map(|left| now.plus(left))
    }
}
