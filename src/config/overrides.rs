//! What flags say: it counts more than the file, which counts more than the defaults.

use std::time::Duration;

use super::error::{ConfigError, Place, Problem};
use super::{Collectors, CredentialKind, DEFAULT_POLL_INTERVAL, Region, default_stale_after};
use crate::model::Collector;

/// What was said on the command line, for every account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The region of the environment's account, and of accounts for which the file names none.
    pub region: Option<Region>,
    /// Replaces the file's `poll_interval`.
    pub poll_interval: Option<Duration>,
    /// Replaces the file's `stale_after`.
    pub stale_after: Option<Duration>,
    /// Collectors that are switched on or off, over what the file says.
    pub collectors: Vec<(Collector, bool)>,
    /// Where the environment's account has its credentials from; the chain, if nothing is said.
    pub credentials: Option<CredentialKind>,
}

impl Overrides {
    /// Switches an account's collectors as the flags say.
    pub(super) fn switch(&self, collectors: &mut Collectors) {
        for (collector, on) in &self.collectors {
            collectors.set(*collector, *on);
        }
    }

    /// The flags that switch a collector on whose data comes from one that is off.
    pub(super) fn lacking(&self, collectors: &Collectors) -> Vec<ConfigError> {
        let on = self.collectors.iter().filter(|(_, on)| *on);
        let lacks = on.filter_map(|(collector, _)| {
            let needed = collector.needs().filter(|needed| !collectors.has(*needed))?;
            let problem = Problem::Needs(collector.label(), needed.label());
            Some(ConfigError::new(Place::Flag, format!("--collector.{}", collector.label()), problem))
        });
        lacks.collect()
    }

    /// The poll interval and the age of staleness where there is no file.
    pub(super) fn times(&self, errors: &mut Vec<ConfigError>) -> (Duration, Duration) {
        let interval = self.poll_interval.unwrap_or(DEFAULT_POLL_INTERVAL);
        let stale_after = self.stale_after.unwrap_or_else(|| default_stale_after(interval));
        errors.extend(self.check_times(interval, stale_after).err());
        (interval, stale_after)
    }

    /// Refuses times given as flags that do not fit one another.
    pub(super) fn check_times(&self, interval: Duration, stale_after: Duration) -> Result<(), ConfigError> {
        if stale_after >= interval.saturating_mul(2) {
            return Ok(());
        }
        let flag = if self.stale_after.is_some() { "--poll.stale-after" } else { "--poll.interval" };
        let problem = Problem::Stale(stale_after, interval.saturating_mul(2));
        Err(ConfigError::new(Place::Flag, flag, problem))
    }

    /// The error that flags left no collector on.
    pub(super) fn no_collector(&self) -> ConfigError {
        ConfigError::new(Place::Flag, "--no-collector", Problem::NoCollector)
    }
}
