//! From YAML to what is written, and what is wrong with it in the words of a configuration.

use std::path::Path;

use super::raw::RawConfig;
use crate::config::error::{ConfigError, Place, Problem};
use crate::config::nearest::Meant;
use crate::config::yaml::{self, At, Fault, FaultKind, printable};

/// Reads the file's text.
pub(super) fn read(yaml: &str, file: &Path) -> Result<RawConfig, ConfigError> {
    yaml::read(yaml, RawConfig::read).map_err(|fault| translate(fault, yaml, file))
}

fn translate(Fault { at, kind }: Fault, yaml: &str, file: &Path) -> ConfigError {
    let (named, problem) = sort(kind);
    let key = named.as_deref().or_else(|| key_near(yaml, at)).unwrap_or("the file");
    ConfigError::new(Place::Line(file.to_owned(), at.line, at.column), key, problem)
}

/// What is wrong, and the key that the fault names.
fn sort(kind: FaultKind) -> (Option<String>, Problem) {
    match kind {
        FaultKind::Syntax(told) => (None, Problem::Syntax(told)),
        FaultKind::Shape { key, found, expected } => {
            (key, Problem::Shape { found, expected: expected.into() })
        }
        FaultKind::DuplicateKey(key) => (key, Problem::DuplicateKey),
        FaultKind::UnknownKey { key, bare, known } => {
            let in_credentials = known.contains(&"secret_key_env");
            let meant = meant(key.as_deref().unwrap_or_default(), &known, in_credentials);
            // Beside credentials, `{secret_key:AbC}` makes a key out of a secret, which then has no value.
            let key = key.filter(|_| !in_credentials || !bare || meant.is_known());
            let key = match (key, in_credentials) {
                (Some(key), true) => format!("credentials.{key}"),
                (Some(key), false) => key,
                (None, true) => "credentials".to_owned(),
                (None, false) => "key".to_owned(),
            };
            (Some(key), Problem::UnknownKey(meant, listed(&known)))
        }
    }
}

/// Keys of credentials that stand in a place only to be refused.
const REFUSED: [&str; 4] = ["access_key", "secret_key", "security_token", "password"];

/// What others call what is written here under another key.
const ELSEWHERE: [(&str, &str); 12] = [
    ("ak", "access_key_env or access_key_file"),
    ("sk", "secret_key_env or secret_key_file"),
    ("access_key_id", "access_key_env or access_key_file"),
    ("secret_access_key", "secret_key_env or secret_key_file"),
    ("access", "access_key_env or access_key_file"),
    ("secret", "secret_key_env or secret_key_file"),
    ("token", "security_token_env or security_token_file"),
    ("user_name", "user"),
    ("username", "user"),
    ("domain_name", "account"),
    ("account_name", "account"),
    ("profile", "profile_file"),
];

/// The key that may have been meant.
fn meant(key: &str, known: &[&str], in_credentials: bool) -> Meant {
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| in_credentials && *name == key);
    elsewhere.map_or_else(|| Meant::near(key, offered(known)), |(_, ours)| Meant::word(ours))
}

/// The keys that are known in a place, without those that stand there only to be refused.
fn offered<'a>(known: &[&'a str]) -> Vec<&'a str> {
    known.iter().copied().filter(|key| !REFUSED.contains(key)).collect()
}

fn listed(known: &[&str]) -> String {
    offered(known).join(", ")
}

/// The key at a place, or else the one before it in the same line, if there is one.
fn key_near(yaml: &str, at: At) -> Option<&str> {
    let line = yaml.lines().nth(usize::try_from(at.line.checked_sub(1)?).ok()?)?;
    let column = usize::try_from(at.column.checked_sub(1)?).ok()?;
    let end = line.char_indices().nth(column).map_or(line.len(), |(index, _)| index);
    let (before, after) = line.split_at_checked(end)?;
    let here = after.split_once(':').and_then(|(key, _)| printable(key));
    // Where there is no value at all, the place is that of the colon.
    let before =
        if after.starts_with(':') { Some(before) } else { before.rsplit_once(':').map(|(key, _)| key) };
    let earlier = || printable(before?.rsplit([' ', '{', ',']).next()?);
    here.or_else(earlier)
}
