//! An account's fleet at one instant: immutable, ordered by id, each part with its age.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limit_in_force;
use super::{ErrorCode, Source, SourceId, SpeedLimit, SpeedRule, Task, TaskId, TimeOfDay, Timestamp};

/// What is read in one piece, and can fail without the rest; the `collector` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collector {
    /// `/v3/sources`.
    Sources,
    /// `/v3/tasks`.
    Tasks,
    /// `/v3/sources/overview`.
    Overview,
    /// `/v3/errors`.
    Errors,
    /// `/v3/tasks/{id}/speed-limit`.
    SpeedLimits,
    /// `/v3/tasks/{id}/consistency-result`.
    Consistency,
}

impl Collector {
    /// Every member, in the order in which they are named to people.
    pub const ALL: [Self; 6] =
        [Self::Sources, Self::Tasks, Self::Overview, Self::Errors, Self::SpeedLimits, Self::Consistency];

    /// The label value, and the name in flags and files.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Tasks => "tasks",
            Self::Overview => "overview",
            Self::Errors => "errors",
            Self::SpeedLimits => "speed_limits",
            Self::Consistency => "consistency",
        }
    }

    /// The collector by whose objects this one asks, one by one.
    #[must_use]
    pub const fn needs(self) -> Option<Self> {
        match self {
            Self::SpeedLimits | Self::Consistency => Some(Self::Tasks),
            Self::Sources | Self::Tasks | Self::Overview | Self::Errors => None,
        }
    }

    /// The collector of that name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collector| collector.label() == label)
    }
}

/// One part of a fleet: what was read, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<T> {
    /// What was read, complete.
    pub data: T,
    /// When it had been read.
    pub read_at: Timestamp,
}

/// Counts by state as the service sums them up (`/v3/sources/overview`), unknown keys included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview(pub BTreeMap<Box<str>, u64>);

/// One entry of `/v3/errors`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MigrationError {
    /// `source_id`.
    pub source_id: Option<SourceId>,
    /// `name`.
    pub source_name: Option<Box<str>>,
    /// The code inside `error_json`.
    pub error_code: Option<ErrorCode>,
}

/// The newest result of a task's consistency check, summed over its directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// `finished_time`.
    pub finished: Option<Timestamp>,
    /// Sum of `num_total_files`.
    pub total: u64,
    /// Sum of `num_different_files`.
    pub different: u64,
    /// Sum of `num_target_miss_files`.
    pub missing: u64,
    /// Sum of `num_target_more_files`.
    pub extra: u64,
}

/// Speed rules of the tasks that copy, by task.
pub type SpeedRules = BTreeMap<TaskId, Arc<[SpeedRule]>>;

/// An account's fleet. A part that is `None` was never read, is switched off, or is too old to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Source servers, ordered by id, each id once.
    pub sources: Option<Arc<Part<Vec<Arc<Source>>>>>,
    /// Migration tasks, ordered by id, each id once.
    pub tasks: Option<Arc<Part<Vec<Arc<Task>>>>>,
    /// The service's own sums.
    pub overview: Option<Arc<Part<Overview>>>,
    /// Errors, ordered.
    pub errors: Option<Arc<Part<Vec<MigrationError>>>>,
    /// Speed rules.
    pub speed_rules: Option<Arc<Part<SpeedRules>>>,
    /// Consistency results.
    pub consistency: Option<Arc<Part<BTreeMap<TaskId, Consistency>>>>,
    /// Seconds by which the sources' clocks are ahead of UTC: speed windows are in their time.
    pub clock_offset: i32,
}

impl Fleet {
    /// The sources; empty where the part is absent.
    #[must_use]
    pub fn sources(&self) -> &[Arc<Source>] {
        self.sources.as_ref().map_or(&[], |part| &part.data)
    }

    /// The tasks; empty where the part is absent.
    #[must_use]
    pub fn tasks(&self) -> &[Arc<Task>] {
        self.tasks.as_ref().map_or(&[], |part| &part.data)
    }

    /// The source of that id.
    #[must_use]
    pub fn source(&self, id: &SourceId) -> Option<&Arc<Source>> {
        let sources = self.sources();
        let at = sources.binary_search_by(|source| source.id.cmp(id)).ok()?;
        sources.get(at)
    }

    /// The task of that id.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Arc<Task>> {
        let tasks = self.tasks();
        let at = tasks.binary_search_by(|task| task.id.cmp(id)).ok()?;
        tasks.get(at)
    }

    /// The limit that is in force for a task at the instant its figures were read.
    #[must_use]
    pub fn speed_limit(&self, task: &Task) -> SpeedLimit {
        let Some(part) = &self.tasks else { return SpeedLimit::default() };
        let rules = self.speed_rules.as_ref().and_then(|rules| rules.data.get(&task.id));
        let now = TimeOfDay::at(part.read_at, self.clock_offset);
        limit_in_force(rules.map_or(&[], |rules| rules), task.speed_limit, now)
    }

    /// Whether the rules of a task have been read.
    #[must_use]
    pub fn knows_limit(&self, task: &Task) -> bool {
        self.speed_rules.as_ref().is_some_and(|rules| rules.data.contains_key(&task.id))
    }

    /// The instant at which a part was read, or `None` where it is absent.
    #[must_use]
    pub fn read_at(&self, collector: Collector) -> Option<Timestamp> {
        match collector {
            Collector::Sources => self.sources.as_ref().map(|part| part.read_at),
            Collector::Tasks => self.tasks.as_ref().map(|part| part.read_at),
            Collector::Overview => self.overview.as_ref().map(|part| part.read_at),
            Collector::Errors => self.errors.as_ref().map(|part| part.read_at),
            Collector::SpeedLimits => self.speed_rules.as_ref().map(|part| part.read_at),
            Collector::Consistency => self.consistency.as_ref().map(|part| part.read_at),
        }
    }

    /// The same fleet without the parts that were last read before `limit`.
    #[must_use]
    pub fn without_parts_before(&self, limit: Timestamp) -> Self {
        fn fresh<T>(part: &Option<Arc<Part<T>>>, limit: Timestamp) -> Option<Arc<Part<T>>> {
            part.clone().filter(|part| part.read_at >= limit)
        }
        Self {
            sources: fresh(&self.sources, limit),
            tasks: fresh(&self.tasks, limit),
            overview: fresh(&self.overview, limit),
            errors: fresh(&self.errors, limit),
            speed_rules: fresh(&self.speed_rules, limit),
            consistency: fresh(&self.consistency, limit),
            clock_offset: self.clock_offset,
        }
    }
}
