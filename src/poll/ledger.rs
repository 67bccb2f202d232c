//! What is remembered of an account: the last good parts, the counters, how its collectors fare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{Attempt, Noted, Read, Record, chain};
use super::failures::{Failure, Failures, Polled};
use super::journal;
use super::reader::{Details, Reading, Round, to_u64};
use super::removals::{Departed, Judged, Removals};
use crate::api::{ApiError, Reread};
use crate::diff::{Event, diff};
use crate::metrics::{AccountMeters, Choice, Sheet, Tally, render};
use crate::model::{
    AccountName, Clock, Collector, Fleet, MigrationError, Overview, Part, SourceId, SourceState, TaskId,
    Timestamp,
};
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
    removed_sources: Removals<SourceId>,
    removed_tasks: Removals<TaskId>,
    removed_errors: Removals<MigrationError>,
    departed: Departed,
    /// The lists that are on.
    lists: Vec<Collector>,
    /// The parts that the last page has.
    served: Vec<Collector>,
    failures: Failures,
    /// Attempts that are still to be told of.
    polled: Vec<Polled>,
}

/// Whether an account has data yet, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Every list that is on was attempted.
    pub attempted: bool,
    /// At least one collector was read.
    pub has_data: bool,
    /// What is still waited for, in words.
    pub waiting: String,
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
    /// Whether there is data yet.
    pub readiness: Readiness,
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
            removed_sources: Removals::default(),
            removed_tasks: Removals::default(),
            removed_errors: Removals::default(),
            departed: Departed::default(),
            lists: Vec::new(),
            served: Vec::new(),
            failures: Failures::default(),
            polled: Vec::new(),
        }
    }

    /// The same, ready when these lists were attempted.
    #[must_use]
    pub fn awaiting(self, lists: impl IntoIterator<Item = Collector>) -> Self {
        Self { lists: lists.into_iter().collect(), ..self }
    }

    /// With what an earlier run knew: changes since then become events with the first poll.
    pub fn resume(&mut self, memory: Memory, clock: &Clock) {
        let Memory { fleet, tally, last_success, absent_sources, absent_tasks, implausible_since } = memory;
        let is_there = |collector: &Collector| fleet.read_at(*collector).is_some();
        self.recalled = Collector::ALL.into_iter().filter(is_there).collect();
        self.fleet = Fleet { clock_offset: self.fleet.clock_offset, ..fleet };
        self.tally = tally;
        let since = |collector| {
            let ago = clock.now().since(*implausible_since.get(&collector)?);
            clock.instant().checked_sub(ago)
        };
        self.removed_sources = Removals::resume(absent_sources, since(Collector::Sources));
        self.removed_tasks = Removals::resume(absent_tasks, since(Collector::Tasks));
        let record = |(collector, at)| (collector, Record { last_success: Some(at), ..Record::default() });
        self.records = last_success.into_iter().map(record).collect();
    }

    /// What the next run has to know. Parts that could not be read since the last one are handed on.
    #[must_use]
    pub fn memory(&self, clock: &Clock) -> Memory {
        let Fleet { sources, tasks, speed_rules, .. } = self.fleet.clone();
        let last_success =
            self.records.iter().filter_map(|(collector, record)| Some((*collector, record.last_success?)));
        let since = [
            (Collector::Sources, self.removed_sources.implausible_since()),
            (Collector::Tasks, self.removed_tasks.implausible_since()),
        ];
        let since = since.into_iter().filter_map(|(collector, since)| {
            let ago = clock.instant().saturating_duration_since(since?);
            Some((collector, clock.now().minus(ago)))
        });
        Memory {
            fleet: Fleet { sources, tasks, speed_rules, ..Fleet::default() },
            tally: self.tally.clone(),
            last_success: last_success.collect(),
            absent_sources: self.removed_sources.absent().cloned().collect(),
            absent_tasks: self.removed_tasks.absent().cloned().collect(),
            implausible_since: since.collect(),
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

    /// Takes what an attempt read: a good part replaces the last, and what changed is counted and told. Returns the
    /// tasks whose state changed.
    pub fn take(&mut self, reading: Reading, clock: &Clock) -> BTreeSet<TaskId> {
        let now = clock.instant();
        let mut next = self.fleet.clone();
        let told = match reading {
            Reading::Sources(attempt) => {
                let last = self.fleet.sources.as_ref().map_or(&[][..], |part| &part.data);
                let removals = &mut self.removed_sources;
                settle(Collector::Sources, attempt, &mut next.sources, |list| {
                    removals.judge(last, list.data, list.whole, |source| &source.id, now)
                })
            }
            Reading::Tasks(attempt) => {
                let last = self.fleet.tasks.as_ref().map_or(&[][..], |part| &part.data);
                let removals = &mut self.removed_tasks;
                settle(Collector::Tasks, attempt, &mut next.tasks, |list| {
                    removals.judge(last, list.data, list.whole, |task| &task.id, now)
                })
            }
            Reading::Errors(attempt) => {
                let last = self.fleet.errors.as_ref().map_or(&[][..], |part| &part.data);
                let removals = &mut self.removed_errors;
                settle(Collector::Errors, attempt, &mut next.errors, |list| {
                    removals.judge(last, list.data, list.whole, |error| error, now)
                })
            }
            Reading::Overview(attempt) => overview(attempt, &mut next.overview),
        };
        self.note(&told, now);
        if told.result.is_ok() {
            self.recalled.remove(&told.collector);
        }
        self.replace(next, now)
    }

    /// Puts the next fleet into the place of the last, and counts and tells what changed.
    fn replace(&mut self, next: Fleet, now: Instant) -> BTreeSet<TaskId> {
        let stale_after = self.stale_after;
        self.departed.forget(|since| now.saturating_duration_since(since) > stale_after);
        let before = self.departed.join(&self.fleet, &next);
        let events = diff(&before, &next);
        self.departed.remember(&before, &events, now);
        self.tally.count(&events);
        let departed = &self.departed;
        self.tally.forget(
            |id| next.sources.is_none() || next.source(id).is_some() || departed.has_source(id),
            |id| next.tasks.is_none() || next.task(id).is_some() || departed.has_task(id),
        );
        journal::tell(self.account.as_str(), &events);
        self.fleet = next;
        let changed = events
            .into_iter()
            .filter_map(|event| if let Event::TaskState { task, .. } = event { Some(task.id) } else { None });
        changed.collect()
    }

    fn note(&mut self, told: &Told, now: Instant) {
        let collector = told.collector;
        let exported = match &told.result {
            Ok(_) => told.length,
            Err(_) => to_u64(self.kept(collector, now)),
        };
        let noted = Noted {
            begun: told.begun,
            took: told.took,
            result: told.result.as_ref().map(|at| *at),
            expected: told.expected,
            exported,
            duplicates: told.duplicates,
        };
        self.meters.odd(&told.notes.malformed, &told.notes.unknown);
        let record = self.records.entry(collector).or_default();
        record.note(collector, &noted, &self.meters, now);
        let error = told.result.as_ref().err();
        if let Some(error) = error.filter(|error| error.is_about_credentials()) {
            // Refused credentials are logged where they are kept, once for all collectors and accounts.
            let (account, collector) = (self.account.as_str(), collector.label());
            tracing::debug!(account, collector, error = chain(error), "Poll failed");
            self.note_list(told);
            return;
        }
        let failure =
            error.map(|error| Failure { reason: error.reason(), error: chain(error), served: exported > 0 });
        self.polled.push(Polled { collector, failure });
        self.note_list(told);
    }

    fn note_list(&mut self, told: &Told) {
        let collector = told.collector;
        if let Some(list) = &told.list {
            let implausible = matches!(told.result, Err(ApiError::Implausible { .. }));
            let rereads = list.rereads.iter().map(|reread| reread.label());
            self.meters.listed(collector, list.unconfirmed, rereads, list.order_unstable, implausible);
            self.meters.filtered(collector, list.hidden);
            self.tell_order(collector, list.order_unstable);
            self.tell_filtered(collector, list.shown, list.hidden);
        }
    }

    /// Tells what is new of the attempts since the last time: collectors that fail for one reason share a line.
    pub(super) fn tell_failures(&mut self) {
        let polled = std::mem::take(&mut self.polled);
        self.failures.tell(self.account.as_str(), polled);
    }

    /// Tells once that the service's order is not stable, and once that it is again.
    fn tell_order(&mut self, collector: Collector, unstable: bool) {
        let record = self.records.entry(collector).or_default();
        if std::mem::replace(&mut record.order_unstable, unstable) == unstable {
            return;
        }
        let (account, collector) = (self.account.as_str(), collector.label());
        if unstable {
            tracing::warn!(
                account,
                collector,
                "The order of the service's list is not stable; it is read as the union of several readings"
            );
        } else {
            tracing::info!(account, collector, "The order of the service's list is stable again");
        }
    }

    /// Tells where filters begin to leave nothing of a list.
    fn tell_filtered(&mut self, collector: Collector, shown: u64, hidden: u64) {
        let record = self.records.entry(collector).or_default();
        let all_hidden = shown == 0 && hidden > 0;
        if !std::mem::replace(&mut record.all_hidden, all_hidden) && all_hidden {
            let (account, collector) = (self.account.as_str(), collector.label());
            tracing::warn!(account, collector, "0 of {hidden} pass name_include and name_exclude");
        }
    }

    /// Takes what details are held, and how asking for them went since the last round where one is over.
    pub(super) fn take_details(&mut self, details: &mut Details, round: bool, clock: &Clock) {
        let now = clock.instant();
        if details.take_changed() || round {
            let read_at = clock.now();
            let part = |data| Arc::new(Part { data, read_at });
            let mut next = self.fleet.clone();
            if let Some(rules) = details.rules() {
                self.recalled.remove(&Collector::SpeedLimits);
                next.speed_rules = Some(Arc::new(Part { data: rules, read_at }));
            }
            next.consistency = details.results().map(part).or(next.consistency);
            self.replace(next, now);
        }
        if round {
            for (collector, round) in details.rounds(now) {
                self.note_round(collector, round, clock);
            }
        }
    }

    fn note_round(&mut self, collector: Collector, round: Round, clock: &Clock) {
        let Round { took, failure, notes, wanted, pending, oldest } = round;
        self.meters.details(collector, pending, oldest);
        let told = Told {
            collector,
            begun: clock.now(),
            took,
            result: failure.map_or(Ok(clock.now()), Err),
            expected: (collector == Collector::SpeedLimits).then_some(wanted),
            length: to_u64(length(&self.fleet, collector)),
            duplicates: 0,
            notes,
            list: None,
        };
        self.note(&told, clock.instant());
    }

    /// How many objects of a collector whose poll failed are still served.
    fn kept(&self, collector: Collector, now: Instant) -> usize {
        self.left(collector, now).map_or(0, |_| length(&self.fleet, collector))
    }

    /// The fleet as far as this run read it and it is fresh enough to be served.
    fn fresh(&self, now: Instant) -> Fleet {
        let is_fresh = |collector| self.left(collector, now).is_some();
        let mut fleet = self.fleet.clone();
        fleet.sources.take_if(|_| !is_fresh(Collector::Sources));
        fleet.tasks.take_if(|_| !is_fresh(Collector::Tasks));
        fleet.overview.take_if(|_| !is_fresh(Collector::Overview));
        fleet.errors.take_if(|_| !is_fresh(Collector::Errors));
        fleet.speed_rules.take_if(|_| !is_fresh(Collector::SpeedLimits));
        fleet.consistency.take_if(|_| !is_fresh(Collector::Consistency));
        fleet
    }

    /// How long a part may still be served. What is recalled of an object is not all that there is to serve of it.
    fn left(&self, collector: Collector, now: Instant) -> Option<Duration> {
        let fresh_at =
            self.records.get(&collector)?.fresh_at.filter(|_| !self.recalled.contains(&collector))?;
        (fresh_at + self.stale_after).checked_duration_since(now)
    }

    /// How long until the next part gets too old.
    #[must_use]
    pub fn stale_in(&self, now: Instant) -> Duration {
        let next = Collector::ALL.into_iter().filter_map(|collector| self.left(collector, now)).min();
        // One millisecond beyond the age, so that the part is older than it when the time comes.
        next.map_or(self.stale_after, |left| left + Duration::from_millis(1))
    }

    /// Whether a part got too old since the last page was rendered.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        self.served.iter().any(|collector| self.left(*collector, now).is_none())
    }

    /// A fault of the exporter kept it from using what a collector read.
    pub fn panicked(&mut self, collector: Collector) {
        self.meters.failed(collector, "panic");
    }

    /// Whether there is data yet, of the lists that are on.
    #[must_use]
    fn readiness(&self) -> Readiness {
        let of = |collector: &Collector| self.records.get(collector);
        let has_data =
            Collector::ALL.iter().any(|collector| of(collector).is_some_and(|r| r.fresh_at.is_some()));
        let mut waiting = Vec::new();
        for collector in &self.lists {
            match of(collector).filter(|record| record.attempted) {
                None => waiting.push(format!("{} not answered yet", collector.label())),
                Some(Record { problem: Some(problem), fresh_at: None, .. }) => {
                    waiting.push(format!("{} failed ({problem})", collector.label()));
                }
                Some(_) => {}
            }
        }
        let attempted =
            self.lists.iter().all(|collector| of(collector).is_some_and(|record| record.attempted));
        Readiness { attempted, has_data, waiting: waiting.join("; ") }
    }

    /// Renders what is fresh.
    #[must_use]
    pub fn render(&mut self, now: Instant) -> Rendered {
        let is_served = |collector: &Collector| self.left(*collector, now).is_some();
        self.served = Collector::ALL.into_iter().filter(is_served).collect();
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
            readiness: self.readiness(),
        }
    }
}

