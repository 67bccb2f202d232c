//! The series of single migration tasks.

use std::time::Duration;

use super::fleet::code_labels;
use super::{Family, Names, Sheet, Tally};
use crate::exposition::Labels;
use crate::model::{Consistency, CurrentTask, Fleet, OsType, Task, TaskState, TaskType, Timestamp};

/// Longer than this a copy does not take: ten years, in seconds.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

pub(super) fn render(
    sheet: &mut Sheet,
    base: &Labels,
    names: &Names<'_>,
    (fleet, tally): (&Fleet, &Tally),
    retention: Option<Duration>,
) {
    let Some(part) = &fleet.tasks else { return };
    for task in part.data.iter().filter(|task| !is_past(task, part.read_at, retention)) {
        let (source_id, source_name) = names.labels(task);
        let labels = base.with(&[
            ("task_id", task.id.as_str()),
            ("source_id", source_id),
            ("source_name", source_name),
        ]);
        let current = names.source(task).and_then(|source| source.current_task.as_deref());
        let current = current.filter(|current| current.id == task.id);
        info(sheet, &labels, task, current);
        states(sheet, &labels, task);
        speeds(sheet, &labels, task, fleet, tally);
        times(sheet, &labels, task, current, part.read_at);
        subtasks(sheet, &labels, task);
        load(sheet, &labels, task);
        network(sheet, &labels, task);
        if let Some(result) = fleet.consistency.as_ref().and_then(|part| part.data.get(&task.id)) {
            consistency(sheet, &labels, result);
        }
    }
}

/// Whether a task has been over for longer than tasks are shown; the end of its last step is its end.
fn is_past(task: &Task, now: Timestamp, retention: Option<Duration>) -> bool {
    let over = task.state.is_some_and(TaskState::is_over);
    let end = task.subtasks.iter().filter_map(|subtask| subtask.finished).max().or(task.created);
    over && retention.zip(end).is_some_and(|(retention, end)| now.since(end) > retention)
}

fn info(sheet: &mut Sheet, labels: &Labels, task: &Task, current: Option<&CurrentTask>) {
    let facts = &task.facts;
    let from_source =
        |pick: fn(&CurrentTask) -> &Option<Box<str>>| current.and_then(|current| pick(current).as_deref());
    let target_id = facts.target_id.as_deref().or(from_source(|current| &current.target_id));
    let target_name = facts.target_name.as_deref().or(from_source(|current| &current.target_name));
    let priority = facts.priority.map(|priority| priority.to_string());
    let further = [
        ("task_name", facts.name.as_deref()),
        ("type", facts.task_type.map(TaskType::label)),
        ("os_type", facts.os_type.map(OsType::label)),
        ("priority", priority.as_deref()),
        ("region_id", from_source(|current| &current.region_id)),
        ("project_name", from_source(|current| &current.project_name)),
        ("target_server_id", target_id),
        ("target_server_name", target_name),
        ("target_ip", facts.target_ip.as_deref()),
    ];
    sheet.push(
        Family::TaskInfo,
        labels,
        &further.map(|(name, value)| (name, value.unwrap_or_default())),
        1_u32,
    );
}

fn states(sheet: &mut Sheet, labels: &Labels, task: &Task) {
    if let Some(state) = task.state {
        sheet.push(Family::TaskState, labels, &[("state", state.label())], 1_u32);
        sheet.push(Family::TaskStateCode, labels, &[], u32::from(state.code()));
    }
    if task.error_code.is_some() {
        let (code, category) = code_labels(task.error_code.as_ref());
        sheet.push(Family::TaskErrorInfo, labels, &[("error_code", code), ("category", category)], 1_u32);
    }
}

fn speeds(sheet: &mut Sheet, labels: &Labels, task: &Task, fleet: &Fleet, tally: &Tally) {
    let limit = fleet.speed_limit(task);
    sheet.some(Family::TaskMigrateSpeed, labels, &[], task.speed);
    sheet.some(Family::TaskSpeedLimit, labels, &[], limit.limit);
    sheet.some(Family::TaskOverspeedThreshold, labels, &[], limit.threshold);
    sheet.some(Family::TaskOverspeed, labels, &[], limit.exceeded_by(task.speed));
    sheet.push(Family::TaskOverspeedEvents, labels, &[], tally.overspeed_by(&task.id));
    sheet.some(Family::TaskCompressionRate, labels, &[], task.compression_rate);
}

