//! An account at work, made from its configuration.

use std::sync::Arc;

use crate::api::Client;
use crate::auth::http::SetupError;
use crate::auth::{self, Authenticator};
use crate::config::{self, Config, Detail};
use crate::metrics::{AccountMeters, Choice, all};
use crate::poll::{Account, Details, Heartbeat, Keeper, Ledger, Meter, Reader};

use super::Surroundings;
use crate::storage::Store;

/// Why an account cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("account {name}")]
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
    let heartbeat = Heartbeat::new(config.poll_interval);
    Ok(Account { reader, details, ledger, interval: config.poll_interval, keeper, heartbeat })
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
