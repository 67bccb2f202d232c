//! The one place where a secret is looked at.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

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

/// A hash of parts, each told from the next, that secrets are compared by.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    digest_of_bytes(parts.into_iter().map(str::as_bytes))
}

/// As [`digest`], of what need not be text.
pub(super) fn digest_of_bytes<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
