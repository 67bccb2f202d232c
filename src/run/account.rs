//! An account at work, made from its configuration.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::Client;
use crate::auth::http::SetupError;
use crate::auth::{self, Authenticator};
use crate::config::{self, Config, Detail};
use crate::metrics::{AccountMeters, Choice, all};
use crate::model::{AccountName, Collector};
use crate::poll::{Account, Filtered, Keeper, Ledger, Meter, Reader};

use super::Surroundings;
use crate::storage::Store;

/// Why an account cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("account {name}: {source}")]
pub struct AccountError {
    name: AccountName,
    source: SetupError,
}

/// Puts an account's parts together.
///
/// # Errors
///
/// A proxy or a file of certificates that cannot be used.
pub(super) fn build(
    account: &config::Account,
    config: &Config,
    surroundings: &Surroundings,
    store: Option<&Store>,
    meters: &AccountMeters,
) -> Result<Account, AccountError> {
    let observer = Arc::new(Meter(meters.clone()));
    let transport = auth::transport(account, observer)
        .map_err(|source| AccountError { name: account.name.clone(), source })?;
    let Surroundings { clock, environment } = surroundings.clone();
    let keeper = store.map(|store| {
        let shelf = store.shelf(&account.name, scope(account));
        Keeper::new(shelf, account.name.clone(), meters.clone(), clock.clone())
    });
    let authenticator =
        Authenticator::new(account, transport.clone(), environment).with_pause(config.poll_interval);
    let client = Client::new(account, authenticator, transport, clock.clone());
    let names = account.names.clone();
    let reader = Reader::new(
        client,
        clock,
        account.collectors.iter(),
        account.limits.poll_timeout,
        allowance(account, config),
    )
    .showing(move |name| names.passes(name))
    .telling(filtered(account.name.clone(), meters.clone()));
    let ledger = Ledger::new(
        account.name.clone(),
        meters.clone(),
        choice(account),
        config.stale_after,
        account.clock_offset,
    );
    Ok(Account { reader, ledger, interval: config.poll_interval, keeper })
}

/// Counts what name filters leave out, and says so where they begin to leave nothing.
fn filtered(name: AccountName, meters: AccountMeters) -> impl Fn(Collector, Filtered) + Send + Sync {
    let empty: Mutex<BTreeSet<Collector>> = Mutex::default();
    move |collector, Filtered { of, left }| {
        meters.filtered(collector, u64::try_from(of - left).unwrap_or(u64::MAX));
        let mut empty = empty.lock().unwrap_or_else(PoisonError::into_inner);
        let (account, label) = (name.as_str(), collector.label());
        if left > 0 || of == 0 {
            empty.remove(&collector);
        } else if empty.insert(collector) {
            tracing::warn!(account, collector = label, "0 of {of} pass name_include and name_exclude");
        }
    }
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
