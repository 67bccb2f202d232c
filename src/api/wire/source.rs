//! `source_servers[]`: from the wire to [`Source`].

use serde::Deserialize;

use super::field::{Field, identifier};
use super::shape::{List, Nested};
use super::{FromWire, Identity, Notes, Units};
use crate::model::{
    Check, CheckResult, CurrentTask, Disk, ErrorCode, OsType, Source, SourceFacts, SourceId, SourceState,
    Stage, TaskId,
};

/// Below this, `memory` cannot be bytes (16 MiB) and is taken as mebibytes, as one edition documents.
const LEAST_MEMORY: u64 = 16 << 20;

#[derive(Deserialize)]
pub(in crate::api) struct WireSource<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    hostname: Field<'a>,
    #[serde(borrow, default)]
    ip: Field<'a>,
    #[serde(borrow, default)]
    os_type: Field<'a>,
    #[serde(borrow, default)]
    os_version: Field<'a>,
    #[serde(borrow, default)]
    enterprise_project_id: Field<'a>,
    #[serde(borrow, default)]
    agent_version: Field<'a>,
    #[serde(borrow, default)]
    firmware: Field<'a>,
    #[serde(borrow, default)]
    state: Field<'a>,
    #[serde(borrow, default)]
    migration_cycle: Field<'a>,
    #[serde(borrow, default)]
    connected: Field<'a>,
    #[serde(borrow, default)]
    replicatesize: Field<'a>,
    #[serde(borrow, default)]
    totalsize: Field<'a>,
    #[serde(borrow, default)]
    cpu_quantity: Field<'a>,
    #[serde(borrow, default)]
    memory: Field<'a>,
    #[serde(borrow, default)]
    init_target_server: Nested<WireTarget<'a>>,
    #[serde(borrow, default)]
    checks: List<WireCheck<'a>>,
    #[serde(borrow, default)]
    add_date: Field<'a>,
    #[serde(borrow, default)]
    state_action_time: Field<'a>,
    #[serde(borrow, default)]
    stage_action_time: Field<'a>,
    #[serde(borrow, default)]
    last_visit_time: Field<'a>,
    #[serde(borrow, default)]
    has_tc: Field<'a>,
    #[serde(borrow, default)]
    is_consistency_result_exist: Field<'a>,
    #[serde(borrow, default)]
    current_task: Nested<WireCurrentTask<'a>>,
}

#[derive(Deserialize)]
struct WireTarget<'a> {
    #[serde(borrow, default)]
    disks: List<WireDisk<'a>>,
}

#[derive(Deserialize)]
struct WireDisk<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    device_use: Field<'a>,
    #[serde(borrow, default)]
    size: Field<'a>,
    #[serde(borrow, default)]
    used_size: Field<'a>,
}

#[derive(Deserialize)]
struct WireCheck<'a> {
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    result: Field<'a>,
    #[serde(borrow, default)]
    error_code: Field<'a>,
    #[serde(borrow, default)]
    error_or_warn: Nested<WireErrorOrWarn<'a>>,
}

#[derive(Deserialize)]
struct WireErrorOrWarn<'a> {
    #[serde(borrow, default)]
    error_code: Field<'a>,
}

#[derive(Deserialize)]
struct WireCurrentTask<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    region_id: Field<'a>,
    #[serde(borrow, default)]
    project_name: Field<'a>,
    #[serde(borrow, default)]
    target_server: Nested<WireTargetServer<'a>>,
    #[serde(borrow, default)]
    start_date: Field<'a>,
    #[serde(borrow, default)]
    remain_seconds: Field<'a>,
}

#[derive(Deserialize)]
struct WireTargetServer<'a> {
    #[serde(borrow, default)]
    vm_id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
}

impl FromWire for Source {
    const LIST: &'static str = "source_servers";
    const NAME: &'static str = "sources";
    type Wire<'a> = WireSource<'a>;

    fn from_wire(wire: &WireSource<'_>, _units: Units, notes: &mut Notes) -> Option<Self> {
        let Some(id) = wire.id.id("sources.id", &mut Notes::default()) else {
            notes.malformed("sources.id");
            return None;
        };
        Some(Self {
            id: SourceId::new(&*id),
            name: wire.name.label("sources.name", notes).unwrap_or_default(),
            facts: facts(wire, notes),
            state: wire.state.member("sources.state", notes, SourceState::from_wire, &SourceState::Unknown),
            stage: wire.migration_cycle.member(
                "sources.migration_cycle",
                notes,
                Stage::from_wire,
                &Stage::Unknown,
            ),
            connected: wire.connected.boolean("sources.connected", notes),
            replicated: wire.replicatesize.unsigned("sources.replicatesize", notes),
            total: wire.totalsize.unsigned("sources.totalsize", notes),
            cpus: wire.cpu_quantity.small("sources.cpu_quantity", notes),
            memory: wire.memory.unsigned("sources.memory", notes).map(memory_bytes),
            disks: disks(&wire.init_target_server, notes),
            checks: checks(&wire.checks, notes),
            registered: wire.add_date.timestamp("sources.add_date", notes),
            state_changed: wire.state_action_time.timestamp("sources.state_action_time", notes),
            stage_changed: wire.stage_action_time.timestamp("sources.stage_action_time", notes),
            connection_changed: wire.last_visit_time.timestamp("sources.last_visit_time", notes),
            traffic_control: wire.has_tc.boolean("sources.has_tc", notes),
            consistency_result: wire
                .is_consistency_result_exist
                .boolean("sources.is_consistency_result_exist", notes),
            current_task: current_task(&wire.current_task, notes),
        })
    }

