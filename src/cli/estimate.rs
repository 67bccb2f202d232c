//! How many series an account will make, before anything is asked: the catalogue, multiplied.

use std::collections::BTreeSet;

use crate::config::{Account, Detail, Glob};
use crate::metrics::{Entry, Subject, all};
use crate::model::{CheckResult, SourceState, Stage, TaskState, TaskType};

/// Disks of a usual server: the system's and one of data.
const DISKS: usize = 2;

/// Steps of a task that is under way.
const SUBTASKS: usize = 10;

/// Keys of the service's own sums.
const OVERVIEW: usize = 14;

/// Names of environment checks.
const CHECKS: usize = 18;

/// Kinds of files that a consistency check counts.
const FILES: usize = 4;

/// Codes and transitions that occur at once in a usual fleet.
const OCCURRING: usize = 10;

/// What an account will make.
#[derive(Clone, Copy, Debug)]
pub struct Estimate<'a>(&'a Account);

impl<'a> Estimate<'a> {
    /// The estimate for an account.
    #[must_use]
    pub fn of(account: &'a Account) -> Self {
        Self(account)
    }

    /// Series of one source server.
    #[must_use]
    pub fn per_source(self) -> usize {
        self.sum(Subject::Source, 1)
    }

    /// Series of one task that is under way.
    #[must_use]
    pub fn per_task(self) -> usize {
        self.sum(Subject::Task, 1)
    }

    /// Series of the account, however many servers it has.
    #[must_use]
    pub fn fixed(self) -> usize {
        self.sum(Subject::Fleet, 1) + self.sum(Subject::Events, 1)
    }

    /// Series with so many source servers and a task of each, after the cap on families.
    #[must_use]
    pub fn with(self, servers: usize) -> usize {
        self.fixed() + self.sum(Subject::Source, servers) + self.sum(Subject::Task, servers)
    }

    fn sum(self, subject: Subject, objects: usize) -> usize {
        let cap = self.0.families.max_series.map_or(usize::MAX, std::num::NonZeroUsize::get);
        let shown = all().iter().filter(|entry| entry.subject == subject && self.shows(entry));
        shown.map(|entry| usual(entry).saturating_mul(objects).min(cap)).sum()
    }

    fn shows(self, entry: &Entry) -> bool {
        let Self(account) = self;
        let single = matches!(entry.subject, Subject::Source | Subject::Task);
        let hidden = single && account.detail == Detail::Aggregate;
        let read = entry.collector().is_none_or(|collector| account.collectors.has(collector));
        !hidden && read && account.families.names.passes(entry.desc.name)
    }
}

/// Series of a family for one object, or for the account where it has no objects.
fn usual(entry: &Entry) -> usize {
    let name = entry.desc.name.trim_start_matches("huaweicloud_sms_");
    match name {
        "sources" => SourceState::ALL.len(),
        "sources_in_stage" => Stage::ALL.len(),
        "agents" => 2,
        "overview_sources" => OVERVIEW,
        "tasks" => TaskState::ALL.len() * TaskType::ALL.len(),
        "checks" => CHECKS * CheckResult::ALL.len(),
        "migration_errors" | "source_state_transitions_total" | "task_state_transitions_total" => OCCURRING,
        "source_disk_size_bytes" | "source_disk_used_bytes" => DISKS,
        "source_checks" => CheckResult::ALL.len(),
        // Only of what has failed, which is not the usual.
        "source_check_problem" | "source_error_info" | "task_error_info" => 0,
        "task_subtask_progress_ratio"
        | "task_subtask_started_timestamp_seconds"
        | "task_subtask_finished_timestamp_seconds" => SUBTASKS,
        "task_consistency_files" => FILES,
        _ => 1,
    }
}

/// Patterns of an account's `metrics.allow` and `metrics.deny` that match no family.
#[must_use]
pub fn idle_patterns(account: &Account) -> BTreeSet<&str> {
    let names = &account.families.names;
    let idle = |glob: &&Glob| !all().iter().any(|entry| glob.matches(entry.desc.name));
    names.include.iter().chain(&names.exclude).filter(idle).map(Glob::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CredentialSource, Region};
    use crate::model::{AccountName, Collector};

    fn account() -> Account {
        Account::new(AccountName::new("a"), Region::new("cn-north-4").unwrap(), CredentialSource::Chain)
    }

    #[test]
    fn what_is_switched_off_or_denied_counts_nothing() {
        let mut account = account();
        let all = Estimate::of(&account).per_task();
        account.collectors.set(Collector::Consistency, false);
        assert_eq!(Estimate::of(&account).per_task(), all - FILES - 1);
        account.families.names.exclude = vec![Glob::new("huaweicloud_sms_task_subtask_*").unwrap()];
        assert_eq!(Estimate::of(&account).per_task(), all - FILES - 1 - 3 * SUBTASKS);
        account.detail = Detail::Aggregate;
        assert_eq!((Estimate::of(&account).per_source(), Estimate::of(&account).per_task()), (0, 0));
        assert_eq!(Estimate::of(&account).with(1000), Estimate::of(&account).fixed());
    }

    #[test]
    fn a_cap_bounds_each_family() {
        let mut account = account();
        let (uncapped, per_source) = (Estimate::of(&account).with(1000), Estimate::of(&account).per_source());
        assert!(per_source > 20 && uncapped > 1000 * per_source);
        account.families.max_series = std::num::NonZeroUsize::new(100);
        assert!(Estimate::of(&account).with(1000) < uncapped / 5);
    }

    #[test]
    fn patterns_that_match_no_family_are_found() {
        let mut account = account();
        let globs = |patterns: &[&str]| patterns.iter().map(|p| Glob::new(p).unwrap()).collect();
        account.families.names.include = globs(&["huaweicloud_sms_*", "sms_task_*"]);
        account.families.names.exclude = globs(&["huaweicloud_sms_task_info", "task_info"]);
        assert_eq!(idle_patterns(&account), BTreeSet::from(["sms_task_*", "task_info"]));
    }
}
