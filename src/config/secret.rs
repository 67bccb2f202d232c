//! Where a secret stands; the secret itself is read by `auth` at the moment of use.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// The longest secret that is read from a file; the vendor's security tokens stay below it.
const MAX_BYTES: u64 = 64 << 10;

/// Where a secret stands. `Debug` shows the place, never the secret.
#[derive(Clone, Debug)]
pub enum SecretFrom {
    /// In an environment variable of that name.
    Env(String),
    /// In a file, read anew when it is needed, so that a rotated secret is noticed.
    File(PathBuf),
    /// Handed over in memory (the demo and the tests).
    Value(SecretString),
}

/// Why a secret could not be read; says where it was looked for, never what was found.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is empty.
    #[error("the environment variable {0} is not set or empty")]
    Unset(String),
    /// The file could not be read.
    #[error("cannot read the secret in {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// The file is empty, too long or not text.
    #[error("{0} holds no secret: expected one line of text, at most 64 KiB")]
    NotASecret(PathBuf),
}

impl PartialEq for SecretFrom {
    #[expect(
        clippy::disallowed_methods,
        reason = "a reload must see that a secret changed; nothing is shown"
    )]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Env(a), Self::Env(b)) => a == b,
            (Self::File(a), Self::File(b)) => a == b,
            (Self::Value(a), Self::Value(b)) => a.expose_secret() == b.expose_secret(),
            (Self::Env(_) | Self::File(_) | Self::Value(_), _) => false,
        }
    }
}

impl SecretFrom {
    /// Reads the secret; white space around it is not part of it.
    ///
    /// # Errors
    ///
    /// The variable is unset, or the file unreadable, empty or not text.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::Env(name) => {
                let value = std::env::var(name).unwrap_or_default();
                let value = value.trim();
                if value.is_empty() { Err(SecretError::Unset(name.clone())) } else { Ok(value.into()) }
            }
            Self::File(path) => {
                let failed = |error| SecretError::File(path.clone(), error);
                let length = std::fs::metadata(path).map_err(failed)?.len();
                if length > MAX_BYTES {
                    return Err(SecretError::NotASecret(path.clone()));
                }
                let text = std::fs::read(path).map_err(failed)?;
                let text = String::from_utf8(text).map_err(|_| SecretError::NotASecret(path.clone()))?;
                // Some editors begin a text with a mark, which no secret begins with.
                let text = text.trim_start_matches('\u{feff}').trim();
                if text.is_empty() { Err(SecretError::NotASecret(path.clone())) } else { Ok(text.into()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_place_and_never_the_secret() {
        let shown = format!("{:?}", SecretFrom::Value("marked-secret".into()));
        assert!(!shown.contains("marked"), "{shown}");
        let shown = format!("{:?}", SecretFrom::Env("HUAWEICLOUD_SDK_SK".into()));
        assert!(shown.contains("HUAWEICLOUD_SDK_SK"), "{shown}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test's own secret")]
    fn a_byte_order_mark_is_no_part_of_a_secret() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}secret\r\n").unwrap();
        assert_eq!(SecretFrom::File(file.path().into()).read().unwrap().expose_secret(), "secret");
    }

    #[test]
    fn an_empty_file_is_no_secret_and_the_error_names_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\n").unwrap();
        let error = SecretFrom::File(file.path().into()).read().unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