    fn identity(&self) -> Identity<'_> {
        Identity::Id(self.id.as_str())
    }
}

fn facts(wire: &WireSource<'_>, notes: &mut Notes) -> SourceFacts {
    let project = wire.enterprise_project_id.label("sources.enterprise_project_id", notes);
    SourceFacts {
        hostname: wire.hostname.label("sources.hostname", notes),
        ip: wire.ip.label("sources.ip", notes),
        os_type: wire.os_type.member("sources.os_type", notes, OsType::from_wire, &OsType::Unknown),
        os_version: wire.os_version.label("sources.os_version", notes),
        // A source without one is in the default enterprise project, whose id is 0.
        enterprise_project_id: project.or_else(|| Some("0".into())),
        agent_version: wire.agent_version.label("sources.agent_version", notes),
        firmware: wire.firmware.label("sources.firmware", notes),
    }
}

const fn memory_bytes(memory: u64) -> u64 {
    if memory < LEAST_MEMORY { memory << 20 } else { memory }
}

fn disks(target: &Nested<WireTarget<'_>>, notes: &mut Notes) -> Vec<Disk> {
    let Some(target) = target.object("sources.init_target_server", notes) else { return Vec::new() };
    let disks = target.disks.objects("sources.disks", notes);
    let mut disks: Vec<Disk> = disks.filter_map(|disk| read_disk(disk, notes)).collect();
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    disks.dedup_by(|a, b| a.name == b.name);
    disks
}

fn read_disk(wire: &WireDisk<'_>, notes: &mut Notes) -> Option<Disk> {
    let Some(name) = wire.name.label("sources.disks.name", notes) else {
        notes.malformed("sources.disks.name");
        return None;
    };
    Some(Disk {
        name,
        device_use: wire
            .device_use
            .text("sources.disks.device_use", notes)
            .map(|text| device_use(&text, notes)),
        size: wire.size.unsigned("sources.disks.size", notes),
        used: wire.used_size.unsigned("sources.disks.used_size", notes),
    })
}

/// `BOOT|OS` and `OS|BOOT` are the same use, spelled in the documents' order.
fn device_use(text: &str, notes: &mut Notes) -> Box<str> {
    const KNOWN: [&str; 3] = ["BOOT", "OS", "NORMAL"];
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    if !parts.iter().all(|part| KNOWN.iter().any(|known| part.eq_ignore_ascii_case(known))) {
        notes.unknown("sources.disks.device_use");
        return "unknown".into();
    }
    let used = |known: &&&str| parts.iter().any(|part| part.eq_ignore_ascii_case(known));
    KNOWN.iter().filter(used).copied().collect::<Vec<_>>().join("|").into()
}

fn checks(checks: &List<WireCheck<'_>>, notes: &mut Notes) -> Vec<Check> {
    let checks = checks.objects("sources.checks", notes);
    let mut checks: Vec<Check> = checks.map(|check| read_check(check, notes)).collect();
    checks.sort();
    checks
}

fn read_check(wire: &WireCheck<'_>, notes: &mut Notes) -> Check {
    let name = wire.name.text("sources.checks.name", notes);
    let name = name.as_deref().and_then(identifier).unwrap_or_else(|| {
        notes.unknown("sources.checks.name");
        "unknown"
    });
    let result =
        wire.result.member("sources.checks.result", notes, CheckResult::from_wire, &CheckResult::Unknown);
    let text = wire.error_code.text("sources.checks.error_code", notes);
    let code = text.as_deref().and_then(ErrorCode::new);
    if text.is_some() && code.is_none() {
        notes.malformed("sources.checks.error_code");
    }
    Check {
        name: name.into(),
        result: result.unwrap_or(CheckResult::Unknown),
        error_code: code.or_else(|| or_warn(&wire.error_or_warn)),
    }
}

/// The code inside `error_or_warn`, which is an object in one sample, text or null in others.
fn or_warn(field: &Nested<WireErrorOrWarn<'_>>) -> Option<ErrorCode> {
    let inner = field.object("", &mut Notes::default())?;
    ErrorCode::new(&inner.error_code.quiet_text()?)
}

fn current_task(field: &Nested<WireCurrentTask<'_>>, notes: &mut Notes) -> Option<Box<CurrentTask>> {
    let wire = field.object("sources.current_task", notes)?;
    let target = wire.target_server.object("sources.current_task.target_server", notes);
    Some(Box::new(CurrentTask {
        id: TaskId::new(&*wire.id.id("sources.current_task.id", notes)?),
        region_id: wire.region_id.label("sources.current_task.region_id", notes),
        project_name: wire.project_name.label("sources.current_task.project_name", notes),
        target_id: target
            .and_then(|target| target.vm_id.label("sources.current_task.target_server.vm_id", notes)),
        target_name: target
            .and_then(|target| target.name.label("sources.current_task.target_server.name", notes)),
        started: wire.start_date.timestamp("sources.current_task.start_date", notes),
        remain: wire.remain_seconds.positive("sources.current_task.remain_seconds", notes),
    }))
}

#[cfg(test)]
mod tests;