/// What is told of an attempt.
#[derive(Debug)]
struct Told {
    collector: Collector,
    begun: Timestamp,
    took: Duration,
    result: Result<Timestamp, ApiError>,
    expected: Option<u64>,
    length: u64,
    duplicates: u64,
    notes: crate::api::Notes,
    list: Option<Listed>,
}

/// What is told of a list besides.
#[derive(Debug)]
struct Listed {
    unconfirmed: u64,
    rereads: Vec<Reread>,
    order_unstable: bool,
    /// What filters left out, and what they let through.
    hidden: u64,
    shown: u64,
}

/// Puts what an attempt at a list read into its place, as far as `judge` believes it.
fn settle<T>(
    collector: Collector,
    attempt: Attempt<Vec<T>>,
    place: &mut Option<Arc<Part<Vec<T>>>>,
    judge: impl FnOnce(Whole<T>) -> Judged<T>,
) -> Told {
    let Attempt { begun, took, ended, result } = attempt;
    let mut told = Told::new(collector, begun, took, Ok(ended));
    let read = match result {
        Ok(read) => read,
        Err(error) => return Told { result: Err(error), ..told },
    };
    let Read { data, expected, duplicates, notes, whole, rereads, order_unstable, hidden } = read;
    (told.expected, told.duplicates, told.notes) = (expected, duplicates, notes);
    let shown = to_u64(data.len());
    let mut list = Listed { unconfirmed: 0, rereads, order_unstable, hidden, shown };
    match judge(Whole { data, whole }) {
        Judged::List(data, unconfirmed) => {
            list.unconfirmed = unconfirmed;
            told.length = to_u64(data.len());
            *place = Some(Arc::new(Part { data, read_at: ended }));
        }
        Judged::Implausible(had, lost) => {
            told.result = Err(ApiError::Implausible { had, lost, expected });
        }
    }
    Told { list: Some(list), ..told }
}

