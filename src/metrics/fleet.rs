//! Counts and sums of an account.

use std::collections::BTreeMap;

use super::{Family, Sheet, Tally};
use crate::exposition::Labels;
use crate::model::{Category, CheckResult, ErrorCode, Fleet, SourceState, Stage, TaskState, TaskType};

/// The keys that the overview is documented to have; one that is missing counts nothing.
const OVERVIEW: [&str; 14] = [
    "waiting",
    "replicate",
    "syncing",
    "stopped",
    "deleting",
    "cutovering",
    "unavailable",
    "stopping",
    "skipping",
    "finished",
    "initialize",
    "error",
    "cloning",
    "unconfigured",
];

pub(super) fn render(sheet: &mut Sheet, base: &Labels, fleet: &Fleet, tally: &Tally) {
    if fleet.sources.is_some() {
        sources(sheet, base, fleet);
        checks(sheet, base, fleet);
    }
    if fleet.tasks.is_some() {
        tasks(sheet, base, fleet);
    }
    if let Some(overview) = &fleet.overview {
        let mut counts: BTreeMap<&str, u64> = OVERVIEW.iter().map(|key| (*key, 0)).collect();
        counts.extend(overview.data.0.iter().map(|(key, count)| (&**key, *count)));
        for (state, count) in counts {
            sheet.push(Family::OverviewSources, base, &[("state", state)], count);
        }
    }
    if let Some(errors) = &fleet.errors {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for error in &errors.data {
            *counts.entry(code_labels(error.error_code.as_ref())).or_default() += 1;
        }
        for ((code, category), count) in counts {
            sheet.push(Family::MigrationErrors, base, &[("error_code", code), ("category", category)], count);
        }
    }
    sheet.push(Family::ReplicatedBytes, base, &[], tally.replicated());
}

/// A code and its category as label values; a failure without a code has the code `unknown`.
pub(super) fn code_labels(code: Option<&ErrorCode>) -> (&str, &'static str) {
    code.map_or(("unknown", Category::Unknown.label()), |code| (code.as_str(), code.category().label()))
}

fn sources(sheet: &mut Sheet, base: &Labels, fleet: &Fleet) {
    let mut states = vec![0_u64; SourceState::ALL.len()];
    let mut stages = vec![0_u64; Stage::ALL.len()];
    let (mut connected, mut disconnected) = (0_u64, 0_u64);
    for source in fleet.sources() {
        states[source.state.unwrap_or(SourceState::Unknown).index()] += 1;
        stages[source.stage.unwrap_or(Stage::Unknown).index()] += 1;
        match source.connected {
            Some(true) => connected += 1,
            Some(false) => disconnected += 1,
            None => {}
        }
    }
    for (state, count) in SourceState::ALL.iter().zip(states) {
        sheet.push(Family::Sources, base, &[("state", state.label())], count);
    }
    for (stage, count) in Stage::ALL.iter().zip(stages) {
        sheet.push(Family::SourcesInStage, base, &[("stage", stage.label())], count);
    }
    sheet.push(Family::Agents, base, &[("status", "connected")], connected);
    sheet.push(Family::Agents, base, &[("status", "disconnected")], disconnected);
}

fn checks(sheet: &mut Sheet, base: &Labels, fleet: &Fleet) {
    let mut counts: BTreeMap<&str, [u64; CheckResult::ALL.len()]> = BTreeMap::new();
    for check in fleet.sources().iter().flat_map(|source| &source.checks) {
        counts.entry(&check.name).or_default()[check.result as usize] += 1;
    }
    for (check, results) in counts {
        for (result, count) in CheckResult::ALL.iter().zip(results) {
            sheet.push(Family::Checks, base, &[("check", check), ("result", result.label())], count);
        }
    }
}

fn tasks(sheet: &mut Sheet, base: &Labels, fleet: &Fleet) {
    let mut counts = vec![vec![0_u64; TaskType::ALL.len()]; TaskState::ALL.len()];
    for task in fleet.tasks() {
        let state = task.state.unwrap_or(TaskState::Unknown);
        let task_type = task.facts.task_type.unwrap_or(TaskType::Unknown);
        counts[state.index()][task_type.index()] += 1;
    }
    for (state, counts) in TaskState::ALL.iter().zip(counts) {
        for (task_type, count) in TaskType::ALL.iter().zip(counts) {
            sheet.push(Family::Tasks, base, &[("state", state.label()), ("type", task_type.label())], count);
        }
    }
}
