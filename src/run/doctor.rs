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

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{Misuse, Surroundings, causes, surroundings};
use crate::api::Client;
use crate::auth::http::Unobserved;
use crate::auth::{self, Authenticator};
use crate::cli::Cli;
use crate::config::{Account, Config};

/// Examines every account, prints what was found, and fails where a step failed.
#[expect(clippy::print_stdout, reason = "the diagnosis is what was asked for")]
pub(super) async fn run(cli: &Cli, stop: CancellationToken) -> anyhow::Result<()> {
    let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(|error| Misuse::of(&error))?;
    let (surroundings, mut ill) = (surroundings(), Vec::new());
    for account in &config.accounts {
        let diagnosis = tokio::select! {
            () = stop.cancelled() => anyhow::bail!("stopped before the examination was over"),
            diagnosis = examine(account, &config, &surroundings) => diagnosis,
        };
        println!("{diagnosis}");
        if !diagnosis.is_well() {
            ill.push(account.name.to_string());
        }
    }
    if ill.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!(ill.join(", "))).context("something is wrong with these accounts")
}

/// Examines one account.
pub async fn examine(account: &Account, config: &Config, surroundings: &Surroundings) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(&account.name, &account.region);
    // `Err` only says that going on makes no sense; what was found stands in the diagnosis.
    let (Ok(()) | Err(Ended)) = steps(account, config, surroundings, &mut diagnosis).await;
    diagnosis
}

/// A step failed that all further ones need.
#[derive(Clone, Copy, Debug)]
struct Ended;

async fn steps(
    account: &Account,
    config: &Config,
    surroundings: &Surroundings,
    diagnosis: &mut Diagnosis,
) -> Result<(), Ended> {
    let transport = match auth::transport(account, Arc::new(Unobserved)) {
        Ok(transport) => transport,
        Err(error) => {
            let advice = "mend proxy, proxy_env, proxy_file or ca_file of this account";
            diagnosis.fail("set-up", causes(&error), advice);
            return Err(Ended);
        }
    };
    network::examine(account, &transport, surroundings, diagnosis).await?;
    let authenticator = Authenticator::new(account, transport.clone(), surroundings.environment.clone());
    let client = Client::new(account, authenticator, transport.clone(), surroundings.clock.clone());
    service::examine(account, &client, &transport, surroundings, diagnosis).await?;
    survey::examine(account, config, surroundings, diagnosis).await;
    Ok(())
}
