//! What changed between two fleets.
//!
//! [`diff`] is a pure function: the poller owns both snapshots, the event counters own the memory of
//! what happened before. A part that is absent on either side has no changes: the first reading is a
//! baseline, and a part that could not be read did not change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{
    Check, CheckResult, ErrorCode, Fleet, Source, SourceId, SourceState, Task, TaskId, TaskState,
};

mod lists;
#[cfg(test)]
mod tests;

use lists::{Pair, pairs};

/// One change, as an operator would tell it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A source server appeared in the list.
    SourceRegistered {
        /// Which.
        source: Named,
        /// The state that it came with.
        state: Option<SourceState>,
    },
    /// A source server is gone from the list.
    SourceRemoved {
        /// Which.
        source: Named,
        /// The state that it was last seen in.
        state: Option<SourceState>,
    },
    /// A source server's state changed.
    SourceState {
        /// Which.
        source: Named,
        /// Before.
        from: SourceState,
        /// Now.
        to: SourceState,
    },
    /// An agent lost its connection.
    AgentDisconnected {
        /// Whose.
        source: Named,
    },
    /// An agent is connected again.
    AgentReconnected {
        /// Whose.
        source: Named,
    },
    /// An environment check came to a worse result, or to another error.
    CheckProblem {
        /// Whose.
        source: Named,
        /// Which check.
        check: Box<str>,
        /// `Warn` or `Error`.
        result: CheckResult,
        /// Why.
        error_code: Option<ErrorCode>,
    },
    /// A source server's replicated bytes grew.
    Replicated {
        /// Which.
        source: Named,
        /// By how many bytes.
        bytes: u64,
    },
    /// A task appeared in the list.
    TaskCreated {
        /// Which.
        task: NamedTask,
        /// The state that it came with.
        state: Option<TaskState>,
    },
    /// A task is gone from the list.
    TaskRemoved {
        /// Which.
        task: NamedTask,
        /// The state that it was last seen in.
        state: Option<TaskState>,
    },
    /// A task's state changed.
    TaskState {
        /// Which.
        task: NamedTask,
        /// Before.
        from: TaskState,
        /// Now.
        to: TaskState,
    },
    /// A task failed.
    TaskFailed {
        /// Which.
        task: NamedTask,
        /// Why.
        error_code: Option<ErrorCode>,
    },
    /// A task's speed went from within its limit to above it.
    Overspeed {
        /// Which.
        task: NamedTask,
    },
    /// A task that ran above limit × (1 + threshold) when last seen is being stopped, or was.
    OverspeedStopSuspected {
        /// Which.
        task: NamedTask,
    },
}

/// A source server with the name that people know it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its id.
    pub id: SourceId,
    /// Its name.
    pub name: Box<str>,
}

/// A task with the names that people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTask {
    /// Its id.
    pub id: TaskId,
    /// Its own name.
    pub name: Box<str>,
    /// Its source server, where it has one.
    pub source: Option<Named>,
}

/// Lists what changed between two consecutive snapshots of an account: sources in the order of their
/// ids, then tasks.
#[must_use]
pub fn diff(old: &Fleet, new: &Fleet) -> Vec<Event> {
    let mut events = Vec::new();
    if let (Some(before), Some(now)) = (&old.sources, &new.sources)
        && !Arc::ptr_eq(before, now)
    {
        for pair in pairs(&before.data, &now.data, |source| source.id.as_str()) {
            source_events(&pair, &mut events);
        }
    }
    if let (Some(before), Some(now)) = (&old.tasks, &new.tasks)
        && !Arc::ptr_eq(before, now)
    {
        for pair in pairs(&before.data, &now.data, |task| task.id.as_str()) {
            task_events(old, new, &pair, &mut events);
        }
    }
    events
}

fn named(source: &Source) -> Named {
    Named { id: source.id.clone(), name: source.name.clone() }
}

fn named_task(fleet: &Fleet, task: &Task) -> NamedTask {
    let source = task.source_id.as_ref().map(|id| {
        let listed = fleet.source(id).map(|source| source.name.clone());
        Named { id: id.clone(), name: listed.or_else(|| task.source_name.clone()).unwrap_or_default() }
    });
    NamedTask { id: task.id.clone(), name: task.facts.name.clone().unwrap_or_default(), source }
}

