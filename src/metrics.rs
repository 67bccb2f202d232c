//! From a fleet to families of samples.
//!
//! [`render`] is a pure function: an account's fleet and the tally of its events in, a [`Sheet`] of samples
//! out. What the exporter says of itself lives in [`Own`].

mod account;
mod catalogue;
mod events;
mod fleet;
mod own;
mod process;
mod sheet;
mod source;
mod task;
#[cfg(test)]
mod tests;

pub use account::AccountLabels;
pub use catalogue::{Entry, Family, Subject, all, label_names};
pub use events::Tally;
pub use own::{AccountMeters, Build, CollectorOutcome, Own};
pub use sheet::{Choice, Sheet};

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::{Fleet, Source, SourceId, Task, TaskId};

/// Renders an account: its fleet, as far as it is fresh, and what was counted since the start.
#[must_use]
pub fn render(account: &AccountLabels, fleet: &Fleet, tally: &Tally, choice: &Choice) -> Sheet {
    let mut sheet = Sheet::new(choice);
    let base = account.labels();
    fleet::render(&mut sheet, &base, fleet, tally);
    if !choice.aggregate {
        source::render(&mut sheet, &base, fleet, tally);
        task::render(&mut sheet, &base, &Names::of(fleet), (fleet, tally), choice.finished_retention);
    }
    events::render(&mut sheet, &base, tally);
    sheet
}

/// Which source each task belongs to, and what people call it.
#[derive(Debug, Default)]
struct Names<'a> {
    by_id: HashMap<&'a SourceId, &'a Source, RandomState>,
    by_task: HashMap<&'a TaskId, &'a Source, RandomState>,
}

impl<'a> Names<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        let sources = || fleet.sources().iter().map(|source| &**source);
        let current = |source: &'a Source| source.current_task.as_ref().map(|task| (&task.id, source));
        Self {
            by_id: sources().map(|source| (&source.id, source)).collect(),
            by_task: sources().filter_map(current).collect(),
        }
    }

    /// The source of a task: the one that the task names, else the one that names the task.
    fn source(&self, task: &Task) -> Option<&'a Source> {
        let named = task.source_id.as_ref().and_then(|id| self.by_id.get(id));
        named.or_else(|| self.by_task.get(&task.id)).copied()
    }

    /// Id and name of a task's source, empty where nobody says them.
    fn labels(&self, task: &'a Task) -> (&'a str, &'a str) {
        match self.source(task) {
            Some(source) => (source.id.as_str(), &source.name),
            None => (
                task.source_id.as_ref().map_or("", SourceId::as_str),
                task.source_name.as_deref().unwrap_or_default(),
            ),
        }
    }
}
