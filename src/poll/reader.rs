//! Reads every collector of an account, each for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, future, stream};
use tokio::time::Instant;

use super::attempt::{Attempt, Read, attempt};
use super::deadline;
use super::rotation::Rotation;
use crate::api::{ApiError, Client, List, Notes};
use crate::model::{
    Clock, Collector, Consistency, Fleet, MigrationError, Overview, Part, Source, SpeedRule, SpeedRules,
    Task, TaskId,
};

/// Speed rules change when a person changes them; ten minutes late is early enough.
const RULES_REFRESH: Duration = Duration::from_secs(600);

/// A consistency check takes hours; its result changes when another one ends.
const CONSISTENCY_REFRESH: Duration = Duration::from_secs(1800);

/// Reads the service of one account.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    clock: Clock,
    collectors: BTreeSet<Collector>,
    timeout: Duration,
    /// Requests that a poll may spend on what is asked for task by task.
    allowance: usize,
    rules: Rotation<Arc<[SpeedRule]>>,
    results: Rotation<Option<Consistency>>,
    shows: Shows,
    filtered: Tells,
}

/// What name filters left of the objects of a list.
#[derive(Clone, Copy, Debug)]
pub struct Filtered {
    /// How many came.
    pub of: usize,
    /// How many are shown.
    pub left: usize,
}

/// Who is told what filters left.
struct Tells(Box<dyn Fn(Collector, Filtered) + Send + Sync>);

impl std::fmt::Debug for Tells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tells")
    }
}

/// Which source servers are shown, by name.
struct Shows(Box<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Shows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shows")
    }
}

/// What one poll read; a collector that is off has no attempt.
#[derive(Debug, Default)]
pub struct Readings {
    pub(super) sources: Option<Attempt<Vec<Arc<Source>>>>,
    pub(super) tasks: Option<Attempt<Vec<Arc<Task>>>>,
    pub(super) overview: Option<Attempt<Overview>>,
    pub(super) errors: Option<Attempt<Vec<MigrationError>>>,
    pub(super) speed_rules: Option<Attempt<SpeedRules>>,
    pub(super) consistency: Option<Attempt<BTreeMap<TaskId, Consistency>>>,
}

impl Reader {
    /// A reader of these collectors; a poll takes no longer than `timeout`, and spends no more than
    /// `allowance` requests on what is asked for task by task.
    #[must_use]
    pub fn new(
        client: Client,
        clock: Clock,
        collectors: impl IntoIterator<Item = Collector>,
        timeout: Duration,
        allowance: usize,
    ) -> Self {
        Self {
            client,
            clock,
            collectors: collectors.into_iter().collect(),
            timeout,
            allowance: allowance.max(1),
            rules: Rotation::new(RULES_REFRESH),
            results: Rotation::new(CONSISTENCY_REFRESH),
            shows: Shows(Box::new(|_| true)),
            filtered: Tells(Box::new(|_, _| {})),
        }
    }

    /// A reader that passes over source servers whose name `shows` refuses, with their tasks and errors.
    #[must_use]
    pub fn showing(self, shows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { shows: Shows(Box::new(shows)), ..self }
    }

    /// A reader that tells what the filter of [`Self::showing`] left of each list.
    #[must_use]
    pub fn telling(self, filtered: impl Fn(Collector, Filtered) + Send + Sync + 'static) -> Self {
        Self { filtered: Tells(Box::new(filtered)), ..self }
    }

    /// Polls every collector that is on. `last` is the fleet as it was last known: where a list fails now,
    /// what is asked for task by task goes by it.
    pub async fn read(&mut self, last: &Fleet) -> Readings {
        let deadline = deadline(self.timeout);
        let (sources, tasks, overview, errors) = future::join4(
            self.list(Collector::Sources, self.client.sources(deadline), |source: &Source| {
                Some(&*source.name)
            }),
            self.list(Collector::Tasks, self.client.tasks(deadline), |task: &Task| {
                task.source_name.as_deref()
            }),
            self.overview(deadline),
            self.errors(deadline),
        )
        .await;
        let known = Fleet {
            sources: part(&sources).or_else(|| last.sources.clone()),
            tasks: part(&tasks).or_else(|| last.tasks.clone()),
            ..Fleet::default()
        };
        let mut allowance = self.allowance;
        let speed_rules = self.speed_rules(&known, deadline, &mut allowance).await;
        let consistency = self.consistency(&known, deadline, &mut allowance).await;
        Readings { sources, tasks, overview, errors, speed_rules, consistency }
    }

    async fn list<T>(
        &self,
        collector: Collector,
        list: impl Future<Output = Result<List<T>, ApiError>>,
        name: impl Fn(&T) -> Option<&str>,
    ) -> Option<Attempt<Vec<Arc<T>>>> {
        if !self.collectors.contains(&collector) {
            return None;
        }
        let read = async {
            let List { mut objects, expected, duplicates, notes, .. } = list.await?;
            let before = objects.len();
            objects.retain(|object| self.shows(name(object)));
            (self.filtered.0)(collector, Filtered { of: before, left: objects.len() });
            // What is not to be shown is not expected either.
            let expected = expected.map(|expected| expected.saturating_sub(to_u64(before - objects.len())));
            Ok(Read { data: objects, expected, duplicates, notes })
        };
        Some(attempt(&self.clock, read).await)
    }

