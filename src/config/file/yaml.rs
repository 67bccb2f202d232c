//! From YAML to what is written, and what is wrong with it in the words of a configuration.

use std::path::Path;

use super::raw::RawConfig;
use crate::config::error::{ConfigError, Place, Problem};
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
        // The key in the file is nearer than the one of ours above it.
        FaultKind::Shape { key: _, expected } => (None, Problem::Shape(expected.to_owned())),
        FaultKind::DuplicateKey(key) => (key, Problem::DuplicateKey),
        FaultKind::UnknownKey { key, known } => {
            // Beside credentials, `{secret_key:AbC}` makes a key out of a secret.
            let secret = known.contains(&"secret_key_env");
            let key = if secret { None } else { key };
            let stand_in = if secret { "credentials" } else { "key" };
            (Some(key.unwrap_or_else(|| stand_in.to_owned())), Problem::UnknownKey(listed(&known)))
        }
    }
}

/// The keys that are known in a place, without those that stand there only to be refused.
fn listed(known: &[&str]) -> String {
    let refused = ["access_key", "secret_key", "security_token", "password"];
    let keys: Vec<_> = known.iter().copied().filter(|key| !refused.contains(key)).collect();
    keys.join(", ")
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
