//! An account at work, made from its configuration.

use std::io;
use std::sync::Arc;

use crate::api::{Client, Governors};
use crate::auth::http::{SetupError, Transport, Unobserved};
use crate::auth::{self, Authenticator, Environment, Guards, RefusalFile};
use crate::cli::Cli;
use crate::config::{self, Config, Detail};
use crate::metrics::{AccountMeters, Choice, all};
use crate::poll::{Account, Keeper, Ledger, Meter, Reader};

use super::{Surroundings, doctor};
use crate::storage::{SmallFile, Store};

/// Why an account cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("account {name}: {}", doctor::causes(source))]
pub struct AccountError {
    name: crate::model::AccountName,
    source: SetupError,
}

impl AccountError {
    pub(super) fn new(name: &crate::model::AccountName, source: SetupError) -> Self {
        Self { name: name.clone(), source }
    }
}

/// What all accounts of a process have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<'a> {
    pub(super) surroundings: &'a Surroundings,
    pub(super) store: Option<&'a Store>,
    pub(super) guards: &'a Guards,
    pub(super) governors: &'a Governors,
}

/// The accounts with the limits that hold for their keys: where several accounts share a key, the lowest of theirs.
pub(super) fn with_shared_limits(
    accounts: &[config::Account],
    environment: &Environment,
) -> Vec<config::Account> {
    let identities: Vec<_> = accounts.iter().map(|account| auth::identity(account, environment)).collect();
    let limited = |(account, identity): (&config::Account, &Option<auth::Identity>)| {
        let mut account = account.clone();
        let sharing =
            accounts.iter().zip(&identities).filter(|(_, other)| identity.is_some() && *other == identity);
        for (other, _) in sharing {
            let (own, other) = (&mut account.limits, &other.limits);
            own.requests_per_second = own.requests_per_second.min(other.requests_per_second);
            own.burst = own.burst.min(other.burst);
            own.concurrency = own.concurrency.min(other.concurrency);
        }
        account
    };
    accounts.iter().zip(&identities).map(limited).collect()
}

/// The guards of the keys of a process, which remember in the store what was refused.
pub(super) fn guards(store: Option<&Store>, surroundings: &Surroundings) -> Guards {
    match store {
        Some(store) => {
            let file = Arc::new(Refusals(store.small_file(REFUSALS)));
            Guards::remembering(file, surroundings.clock.clone())
        }
        None => Guards::cautious(),
    }
}

/// The file beside the accounts' in which refusals of their keys are remembered.
const REFUSALS: &str = "refusals";

/// The place of refusals in the store.
#[derive(Debug)]
struct Refusals(SmallFile);

impl RefusalFile for Refusals {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        self.0.load()
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.keep(bytes)
    }
}

/// Puts an account's parts together.
///
/// # Errors
///
/// A proxy or a file of certificates that cannot be used.
pub(super) fn build(
    account: &config::Account,
    config: &Config,
    shared: Shared<'_>,
    meters: &AccountMeters,
) -> Result<(Account, Transport), AccountError> {
    let Shared { surroundings, store, guards, governors } = shared;
    let observer = Arc::new(Meter(meters.clone()));
    let transport = auth::transport(account, &surroundings.environment, observer)
        .map_err(|source| AccountError::new(&account.name, source))?;
    let Surroundings { clock, environment } = surroundings.clone();
    let keeper = store.map(|store| {
        let shelf = store.shelf(&account.name, scope(account));
        Keeper::new(shelf, account.name.clone(), meters.clone(), clock.clone())
    });
    let authenticator =
        Authenticator::new(account, transport.clone(), environment).with_pause(config.poll_interval);
    let authenticator = authenticator.guarded_by(guards.clone());
    let identity = auth::identity(account, &surroundings.environment);
    let client = Client::new(account, authenticator, transport.clone(), clock.clone());
    let client = client.sharing(account, governors, identity);
    let names = account.names.clone();
    let reader = Reader::new(
        client,
        clock,
        account.collectors.iter(),
        account.limits.poll_timeout,
        allowance(account, config),
    )
    .showing(move |name| names.passes(name));
    let ledger = Ledger::new(
        account.name.clone(),
        meters.clone(),
        choice(account),
        config.stale_after,
        account.clock_offset,
    );
    Ok((Account { reader, ledger, interval: config.poll_interval, keeper }, transport))
}

/// Whether the accounts' ways to the wire can be set up, with a note, each behind a newline, of what will be missing.
///
/// # Errors
///
/// A proxy or a file of certificates that cannot be used.
pub(super) fn check(cli: &Cli) -> Result<String, String> {
    let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(|error| error.to_string())?;
    let environment = Environment::process();
    let mut notes = String::new();
    for account in &config.accounts {
        let transport = auth::transport(account, &environment, Arc::new(Unobserved));
        let transport = transport.map_err(|error| AccountError::new(&account.name, error).to_string())?;
        let endpoints = [&account.endpoint, &account.iam_endpoint];
        let missing = endpoints.into_iter().find_map(|endpoint| transport.check_for(endpoint).err());
        if let Some(error) = missing {
            notes.push_str(&format!("\n  note: {}", AccountError::new(&account.name, error)));
        }
    }
    Ok(notes)
}

/// What an account looks at: states that were seen elsewhere are nothing to tell changes against.
fn scope(account: &config::Account) -> String {
    let config::Account { region, endpoint, project_id, enterprise_project_id, migproject, names, .. } =
        account;
    format!("{region:?} {endpoint:?} {project_id:?} {enterprise_project_id:?} {migproject:?} {names:?}")
}

/// Half of what the budget allows in an interval may go to what is asked for task by task.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of requests; a huge one saturates"
)]
fn allowance(account: &config::Account, config: &Config) -> usize {
    (account.limits.requests_per_second * config.poll_interval.as_secs_f64() / 2.0) as usize
}

fn choice(account: &config::Account) -> Choice {
    let names = all().iter().map(|entry| entry.desc.name);
    Choice {
        aggregate: account.detail == Detail::Aggregate,
        finished_retention: account.finished_retention,
        left_out: names.filter(|name| !account.families.names.passes(name)).collect(),
        most_series: account.families.max_series.map(std::num::NonZeroUsize::get),
    }
}
