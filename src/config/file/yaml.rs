//! From YAML to what is written, and the library's errors in our words.
//!
//! The library quotes values in its messages and lines of the file around them, so no message of
//! its that could hold a value is passed on.

use std::path::Path;

use serde_saphyr::{Error, Location};

use super::raw::RawConfig;
use crate::config::error::{ConfigError, Place, Problem};

/// The longest key of ours, in bytes; what is longer is not a misspelt key.
const MAX_KEY: usize = 40;

/// Reads the file's text.
pub(super) fn read(yaml: &str, file: &Path) -> Result<RawConfig, ConfigError> {
    // A snippet would quote the lines around an error, which may hold secrets.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| translate(&error, yaml, file))
}

fn translate(error: &Error, yaml: &str, file: &Path) -> ConfigError {
    let error = innermost(error);
    let (named, problem) = sort(error);
    let whole = "the file";
    match error.location() {
        Some(at) if at != Location::UNKNOWN => {
            let key = named.or_else(|| key_near(yaml, at)).unwrap_or(whole);
            ConfigError::new(Place::Line(file.to_owned(), at.line(), at.column()), key, problem)
        }
        _ => ConfigError::new(Place::file(file), whole, problem),
    }
}

/// The error itself, without what wraps it.
fn innermost(error: &Error) -> &Error {
    if let Error::AliasError { error, .. } = error { innermost(error) } else { error }
}

/// What is wrong, and the key that the error names, where that can be repeated.
fn sort(error: &Error) -> (Option<&str>, Problem) {
    // Not a match, because the library's enum is open and has dozens of kinds that say no more
    // than their place does.
    if let Error::SerdeUnknownField { field, expected, .. } = error {
        // Beside credentials, `{secret_key:AbC}` makes a key out of a secret.
        let secret = expected.contains(&"secret_key_env");
        let key = if secret { "credentials" } else { printable(field).unwrap_or("key") };
        return (Some(key), Problem::UnknownKey(known(expected)));
    }
    if let Error::DuplicateMappingKey { key, .. } = error {
        return (key.as_deref().and_then(printable), Problem::DuplicateKey);
    }
    if let Error::Message { msg, .. } = error
        && msg.starts_with("duplicate field")
    {
        return (None, Problem::DuplicateKey);
    }
    if let Error::SerdeInvalidType { expected, .. } = error {
        // What was found instead is left out: it quotes the value.
        return (None, Problem::Shape(expected.clone()));
    }
    if let Error::NullIntoString { .. } = error {
        return (None, Problem::Shape("a single value".to_owned()));
    }
    if let Error::Unexpected { expected, .. } = error {
        return (None, Problem::Shape(shape(expected).to_owned()));
    }
    (None, Problem::Syntax(syntax(error)))
}

/// The keys that are known in a place, without those that stand there only to be refused.
fn known(expected: &[&str]) -> String {
    let refused = ["access_key", "secret_key", "security_token", "password"];
    let keys: Vec<_> = expected.iter().copied().filter(|key| !refused.contains(key)).collect();
    keys.join(", ")
}

/// The library's word for a shape, in ours.
fn shape(expected: &str) -> &str {
    match expected {
        "string scalar" => "a single value",
        "sequence start" => "a list",
        "mapping start" => "a map of keys and values",
        other => other,
    }
}

fn syntax(error: &Error) -> String {
    let told = if let Error::ExternalMessage { msg, .. } = error {
        // The parser's own messages are constants, but for a single character.
        msg.lines().next().unwrap_or_default()
    } else if let Error::MultipleDocuments { .. } = error {
        "expected one document, without a second `---`"
    } else if let Error::UnknownAnchor { .. } = error {
        "this alias names no anchor"
    } else {
        "expected plain keys, values and lists"
    };
    told.to_owned()
}

/// A key that may be repeated: spelt as ours are, which no secret key is.
fn printable(key: &str) -> Option<&str> {
    let spelt = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (spelt && !key.is_empty() && key.len() <= MAX_KEY).then_some(key)
}

/// The key at a place, or else the one before it in the same line, if there is one.
fn key_near(yaml: &str, at: Location) -> Option<&str> {
    let line = yaml.lines().nth(usize::try_from(at.line().checked_sub(1)?).ok()?)?;
    let column = usize::try_from(at.column().checked_sub(1)?).ok()?;
    let end = line.char_indices().nth(column).map_or(line.len(), |(index, _)| index);
    let (before, after) = line.split_at_checked(end)?;
    let here = after.split_once(':').and_then(|(key, _)| printable(key));
    // Where there is no value at all, the place is that of the colon.
    let before =
        if after.starts_with(':') { Some(before) } else { before.rsplit_once(':').map(|(key, _)| key) };
    let earlier = || printable(before?.rsplit([' ', '{', ',']).next()?);
    here.or_else(earlier)
}