fn source_events(pair: &Pair<'_, Source>, events: &mut Vec<Event>) {
    match pair {
        Pair::Came(now) => {
            events.push(Event::SourceRegistered { source: named(now), state: now.state });
            check_problems(&[], now, events);
        }
        Pair::Went(before) => {
            events.push(Event::SourceRemoved { source: named(before), state: before.state })
        }
        // What came again byte for byte is the same allocation.
        Pair::Stayed(before, now) if std::ptr::eq(*before, *now) => {}
        Pair::Stayed(before, now) => source_changes(before, now, events),
    }
}

fn source_changes(before: &Source, now: &Source, events: &mut Vec<Event>) {
    let source = || named(now);
    let state = |source: &Source| source.state.unwrap_or(SourceState::Unknown);
    let (from, to) = (state(before), state(now));
    if from != to {
        events.push(Event::SourceState { source: source(), from, to });
    }
    match (before.connected, now.connected) {
        (Some(true), Some(false)) => events.push(Event::AgentDisconnected { source: source() }),
        (Some(false), Some(true)) => events.push(Event::AgentReconnected { source: source() }),
        _ => {}
    }
    if before.checks != now.checks {
        check_problems(&before.checks, now, events);
    }
    let bytes = gained(before, now);
    if bytes > 0 {
        events.push(Event::Replicated { source: source(), bytes });
    }
}

/// What was replicated since: a fall is a figure computed again and adds nothing, unless the task or the
/// cycle changed, for then the copy began anew and all of it is gained.
fn gained(before: &Source, now: &Source) -> u64 {
    let (Some(from), Some(to)) = (before.replicated, now.replicated) else { return 0 };
    let task = |source: &Source| source.current_task.as_ref().map(|task| task.id.clone());
    let anew = task(before) != task(now) || before.stage != now.stage;
    if to < from && anew { to } else { to.saturating_sub(from) }
}

/// The problems among the checks of `now` that `before` does not have, each as often as it is new.
fn check_problems(before: &[Check], now: &Source, events: &mut Vec<Event>) {
    let mut known: BTreeMap<&Check, usize> = BTreeMap::new();
    for check in before {
        *known.entry(check).or_default() += 1;
    }
    for check in &now.checks {
        let seen = known.get_mut(check).filter(|count| **count > 0).map(|count| *count -= 1);
        let is_problem = matches!(check.result, CheckResult::Warn | CheckResult::Error);
        if is_problem && seen.is_none() {
            let Check { name, result, error_code } = check.clone();
            events.push(Event::CheckProblem { source: named(now), check: name, result, error_code });
        }
    }
}

fn task_events(old: &Fleet, new: &Fleet, pair: &Pair<'_, Task>, events: &mut Vec<Event>) {
    match pair {
        Pair::Came(now) => {
            events.push(Event::TaskCreated { task: named_task(new, now), state: now.state });
            if now.state.is_some_and(TaskState::is_failure) {
                let error_code = now.error_code.clone();
                events.push(Event::TaskFailed { task: named_task(new, now), error_code });
            }
        }
        Pair::Went(before) => {
            events.push(Event::TaskRemoved { task: named_task(old, before), state: before.state });
        }
        Pair::Stayed(before, now) => {
            task_changes((old, before), (new, now), events);
            // Even a task that did not change may be above a limit whose window has begun. But a limit that
            // is only now known may have been exceeded all the while.
            let above =
                |fleet: &Fleet, task: &Task| fleet.speed_limit(task).exceeded_by(task.speed) == Some(true);
            if above(new, now) && !above(old, before) && old.knows_limit(before) >= new.knows_limit(now) {
                events.push(Event::Overspeed { task: named_task(new, now) });
            }
        }
    }
}

fn task_changes((old, before): (&Fleet, &Task), (new, now): (&Fleet, &Task), events: &mut Vec<Event>) {
    let state = |task: &Task| task.state.unwrap_or(TaskState::Unknown);
    let (from, to) = (state(before), state(now));
    if from == to {
        return;
    }
    let task = || named_task(new, now);
    events.push(Event::TaskState { task: task(), from, to });
    if to.is_failure() {
        events.push(Event::TaskFailed { task: task(), error_code: now.error_code.clone() });
    }
    let stop_above = old.speed_limit(before).stop_above();
    let was_beyond = stop_above.zip(before.speed).is_some_and(|(most, speed)| speed > most);
    if from.is_copying() && to.is_stopped() && was_beyond {
        events.push(Event::OverspeedStopSuspected { task: task() });
    }
}
