//! Reads the collectors of an account, each for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::attempt::{Attempt, Read, attempt};
use super::details::{Due, RefreshQueue, Turns};
use crate::api::{ApiError, Client, List, Notes, Priority};
use crate::model::{
    Clock, Collector, Consistency, Fleet, MigrationError, Overview, Source, SpeedRule, Task, TaskId,
};

/// Speed rules change when a person changes them; ten minutes late is early enough.
const RULES_REFRESH: Duration = Duration::from_secs(600);

/// A consistency check takes hours; its result changes when another one ends.
const CONSISTENCY_REFRESH: Duration = Duration::from_secs(1800);

/// Reads the service of one account.
#[derive(Debug)]
pub struct Reader {
    client: Arc<Client>,
    clock: Clock,
    collectors: BTreeSet<Collector>,
    timeout: Duration,
    shows: Shows,
}

/// Which source servers are shown, by name.
#[derive(Clone)]
struct Shows(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Shows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shows")
    }
}

/// What an attempt at one collector read.
#[derive(Debug)]
pub enum Reading {
    /// `/v3/sources`.
    Sources(Attempt<Vec<Arc<Source>>>),
    /// `/v3/tasks`.
    Tasks(Attempt<Vec<Arc<Task>>>),
    /// `/v3/sources/overview`.
    Overview(Attempt<Overview>),
    /// `/v3/errors`.
    Errors(Attempt<Vec<MigrationError>>),
}

impl Reading {
    /// Of which collector.
    #[must_use]
    pub fn collector(&self) -> Collector {
        match self {
            Self::Sources(_) => Collector::Sources,
            Self::Tasks(_) => Collector::Tasks,
            Self::Overview(_) => Collector::Overview,
            Self::Errors(_) => Collector::Errors,
        }
    }

    /// Whether it failed by what may be over soon.
    pub(super) fn failed_for_now(&self) -> bool {
        let error = match self {
            Self::Sources(attempt) => attempt.result.as_ref().err(),
            Self::Tasks(attempt) => attempt.result.as_ref().err(),
            Self::Overview(attempt) => attempt.result.as_ref().err(),
            Self::Errors(attempt) => attempt.result.as_ref().err(),
        };
        error.is_some_and(ApiError::is_for_now)
    }
}

impl Reader {
    /// A reader of these collectors; reading a list takes no longer than `timeout`.
    #[must_use]
    pub fn new(
        client: Client,
        clock: Clock,
        collectors: impl IntoIterator<Item = Collector>,
        timeout: Duration,
    ) -> Self {
        let collectors = collectors.into_iter().collect();
        Self { client: Arc::new(client), clock, collectors, timeout, shows: Shows(Arc::new(|_| true)) }
    }

    /// A reader that passes over source servers whose name `shows` refuses, with their tasks and errors.
    #[must_use]
    pub fn showing(self, shows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { shows: Shows(Arc::new(shows)), ..self }
    }

    /// The collectors that are read in one piece, as far as they are on.
    pub fn lists(&self) -> impl Iterator<Item = Collector> {
        let lists = [Collector::Sources, Collector::Tasks, Collector::Overview, Collector::Errors];
        lists.into_iter().filter(|collector| self.collectors.contains(collector))
    }

    /// How long reading a list may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Attempts one of [`Self::lists`]; the others, and what is asked for object by object, go on beside it. A panic
    /// on the way costs this attempt.
    ///
    /// # Panics
    ///
    /// Where it is asked for a collector that is not read in one piece.
    #[must_use]
    pub fn read(&self, collector: Collector) -> BoxFuture<'static, Reading> {
        let (client, clock, shows) = (Arc::clone(&self.client), self.clock.clone(), self.shows.clone());
        let deadline = Instant::now() + self.timeout;
        match collector {
            Collector::Sources => async move {
                let read =
                    async { Ok(shows.list(client.sources(deadline).await?, |source| Some(&*source.name))) };
                Reading::Sources(attempt(&clock, read).await)
            }
            .boxed(),
            Collector::Tasks => async move {
                let read = async {
                    Ok(shows.list(client.tasks(deadline).await?, |task| task.source_name.as_deref()))
                };
                Reading::Tasks(attempt(&clock, read).await)
            }
            .boxed(),
            Collector::Overview => async move {
                let read = async {
                    let (data, notes) = client.overview(deadline).await?;
                    let expected = Some(to_u64(data.0.len()));
                    Ok(Read::whole(data, expected, notes))
                };
                Reading::Overview(attempt(&clock, read).await)
            }
            .boxed(),
            Collector::Errors => async move {
                let read = async { Ok(Read::from(client.errors(deadline).await?).map(errors)) };
                Reading::Errors(attempt(&clock, read).await)
            }
            .boxed(),
            Collector::SpeedLimits | Collector::Consistency => {
                unreachable!("{} is asked for object by object", collector.label())
            }
        }
    }

    /// Attempts all of [`Self::lists`] side by side.
    pub async fn read_lists(&self) -> Vec<Reading> {
        futures_util::future::join_all(self.lists().map(|collector| self.read(collector))).await
    }
}

