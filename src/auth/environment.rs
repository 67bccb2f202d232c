//! What surrounds the process: variables, the home directory, the machine's metadata service.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use crate::config::{SecretError, SecretFrom, secret_in};

/// Where the metadata service of the cloud's servers answers.
const METADATA: &str = "http://169.254.169.254";

type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The surroundings that credentials are looked for in; tests hand over their own.
#[derive(Clone)]
pub struct Environment {
    lookup: Lookup,
    home: Option<PathBuf>,
    metadata: String,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lookup: _, home, metadata } = self;
        f.debug_struct("Environment").field("home", home).field("metadata", metadata).finish_non_exhaustive()
    }
}

impl Environment {
    /// The process's own: its variables, `$HOME`, the link-local metadata service.
    #[must_use]
    pub fn process() -> Self {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self { home, ..Self::new(|name| std::env::var(name).ok()) }
    }

    /// These variables, no home directory, the link-local metadata service.
    #[must_use]
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), home: None, metadata: METADATA.to_owned() }
    }

    /// With this home directory.
    #[must_use]
    pub fn with_home(self, home: impl Into<PathBuf>) -> Self {
        Self { home: Some(home.into()), ..self }
    }

    /// With a metadata service at this origin, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn with_metadata(self, origin: impl Into<String>) -> Self {
        Self { metadata: origin.into(), ..self }
    }

    /// A variable's value without the white space around it; empty is unset.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A secret from where it stands, variables being looked up here.
    ///
    /// # Errors
    ///
    /// The variable is unset, or the file unreadable, empty or not text.
    pub(super) fn secret(&self, from: &SecretFrom) -> Result<SecretString, SecretError> {
        match from {
            SecretFrom::Env(name) => {
                let value = self.variable(name).ok_or_else(|| SecretError::Unset(name.clone()))?;
                let odd = |oddity| SecretError::Odd(format!("the environment variable {name}"), oddity);
                secret_in(&value).map(Into::into).map_err(odd)
            }
            SecretFrom::File(_) | SecretFrom::Value(_) => from.read(),
        }
    }

    pub(super) fn home(&self) -> Option<&PathBuf> {
        self.home.as_ref()
    }

    pub(super) fn metadata(&self) -> &str {
        &self.metadata
    }
}
