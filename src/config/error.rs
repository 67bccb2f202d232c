//! What is wrong with a configuration: where, at which key, and what was expected instead.
//!
//! A person mends a file by its lines, so every error names one; and since a configuration is
//! shown to colleagues, no error repeats a value that could be a secret.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::EndpointError;

/// One thing that is wrong: `file:line:column: key: what is wrong; expected …`, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{key}: {problem}")]
pub struct ConfigError {
    place: Place,
    key: Box<str>,
    problem: Problem,
}

/// Everything that is wrong with a configuration, one line each, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In a file, at a line and column that count from 1.
    Line(PathBuf, u64, u64),
    /// In a file, which is wrong as a whole.
    File(PathBuf),
    /// In the environment; the key is the variable's name.
    Environment,
    /// On the command line; the key is the flag's name.
    Flag,
}

/// What is wrong, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// Needed, and not there.
    #[error("is missing; expected {0}")]
    Missing(Cow<'static, str>),
    /// A value that is safe to repeat.
    #[error("{found:?} is not valid; expected {expected}")]
    Invalid {
        /// The value as written.
        found: String,
        /// What is accepted.
        expected: Cow<'static, str>,
    },
    /// A value that may be, or may hold, a secret.
    #[error("is not valid; expected {0}")]
    InvalidSecret(Cow<'static, str>),
    /// Not a region or an endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A secret stands in the file.
    #[error(
        "is not accepted in the file, because files are copied and shown; expected {key}_env (the name of an environment variable) or {key}_file (the path of a file)"
    )]
    Inline {
        /// The key without its suffix.
        key: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("stands beside {0}; expected one of the two")]
    Conflict(&'static str),
    /// A name that another account has.
    #[error("is the name of the account in line {0} too; expected each name once")]
    DuplicateName(u64),
    /// A variable that is not there.
    #[error("the environment variable named here is not set or empty; expected one that holds the value")]
    Unset,
    /// A file that cannot be read.
    #[error("cannot read the file named here ({0}); expected a readable file")]
    Unreadable(String),
    /// The configuration file itself cannot be read.
    #[error("cannot be read ({0}); expected a configuration file")]
    NoFile(String),
    /// A file without a secret in it.
    #[error("the file named here holds no secret; expected one line of text, at most 64 KiB")]
    NotASecret,
    /// Parts would be dropped before they are read anew.
    #[error("{} is too short; expected at least two poll intervals, {}", human(.0), human(.1))]
    Stale(Duration, Duration),
    /// Every collector is off.
    #[error("no collector is on; expected at least one")]
    NoCollector,
    /// Nothing that credentials could come from.
    #[error(
        "no credentials found; expected HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK (or HW_ACCESS_KEY and HW_SECRET_KEY) in the environment, or a profile in ~/.huaweicloud/credentials, or --credentials.source=ecs_agency on a cloud server with an agency, or --config.file; the command `demo` needs none"
    )]
    NoCredentials,
    /// Not YAML.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// YAML of another shape.
    #[error("has the wrong shape; expected {0}")]
    Shape(String),
    /// A key that means nothing here.
    #[error("unknown key; expected one of {0}")]
    UnknownKey(String),
    /// A key that stands twice.
    #[error("stands twice in the same place; expected each key once")]
    DuplicateKey,
    /// A file that nobody wrote by hand.
    #[error("is larger than {0} bytes; expected a configuration file")]
    TooLarge(u64),
}

impl ConfigError {
    pub(super) fn new(place: Place, key: impl Into<Box<str>>, problem: Problem) -> Self {
        Self { place, key: key.into(), problem }
    }

    /// An error about a variable of the environment.
    pub(super) fn variable(name: impl Into<Box<str>>, problem: Problem) -> Self {
        Self::new(Place::Environment, name, problem)
    }

    /// The line of the file that is wrong, counted from 1; `None` where no line of a file is.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match &self.place {
            Place::Line(_, line, _) => Some(*line),
            Place::File(_) | Place::Environment | Place::Flag => None,
        }
    }

    /// The key that is wrong, such as `limits.burst`, or the variable, or the flag.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether something is not there that is needed.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.problem, Problem::Missing(_))
    }
}

impl Problem {
    /// A file named in the configuration cannot be read.
    pub(super) fn unreadable(error: &io::Error) -> Self {
        Self::Unreadable(cause(error))
    }

    /// The configuration file cannot be read.
    pub(super) fn no_file(error: &io::Error) -> Self {
        Self::NoFile(cause(error))
    }
}

/// The cause of an error in a few words.
fn cause(error: &io::Error) -> String {
    // The standard library calls it an entity.
    if error.kind() == io::ErrorKind::NotFound { "no such file".to_owned() } else { error.kind().to_string() }
}

impl ConfigErrors {
    /// Puts errors in the order of the file, each once.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| (&a.place, &a.key).cmp(&(&b.place, &b.key)));
        errors.dedup();
        Self(errors)
    }

    /// The errors, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line, column) => write!(f, "{}:{line}:{column}: ", file.display()),
            Self::File(file) => write!(f, "{}: ", file.display()),
            Self::Environment => f.write_str("environment: "),
            Self::Flag => f.write_str("command line: "),
        }
    }
}

fn human(duration: &Duration) -> humantime::FormattedDuration {
    humantime::format_duration(*duration)
}
