//! `tasks[]`: from the wire to [`Task`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error_json::error_code;
use super::field::{Field, identifier};
use super::shape::{List, Nested, Raw};
use super::{FromWire, Identity, Notes, Units};
use crate::model::{
    Load, Network, OsType, RateUnit, SourceId, Subtask, Task, TaskFacts, TaskId, TaskState, TaskType,
};

/// Bytes of a megabyte of memory, as operating systems count.
const MEBI: f64 = 1_048_576.0;

#[derive(Deserialize)]
pub(in crate::api) struct WireTask<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default, rename = "type")]
    task_type: Field<'a>,
    #[serde(borrow, default)]
    os_type: Field<'a>,
    #[serde(borrow, default)]
    state: Field<'a>,
    #[serde(borrow, default)]
    priority: Field<'a>,
    #[serde(borrow, default)]
    migration_ip: Field<'a>,
    #[serde(borrow, default)]
    migrate_speed: Field<'a>,
    #[serde(borrow, default)]
    speed_limit: Field<'a>,
    #[serde(borrow, default)]
    compress_rate: Field<'a>,
    #[serde(borrow, default)]
    create_date: Field<'a>,
    #[serde(borrow, default)]
    estimate_complete_time: Field<'a>,
    #[serde(borrow, default)]
    total_time: Field<'a>,
    #[serde(borrow, default)]
    error_json: Raw<'a>,
    #[serde(borrow, default)]
    sub_tasks: List<WireSubtask<'a>>,
    #[serde(borrow, default)]
    source_server: Nested<WireServer<'a>>,
    #[serde(borrow, default)]
    target_server: Nested<WireServer<'a>>,
    #[serde(borrow, default)]
    network_check_info: Nested<WireNetwork<'a>>,
    #[serde(borrow, default)]
    total_cpu_usage: Field<'a>,
    #[serde(borrow, default)]
    agent_cpu_usage: Field<'a>,
    #[serde(borrow, default)]
    total_mem_usage: Field<'a>,
    #[serde(borrow, default)]
    agent_mem_usage: Field<'a>,
    #[serde(borrow, default)]
    total_disk_io: Field<'a>,
    #[serde(borrow, default)]
    agent_disk_io: Field<'a>,
}

#[derive(Deserialize)]
struct WireServer<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    vm_id: Field<'a>,
    #[serde(borrow, default)]
    ip: Field<'a>,
}

#[derive(Deserialize)]
struct WireSubtask<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    progress: Field<'a>,
    #[serde(borrow, default)]
    start_date: Field<'a>,
    #[serde(borrow, default)]
    end_date: Field<'a>,
}

#[derive(Deserialize)]
struct WireNetwork<'a> {
    #[serde(borrow, default)]
    domain_connectivity: Field<'a>,
    #[serde(borrow, default)]
    destination_connectivity: Field<'a>,
    #[serde(borrow, default)]
    network_delay: Field<'a>,
    #[serde(borrow, default)]
    network_jitter: Field<'a>,
    #[serde(borrow, default)]
    migration_speed: Field<'a>,
    #[serde(borrow, default)]
    loss_percentage: Field<'a>,
}

impl FromWire for Task {
    const LIST: &'static str = "tasks";
    const NAME: &'static str = "tasks";
    type Wire<'a> = WireTask<'a>;

    fn from_wire(wire: &WireTask<'_>, units: Units, notes: &mut Notes) -> Option<Self> {
        let Some(id) = wire.id.id("tasks.id", &mut Notes::default()) else {
            notes.malformed("tasks.id");
            return None;
        };
        let source = wire.source_server.object("tasks.source_server", notes);
        let limit = wire.speed_limit.positive("tasks.speed_limit", notes).filter(|limit| *limit > 0.0);
        let speed = wire.migrate_speed.positive("tasks.migrate_speed", notes);
        let error = error_code(wire.error_json, "tasks.error_json", notes);
        Some(Self {
            id: TaskId::new(&*id),
            source_id: source
                .and_then(|source| source.id.id("tasks.source_server.id", notes))
                .map(|id| SourceId::new(&*id)),
            source_name: source.and_then(|source| source.name.label("tasks.source_server.name", notes)),
            facts: facts(wire, notes),
            state: wire.state.member("tasks.state", notes, TaskState::from_wire, &TaskState::Unknown),
            speed: speed.map(|speed| units.speed.bytes_per_second(speed)),
            speed_limit: limit.map(|limit| RateUnit::Mbit.bytes_per_second(limit)),
            compression_rate: wire.compress_rate.number("tasks.compress_rate", notes),
            created: wire.create_date.timestamp("tasks.create_date", notes),
            estimated_completion: wire
                .estimate_complete_time
                .timestamp("tasks.estimate_complete_time", notes),
            active_seconds: wire.total_time.positive("tasks.total_time", notes).map(|millis| millis / 1000.0),
            error_code: error,
            subtasks: subtasks(&wire.sub_tasks, notes),
            load: load(wire, units, notes),
            network: network(&wire.network_check_info, notes),
        })
    }