fn times(sheet: &mut Sheet, labels: &Labels, task: &Task, current: Option<&CurrentTask>, read_at: Timestamp) {
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::seconds);
    sheet.some(Family::TaskCreated, labels, &[], seconds(task.created));
    sheet.some(Family::TaskStarted, labels, &[], seconds(current.and_then(|current| current.started)));
    sheet.some(Family::TaskEstimatedCompletion, labels, &[], seconds(task.estimated_completion));
    sheet.some(Family::TaskActive, labels, &[], task.active_seconds);
    let said = current.and_then(|current| current.remain);
    sheet.some(Family::TaskRemaining, labels, &[], said.and_then(|said| remaining(said, task, read_at)));
}

/// How long a task will take: the field is in seconds by its name and in milliseconds in one sample, so the
/// reading that is nearer to the service's own estimate holds; one that no copy can take is not told.
fn remaining(said: f64, task: &Task, read_at: Timestamp) -> Option<f64> {
    if !task.state.is_some_and(TaskState::is_copying) {
        return None;
    }
    let millis = said / 1000.0;
    let remaining = match task.estimated_completion {
        Some(end) => {
            let estimate = end.since(read_at).as_secs_f64();
            if (millis - estimate).abs() < (said - estimate).abs() { millis } else { said }
        }
        None => said,
    };
    (remaining <= LONGEST).then_some(remaining)
}

fn subtasks(sheet: &mut Sheet, labels: &Labels, task: &Task) {
    if task.state.is_some_and(TaskState::is_over) {
        return;
    }
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::seconds);
    for subtask in &task.subtasks {
        let further = [("subtask", &*subtask.name)];
        sheet.some(Family::TaskSubtaskProgress, labels, &further, subtask.progress);
        sheet.some(Family::TaskSubtaskStarted, labels, &further, seconds(subtask.started));
        sheet.some(Family::TaskSubtaskFinished, labels, &further, seconds(subtask.finished));
    }
}

fn load(sheet: &mut Sheet, labels: &Labels, task: &Task) {
    let load = &task.load;
    sheet.some(Family::TaskHostCpu, labels, &[], load.host_cpu);
    sheet.some(Family::TaskAgentCpu, labels, &[], load.agent_cpu);
    sheet.some(Family::TaskHostMemory, labels, &[], load.host_memory);
    sheet.some(Family::TaskAgentMemory, labels, &[], load.agent_memory);
    sheet.some(Family::TaskHostDiskIo, labels, &[], load.host_disk_io);
    sheet.some(Family::TaskAgentDiskIo, labels, &[], load.agent_disk_io);
}

fn network(sheet: &mut Sheet, labels: &Labels, task: &Task) {
    let Some(network) = &task.network else { return };
    sheet.some(Family::TaskNetworkLatency, labels, &[], network.latency);
    sheet.some(Family::TaskNetworkJitter, labels, &[], network.jitter);
    sheet.some(Family::TaskNetworkLoss, labels, &[], network.loss);
    sheet.some(Family::TaskNetworkBandwidth, labels, &[], network.bandwidth);
    sheet.some(Family::TaskDomainReachable, labels, &[], network.domain_reachable);
    sheet.some(Family::TaskTargetReachable, labels, &[], network.target_reachable);
}

fn consistency(sheet: &mut Sheet, labels: &Labels, result: &Consistency) {
    let kinds = [
        ("total", result.total),
        ("different", result.different),
        ("missing", result.missing),
        ("extra", result.extra),
    ];
    for (kind, files) in kinds {
        sheet.push(Family::TaskConsistencyFiles, labels, &[("kind", kind)], files);
    }
    sheet.some(Family::TaskConsistencyChecked, labels, &[], result.finished.map(Timestamp::seconds));
}
