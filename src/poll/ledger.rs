//! What is remembered of an account: the last good parts, the counters, how its collectors fare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Record, chain};
use super::failures::{Failure, Failures, Polled};
use super::journal;
use super::reader::Readings;
use crate::diff::diff;
use crate::metrics::{AccountMeters, Choice, Sheet, Tally, render};
use crate::model::{AccountName, Collector, Fleet, Part, SourceState, Timestamp};
use crate::storage::Memory;

/// The memory of one account.
#[derive(Debug)]
pub struct Ledger {
    account: AccountName,
    meters: AccountMeters,
    choice: Choice,
    stale_after: Duration,
    fleet: Fleet,
    /// Parts of the fleet that an earlier run read. Changes are told against them; they are never served.
    recalled: BTreeSet<Collector>,
    tally: Tally,
    records: BTreeMap<Collector, Record>,
    failures: Failures,
}

/// A rendered account.
#[derive(Debug)]
pub struct Rendered {
    /// Whose.
    pub account: AccountName,
    /// Its samples.
    pub sheet: Sheet,
    /// Source servers by state, for the landing page.
    pub sources: BTreeMap<&'static str, u64>,
    /// Tasks, for the landing page.
    pub tasks: u64,
    /// Collectors that failed last time, for the landing page.
    pub failing: Vec<&'static str>,
}

impl Ledger {
    /// An account of which nothing is known yet. Parts older than `stale_after` are not served.
    #[must_use]
    pub fn new(
        account: AccountName,
        meters: AccountMeters,
        choice: Choice,
        stale_after: Duration,
        clock_offset: i32,
    ) -> Self {
        let fleet = Fleet { clock_offset, ..Fleet::default() };
        Self {
            account,
            meters,
            choice,
            stale_after,
            fleet,
            recalled: BTreeSet::new(),
            tally: Tally::default(),
            records: BTreeMap::new(),
            failures: Failures::default(),
        }
    }

    /// With what an earlier run knew: changes since then become events with the first poll.
    pub fn resume(&mut self, memory: Memory) {
        let Memory { fleet, tally, last_success } = memory;
        let is_there = |collector: &Collector| fleet.read_at(*collector).is_some();
        self.recalled = Collector::ALL.into_iter().filter(is_there).collect();
        self.fleet = Fleet { clock_offset: self.fleet.clock_offset, ..fleet };
        self.tally = tally;
        let record = |(collector, at)| (collector, Record { last_success: Some(at), failures: 0 });
        self.records = last_success.into_iter().map(record).collect();
    }