    fn shows(&self, name: Option<&str>) -> bool {
        (self.shows.0)(name.unwrap_or_default())
    }

    async fn errors(&self, deadline: Instant) -> Option<Attempt<Vec<MigrationError>>> {
        if !self.collectors.contains(&Collector::Errors) {
            return None;
        }
        let read = async {
            let List { objects, expected, duplicates, notes, .. } = self.client.errors(deadline).await?;
            let mut data: Vec<MigrationError> =
                objects.iter().map(|error| MigrationError::clone(error)).collect();
            data.sort();
            Ok(Read { data, expected, duplicates, notes })
        };
        Some(attempt(&self.clock, read).await)
    }

    async fn overview(&self, deadline: Instant) -> Option<Attempt<Overview>> {
        if !self.collectors.contains(&Collector::Overview) {
            return None;
        }
        let read = async {
            let (data, notes) = self.client.overview(deadline).await?;
            let expected = Some(to_u64(data.0.len()));
            Ok(Read { data, expected, duplicates: 0, notes })
        };
        Some(attempt(&self.clock, read).await)
    }

    async fn speed_rules(
        &mut self,
        known: &Fleet,
        deadline: Instant,
        allowance: &mut usize,
    ) -> Option<Attempt<SpeedRules>> {
        if !self.collectors.contains(&Collector::SpeedLimits) {
            return None;
        }
        let copying = |task: &&Arc<Task>| task.state.is_some_and(crate::model::TaskState::is_copying);
        let wanted: BTreeSet<TaskId> =
            known.tasks().iter().filter(copying).map(|task| task.id.clone()).collect();
        let (clock, client) = (self.clock.clone(), &self.client);
        let read = async {
            let ask = |task: TaskId| async move {
                let rules = client.speed_rules(&task, deadline).await;
                (task, rules.map(|(rules, notes)| (Arc::from(rules), notes)))
            };
            let notes = ask_in_turn(&mut self.rules, &wanted, &self.clock, allowance, ask).await?;
            let data: SpeedRules =
                self.rules.answers().map(|(task, rules)| (task.clone(), Arc::clone(rules))).collect();
            Ok(Read { expected: Some(to_u64(wanted.len())), data, duplicates: 0, notes })
        };
        Some(attempt(&clock, read).await)
    }

    async fn consistency(
        &mut self,
        known: &Fleet,
        deadline: Instant,
        allowance: &mut usize,
    ) -> Option<Attempt<BTreeMap<TaskId, Consistency>>> {
        if !self.collectors.contains(&Collector::Consistency) {
            return None;
        }
        let wanted = with_results(known);
        let (clock, client) = (self.clock.clone(), &self.client);
        let read = async {
            let ask = |task: TaskId| async move {
                let result = client.consistency(&task, deadline).await;
                (task, result)
            };
            let notes = ask_in_turn(&mut self.results, &wanted, &self.clock, allowance, ask).await?;
            let answers = self.results.answers();
            let data = answers.filter_map(|(task, result)| Some((task.clone(), (*result)?))).collect();
            Ok(Read { expected: None, data, duplicates: 0, notes })
        };
        Some(attempt(&clock, read).await)
    }
}

/// Asks for the tasks that are due. One task's failure costs its own answer; it is told, and the others hold.
///
/// # Errors
///
/// The first failure, where nothing at all was answered.
async fn ask_in_turn<T: Clone, F: Future<Output = (TaskId, Result<(T, Notes), ApiError>)>>(
    rotation: &mut Rotation<T>,
    wanted: &BTreeSet<TaskId>,
    clock: &Clock,
    allowance: &mut usize,
    ask: impl FnMut(TaskId) -> F,
) -> Result<Notes, ApiError> {
    rotation.keep(wanted, clock.now());
    let due = rotation.due(wanted, clock.now(), *allowance);
    *allowance -= due.len();
    // The governor bounds what is under way; this bounds what waits for it.
    let asked: Vec<F> = due.into_iter().map(ask).collect();
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE).collect().await;
    let mut notes = Notes::default();
    let mut failure = None;
    for (task, answer) in answers {
        match answer {
            Ok((answer, noted)) => {
                notes.add(&noted);
                rotation.insert(task, answer, clock.now());
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(notes), Err)
}

/// Requests that wait for the governor at once.
const ASKED_AT_ONCE: usize = 8;

/// Tasks of the sources that have a consistency result.
fn with_results(known: &Fleet) -> BTreeSet<TaskId> {
    let has_result = |task: &&Arc<Task>| {
        let source = task.source_id.as_ref().and_then(|id| known.source(id));
        source.is_some_and(|source| source.consistency_result == Some(true))
    };
    known.tasks().iter().filter(has_result).map(|task| task.id.clone()).collect()
}

fn part<T>(attempt: &Option<Attempt<T>>) -> Option<Arc<Part<T>>> {
    let (part, _, _) = attempt.as_ref()?.result.as_ref().ok()?;
    Some(Arc::clone(part))
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