impl Shows {
    /// A list without what is not to be shown, which is not expected either.
    fn list<T>(&self, list: List<T>, name: impl Fn(&T) -> Option<&str>) -> Read<Vec<Arc<T>>> {
        let mut read = Read::from(list);
        let before = read.data.len();
        read.data.retain(|object| (self.0)(name(object).unwrap_or_default()));
        let hidden = to_u64(before - read.data.len());
        read.expected = read.expected.map(|expected| expected.saturating_sub(hidden));
        read
    }
}

fn errors(errors: Vec<Arc<MigrationError>>) -> Vec<MigrationError> {
    let mut errors: Vec<MigrationError> = errors.iter().map(|error| MigrationError::clone(error)).collect();
    errors.sort();
    errors
}

/// What is asked for object by object: what is due, what is held, and how it went.
#[derive(Debug)]
pub struct Details {
    rules: Kind<Arc<[SpeedRule]>>,
    results: Kind<Option<Consistency>>,
    turns: Turns,
}

/// One kind of detail, and how asking for it went since the last [`Kind::round`].
#[derive(Debug)]
struct Kind<T> {
    on: bool,
    queue: RefreshQueue<T>,
    took: Duration,
    failure: Option<ApiError>,
    notes: Notes,
    changed: bool,
}

/// What came of asking for one detail.
#[derive(Debug)]
pub(super) struct Detail {
    task: TaskId,
    took: Duration,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Rules(Result<(Vec<SpeedRule>, Notes), ApiError>),
    Result(Result<(Option<Consistency>, Notes), ApiError>),
}

/// How asking for one kind of detail stands.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) took: Duration,
    pub(super) failure: Option<ApiError>,
    pub(super) notes: Notes,
    pub(super) wanted: u64,
    pub(super) pending: u64,
    pub(super) oldest: Option<crate::model::Timestamp>,
}

impl Details {
    /// The details that are on among these collectors.
    #[must_use]
    pub fn new(collectors: impl IntoIterator<Item = Collector>) -> Self {
        let collectors: BTreeSet<Collector> = collectors.into_iter().collect();
        Self {
            rules: Kind::new(collectors.contains(&Collector::SpeedLimits), RULES_REFRESH),
            results: Kind::new(collectors.contains(&Collector::Consistency), CONSISTENCY_REFRESH),
            turns: Turns::default(),
        }
    }

    /// Takes from a fleet which details are wanted, and asks anew for those of tasks whose state changed.
    pub(super) fn want(&mut self, fleet: &Fleet, changed: &BTreeSet<TaskId>, now: Instant) {
        let copies = |task: &Task| task.state.is_some_and(crate::model::TaskState::is_copying);
        if self.rules.on {
            let copying = fleet.tasks().iter().filter(|task| copies(task));
            self.rules.queue.want(&copying.map(|task| (task.id.clone(), true)).collect(), now);
            self.rules.queue.hurry(changed, now);
        }
        if self.results.on {
            let has_result = |task: &&Arc<Task>| {
                let source = task.source_id.as_ref().and_then(|id| fleet.source(id));
                source.is_some_and(|source| source.consistency_result == Some(true))
            };
            let with_result = fleet.tasks().iter().filter(has_result);
            let wanted = with_result.map(|task| (task.id.clone(), copies(task))).collect();
            self.results.queue.want(&wanted, now);
            self.results.queue.hurry(changed, now);
        }
    }