/// A list that was read, and whether it is whole.
struct Whole<T> {
    data: Vec<T>,
    whole: bool,
}

fn overview(attempt: Attempt<Overview>, place: &mut Option<Arc<Part<Overview>>>) -> Told {
    let Attempt { begun, took, ended, result } = attempt;
    let told = Told::new(Collector::Overview, begun, took, Ok(ended));
    match result {
        Ok(Read { data, expected, notes, .. }) => {
            let length = to_u64(data.0.len());
            *place = Some(Arc::new(Part { data, read_at: ended }));
            Told { expected, notes, length, ..told }
        }
        Err(error) => Told { result: Err(error), ..told },
    }
}

impl Told {
    fn new(
        collector: Collector,
        begun: Timestamp,
        took: Duration,
        result: Result<Timestamp, ApiError>,
    ) -> Self {
        let (expected, length, duplicates, notes, list) = (None, 0, 0, crate::api::Notes::default(), None);
        Self { collector, begun, took, result, expected, length, duplicates, notes, list }
    }
}

/// How many objects of a collector a fleet has.
fn length(fleet: &Fleet, collector: Collector) -> usize {
    match collector {
        Collector::Sources => fleet.sources().len(),
        Collector::Tasks => fleet.tasks().len(),
        Collector::Overview => fleet.overview.as_ref().map_or(0, |part| part.data.0.len()),
        Collector::Errors => fleet.errors.as_ref().map_or(0, |part| part.data.len()),
        Collector::SpeedLimits => fleet.speed_rules.as_ref().map_or(0, |part| part.data.len()),
        Collector::Consistency => fleet.consistency.as_ref().map_or(0, |part| part.data.len()),
    }
}
