//! The configuration file.
//!
//! ```yaml
//! poll_interval: 30s            # 1s to 1d
//! stale_after: 15m              # at least two poll intervals
//! defaults: {}                  # settings for every account that does not say them itself
//! accounts:                     # at least one
//!   - name: prod                # the `account` label; each name once
//!     labels: {team: migration} # on every series of the account
//!     region: ap-southeast-3    # else --region, else HW_REGION_NAME
//!     endpoint: https://…       # else the region's; plain http to this machine only
//!     iam_endpoint: https://…   # likewise
//!     project_id: …             # else looked up by the region's name
//!     domain_id: …              # else looked up, where scope is domain
//!     scope: project            # or domain
//!     enterprise_project_id: …  # only its servers
//!     migproject: …             # only this migration project's servers
//!     credentials:              # one of three forms; without any, `source: chain`
//!       access_key_env: …       # or access_key_file
//!       secret_key_env: …       # or secret_key_file
//!       security_token_env: …   # or security_token_file; of temporary keys only
//!       # user: … , account: … , and password_env or password_file
//!       # source: chain | profile | ecs_agency | oidc | pod_identity ; profile_file: …
//!     collectors: [sources, tasks]  # only these; or a map such as {errors: false}
//!     migrate_speed_unit: mbit  # or mbyte: what the service's `migrate_speed` counts in
//!     disk_io_unit: mbit        # or mbyte
//!     source_clock_offset: "+08:00" # of the sources' clocks, which speed windows go by
//!     limits:
//!       requests_per_second: 5
//!       burst: 10
//!       concurrency: 4
//!       request_timeout: 10s
//!       connect_timeout: 5s
//!       poll_timeout: 5m
//!       retry_base: 1s          # before the first repetition; it doubles with each further one
//!       max_body: 32MiB
//!     detail: full              # or aggregate: counts and sums only
//!     finished_retention: 7d    # how long finished tasks stay; else for ever
//!     name_include: ["web-*"]   # source servers by name: * is any text, ? one character
//!     name_exclude: ["*-test"]
//!     metrics:
//!       allow: ["huaweicloud_sms_task_*"]  # families by their whole name
//!       deny: ["*_info"]
//!       max_series_per_family: 10000
//!     proxy: http://proxy:3128  # or proxy_env or proxy_file, where it has a password
//!     ca_file: ca.pem           # root certificates beyond the system's
//! ```
//!
//! Relative paths are relative to the file's directory. Secrets stand in variables or files of
//! their own and never here.

mod credentials;
mod raw;
mod reader;
mod settings;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use self::raw::{RawAccount, RawConfig};
use self::reader::Reader;
use super::environment::Variables;
use super::error::{ConfigError, Place, Problem};
use super::nearest::Meant;
use super::values;
use super::yaml::{Placed, START};
use super::{
    Account, Config, ConfigErrors, CredentialSource, DEFAULT_POLL_INTERVAL, MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL, Overrides, default_stale_after,
};

/// The longest file that is read, in bytes: a thousand accounts with every key take a third of it.
const MAX_BYTES: u64 = 1 << 20;

/// The longest age of stale data that can be asked for.
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// See [`Config::load`].
pub(super) fn load(
    path: &Path,
    variables: Variables<'_>,
    overrides: &Overrides,
    taken: &BTreeSet<&str>,
) -> Result<Config, ConfigErrors> {
    let yaml = read(path).map_err(|problem| ConfigError::new(Place::file(path), "the file", problem))?;
    parse(&yaml, path, variables, overrides, taken)
}