    /// Asks for what is due longest; else says when something is due.
    pub(super) fn ask(
        &mut self,
        reader: &Reader,
        alone: bool,
    ) -> Result<BoxFuture<'static, Detail>, Option<Instant>> {
        let now = reader.clock.instant();
        let (rules, results) = (&self.rules.queue, &self.results.queue);
        let queues: [&dyn Fn(bool) -> Option<Due>; 2] =
            [&|copies| rules.next(copies), &|copies| results.next(copies)];
        let (place, due) = self.turns.next(&queues, now)?;
        let is_rules = place == 0;
        let overdue = if is_rules { rules.is_overdue(&due, now) } else { results.is_overdue(&due, now) };
        let priority = if alone { Priority::Alone } else { Priority::Detail { overdue } };
        let when = (priority, Instant::now() + reader.timeout);
        let (client, task) = (Arc::clone(&reader.client), due.task);
        if is_rules {
            self.rules.queue.ask(&task)
        } else {
            self.results.queue.ask(&task)
        }
        let asking = async move {
            let begin = Instant::now();
            let answer = if is_rules {
                let asked = AssertUnwindSafe(client.speed_rules(&task, when)).catch_unwind().await;
                Answer::Rules(asked.unwrap_or_else(|panic| Err(ApiError::from_panic(&*panic))))
            } else {
                let asked = AssertUnwindSafe(client.consistency(&task, when)).catch_unwind().await;
                Answer::Result(asked.unwrap_or_else(|panic| Err(ApiError::from_panic(&*panic))))
            };
            Detail { task, took: begin.elapsed(), answer }
        };
        Ok(asking.boxed())
    }

    /// Takes what came of asking.
    pub(super) fn take(&mut self, detail: Detail, clock: &Clock) {
        let Detail { task, took, answer } = detail;
        match answer {
            Answer::Rules(answer) => {
                let answer = answer.map(|(rules, notes)| (Arc::from(rules), notes));
                self.rules.take(&task, took, answer, clock);
            }
            Answer::Result(answer) => self.results.take(&task, took, answer, clock),
        }
    }

    /// The speed rules that are held, where they are on.
    pub(super) fn rules(&self) -> Option<BTreeMap<TaskId, Arc<[SpeedRule]>>> {
        let answers = self.rules.queue.answers();
        self.rules.on.then(|| answers.map(|(task, rules)| (task.clone(), Arc::clone(rules))).collect())
    }

    /// The consistency results that are held, where they are on.
    pub(super) fn results(&self) -> Option<BTreeMap<TaskId, Consistency>> {
        let answers = self.results.queue.answers();
        let results = answers.filter_map(|(task, result)| Some((task.clone(), (*result)?)));
        self.results.on.then(|| results.collect())
    }

    /// Whether an answer came since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        let changed = self.rules.changed || self.results.changed;
        (self.rules.changed, self.results.changed) = (false, false);
        changed
    }

    /// How the kinds that are on stand, and how asking went since the last time.
    pub(super) fn rounds(&mut self, now: Instant) -> Vec<(Collector, Round)> {
        let rules = self.rules.round(now).map(|round| (Collector::SpeedLimits, round));
        let results = self.results.round(now).map(|round| (Collector::Consistency, round));
        rules.into_iter().chain(results).collect()
    }
}

impl<T> Kind<T> {
    fn new(on: bool, refresh: Duration) -> Self {
        let (took, notes) = (Duration::ZERO, Notes::default());
        Self { on, queue: RefreshQueue::new(refresh), took, failure: None, notes, changed: false }
    }

    fn take(&mut self, task: &TaskId, took: Duration, answer: Result<(T, Notes), ApiError>, clock: &Clock) {
        self.took += took;
        let value = match answer {
            Ok((value, notes)) => {
                self.notes.add(&notes);
                self.changed = true;
                Some(value)
            }
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        };
        self.queue.answered(task, value, clock.instant(), clock.now());
    }

    fn round(&mut self, now: Instant) -> Option<Round> {
        self.on.then(|| Round {
            took: std::mem::take(&mut self.took),
            failure: self.failure.take(),
            notes: std::mem::take(&mut self.notes),
            wanted: to_u64(self.queue.len()),
            pending: to_u64(self.queue.pending(now)),
            oldest: self.queue.oldest(),
        })
    }
}

pub(super) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
