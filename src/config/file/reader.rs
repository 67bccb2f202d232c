//! Reads written values one by one and notes every one that is wrong, so that all are told at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::environment::Variables;
use crate::config::error::{ConfigError, Place, Problem};
use crate::config::values;
use crate::config::yaml::{At, Text, Texts};
use crate::config::{SecretError, SecretFrom, secret_in as in_text};

/// Reads the values of one file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a Path,
    /// What relative paths in the file are relative to.
    base: &'a Path,
    pub(super) variables: Variables<'a>,
    /// Labels that series have anyway.
    pub(super) taken: &'a BTreeSet<&'a str>,
    pub(super) errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path, variables: Variables<'a>, taken: &'a BTreeSet<&'a str>) -> Self {
        let base = file.parent().unwrap_or(Path::new(""));
        Self { file, base, variables, taken, errors: Vec::new() }
    }

    /// Notes that what stands at a place under a key is wrong.
    pub(super) fn refuse(&mut self, at: At, key: &str, problem: Problem) {
        // Where an alias or a merge brings a value in, `at` is the place that uses it.
        let place = Place::Line(self.file.to_owned(), at.line, at.column);
        self.errors.push(ConfigError::new(place, key, problem));
    }

    /// The value of a key; `None` where it is absent, or wrong, which is noted.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        text: Option<&Text>,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let text = text?;
        let told = |problem| {
            let relies = text.value.contains('$') || text.value.starts_with('~');
            if relies { Problem::Unreplaced(Box::new(problem)) } else { problem }
        };
        read(&text.value).map_err(|problem| self.refuse(text.at, key, told(problem))).ok()
    }

    /// Replaces `target` by the value of a key where there is one.
    pub(super) fn set<T>(
        &mut self,
        target: &mut T,
        key: &str,
        text: Option<&Text>,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) {
        if let Some(value) = self.value(key, text, read) {
            *target = value;
        }
    }

    /// The values of a list; those that are wrong are noted and left out.
    pub(super) fn values<T>(
        &mut self,
        key: &str,
        texts: Option<&Texts>,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Vec<T> {
        let texts = texts.map_or(&[][..], |texts| &texts.value);
        texts.iter().filter_map(|text| self.value(key, Some(text), &read)).collect()
    }

    /// A path that can be read now.
    pub(super) fn readable_path(&mut self, key: &str, text: Option<&Text>) -> Option<PathBuf> {
        let base = self.base;
        self.value(key, text, |path| {
            let resolved = resolve(base, path)?;
            match std::fs::File::open(&resolved) {
                Ok(_) => Ok(resolved),
                Err(error) => Err(Problem::unreadable(told(base, path, &resolved), &error)),
            }
        })
    }

    /// A secret from `<key>_env` or `<key>_file`, of which there may be one.
    ///
    /// That it can be read is tried now, so that a forgotten variable is told with its line.
    pub(super) fn secret(&mut self, place: &SecretPlace<'_>) -> Option<SecretFrom> {
        match (place.env, place.file) {
            (Some(env), Some(_)) => {
                let problem = Problem::Conflict(place.file_key);
                self.refuse(env.at, place.env_key, problem);
                None
            }
            (Some(env), None) => {
                let variable = self.variables.get(env.value.trim());
                self.value(place.env_key, Some(env), |name| match variable.as_deref().map(in_text) {
                    None => Err(Problem::Unset),
                    Some(Err(oddity)) => Err(Problem::OddSecret { of: "variable named here", oddity }),
                    Some(Ok(_)) => Ok(SecretFrom::Env(name.trim().to_owned())),
                })
            }
            (None, file) => {
                let base = self.base;
                self.value(place.file_key, file, |path| secret_file(base, path))
            }
        }
    }

    /// A proxy, from a URL without a password, or from where one with a password stands.
    pub(super) fn proxy(&mut self, written: Option<&Text>, place: &SecretPlace<'_>) -> Option<SecretFrom> {
        let Some(text) = written else {
            let url = place.env.and_then(|name| self.variables.get(&name.value));
            if let (Some(name), Some(url)) = (place.env, url) {
                self.value(place.env_key, Some(name), |_| values::proxy(&url))?;
            }
            return self.secret(place);
        };
        if place.env.is_some() || place.file.is_some() {
            self.refuse(text.at, "proxy", Problem::Conflict("proxy_env or proxy_file"));
            return None;
        }
        self.value("proxy", written, |url| {
            if url.contains('@') {
                return Err(Problem::Inline { key: "proxy" });
            }
            values::proxy(url).map(|()| SecretFrom::Value(url.into()))
        })
    }
}

/// The two keys under which a secret's place can stand.
#[derive(Debug)]
pub(super) struct SecretPlace<'a> {
    pub(super) env_key: &'static str,
    pub(super) env: Option<&'a Text>,
    pub(super) file_key: &'static str,
    pub(super) file: Option<&'a Text>,
}

impl SecretPlace<'_> {
    /// Where the first of the two stands.
    pub(super) fn at(&self) -> Option<At> {
        self.env.or(self.file).map(|text| text.at)
    }
}

fn resolve(base: &Path, path: &str) -> Result<PathBuf, Problem> {
    if path.is_empty() || path.contains('\0') {
        return Err(Problem::InvalidSecret("the path of a file".into()));
    }
    Ok(base.join(path))
}

fn secret_file(base: &Path, path: &str) -> Result<SecretFrom, Problem> {
    let resolved = resolve(base, path)?;
    let secret = SecretFrom::File(resolved.clone());
    match secret.read() {
        Ok(_) => Ok(secret),
        Err(SecretError::File(_, error)) => Err(Problem::unreadable(told(base, path, &resolved), &error)),
        Err(SecretError::Odd(_, oddity)) => Err(Problem::OddSecret { of: "file named here", oddity }),
        Err(SecretError::NotASecret(_) | SecretError::Unset(_)) => Err(Problem::NotASecret),
    }
}

/// A file in words: its path, or where it was looked for, if what is written could be a secret in the wrong place.
fn told(base: &Path, written: &str, resolved: &Path) -> String {
    if written.contains('/') && !written.contains(char::is_whitespace) {
        return resolved.display().to_string();
    }
    let here = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    format!("the file named here, looked for in the directory {}", here.display())
}
