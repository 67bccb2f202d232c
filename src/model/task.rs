//! A migration task, as the service sees it.

use super::{ErrorCode, OsType, SourceId, TaskId, TaskState, TaskType, Timestamp};

/// What merely describes a task: the labels of `task_info` that the list of tasks has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskFacts {
    /// `name`.
    pub name: Option<Box<str>>,
    /// `type`.
    pub task_type: Option<TaskType>,
    /// `os_type`.
    pub os_type: Option<OsType>,
    /// `priority`, passed through.
    pub priority: Option<u32>,
    /// `target_server.vm_id`.
    pub target_id: Option<Box<str>>,
    /// `target_server.name`.
    pub target_name: Option<Box<str>>,
    /// `migration_ip`, else `target_server.ip`.
    pub target_ip: Option<Box<str>>,
}

/// One step of a task (`sub_tasks[]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Subtask {
    /// `name`, such as `MIGRATE_LINUX_FILE`; the documents' misspelling is put right.
    pub name: Box<str>,
    /// `progress` as a ratio.
    pub progress: Option<f64>,
    /// `start_date`.
    pub started: Option<Timestamp>,
    /// `end_date`.
    pub finished: Option<Timestamp>,
}

/// Load of the source and of its agent, in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// `total_cpu_usage` as a ratio.
    pub host_cpu: Option<f64>,
    /// `agent_cpu_usage` as a ratio.
    pub agent_cpu: Option<f64>,
    /// `total_mem_usage` in bytes.
    pub host_memory: Option<f64>,
    /// `agent_mem_usage` in bytes.
    pub agent_memory: Option<f64>,
    /// `total_disk_io` in bytes a second.
    pub host_disk_io: Option<f64>,
    /// `agent_disk_io` in bytes a second.
    pub agent_disk_io: Option<f64>,
}

/// Quality of the network between source and target (`network_check_info`), in base units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network {
    /// `network_delay` in seconds.
    pub latency: Option<f64>,
    /// `network_jitter` in seconds.
    pub jitter: Option<f64>,
    /// `loss_percentage` as a ratio.
    pub loss: Option<f64>,
    /// `migration_speed` in bytes a second.
    pub bandwidth: Option<f64>,
    /// `domain_connectivity`.
    pub domain_reachable: Option<bool>,
    /// `destination_connectivity`.
    pub target_reachable: Option<bool>,
}

/// A migration task (`tasks[]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// `id`.
    pub id: TaskId,
    /// `source_server.id`, absent where the source was deleted.
    pub source_id: Option<SourceId>,
    /// `source_server.name`.
    pub source_name: Option<Box<str>>,
    /// What merely describes it.
    pub facts: TaskFacts,
    /// `state`.
    pub state: Option<TaskState>,
    /// `migrate_speed` in bytes a second.
    pub speed: Option<f64>,
    /// `speed_limit` in bytes a second; `None` is unlimited or unsaid.
    pub speed_limit: Option<f64>,
    /// `compress_rate`, as it is: no document gives its unit.
    pub compression_rate: Option<f64>,
    /// `create_date`.
    pub created: Option<Timestamp>,
    /// `estimate_complete_time`.
    pub estimated_completion: Option<Timestamp>,
    /// `total_time`: seconds of active subtask time.
    pub active_seconds: Option<f64>,
    /// `error_json`: why the task failed.
    pub error_code: Option<ErrorCode>,
    /// Steps, in the service's order, each name once.
    pub subtasks: Vec<Subtask>,
    /// Load of source and agent.
    pub load: Load,
    /// Quality of the network; `None` where it was never checked.
    pub network: Option<Network>,
}
