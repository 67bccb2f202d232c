//! Why there is no request to send.

use std::path::PathBuf;
use std::sync::Arc;

use ::http::StatusCode;

use super::http::{SetupError, TransportError};
use super::said::Said;
use crate::config::SecretError;
use crate::model::Timestamp;

/// Why credentials could not be had or used. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No source has credentials; says what was looked at and what was missing.
    #[error("no credentials: {}", .looked_at.join("; "))]
    Unavailable {
        /// Each place, with what was missing there.
        looked_at: Vec<String>,
    },
    /// A secret's place holds none.
    #[error("cannot read the credentials")]
    Secret(#[from] SecretError),
    /// A profile or token file cannot be used.
    #[error("cannot use {path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without its content.
        problem: String,
    },
    /// A setting cannot be used.
    #[error("cannot use {name}: {problem}")]
    Setting {
        /// The variable or key.
        name: String,
        /// What is wrong with it, without its value.
        problem: String,
    },
    /// No client for the machine's own services could be made.
    #[error("cannot set up a connection")]
    Setup(#[from] SetupError),
    /// A service that gives credentials or ids gave no answer.
    #[error("no answer from {service}")]
    Transport {
        /// The service, in words.
        service: &'static str,
        /// What happened to the request.
        source: TransportError,
    },
    /// A service refused the credentials.
    #[error("{service} refused the credentials ({status}, {said}): {advice}")]
    Refused {
        /// The service, in words.
        service: &'static str,
        /// 401 or 403.
        status: StatusCode,
        /// Code and message of the answer.
        said: Said,
        /// What to look after.
        advice: &'static str,
    },
    /// A service answered with another error.
    #[error("{service} answered {status} ({said})")]
    Failed {
        /// The service, in words.
        service: &'static str,
        /// The status.
        status: StatusCode,
        /// Code and message of the answer.
        said: Said,
    },
    /// A service's answer is not what is documented.
    #[error("the answer of {service} lacks {what}")]
    Malformed {
        /// The service, in words.
        service: &'static str,
        /// What is missing or unreadable.
        what: &'static str,
    },
    /// The account has no project of the region's name.
    #[error(
        "the account has no project named {region} that this user may see: check the region, or set project_id"
    )]
    NoProject {
        /// The region.
        region: String,
    },
    /// The account has several projects of the region's name.
    #[error("the account has several projects for {region}: set project_id to one of {}", .ids.join(", "))]
    ManyProjects {
        /// The region.
        region: String,
        /// Their ids.
        ids: Vec<String>,
    },
    /// The account's own id could not be found.
    #[error("the account's id could not be found: set domain_id")]
    NoDomain,
    /// Credentials were refused a short time ago; nothing is sent before this instant.
    #[error(
        "paused until {} because the credentials were refused: further refusals would lock the key",
        instant(*.until)
    )]
    Paused {
        /// When the next request may go.
        until: Timestamp,
    },
    /// Path or query would not reach the service as they were signed.
    #[error("the request's target cannot be sent as it was signed")]
    Target,
    /// The credentials hold characters that no header may hold.
    #[error("the credentials hold characters that cannot be sent: check that each is one line of plain text")]
    Characters,
    /// The failure of an attempt that this request waited for.
    #[error(transparent)]
    Shared(Arc<AuthError>),
}

impl AuthError {
    /// Every value of [`reason`](Self::reason).
    pub const REASONS: [&'static str; 8] = [
        "credentials",
        "auth_no_answer",
        "auth_refused",
        "auth_failed",
        "auth_malformed",
        "project",
        "auth_paused",
        "unsendable",
    ];

    /// The value of the `reason` label: a closed set.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } | Self::Secret(_) | Self::File { .. } | Self::Setting { .. } => {
                "credentials"
            }
            Self::Setup(_) | Self::Transport { .. } => "auth_no_answer",
            Self::Refused { .. } => "auth_refused",
            Self::Failed { .. } => "auth_failed",
            Self::Malformed { .. } => "auth_malformed",
            Self::NoProject { .. } | Self::ManyProjects { .. } | Self::NoDomain => "project",
            Self::Paused { .. } => "auth_paused",
            Self::Target | Self::Characters => "unsendable",
            Self::Shared(error) => error.reason(),
        }
    }

    /// The error itself, where it is the failure of an attempt that others shared.
    #[must_use]
    pub fn root(&self) -> &Self {
        if let Self::Shared(error) = self { error.root() } else { self }
    }

    /// Whether a service looked at the credentials and refused them.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.root(), Self::Refused { .. })
    }

    /// The message with those of its causes, on one line.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |told, cause| format!("{told}: {cause}"))
    }
}

/// An instant for a message, to the second.
fn instant(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
