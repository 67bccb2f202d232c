//! Where a secret stands; the secret itself is read by `auth` at the moment of use.

use std::fmt;
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
    /// What is there is more than a secret, and would be refused by the service until it locks the key.
    #[error("what is in {0} {1}")]
    Odd(String, Oddity),
}

/// Why a text is not taken for a secret, though one may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It has more than one line.
    Lines,
    /// It stands in quotes.
    Quotes,
    /// It has characters that nobody types.
    Control,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines => "has several lines; expected the secret alone, on one line",
            Self::Quotes => "stands in quotes, which would be part of the secret; expected it without them",
            Self::Control => "has control characters in it; expected the secret as text",
        })
    }
}

/// The secret in a text, without a byte order mark and the white space around it; empty where there is none.
///
/// # Errors
///
/// A text that is more than a secret.
pub(crate) fn in_text(text: &str) -> Result<&str, Oddity> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let is_quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if text.contains(['\n', '\r']) {
        Err(Oddity::Lines)
    } else if ['"', '\''].into_iter().any(is_quoted) {
        Err(Oddity::Quotes)
    } else if text.chars().any(char::is_control) {
        Err(Oddity::Control)
    } else {
        Ok(text)
    }
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
    /// Reads the secret; a byte order mark and the white space around it are not part of it.
    ///
    /// # Errors
    ///
    /// The variable is unset, or the file unreadable, empty or not text; or what is there is more than a secret.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::Env(name) => {
                let value = std::env::var(name).unwrap_or_default();
                let odd = |oddity| SecretError::Odd(format!("the environment variable {name}"), oddity);
                let value = in_text(&value).map_err(odd)?;
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
                let odd = |oddity| SecretError::Odd(path.display().to_string(), oddity);
                let text = in_text(&text).map_err(odd)?;
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
    #[expect(clippy::disallowed_methods, reason = "the test looks at what it wrote itself")]
    fn a_file_is_cleaned_where_there_is_no_doubt_and_refused_where_there_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |content: &str| {
            std::fs::write(file.path(), content).unwrap();
            let secret = SecretFrom::File(file.path().into()).read();
            secret.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
        };
        for content in ["s3cret", "s3cret\n", " s3cret\r\n\r\n", "\u{feff}s3cret", "\u{feff} s3cret\n"] {
            assert_eq!(read(content).as_deref(), Ok("s3cret"), "{content:?}");
        }
        for content in ["it's \"so\"", "\"", "a b", "'a", "p=\u{e9}"] {
            assert_eq!(read(content).as_deref(), Ok(content), "a password may be {content:?}");
        }
        for (content, reason) in [
            ("AK\nSK", "has several lines"),
            ("User Name,Access Key Id,Secret Access Key\r\na,marked,marked\r\n", "has several lines"),
            ("\"marked\"\n", "stands in quotes"),
            ("\u{feff}'marked'", "stands in quotes"),
            ("mar\0ked", "control characters"),
            ("mar\tked", "control characters"),
        ] {
            let told = read(content).unwrap_err();
            assert!(told.contains(reason) && !told.contains("marked"), "{content:?}: {told}");
        }
    }

    #[test]
    fn an_empty_file_is_no_secret_and_the_error_names_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\n").unwrap();
        let error = SecretFrom::File(file.path().into()).read().unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
