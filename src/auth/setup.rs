//! An account's way to the wire, made from its configuration.

use std::sync::Arc;

use super::environment::Environment;
use super::http::{Bounds, Observer, SetupError, Transport};
use super::proxy::Proxy;
use crate::config::Account;

/// The transport of an account: its bounds, its proxy or the environment's, and its further root certificates.
///
/// # Errors
///
/// A proxy or a file of certificates that cannot be used; see [`SetupError`].
pub fn transport(
    account: &Account,
    environment: &Environment,
    observer: Arc<dyn Observer>,
) -> Result<Transport, SetupError> {
    let limits = &account.limits;
    let bounds = Bounds {
        request: limits.request_timeout,
        connect: limits.connect_timeout,
        body: limits.max_body_bytes,
    };
    Transport::new(bounds, Proxy::of(account, environment)?, account.ca_file.as_deref(), observer)
}
