//! Each event as one log line, so that a person can read what the counters counted.

use tracing::{debug, info, warn};

use crate::diff::{Event, Named, NamedTask};
use crate::model::ErrorCode;

/// Tells the events of an account.
pub(super) fn tell(account: &str, events: &[Event]) {
    for event in events {
        match event {
            Event::SourceRegistered { .. }
            | Event::SourceRemoved { .. }
            | Event::SourceState { .. }
            | Event::AgentDisconnected { .. }
            | Event::AgentReconnected { .. }
            | Event::CheckProblem { .. }
            | Event::Replicated { .. } => tell_source(account, event),
            Event::TaskCreated { .. }
            | Event::TaskRemoved { .. }
            | Event::TaskState { .. }
            | Event::TaskFailed { .. }
            | Event::Overspeed { .. }
            | Event::OverspeedStopSuspected { .. } => tell_task(account, event),
        }
    }
}

fn tell_source(account: &str, event: &Event) {
    let labels = |source: &Named| (source.id.to_string(), source.name.clone());
    match event {
        Event::SourceRegistered { source, state } => {
            let ((source_id, source_name), state) = (labels(source), state.map(|state| state.label()));
            info!(event = "source_registered", account, source_id, %source_name, state, "Source server registered");
        }
        Event::SourceRemoved { source, state } => {
            let ((source_id, source_name), state) = (labels(source), state.map(|state| state.label()));
            info!(event = "source_removed", account, source_id, %source_name, state, "Source server removed");
        }
        Event::SourceState { source, from, to } => {
            let ((source_id, source_name), from, to) = (labels(source), from.label(), to.label());
            info!(event = "source_state", account, source_id, %source_name, from, to, "Source server changed its state");
        }
        Event::AgentDisconnected { source } => {
            let (source_id, source_name) = labels(source);
            warn!(event = "agent_disconnected", account, source_id, %source_name, "Agent lost its connection");
        }
        Event::AgentReconnected { source } => {
            let (source_id, source_name) = labels(source);
            info!(event = "agent_reconnected", account, source_id, %source_name, "Agent is connected again");
        }
        Event::CheckProblem { source, check, result, error_code } => {
            let ((source_id, source_name), result) = (labels(source), result.label());
            let error_code = error_code.as_ref().map(ErrorCode::as_str);
            warn!(event = "check_problem", account, source_id, %source_name, %check, result, error_code, "Environment check is not OK");
        }
        Event::Replicated { source, bytes } => {
            let (source_id, source_name) = labels(source);
            debug!(event = "replicated", account, source_id, %source_name, bytes, "Source server replicated");
        }
        _ => {}
    }
}

fn tell_task(account: &str, event: &Event) {
    let labels = |task: &NamedTask| {
        let source = task.source.as_ref();
        let source_id = source.map(|source| source.id.to_string());
        (task.id.to_string(), source_id, source.map(|source| source.name.to_string()))
    };
    match event {
        Event::TaskCreated { task, state } => {
            let ((task_id, source_id, source_name), state) = (labels(task), state.map(|state| state.label()));
            info!(event = "task_created", account, task_id, source_id, source_name, state, "Task created");
        }
        Event::TaskRemoved { task, state } => {
            let ((task_id, source_id, source_name), state) = (labels(task), state.map(|state| state.label()));
            info!(event = "task_removed", account, task_id, source_id, source_name, state, "Task removed");
        }
        Event::TaskState { task, from, to } => {
            let ((task_id, source_id, source_name), from, to) = (labels(task), from.label(), to.label());
            info!(
                event = "task_state",
                account, task_id, source_id, source_name, from, to, "Task changed its state"
            );
        }
        Event::TaskFailed { task, error_code } => {
            let (task_id, source_id, source_name) = labels(task);
            let category = error_code.as_ref().map(|code| code.category().label());
            let error_code = error_code.as_ref().map(ErrorCode::as_str);
            warn!(
                event = "task_failed",
                account, task_id, source_id, source_name, error_code, category, "Task failed"
            );
        }
        Event::Overspeed { task } => {
            let (task_id, source_id, source_name) = labels(task);
            warn!(
                event = "overspeed",
                account, task_id, source_id, source_name, "Task is faster than its limit"
            );
        }
        Event::OverspeedStopSuspected { task } => {
            let (task_id, source_id, source_name) = labels(task);
            warn!(
                event = "overspeed_stop",
                account,
                task_id,
                source_id,
                source_name,
                "Task was stopped after it ran beyond its limit and threshold"
            );
        }
        _ => {}
    }
}
