//! An account's way to the wire, made from its configuration.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::http::{Bounds, Observer, SetupError, Transport};
use crate::config::Account;

/// The transport of an account: its bounds, its proxy and its further root certificates.
///
/// # Errors
///
/// A proxy or a file of certificates that cannot be used; see [`SetupError`].
#[expect(clippy::disallowed_methods, reason = "a proxy's URL may hold a password, which only `auth` may see")]
pub fn transport(account: &Account, observer: Arc<dyn Observer>) -> Result<Transport, SetupError> {
    let limits = &account.limits;
    let bounds = Bounds {
        request: limits.request_timeout,
        connect: limits.connect_timeout,
        body: limits.max_body_bytes,
    };
    let proxy = account.proxy.as_ref().map(|proxy| proxy.read()).transpose().map_err(SetupError::NoProxy)?;
    let proxy = proxy.as_ref().map(ExposeSecret::expose_secret);
    let transport = Transport::new(bounds, proxy, account.ca_file.as_deref(), observer)?;
    // A proxy's own loopback is not ours.
    if account.endpoint.is_loopback() { transport.without_proxy() } else { Ok(transport) }
}
