//! What goes over the wire, counted.

use std::time::Duration;

use http::StatusCode;

use crate::api::Observer;
use crate::metrics::AccountMeters;
use crate::model::Timestamp;

/// Counts an account's requests in its metrics.
#[derive(Clone, Debug)]
pub struct Meter(pub AccountMeters);

impl Observer for Meter {
    fn request(&self, operation: &'static str, status: Option<StatusCode>, elapsed: Duration) {
        self.0.requested(operation, status.map(|status| status.as_u16()), elapsed);
    }

    fn retry(&self, operation: &'static str, reason: &'static str) {
        self.0.retried(operation, reason);
    }

    fn throttled(&self, operation: &'static str) {
        self.0.throttled(operation);
    }

    fn waited(&self, time: Duration) {
        self.0.waited(time);
    }

    fn rate(&self, requests_per_second: f64) {
        self.0.rate(requests_per_second);
    }

    fn refused(&self) {
        self.0.refused();
    }

    fn expiry(&self, at: Option<Timestamp>) {
        self.0.expiry(at);
    }
}
