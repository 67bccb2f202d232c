//! `--config.check`: what is wrong, or "ok" and what would be run.

use std::fmt::Write;
use std::path::Path;

use super::{Cli, Estimate, idle_patterns};
use crate::config::{Account, Config, ConfigErrors, Environment};
use crate::model::Collector;

/// Everything that is wrong, one line each; the exit status is 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.config.as_ref(), .web.as_deref()))]
pub struct CheckError {
    /// What is wrong with the configuration.
    pub config: Option<ConfigErrors>,
    /// What is wrong with the file of `--web.config.file`.
    pub web: Option<String>,
}

/// Reads the configuration, and says "ok" with a summary of what would be run.
///
/// `web` reads the file of `--web.config.file`, if one is named; it answers with what is wrong.
/// The summary ends without a newline, so that more can be said.
///
/// # Errors
///
/// Everything that is wrong with either file.
pub fn check(
    cli: &Cli,
    environment: &Environment<'_>,
    web: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<String, CheckError> {
    let wrong_web = cli.web.config_file.as_deref().map(web).and_then(Result::err);
    match (cli.configuration(environment), wrong_web) {
        (Ok(config), None) => Ok(summary(&config)),
        (config, web) => Err(CheckError { config: config.err(), web }),
    }
}

fn lines(config: Option<&ConfigErrors>, web: Option<&str>) -> String {
    let both = [config.map(ToString::to_string), web.map(str::to_owned)];
    both.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn summary(config: &Config) -> String {
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
    }
    text
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
    let mut text = format!(
        "\n  series, as a rule: {} a source server, {} a task under way, {} for the account; \
         with 100 servers and a task of each about {}, with 1000 about {}",
        estimate.per_source(),
        estimate.per_task(),
        estimate.fixed(),
        estimate.with(100),
        estimate.with(1000)
    );
    for pattern in idle_patterns(account) {
        write!(text, "\n  note: {pattern:?} in metrics matches no family of metrics")
            .expect("writing to a String cannot fail");
    }
    text
}
