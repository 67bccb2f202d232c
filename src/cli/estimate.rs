//! What an account will come to, before anything is asked: its series, and how it is kept up with.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::config::{Account, Detail, Glob};
use crate::metrics::{Entry, Subject, all};
use crate::model::{CheckResult, Collector, SourceState, Stage, TaskState, TaskType};

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

/// How an account of some size is kept up with, where every server has a task that copies.
///
/// Lists are read side by side in pages that overlap by one object. What is asked for task by task trickles on a share
/// of the account's rate, oldest first, and is asked for again when it is as old as its refresh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Requests that the lists of a poll take.
    pub requests: u32,
    /// How long they take.
    pub poll: Duration,
    /// How long after the start every detail has been asked for; none, where none is.
    pub details: Option<Duration>,
    /// How old speed rules get.
    pub rules: Option<Duration>,
    /// How old consistency results get.
    pub results: Option<Duration>,
    interval: Duration,
}

/// Objects on a page of the lists of servers and tasks; the list of errors, short as a rule, has one page.
const PAGE: u32 = 200;

/// Time of an answer from a service that is not far away.
const ANSWER: f64 = 0.2;

/// Seconds after which a detail is asked for again.
const REFRESH: [(Collector, f64); 2] = [(Collector::SpeedLimits, 600.0), (Collector::Consistency, 1800.0)];

impl Pace {
    /// The estimate for an account with so many servers that is polled so often.
    #[must_use]
    pub fn of(account: &Account, servers: u32, interval: Duration) -> Self {
        let limits = &account.limits;
        let pages = servers.saturating_sub(1).div_ceil(PAGE - 1).max(1);
        let requests = account.collectors.iter().map(|collector| match collector {
            Collector::Sources | Collector::Tasks => pages,
            Collector::Overview | Collector::Errors => 1,
            Collector::SpeedLimits | Collector::Consistency => 0,
        });
        let requests: u32 = requests.sum();
        let beyond_burst = f64::from(requests.saturating_sub(limits.burst)) / limits.requests_per_second;
        let at_once = u32::try_from(limits.concurrency.max(1)).unwrap_or(u32::MAX);
        let rounds = f64::from(requests.div_ceil(at_once));
        let rate = limits.details_requests_per_second();
        let asked: Vec<_> = REFRESH.into_iter().filter(|(asked, _)| account.collectors.has(*asked)).collect();
        // More than the rate allows makes everything older by the same factor.
        let wanted: f64 = asked.iter().map(|(_, refresh)| f64::from(servers) / refresh).sum();
        let stretch = (wanted / rate).max(1.0);
        let once: f64 = asked.iter().map(|_| f64::from(servers)).sum();
        let age = |of: Collector| {
            let refresh = asked.iter().find(|(asked, _)| *asked == of)?.1;
            Some(seconds(refresh * stretch))
        };
        Self {
            requests,
            poll: seconds(beyond_burst.max(rounds * ANSWER)),
            details: (!asked.is_empty()).then(|| seconds(once / rate)),
            rules: age(Collector::SpeedLimits),
            results: age(Collector::Consistency),
            interval,
        }
    }
}

/// Whole seconds, at least one.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.ceil().max(1.0)).unwrap_or(Duration::MAX)
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Beyond an hour nobody counts seconds, beyond a minute nobody needs them to the unit.
        let told = |time: Duration| {
            let (all, unit) = (time.as_secs(), if time.as_secs() < 60 { 1 } else { 60 });
            humantime::format_duration(Duration::from_secs(all.div_ceil(unit) * unit))
        };
        write!(f, "{} requests a poll, {} of every {}", self.requests, told(self.poll), told(self.interval))?;
        if let Some(details) = self.details {
            write!(f, "; details are all there {} after the start", told(details))?;
        }
        for (name, age) in [("speed limits", self.rules), ("consistency results", self.results)] {
            if let Some(age) = age {
                write!(f, ", {name} then at most {} old", told(age))?;
            }
        }
        if self.poll > self.interval {
            f.write_str("; polls follow one another without a pause")?;
        }
        Ok(())
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
    use crate::model::AccountName;

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
    fn a_large_fleet_takes_more_requests_and_its_details_get_older() {
        let mut account = account();
        let pace = |account: &Account, servers| Pace::of(account, servers, Duration::from_secs(30));
        let at = Duration::from_secs;
        // 0.67 details a second are wanted and one is allowed: each is as old as its refresh.
        let small = pace(&account, 300);
        assert_eq!((small.requests, small.poll, small.details), (6, at(1), Some(at(600))));
        assert_eq!((small.rules, small.results), (Some(at(600)), Some(at(1800))));
        // 2.2 wanted.
        let large = pace(&account, 1000);
        assert_eq!((large.requests, large.poll, large.details), (14, at(1), Some(at(2000))));
        assert_eq!((large.rules, large.results), (Some(at(1334)), Some(at(4000))));
        // 200 objects fill a page and 201 need two; the second begins on the last object of the first.
        assert_eq!(
            [0, 1, 200, 201, 399, 400].map(|servers| pace(&account, servers).requests),
            [4, 4, 4, 6, 6, 8]
        );
        account.collectors.set(Collector::SpeedLimits, false);
        account.limits.requests_per_second = 0.1;
        let slow = pace(&account, 1000);
        assert_eq!((slow.poll, slow.rules, slow.results), (at(40), None, Some(at(50_000))));
        assert!(slow.to_string().ends_with("polls follow one another without a pause"), "{slow}");
        account.collectors.set(Collector::Consistency, false);
        assert_eq!(pace(&account, 1000).details, None);
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
