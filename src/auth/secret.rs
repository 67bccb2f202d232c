//! The one place where a secret is looked at.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{SecretError, SecretFrom};

/// The secret itself, for a signature or a request's header; never for a message.
#[expect(clippy::disallowed_methods, reason = "the one place that may see a secret")]
pub(super) fn reveal(secret: &SecretString) -> &str {
    secret.expose_secret()
}

/// The token in a file, which whoever issues it keeps fresh.
pub(super) fn token_in(path: &Path) -> Result<SecretString, SecretError> {
    SecretFrom::File(path.to_owned()).read()
}
