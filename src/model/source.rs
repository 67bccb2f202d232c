//! A source server, as the service sees it.

use super::{Check, OsType, SourceId, SourceState, Stage, TaskId, Timestamp};

/// What merely describes a source: the labels of `source_info`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceFacts {
    /// `hostname`, which some editions of the list have.
    pub hostname: Option<Box<str>>,
    /// `ip`.
    pub ip: Option<Box<str>>,
    /// `os_type`.
    pub os_type: Option<OsType>,
    /// `os_version`, such as `CENTOS_7_6_64BIT`.
    pub os_version: Option<Box<str>>,
    /// `enterprise_project_id`; the default project is `0`.
    pub enterprise_project_id: Option<Box<str>>,
    /// `agent_version`, which no document of the list has and the service sends.
    pub agent_version: Option<Box<str>>,
    /// `firmware`: BIOS or UEFI.
    pub firmware: Option<Box<str>>,
}

/// A disk of a source (`init_target_server.disks[]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Device, such as `/dev/vda` or `Disk 0`.
    pub name: Box<str>,
    /// Its use, one of `BOOT`, `OS`, `NORMAL`, or several joined by `|`, sorted.
    pub device_use: Option<Box<str>>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Used bytes.
    pub used: Option<u64>,
}

/// A source server (`source_servers[]`).
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// `id`.
    pub id: SourceId,
    /// `name`, empty where the service has none.
    pub name: Box<str>,
    /// What merely describes it.
    pub facts: SourceFacts,
    /// `state`.
    pub state: Option<SourceState>,
    /// `migration_cycle`.
    pub stage: Option<Stage>,
    /// `connected`: whether the agent is in touch with the service.
    pub connected: Option<bool>,
    /// `replicatesize`, in bytes.
    pub replicated: Option<u64>,
    /// `totalsize`, in bytes.
    pub total: Option<u64>,
    /// `cpu_quantity`.
    pub cpus: Option<u32>,
    /// `memory`, in bytes.
    pub memory: Option<u64>,
    /// Disks, ordered by name, each name once.
    pub disks: Vec<Disk>,
    /// Environment checks, ordered by name.
    pub checks: Vec<Check>,
    /// `add_date`.
    pub registered: Option<Timestamp>,
    /// `state_action_time`.
    pub state_changed: Option<Timestamp>,
    /// `stage_action_time`.
    pub stage_changed: Option<Timestamp>,
    /// `last_visit_time`: when the agent's connectivity last changed.
    pub connection_changed: Option<Timestamp>,
    /// `has_tc`: whether the agent can enforce a speed limit.
    pub traffic_control: Option<bool>,
    /// `is_consistency_result_exist`.
    pub consistency_result: Option<bool>,
    /// What the source's `current_task` says beyond the list of tasks.
    pub current_task: Option<Box<CurrentTask>>,
}

/// What only a source's `current_task` says of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct CurrentTask {
    /// `current_task.id`.
    pub id: TaskId,
    /// `region_id`, the region that the task migrates to.
    pub region_id: Option<Box<str>>,
    /// `project_name`, the project that the task migrates to.
    pub project_name: Option<Box<str>>,
    /// `target_server.vm_id`.
    pub target_id: Option<Box<str>>,
    /// `target_server.name`.
    pub target_name: Option<Box<str>>,
    /// `start_date`.
    pub started: Option<Timestamp>,
    /// `remain_seconds`, as seconds or milliseconds: the documents disagree.
    pub remain: Option<f64>,
}
