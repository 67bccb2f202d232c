//! Objects as they are kept: what changes are told by, and nothing else.

use serde::{Deserialize, Serialize};

use crate::model::{
    Check, CheckResult, CurrentTask, ErrorCode, Load, Source, SourceFacts, SourceId, SourceState, SpeedRule,
    Stage, Task, TaskFacts, TaskId, TaskState, TimeOfDay,
};

/// A source server.
#[derive(Debug, Deserialize, Serialize)]
pub(in crate::storage) struct KeptSource {
    id: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connected: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replicated: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<(String, String, Option<String>)>,
}

/// A task.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct KeptTask {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Bits of bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    speed: Option<u64>,
    /// Bits of bytes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
}

/// A speed rule.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct KeptRule {
    /// Minutes of the day.
    start: u16,
    /// Minutes of the day.
    end: u16,
    /// Bits of bytes a second.
    limit: Option<u64>,
    /// Bits of a ratio.
    threshold: Option<u64>,
}

impl From<&Source> for KeptSource {
    fn from(source: &Source) -> Self {
        let check = |Check { name, result, error_code }: &Check| {
            (name.to_string(), result.label().to_owned(), error_code.as_ref().map(ToString::to_string))
        };
        Self {
            id: source.id.to_string(),
            name: source.name.to_string(),
            state: source.state.map(|state| state.label().to_owned()),
            stage: source.stage.map(|stage| stage.label().to_owned()),
            connected: source.connected,
            replicated: source.replicated,
            task: source.current_task.as_ref().map(|task| task.id.to_string()),
            checks: source.checks.iter().map(check).collect(),
        }
    }
}

impl From<KeptSource> for Source {
    fn from(kept: KeptSource) -> Self {
        let check = |(name, result, code): (String, String, Option<String>)| Check {
            name: name.into(),
            result: CheckResult::from_wire(&result),
            error_code: code.as_deref().and_then(ErrorCode::new),
        };
        Self {
            id: SourceId::new(kept.id),
            name: kept.name.into(),
            facts: SourceFacts::default(),
            state: kept.state.as_deref().map(SourceState::from_wire),
            stage: kept.stage.as_deref().map(Stage::from_wire),
            connected: kept.connected,
            replicated: kept.replicated,
            total: None,
            cpus: None,
            memory: None,
            disks: Vec::new(),
            checks: kept.checks.into_iter().map(check).collect(),
            registered: None,
            state_changed: None,
            stage_changed: None,
            connection_changed: None,
            traffic_control: None,
            consistency_result: None,
            current_task: kept.task.map(current_task),
        }
    }
}

fn current_task(id: String) -> Box<CurrentTask> {
    Box::new(CurrentTask {
        id: TaskId::new(id),
        region_id: None,
        project_name: None,
        target_id: None,
        target_name: None,
        started: None,
        remain: None,
    })
}

impl From<&Task> for KeptTask {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.to_string(),
            name: task.facts.name.as_deref().map(str::to_owned),
            source: task.source_id.as_ref().map(ToString::to_string),
            source_name: task.source_name.as_deref().map(str::to_owned),
            state: task.state.map(|state| state.label().to_owned()),
            speed: task.speed.map(f64::to_bits),
            limit: task.speed_limit.map(f64::to_bits),
            error_code: task.error_code.as_ref().map(ToString::to_string),
        }
    }
}

impl From<KeptTask> for Task {
    fn from(kept: KeptTask) -> Self {
        Self {
            id: TaskId::new(kept.id),
            source_id: kept.source.map(SourceId::new),
            source_name: kept.source_name.map(Into::into),
            facts: TaskFacts { name: kept.name.map(Into::into), ..TaskFacts::default() },
            state: kept.state.as_deref().map(TaskState::from_wire),
            speed: kept.speed.map(f64::from_bits),
            speed_limit: kept.limit.map(f64::from_bits),
            compression_rate: None,
            created: None,
            estimated_completion: None,
            active_seconds: None,
            error_code: kept.error_code.as_deref().and_then(ErrorCode::new),
            subtasks: Vec::new(),
            load: Load::default(),
            network: None,
        }
    }
}

impl From<&SpeedRule> for KeptRule {
    fn from(rule: &SpeedRule) -> Self {
        Self {
            start: rule.start.minutes(),
            end: rule.end.minutes(),
            limit: rule.limit.map(f64::to_bits),
            threshold: rule.threshold.map(f64::to_bits),
        }
    }
}

impl KeptRule {
    /// The rule, unless its times are none.
    pub(super) fn rule(self) -> Option<SpeedRule> {
        Some(SpeedRule {
            start: TimeOfDay::from_minutes(self.start)?,
            end: TimeOfDay::from_minutes(self.end)?,
            limit: self.limit.map(f64::from_bits),
            threshold: self.threshold.map(f64::from_bits),
        })
    }
}