    fn identity(&self) -> Identity<'_> {
        Identity::Id(self.id.as_str())
    }
}

fn facts(wire: &WireTask<'_>, notes: &mut Notes) -> TaskFacts {
    let target = wire.target_server.object("tasks.target_server", notes);
    let target_ip = wire
        .migration_ip
        .label("tasks.migration_ip", notes)
        .or_else(|| target.and_then(|target| target.ip.label("tasks.target_server.ip", notes)));
    TaskFacts {
        name: wire.name.label("tasks.name", notes),
        task_type: wire.task_type.member("tasks.type", notes, TaskType::from_wire, &TaskType::Unknown),
        os_type: wire.os_type.member("tasks.os_type", notes, OsType::from_wire, &OsType::Unknown),
        priority: wire.priority.small("tasks.priority", notes),
        target_id: target.and_then(|target| target.vm_id.label("tasks.target_server.vm_id", notes)),
        target_name: target.and_then(|target| target.name.label("tasks.target_server.name", notes)),
        target_ip,
    }
}

fn subtasks(field: &List<WireSubtask<'_>>, notes: &mut Notes) -> Vec<Subtask> {
    let mut subtasks: Vec<Subtask> = Vec::new();
    let mut places: BTreeMap<Box<str>, usize> = BTreeMap::new();
    let wire = field.objects("tasks.sub_tasks", notes);
    for subtask in wire.filter_map(|subtask| read_subtask(subtask, notes)) {
        match places.get(&subtask.name) {
            // A step that was repeated is told once, by its latest run.
            Some(&at) if subtasks[at].started <= subtask.started => subtasks[at] = subtask,
            Some(_) => {}
            None => {
                places.insert(subtask.name.clone(), subtasks.len());
                subtasks.push(subtask);
            }
        }
    }
    subtasks
}

fn read_subtask(wire: &WireSubtask<'_>, notes: &mut Notes) -> Option<Subtask> {
    let name = wire.name.text("tasks.sub_tasks.name", notes);
    let Some(name) = name.as_deref().and_then(identifier) else {
        notes.malformed("tasks.sub_tasks.name");
        return None;
    };
    // The documents' enumeration misspells what one of their samples spells.
    let name = if name == "DETTACH_AGENT_IMAGE" { "DETACH_AGENT_IMAGE" } else { name };
    Some(Subtask {
        name: name.into(),
        progress: wire.progress.ratio(100.0, "tasks.sub_tasks.progress", notes),
        started: wire.start_date.timestamp("tasks.sub_tasks.start_date", notes),
        finished: wire.end_date.timestamp("tasks.sub_tasks.end_date", notes),
    })
}

fn load(wire: &WireTask<'_>, units: Units, notes: &mut Notes) -> Load {
    // Agents that use several cores may report more than 100 %.
    let cores = f64::INFINITY;
    let rate = |rate: f64| units.disk_io.bytes_per_second(rate);
    Load {
        host_cpu: wire.total_cpu_usage.ratio(cores, "tasks.total_cpu_usage", notes),
        agent_cpu: wire.agent_cpu_usage.ratio(cores, "tasks.agent_cpu_usage", notes),
        host_memory: wire.total_mem_usage.positive("tasks.total_mem_usage", notes).map(|mega| mega * MEBI),
        agent_memory: wire.agent_mem_usage.positive("tasks.agent_mem_usage", notes).map(|mega| mega * MEBI),
        host_disk_io: wire.total_disk_io.positive("tasks.total_disk_io", notes).map(rate),
        agent_disk_io: wire.agent_disk_io.positive("tasks.agent_disk_io", notes).map(rate),
    }
}

fn network(field: &Nested<WireNetwork<'_>>, notes: &mut Notes) -> Option<Network> {
    let wire = field.object("tasks.network_check_info", notes)?;
    let seconds = |millis: f64| millis / 1000.0;
    let bandwidth = wire.migration_speed.positive("tasks.network_check_info.migration_speed", notes);
    Some(Network {
        latency: wire.network_delay.positive("tasks.network_check_info.network_delay", notes).map(seconds),
        jitter: wire.network_jitter.positive("tasks.network_check_info.network_jitter", notes).map(seconds),
        loss: wire.loss_percentage.ratio(100.0, "tasks.network_check_info.loss_percentage", notes),
        bandwidth: bandwidth.map(|rate| RateUnit::Mbit.bytes_per_second(rate)),
        domain_reachable: wire
            .domain_connectivity
            .boolean("tasks.network_check_info.domain_connectivity", notes),
        target_reachable: wire
            .destination_connectivity
            .boolean("tasks.network_check_info.destination_connectivity", notes),
    })
}

#[cfg(test)]
mod tests;
