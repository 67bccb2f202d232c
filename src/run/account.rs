//! An account at work, made from its configuration.

use std::sync::Arc;

use crate::api::Client;
use crate::auth::http::SetupError;
use crate::auth::{self, Authenticator};
use crate::config::{self, Config, Detail};
use crate::metrics::{AccountMeters, Choice, all};
use crate::poll::{Account, Details, Keeper, Ledger, Meter, Reader};

use super::Surroundings;
use crate::storage::Store;

/// Why an account cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("account {name}: {source}")]
pub struct AccountError {
    name: crate::model::AccountName,
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
    let collectors = || account.collectors.iter();
    let reader = Reader::new(client, clock, collectors(), account.limits.poll_timeout)
        .showing(move |name| names.passes(name));
    meters.interval(config.poll_interval);
    let ledger = Ledger::new(
        account.name.clone(),
        meters.clone(),
        choice(account),
        config.stale_after,
        account.clock_offset,
    )
    .awaiting(reader.lists());
    let details = Details::new(collectors());
    Ok(Account { reader, details, ledger, interval: config.poll_interval, keeper })
}

/// What an account looks at: states that were seen elsewhere are nothing to tell changes against.
fn scope(account: &config::Account) -> String {
    let config::Account { region, endpoint, project_id, enterprise_project_id, migproject, names, .. } =
        account;
    format!("{region:?} {endpoint:?} {project_id:?} {enterprise_project_id:?} {migproject:?} {names:?}")
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
