//! What was configured, and the valid form of it that can be run.
//!
//! [`Config`] is valid by construction: whoever holds one need not check it again. It comes from a
//! file or from the environment alone; what a person wrote is private to the readers. Whatever is
//! wrong is told at once, all of it, each with its line and key ([`ConfigErrors`]).

mod account;
mod credentials;
mod doubts;
mod endpoint;
mod environment;
mod error;
mod file;
mod filter;
mod nearest;
mod overrides;
mod secret;
mod values;
pub(crate) mod yaml;

pub use account::{Account, ApiLimits, Collectors, Detail, Scope};
pub use credentials::{CredentialKind, CredentialSource};
pub(crate) use endpoint::is_proxy_url;
pub use endpoint::{Endpoint, EndpointError, Region};
pub use error::{ConfigError, ConfigErrors};
pub use filter::{FamilyFilter, Glob, GlobError, NameFilter};
pub use overrides::Overrides;
pub(crate) use secret::in_text as secret_in;
pub use secret::{Oddity, SecretError, SecretFrom};

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use self::environment::Variables;

/// Everything that the exporter polls, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Accounts, each name once, in the order of the file.
    pub accounts: Vec<Account>,
    /// How often each account is polled.
    pub poll_interval: Duration,
    /// The age at which a part that cannot be read anew is no longer served.
    pub stale_after: Duration,
}

/// Every account is polled once in this time.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(30);

/// The shortest poll interval: an account's quota is its owner's.
pub const MIN_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The longest poll interval: beyond a day somebody meant something else.
pub const MAX_POLL_INTERVAL: Duration = Duration::from_secs(86_400);

/// Age at which a part's series go; alerts on stale data fire before it.
pub const DEFAULT_STALE_AFTER: Duration = Duration::from_secs(15 * 60);

/// How the environment is asked for a variable's value; `std::env::var(name).ok()` outside of tests.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Config {
    /// Reads a configuration file.
    ///
    /// Flags (`overrides`) count more than the file; the environment fills in what the file leaves
    /// out of accounts that use the vendor's credential chain. Secrets are looked for, so that a
    /// forgotten one is told now, but not kept. `taken` are the labels that series have anyway,
    /// which no account can give its own.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is longer than 1 MiB, and all of [`Config::parse`].
    pub fn load(
        path: &Path,
        environment: &Environment<'_>,
        overrides: &Overrides,
        taken: &BTreeSet<&str>,
    ) -> Result<Self, ConfigErrors> {
        file::load(path, Variables(environment), overrides, taken)
    }

    /// Reads the text of a configuration file; `file` names it in errors, and relative paths in it
    /// are relative to the directory of `file`. See [`Config::load`] for the rest.
    ///
    /// # Errors
    ///
    /// Text that is not YAML of the documented shape (the first such place), or else every value
    /// that is wrong, each with file, line, column, key and what was expected. No error repeats a
    /// value that could be a secret.
    pub fn parse(
        yaml: &str,
        file: &Path,
        environment: &Environment<'_>,
        overrides: &Overrides,
        taken: &BTreeSet<&str>,
    ) -> Result<Self, ConfigErrors> {
        file::parse(yaml, file, Variables(environment), overrides, taken)
    }

    /// Makes a configuration of one account, `default`, from the environment and flags alone.
    ///
    /// # Errors
    ///
    /// No region, no credentials that need no network to be found, a variable that is wrong: each
    /// names the variables that are expected.
    pub fn from_environment(
        environment: &Environment<'_>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigErrors> {
        environment::config(Variables(environment), overrides)
    }
}

#[must_use]
/// The age of staleness where none is said: the default, or three polls where these are rare.
pub fn default_stale_after(poll_interval: Duration) -> Duration {
    DEFAULT_STALE_AFTER.max(poll_interval.saturating_mul(3))
}
