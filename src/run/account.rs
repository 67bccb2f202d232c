//! An account at work, made from its configuration.

use std::io;
use std::sync::Arc;

use crate::api::{Client, Governors};
use crate::auth::http::{SetupError, Transport, Unobserved};
use crate::auth::{self, Authenticator, Environment, Guards, RefusalFile};
use crate::cli::Cli;
use crate::config::{self, Config, Detail};
use crate::metrics::{AccountMeters, Choice, all};
use crate::poll::{Account, Details, Heartbeat, Keeper, Ledger, Meter, Reader};

use super::{Surroundings, causes};
use crate::storage::{SmallFile, Store};

/// Why an account cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("account {name}")]
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
    let heartbeat = Heartbeat::new(config.poll_interval);
    Ok((Account { reader, details, ledger, interval: config.poll_interval, keeper, heartbeat }, transport))
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
        let transport = transport.map_err(|error| causes(&AccountError::new(&account.name, error)))?;
        let endpoints = [&account.endpoint, &account.iam_endpoint];
        let missing = endpoints.into_iter().find_map(|endpoint| transport.check_for(endpoint).err());
        if let Some(error) = missing {
            notes.push_str(&format!("\n  note: {}", causes(&AccountError::new(&account.name, error))));
        }
    }
    Ok(notes)
}

/// What an account looks at: states that were seen elsewhere are nothing to tell changes against.
///
/// It is written to the disk and compared there by later versions, so its form is this and no type's: a line for
/// each setting that narrows what is seen, its name and its value, in this order. A setting to come gets a line of
/// its own where it is set and none elsewhere, so that files of before stay good.
fn scope(account: &config::Account) -> String {
    let config::Account { region, endpoint, project_id, enterprise_project_id, migproject, names, .. } =
        account;
    let origin = endpoint.origin();
    let given = |name, value: &'_ Option<String>| value.clone().map(|value| (name, value));
    let patterns = |name, globs: &[config::Glob]| -> Vec<(&'static str, String)> {
        globs.iter().map(|glob| (name, glob.as_str().to_owned())).collect()
    };
    let settings = [("region", region.as_str().to_owned()), ("endpoint", origin)]
        .into_iter()
        .chain(given("project_id", project_id))
        .chain(given("enterprise_project_id", enterprise_project_id))
        .chain(given("migproject", migproject))
        .chain(patterns("name_include", &names.include))
        .chain(patterns("name_exclude", &names.exclude));
    let line = |(name, value): (&str, String)| {
        format!("{name} {}\n", value.replace('\\', "\\\\").replace('\n', "\\n"))
    };
    settings.map(line).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CredentialSource, Endpoint, Glob, Region};
    use crate::model::AccountName;
    use crate::storage::decode;

    /// The account that the fixture was written for.
    fn account() -> config::Account {
        let region = Region::new("cn-north-4").unwrap();
        let mut account = config::Account::new(AccountName::new("prod"), region, CredentialSource::Chain);
        account.endpoint = Endpoint::parse("http://127.0.0.1:18765").unwrap();
        account.names.include = vec![Glob::new("*").unwrap()];
        account
    }

    #[test]
    fn the_scope_in_a_file_is_written_in_a_form_of_its_own() {
        let mut account = account();
        let plain = "region cn-north-4\nendpoint http://127.0.0.1:18765\nname_include *\n";
        assert_eq!(scope(&account), plain);
        account.project_id = Some("p1".into());
        account.enterprise_project_id = Some("0".into());
        account.migproject = Some("a\nname_exclude b\\".into());
        account.names.exclude = vec![Glob::new("test-?").unwrap(), Glob::new("x").unwrap()];
        let all = "region cn-north-4\nendpoint http://127.0.0.1:18765\nproject_id p1\n\
                   enterprise_project_id 0\nmigproject a\\nname_exclude b\\\\\nname_include *\n\
                   name_exclude test-?\nname_exclude x\n";
        assert_eq!(scope(&account), all);
    }

    #[test]
    fn a_file_of_the_version_before_gives_all_its_counters() {
        let file = include_bytes!("../../tests/fixtures/state/version-1.state");
        let account = account();
        let memory = decode(file, &account.name, &scope(&account)).unwrap();
        let tally = &memory.tally;
        assert_eq!((tally.registrations, tally.removals, tally.replicated), (74, 73, 1_471_115_193_903));
        assert_eq!((tally.disconnects, tally.reconnects, tally.overspeed), (4, 2, 1));
        assert_eq!((tally.source_transitions.len(), tally.task_transitions.len()), (21, 9));
        assert_eq!((tally.failures.len(), tally.check_failures.len(), tally.check_warnings.len()), (6, 5, 1));
        assert_eq!(tally.replicated_by_source.len(), 3);
        // Its scope was a type's debug output, which says nothing for sure.
        assert_eq!(memory.fleet, crate::model::Fleet::default());
    }
}