fn read(path: &Path) -> Result<String, Problem> {
    let unreadable = |error| Problem::no_file(&error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // Bounded by what is read, since the length of a pipe or a device is not known.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Problem::Syntax("the file is not UTF-8 text".to_owned()))
}

/// See [`Config::parse`].
pub(super) fn parse(
    yaml: &str,
    file: &Path,
    variables: Variables<'_>,
    overrides: &Overrides,
    taken: &BTreeSet<&str>,
) -> Result<Config, ConfigErrors> {
    if yaml.len() as u64 > MAX_BYTES {
        return Err(ConfigError::new(Place::file(file), "the file", Problem::TooLarge(MAX_BYTES)).into());
    }
    let raw = yaml::read(yaml, file)?;
    let mut reader = Reader::new(file, variables, taken);
    let (poll_interval, stale_after) = reader.times(&raw, overrides);
    let accounts = reader.accounts(raw, overrides);
    if !reader.errors.is_empty() {
        return Err(ConfigErrors::new(reader.errors));
    }
    Ok(Config { accounts, poll_interval, stale_after })
}

impl Reader<'_> {
    /// The poll interval and the age of staleness, which must fit one another.
    fn times(&mut self, raw: &RawConfig, overrides: &Overrides) -> (Duration, Duration) {
        let written = self.value("poll_interval", raw.poll_interval.as_ref(), |text| {
            values::duration(text, MIN_POLL_INTERVAL..=MAX_POLL_INTERVAL)
        });
        let interval = overrides.poll_interval.or(written).unwrap_or(DEFAULT_POLL_INTERVAL);
        let written = self.value("stale_after", raw.stale_after.as_ref(), |text| {
            values::duration(text, MIN_POLL_INTERVAL..=MONTH)
        });
        let stale_after = overrides.stale_after.or(written).unwrap_or_else(|| default_stale_after(interval));
        match (overrides.check_times(interval, stale_after), &raw.stale_after) {
            (Ok(()), _) => {}
            (Err(_), Some(written)) if overrides.stale_after.is_none() => {
                let problem = Problem::Stale(stale_after, interval.saturating_mul(2));
                self.refuse(written.at, "stale_after", problem);
            }
            (Err(error), _) => self.errors.push(error),
        }
        (interval, stale_after)
    }

    fn accounts(&mut self, raw: RawConfig, overrides: &Overrides) -> Vec<Account> {
        let defaults = raw.defaults.map(|defaults| self.defaults(defaults, overrides)).unwrap_or_default();
        const EXPECTED: &str = "a list of at least one account";
        let written = match raw.accounts {
            Some(Placed { value, .. }) if !value.is_empty() => value,
            Some(Placed { at, .. }) => {
                let problem = Problem::Shape { found: "empty", expected: EXPECTED.into() };
                self.refuse(at, "accounts", problem);
                Vec::new()
            }
            None => {
                self.refuse(START, "accounts", Problem::Missing(EXPECTED.into()));
                Vec::new()
            }
        };
        let mut accounts = Vec::new();
        let mut lines: Vec<(String, u64)> = Vec::new();
        for Placed { value: account, at } in written {
            self.note_name(&account, &mut lines);
            let merged = account.or(&defaults);
            if let Some(account) = self.account(&merged, at, overrides) {
                accounts.push(account);
            }
        }
        self.share_project(&mut accounts);
        if accounts.iter().any(|account| account.credentials == CredentialSource::Chain) {
            self.errors.extend(self.variables.odd_key());
        }
        accounts
    }

    /// Judges the defaults by themselves, so that what no account uses is held to the same rules.
    fn defaults(&mut self, defaults: Placed<RawAccount>, overrides: &Overrides) -> RawAccount {
        let Placed { value: defaults, at } = defaults;
        if let Some(name) = &defaults.name {
            let known = "the settings of an account other than its name".to_owned();
            self.refuse(name.at, "defaults.name", Problem::UnknownKey(Meant::default(), known));
        }
        let before = std::mem::take(&mut self.errors);
        drop(self.account(&defaults, at, overrides));
        let own = std::mem::replace(&mut self.errors, before);
        self.errors.extend(own.into_iter().filter(|error| !error.is_missing()));
        defaults
    }

    fn note_name(&mut self, account: &RawAccount, lines: &mut Vec<(String, u64)>) {
        let Some(name) = &account.name else { return };
        match lines.iter().find(|(known, _)| *known == name.value) {
            Some((_, line)) => self.refuse(name.at, "name", Problem::DuplicateName(*line)),
            None => lines.push((name.value.clone(), name.at.line)),
        }
    }

    /// Gives the environment's project to the accounts that use the chain and name none, provided
    /// that they are all in one region: a project belongs to one.
    fn share_project(&mut self, accounts: &mut [Account]) {
        let project = match self.variables.project_id() {
            Ok(project) => project,
            Err(error) => return self.errors.push(error),
        };
        let mut chained: Vec<_> =
            accounts.iter_mut().filter(|account| account.credentials == CredentialSource::Chain).collect();
        let one_region = chained.windows(2).all(|pair| pair[0].region == pair[1].region);
        for account in chained.iter_mut().filter(|_| one_region) {
            account.project_id = account.project_id.take().or_else(|| project.clone());
        }
    }
}
