//! `sms-exporter doctor`: each account step by step, in plain words, with what to do about each failure.
//!
//! A step that fails ends what depends on it, so that the first failure told is the one to mend, and a
//! wrong key is tried once and not until the service locks it. Nothing is asked but what a poll asks.

mod network;
mod report;
mod service;
mod survey;

pub use report::{Diagnosis, Step, Verdict};
pub use service::action;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::account::guards;
use super::{Misuse, Surroundings, causes, surroundings};
use crate::api::Client;
use crate::auth::http::Unobserved;
use crate::auth::{self, Authenticator, Guards};
use crate::cli::Cli;
use crate::config::{Account, Config};
use crate::storage::Store;

/// Examines every account, prints what was found, and fails where a step failed.
#[expect(clippy::print_stdout, reason = "the diagnosis is what was asked for")]
pub(super) async fn run(cli: &Cli, stop: CancellationToken) -> anyhow::Result<()> {
    let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(|error| Misuse::of(&error))?;
    let (surroundings, mut ill) = (surroundings(), Vec::new());
    if let Some(directory) = &cli.poll.storage {
        let step = storage(directory);
        println!("{step}");
        ill.extend((step.verdict == Verdict::Failed).then(|| "--storage.path".to_owned()));
    }
    let store = cli.poll.storage.as_ref().map(Store::new);
    let guards = guards(store.as_ref(), &surroundings);
    for account in &config.accounts {
        let diagnosis = tokio::select! {
            () = stop.cancelled() => anyhow::bail!("stopped before the examination was over"),
            diagnosis = guarded(account, &config, &surroundings, &guards) => diagnosis,
        };
        println!("{diagnosis}");
        if !diagnosis.is_well() {
            ill.push(account.name.to_string());
        }
    }
    if ill.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!(ill.join(", "))).context("something is wrong with these")
}

/// Examines the directory of `--storage.path`.
#[must_use]
pub fn storage(directory: &Path) -> Step {
    let shown = directory.display();
    let (verdict, finding, advice) = match Store::new(directory).examine() {
        Ok(None) => (Verdict::Well, format!("{shown} can keep what must survive a restart"), None),
        Ok(Some(doubt)) => (Verdict::Doubtful, doubt, Some("chmod o-w, or another directory")),
        Err(error) => {
            let advice = "name a directory that the exporter's user may make files in";
            (Verdict::Failed, causes(&error), Some(advice))
        }
    };
    Step { verdict, subject: "storage".to_owned(), finding, advice: advice.map(str::to_owned) }
}

/// Examines one account.
pub async fn examine(account: &Account, config: &Config, surroundings: &Surroundings) -> Diagnosis {
    guarded(account, config, surroundings, &Guards::default()).await
}

/// Examines one account, whose key others may have tried before.
async fn guarded(
    account: &Account,
    config: &Config,
    surroundings: &Surroundings,
    guards: &Guards,
) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(&account.name, &account.region);
    let beside = config.doubts().into_iter().filter(|(name, _)| *name == account.name);
    for doubt in crate::cli::doubts(account).into_iter().chain(beside.map(|(_, doubt)| doubt)) {
        diagnosis.doubt("configuration", doubt, "mend the configuration, unless it is meant so");
    }
    // `Err` only says that going on makes no sense; what was found stands in the diagnosis.
    let (Ok(()) | Err(Ended)) = steps(account, config, surroundings, guards, &mut diagnosis).await;
    diagnosis
}

/// A step failed that all further ones need.
#[derive(Clone, Copy, Debug)]
struct Ended;

async fn steps(
    account: &Account,
    config: &Config,
    surroundings: &Surroundings,
    guards: &Guards,
    diagnosis: &mut Diagnosis,
) -> Result<(), Ended> {
    let transport = match auth::transport(account, &surroundings.environment, Arc::new(Unobserved)) {
        Ok(transport) => transport,
        Err(error) => {
            let advice = "mend what is named: a proxy or ca_file of this account, or the environment's proxy";
            diagnosis.fail("set-up", causes(&error), advice);
            return Err(Ended);
        }
    };
    let account = &network::with_reachable_endpoint(account, &transport, diagnosis).await;
    network::examine(account, &transport, surroundings, diagnosis).await?;
    let authenticator = Authenticator::new(account, transport.clone(), surroundings.environment.clone());
    let authenticator = authenticator.guarded_by(guards.clone());
    let client = Client::new(account, authenticator, transport.clone(), surroundings.clock.clone());
    service::examine(account, &client, &transport, surroundings, diagnosis).await?;
    survey::examine(account, config, surroundings, guards, diagnosis).await;
    Ok(())
}
