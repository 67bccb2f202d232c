//! What happened, counted: counters that only go up, whatever the service's figures do.

use std::collections::BTreeMap;

use super::fleet::code_labels;
use super::{Family, Sheet};
use crate::diff::Event;
use crate::exposition::Labels;
use crate::model::{CheckResult, ErrorCode, SourceId, SourceState, TaskId, TaskState};

/// A check's name and the error code that it came to.
type Problem = (Box<str>, Option<ErrorCode>);

/// The events of an account since its counters began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Changes of source servers' states, by before and after.
    pub source_transitions: BTreeMap<(SourceState, SourceState), u64>,
    /// Changes of tasks' states, by before and after.
    pub task_transitions: BTreeMap<(TaskState, TaskState), u64>,
    /// Agents that lost their connection.
    pub disconnects: u64,
    /// Agents that came back.
    pub reconnects: u64,
    /// Tasks that failed, by error code.
    pub failures: BTreeMap<Option<ErrorCode>, u64>,
    /// Checks that came to an error.
    pub check_failures: BTreeMap<Problem, u64>,
    /// Checks that came to a warning.
    pub check_warnings: BTreeMap<Problem, u64>,
    /// Crossings of a speed limit.
    pub overspeed: u64,
    /// Tasks that were stopped beyond their limit and threshold.
    pub overspeed_stops: u64,
    /// Source servers that appeared.
    pub registrations: u64,
    /// Source servers that went.
    pub removals: u64,
    /// Bytes that all source servers gained.
    pub replicated: u64,
    /// Bytes that each source server gained; one that is gone is forgotten.
    pub replicated_by_source: BTreeMap<SourceId, u64>,
    /// Crossings of each task; one that is gone is forgotten.
    pub overspeed_by_task: BTreeMap<TaskId, u64>,
}

impl Tally {
    /// Counts what happened.
    pub fn count(&mut self, events: &[Event]) {
        for event in events {
            self.count_one(event);
        }
    }

    fn count_one(&mut self, event: &Event) {
        match event {
            Event::SourceRegistered { .. } => self.registrations += 1,
            Event::SourceRemoved { .. } => self.removals += 1,
            Event::SourceState { from, to, .. } => {
                *self.source_transitions.entry((*from, *to)).or_default() += 1
            }
            Event::AgentDisconnected { .. } => self.disconnects += 1,
            Event::AgentReconnected { .. } => self.reconnects += 1,
            Event::CheckProblem { check, result, error_code, .. } => {
                let counts = if *result == CheckResult::Error {
                    &mut self.check_failures
                } else {
                    &mut self.check_warnings
                };
                *counts.entry((check.clone(), error_code.clone())).or_default() += 1;
            }
            Event::Replicated { source, bytes } => {
                self.replicated = self.replicated.saturating_add(*bytes);
                let gained = self.replicated_by_source.entry(source.id.clone()).or_default();
                *gained = gained.saturating_add(*bytes);
            }
            Event::TaskCreated { .. } | Event::TaskRemoved { .. } => {}
            Event::TaskState { from, to, .. } => *self.task_transitions.entry((*from, *to)).or_default() += 1,
            Event::TaskFailed { error_code, .. } => {
                *self.failures.entry(error_code.clone()).or_default() += 1
            }
            Event::Overspeed { task } => {
                self.overspeed += 1;
                *self.overspeed_by_task.entry(task.id.clone()).or_default() += 1;
            }
            Event::OverspeedStopSuspected { .. } => self.overspeed_stops += 1,
        }
    }

    /// Bytes that all source servers gained.
    #[must_use]
    pub fn replicated(&self) -> u64 {
        self.replicated
    }

    /// Bytes that one source server gained; `None` where it gained none.
    #[must_use]
    pub fn replicated_by(&self, source: &SourceId) -> Option<u64> {
        self.replicated_by_source.get(source).copied()
    }

    /// Crossings of one task.
    #[must_use]
    pub fn overspeed_by(&self, task: &TaskId) -> u64 {
        self.overspeed_by_task.get(task).copied().unwrap_or_default()
    }

    /// Forgets the objects that are known no more.
    pub fn forget(&mut self, source: impl Fn(&SourceId) -> bool, task: impl Fn(&TaskId) -> bool) {
        self.replicated_by_source.retain(|id, _| source(id));
        self.overspeed_by_task.retain(|id, _| task(id));
    }
}

pub(super) fn render(sheet: &mut Sheet, base: &Labels, tally: &Tally) {
    for ((from, to), count) in &tally.source_transitions {
        sheet.push(Family::SourceTransitions, base, &[("from", from.label()), ("to", to.label())], *count);
    }
    for ((from, to), count) in &tally.task_transitions {
        sheet.push(Family::TaskTransitions, base, &[("from", from.label()), ("to", to.label())], *count);
    }
    for (code, count) in &tally.failures {
        let (code, category) = code_labels(code.as_ref());
        sheet.push(Family::TaskFailures, base, &[("error_code", code), ("category", category)], *count);
    }
    let problems =
        [(Family::CheckFailures, &tally.check_failures), (Family::CheckWarnings, &tally.check_warnings)];
    for (family, counts) in problems {
        for ((check, code), count) in counts {
            let (code, _) = code_labels(code.as_ref());
            sheet.push(family, base, &[("check", check), ("error_code", code)], *count);
        }
    }
    let plain = [
        (Family::AgentDisconnects, tally.disconnects),
        (Family::AgentReconnects, tally.reconnects),
        (Family::OverspeedEvents, tally.overspeed),
        (Family::OverspeedStops, tally.overspeed_stops),
        (Family::SourceRegistrations, tally.registrations),
        (Family::SourceRemovals, tally.removals),
    ];
    for (family, count) in plain {
        sheet.push(family, base, &[], count);
    }
}
