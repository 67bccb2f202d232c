//! `--config.check`: what is wrong, or "ok" and what would be run.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::{Cli, Estimate, Pace, idle_patterns};
use crate::config::{Account, Config, ConfigErrors, Environment};
use crate::model::Collector;

/// Everything that is wrong, one line each; the exit status is 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(self))]
pub struct CheckError {
    /// What is wrong with the configuration.
    pub config: Option<ConfigErrors>,
    /// What is wrong with the file of `--web.config.file`.
    pub web: Option<String>,
    /// What is wrong with the directory of `--storage.path`.
    pub storage: Option<String>,
}

/// Who looks at what the command line names besides the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Examiners<W, S> {
    /// Reads the file of `--web.config.file`; answers with what is wrong.
    pub web: W,
    /// Looks at the directory of `--storage.path`; answers with what is to be doubted, or what is wrong.
    pub storage: S,
}

/// Reads the configuration, and says "ok" with a summary of what would be run.
///
/// The summary ends without a newline, so that more can be said.
///
/// # Errors
///
/// Everything that is wrong with either file.
pub fn check(
    cli: &Cli,
    environment: &Environment<'_>,
    examiners: Examiners<
        impl FnOnce(&Path) -> Result<(), String>,
        impl FnOnce(&Path) -> Result<Option<String>, String>,
    >,
) -> Result<String, CheckError> {
    let web = cli.web.config_file.as_deref().map(examiners.web).and_then(Result::err);
    let storage = cli.poll.storage.as_deref().map(examiners.storage).transpose();
    match (cli.configuration(environment), web, storage) {
        (Ok(config), None, Ok(storage)) => Ok(summary(&config, storage.flatten())),
        (config, web, storage) => Err(CheckError { config: config.err(), web, storage: storage.err() }),
    }
}

fn lines(CheckError { config, web, storage }: &CheckError) -> String {
    let storage = storage.as_ref().map(|told| format!("command line: --storage.path: {told}"));
    let all = [config.as_ref().map(ToString::to_string), web.clone(), storage];
    all.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// What is hardly meant about an account, a line each.
#[must_use]
pub fn doubts(account: &Account) -> Vec<String> {
    let idle = idle_patterns(account).into_iter();
    let idle = idle.map(|pattern| format!("{pattern:?} in metrics matches no family of metrics"));
    account.doubts().into_iter().chain(idle).collect()
}

fn summary(config: &Config, storage: Option<String>) -> String {
    let Config { accounts, poll_interval, stale_after } = config;
    let mut text = String::from("ok\n");
    let (interval, stale) =
        (humantime::format_duration(*poll_interval), humantime::format_duration(*stale_after));
    let accounts_word = if accounts.len() == 1 { "account" } else { "accounts" };
    write!(text, "{} {accounts_word}, polled every {interval}, stale after {stale}", accounts.len())
        .expect("writing to a String cannot fail");
    for account in accounts {
        text.push('\n');
        text.push_str(&account_line(account));
        text.push_str(&series(account));
        text.push_str(&pace(account, config.poll_interval));
        let beside = config.doubts().into_iter().filter(|(name, _)| *name == account.name);
        for doubt in doubts(account).into_iter().chain(beside.map(|(_, doubt)| doubt)) {
            text.push_str(&format!("\n  note: {doubt}"));
        }
    }
    text.extend(storage.map(|doubt| format!("\nnote: --storage.path: {doubt}")));
    text
}

/// Lines on how accounts of two sizes are kept up with, each behind a newline.
fn pace(account: &Account, interval: Duration) -> String {
    let told =
        |servers| format!("\n  with {servers} servers that copy: {}", Pace::of(account, servers, interval));
    told(300) + &told(1000)
}

fn account_line(account: &Account) -> String {
    let collectors: Vec<_> = account.collectors.iter().map(Collector::label).collect();
    format!(
        "account {:?}: region {}, endpoint {}, credentials {}, collectors {}",
        account.name.as_str(),
        account.region,
        account.endpoint,
        account.credentials.label(),
        collectors.join(", ")
    )
}

/// Lines on how many series an account will make, each behind a newline.
fn series(account: &Account) -> String {
    let estimate = Estimate::of(account);
    format!(
        "\n  series, as a rule: {} a source server, {} a task under way, {} for the account; \
         with 100 servers and a task of each about {}, with 1000 about {}",
        estimate.per_source(),
        estimate.per_task(),
        estimate.fixed(),
        estimate.with(100),
        estimate.with(1000)
    )
}
