//! What was configured, and the valid form of it that can be run.
//!
//! [`Config`] is valid by construction: whoever holds one need not check it again. It comes from a
//! file or from the environment alone; what a person wrote is private to the readers.

mod account;
mod endpoint;
mod secret;

pub use account::{Account, ApiLimits, Collectors, CredentialSource, Detail, Scope};
pub use endpoint::{Endpoint, EndpointError, Region};
pub use secret::{SecretError, SecretFrom};

use std::time::Duration;

/// Everything that the exporter polls, and how.
#[derive(Clone, Debug)]
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

/// Age at which a part's series go; alerts on stale data fire before it.
pub const DEFAULT_STALE_AFTER: Duration = Duration::from_secs(15 * 60);