    /// What the next run has to know. Parts that could not be read since the last one are handed on.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let Fleet { sources, tasks, speed_rules, .. } = self.fleet.clone();
        let last_success =
            self.records.iter().filter_map(|(collector, record)| Some((*collector, record.last_success?)));
        Memory {
            fleet: Fleet { sources, tasks, speed_rules, ..Fleet::default() },
            tally: self.tally.clone(),
            last_success: last_success.collect(),
        }
    }

    /// The fleet as it was last known, old parts included.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes what a poll read: good parts replace the last, and what changed is counted and told.
    pub fn take(&mut self, readings: Readings) {
        let Readings { sources, tasks, overview, errors, speed_rules, consistency } = readings;
        let mut next = self.fleet.clone();
        let came = [
            (Collector::Sources, replace(&mut next.sources, &sources)),
            (Collector::Tasks, replace(&mut next.tasks, &tasks)),
            (Collector::Overview, replace(&mut next.overview, &overview)),
            (Collector::Errors, replace(&mut next.errors, &errors)),
            (Collector::SpeedLimits, replace(&mut next.speed_rules, &speed_rules)),
            (Collector::Consistency, replace(&mut next.consistency, &consistency)),
        ];
        self.recalled.retain(|collector| !came.contains(&(*collector, true)));
        let events = diff(&self.fleet, &next);
        self.tally.count(&events);
        self.tally.forget_absent(&next);
        journal::tell(self.account.as_str(), &events);
        self.fleet = next;
        let polls = [
            self.note(Collector::Sources, &sources, |sources| sources.len()),
            self.note(Collector::Tasks, &tasks, |tasks| tasks.len()),
            self.note(Collector::Overview, &overview, |overview| overview.0.len()),
            self.note(Collector::Errors, &errors, |errors| errors.len()),
            self.note(Collector::SpeedLimits, &speed_rules, |rules| rules.len()),
            self.note(Collector::Consistency, &consistency, |results| results.len()),
        ];
        self.failures.tell(self.account.as_str(), polls.into_iter().flatten());
    }

    fn note<T>(
        &mut self,
        collector: Collector,
        attempt: &Option<Attempt<T>>,
        length: impl Fn(&T) -> usize,
    ) -> Option<Polled> {
        let attempt = attempt.as_ref()?;
        let (served, failure) = match &attempt.result {
            Ok((part, _, _)) => (length(&part.data), None),
            Err(error) => {
                let served = self.fresh(attempt.begun).read_at(collector).is_some();
                let failure = Failure { reason: error.reason(), error: chain(error), served };
                (self.kept(collector, attempt.begun), Some(failure))
            }
        };
        let served = u64::try_from(served).unwrap_or(u64::MAX);
        self.records.entry(collector).or_default().note(collector, attempt, served, &self.meters);
        Some(Polled { collector, failure })
    }

    /// How many objects of a collector whose poll failed are still served.
    fn kept(&self, collector: Collector, now: Timestamp) -> usize {
        let fleet = self.fresh(now);
        match collector {
            Collector::Sources => fleet.sources().len(),
            Collector::Tasks => fleet.tasks().len(),
            Collector::Overview => fleet.overview.map_or(0, |part| part.data.0.len()),
            Collector::Errors => fleet.errors.map_or(0, |part| part.data.len()),
            Collector::SpeedLimits => fleet.speed_rules.map_or(0, |part| part.data.len()),
            Collector::Consistency => fleet.consistency.map_or(0, |part| part.data.len()),
        }
    }

    /// The fleet as far as this run read it and it is fresh enough to be served.
    fn fresh(&self, now: Timestamp) -> Fleet {
        let oldest = i64::try_from(self.stale_after.as_millis()).unwrap_or(i64::MAX);
        let limit = Timestamp::from_millis(now.millis().saturating_sub(oldest));
        let mut fleet = self.fleet.without_parts_before(limit);
        // What is recalled of an object is not all that there is to serve of it. Only these three are kept.
        let recalled = |collector| self.recalled.contains(&collector);
        fleet.sources.take_if(|_| recalled(Collector::Sources));
        fleet.tasks.take_if(|_| recalled(Collector::Tasks));
        fleet.speed_rules.take_if(|_| recalled(Collector::SpeedLimits));
        fleet
    }

    /// How long until the next part gets too old.
    #[must_use]
    pub fn stale_in(&self, now: Timestamp) -> Duration {
        let fresh = self.fresh(now);
        let ends = Collector::ALL.into_iter().filter_map(|collector| fresh.read_at(collector));
        let next = ends.map(|read_at| read_at.plus(self.stale_after).since(now)).min();
        // One millisecond beyond the age, so that the part is older than it when the time comes.
        next.map_or(self.stale_after, |left| left + Duration::from_millis(1))
    }

    /// Renders what is fresh.
    #[must_use]
    pub fn render(&self, now: Timestamp) -> Rendered {
        let fleet = self.fresh(now);
        let mut sources: BTreeMap<&'static str, u64> = BTreeMap::new();
        for source in fleet.sources() {
            *sources.entry(source.state.unwrap_or(SourceState::Unknown).label()).or_default() += 1;
        }
        let failing = self.records.iter().filter(|(_, record)| record.failures > 0);
        Rendered {
            account: self.account.clone(),
            sheet: render(self.meters.labels(), &fleet, &self.tally, &self.choice),
            sources,
            tasks: u64::try_from(fleet.tasks().len()).unwrap_or(u64::MAX),
            failing: failing.map(|(collector, _)| collector.label()).collect(),
        }
    }
}

/// Puts a part that came into its place, and says whether one came.
fn replace<T>(part: &mut Option<Arc<Part<T>>>, attempt: &Option<Attempt<T>>) -> bool {
    let Some(Attempt { result: Ok((new, _, _)), .. }) = attempt else { return false };
    *part = Some(Arc::clone(new));
    true
}
