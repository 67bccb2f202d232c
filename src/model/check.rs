//! Environment checks of a source server.

use super::ErrorCode;

/// Outcome of one check (`checks[].result`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckResult {
    /// Nothing to do.
    Ok,
    /// The migration can start; a person should look.
    Warn,
    /// The migration cannot start.
    Error,
    /// A result that this exporter does not know.
    Unknown,
}

impl CheckResult {
    /// Every member.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warn, Self::Error, Self::Unknown];

    /// The label value, as the service spells it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the service's spelling in either case.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        let known = Self::ALL.into_iter().find(|result| text.eq_ignore_ascii_case(result.label()));
        known.unwrap_or(Self::Unknown)
    }
}

/// One environment check (`checks[]`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// What was checked, such as `OS_VERSION`.
    pub name: Box<str>,
    /// How it went.
    pub result: CheckResult,
    /// Why it is not OK (`error_code`, or the one inside `error_or_warn`).
    pub error_code: Option<ErrorCode>,
}
