//! The one place where a secret is looked at.

use secrecy::{ExposeSecret as _, SecretString};

/// The secret itself, for a signature or a request's header; never for a message.
#[expect(clippy::disallowed_methods, reason = "the one place that may see a secret")]
pub(super) fn reveal(secret: &SecretString) -> &str {
    secret.expose_secret()
}
