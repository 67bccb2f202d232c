//! The world as JSON, with the oddities of the documents: which object has which is decided by its ordinal.

use serde_json::{Map, Value, json};

use super::world::{Check, Consistency, Disk, MigrationError, Network, Source, Task, World};

/// What stands in `log_share_url`: a test may look for it wherever it must not be.
pub const SECRET_LOG_MARKER: &str = "SECRET-LOG-URL";

/// A source as `/v3/sources` lists it.
pub(super) fn listed_source(world: &World, source: &Source) -> Value {
    let mut json = source_base(world, source, false);
    if source.ordinal.is_multiple_of(2) {
        insert(&mut json, "hostname", json!(source.hostname));
    }
    insert(&mut json, "start_type", json!("MANUAL"));
    finish(json, &source.odd)
}

/// A source as `/v3/sources/{id}` shows it.
pub(super) fn shown_source(world: &World, source: &Source) -> Value {
    let mut json = source_base(world, source, true);
    insert(&mut json, "hostname", json!(source.hostname));
    insert(&mut json, "firmware", json!(source.firmware));
    insert(&mut json, "agent_version", json!(source.agent_version));
    insert(&mut json, "disks", disks(source));
    insert(&mut json, "volume_groups", json!([]));
    insert(
        &mut json,
        "networks",
        json!([{"name": null, "ip": null, "netmask": null, "gateway": null, "mtu": 0, "mac": "dac20cd4f6318ca6458673b0"}]),
    );
    finish(json, &source.odd)
}

fn source_base(world: &World, source: &Source, shown: bool) -> Map<String, Value> {
    let task = source.task.as_ref().and_then(|id| world.tasks.get(id));
    let checks: Vec<Value> =
        source.checks.iter().map(|check| self::check(check, source.ordinal, shown)).collect();
    let mut json = object(json!({
        "id": source.id,
        "ip": source.ip,
        "name": source.name,
        "add_date": source.add_date,
        "os_type": source.os_type,
        "os_version": source.os_version,
        "oem_system": false,
        "state": source.state,
        "connected": source.connected,
        "cpu_quantity": source.cpu_quantity,
        "memory": source.memory,
        "current_task": task.map(|task| current_task(world, source, task)),
        "checks": checks,
        "init_target_server": {"disks": disks(source), "volume_groups": []},
        "replicatesize": source.replicatesize,
        "totalsize": source.totalsize,
        "stage_action_time": source.stage_action_time,
        "state_action_time": source.state_action_time,
        "last_visit_time": source.last_visit_time,
        "migration_cycle": source.migration_cycle,
        "is_consistency_result_exist": source.is_consistency_result_exist,
    }));
    enterprise_project(&mut json, source.enterprise_project_id.as_deref(), source.ordinal);
    if source.has_tc.is_some() || source.ordinal % 20 == 3 {
        insert(&mut json, "has_tc", json!(source.has_tc));
    }
    json
}

/// Missing on some, a number on some, else a string.
fn enterprise_project(json: &mut Map<String, Value>, id: Option<&str>, ordinal: u64) {
    match id {
        Some("0") if ordinal.is_multiple_of(2) => insert(json, "enterprise_project_id", json!(0)),
        Some(id) => insert(json, "enterprise_project_id", json!(id)),
        None => {}
    }
}

fn check(check: &Check, ordinal: u64, shown: bool) -> Value {
    let mut json = object(json!({
        "id": check.id,
        "params": [""],
        "name": check.name,
        "result": check.result,
        "error_code": check.error_code,
        "error_params": "",
    }));
    let error_or_warn = match (&check.error_code, ordinal % 3) {
        (Some(code), 0) => json!({"error_code": code, "link": "https://support.example/sms"}),
        (Some(code), 1) => json!(format!("{code}: see the manual")),
        _ => Value::Null,
    };
    if shown || ordinal % 4 != 2 {
        insert(&mut json, "error_or_warn", error_or_warn);
    }
    json.into()
}

fn disks(source: &Source) -> Value {
    let windows = source.os_type == "WINDOWS";
    source.disks.iter().map(|disk| self::disk(disk, windows)).collect()
}

fn disk(disk: &Disk, windows: bool) -> Value {
    let volume = |(index, (name, mount, size, used)): (usize, &(String, String, i64, i64))| {
        let uuid = windows.then(|| format!(r"\\?\Volume{{586b7157-0000-0000-0000-{size:012x}}}\"));
        json!({
            "uuid": uuid,
            "index": index + 1,
            "name": name,
            "device_use": if disk.device_use == "NORMAL" { "NORMAL" } else { "OS" },
            "file_system": if windows { "NTFS" } else { "ext4" },
            "mount_point": if windows { Value::Null } else { json!(mount) },
            "size": size,
            "used_size": used,
            "inode_size": if windows { Value::Null } else { json!("256") },
        })
    };
    json!({
        "name": disk.name,
        "relation_name": null,
        "partition_style": "MBR",
        "size": disk.size,
        "used_size": disk.used_size,
        "device_use": disk.device_use,
        "os_disk": disk.device_use != "NORMAL",
        "physical_volumes": disk.volumes.iter().enumerate().map(volume).collect::<Value>(),
    })
}

fn current_task(world: &World, source: &Source, task: &Task) -> Value {
    json!({
        "id": task.id,
        "name": task.name,
        "type": task.kind,
        "state": task.state,
        "estimate_complete_time": task.estimate_complete_time,
        "start_date": task.start_date,
        "speed_limit": task.speed_limit,
        "migrate_speed": task.migrate_speed,
        "compress_rate": task.compress_rate,
        "start_target_server": true,
        "vm_template_id": null,
        "region_id": world.region,
        "project_name": world.region,
        "project_id": world.project_id,
        "target_server": {"vm_id": task.target.vm_id, "name": task.target.name},
        "log_collect_status": "INIT",
        "exist_server": false,
        "use_public_ip": true,
        "clone_server": clone_server(task),
        "remain_seconds": task.remain_seconds,
        "log_bucket": if source.ordinal.is_multiple_of(2) { json!("sms-logs") } else { Value::Null },
        "log_share_url": format!("https://obs.example/{SECRET_LOG_MARKER}?id={}", task.id),
        "subtask_info": subtask_info(task),
    })
}

fn clone_server(task: &Task) -> Option<Value> {
    let name = task.clone_server.as_ref()?;
    Some(json!({
        "vm_id": task.target.vm_id,
        "name": name,
        "clone_error": "",
        "clone_state": "FINISHED",
        "error_msg": "",
    }))
}

fn subtask_info(task: &Task) -> Value {
    let running = task.sub_tasks.iter().find(|step| step.start_date.is_some() && step.end_date.is_none());
    running.map_or(Value::Null, |step| json!(format!("{}:{}", step.name, step.progress)))
}

/// A task as `/v3/tasks` lists it.
pub(super) fn listed_task(world: &World, task: &Task) -> Value {
    let source = world.sources.get(&task.source_id).filter(|_| task.ordinal % 40 != 16);
    // In this list the state of the source is a word of its own.
    let source = source.map(|source| task_source(source, "AVAILABLE"));
    let mut json = task_base(task);
    insert(&mut json, "source_server", json!(source));
    insert(&mut json, "target_server", target(task, false));
    insert(&mut json, "log_collect_status", json!("INIT"));
    insert(&mut json, "syncing", json!(task.syncing));
    insert(&mut json, "special_config", json!([]));
    let usage = &task.usage;
    insert(&mut json, "total_cpu_usage", json!(usage.total_cpu_usage));
    insert(&mut json, "agent_cpu_usage", json!(usage.agent_cpu_usage));
    insert(&mut json, "total_mem_usage", json!(usage.total_mem_usage));
    insert(&mut json, "agent_mem_usage", json!(usage.agent_mem_usage));
    insert(&mut json, "total_disk_io", json!(usage.total_disk_io));
    insert(&mut json, "agent_disk_io", json!(usage.agent_disk_io));
    insert(&mut json, "need_migration_test", json!(false));
    insert(&mut json, "subtask_info", subtask_info(task));
    enterprise_project(&mut json, task.enterprise_project_id.as_deref(), task.ordinal);
    finish(json, &task.odd)
}

/// A task as `/v3/tasks/{id}` shows it.
pub(super) fn shown_task(world: &World, task: &Task) -> Value {
    let source = world.sources.get(&task.source_id);
    let mut json = task_base(task);
    insert(&mut json, "source_server", json!(source.map(|source| task_source(source, &source.state))));
    insert(&mut json, "target_server", target(task, true));
    insert(&mut json, "start_date", json!(task.start_date));
    insert(&mut json, "finish_date", json!(task.finish_date));
    insert(&mut json, "float_ip", Value::Null);
    insert(&mut json, "region_id", json!(world.region));
    insert(&mut json, "region_name", json!(format!("Region {}", world.region)));
    insert(&mut json, "project_name", json!(world.region));
    insert(&mut json, "project_id", json!(world.project_id));
    insert(&mut json, "vm_template_id", Value::Null);
    insert(&mut json, "connected", json!(source.is_some_and(|source| source.connected)));
    insert(&mut json, "remain_seconds", json!(task.remain_seconds));
    insert(&mut json, "target_snapshot_id", Value::Null);
    finish(json, &task.odd)
}

fn task_base(task: &Task) -> Map<String, Value> {
    object(json!({
        "id": task.id,
        "name": task.name,
        "type": task.kind,
        "os_type": task.os_type(),
        "state": task.state,
        "estimate_complete_time": task.estimate_complete_time,
        "create_date": task.create_date,
        "priority": task.priority,
        "speed_limit": task.speed_limit,
        "migrate_speed": task.migrate_speed,
        "compress_rate": task.compress_rate,
        "start_target_server": true,
        "error_json": task.error_json(),
        "total_time": task.total_time,
        "migration_ip": task.target.ip.clone().unwrap_or_default(),
        "sub_tasks": sub_tasks(task),
        "clone_server": clone_server(task),
        "network_check_info": task.network.as_ref().map(|network| network_check(network, task.ordinal)),
    }))
}

fn sub_tasks(task: &Task) -> Value {
    let step = |step: &super::world::SubTask| {
        let trace = (step.progress > 0 && step.progress < 100).then(|| format!("{} of 100", step.progress));
        json!({
            "id": step.id,
            "name": step.name,
            "progress": step.progress,
            "start_date": step.start_date,
            "end_date": step.end_date,
            "migrate_speed": if step.end_date.is_none() && step.start_date.is_some() { task.migrate_speed } else { 0.0 },
            "user_op": step.user_op,
            "process_trace": trace,
        })
    };
    task.sub_tasks.iter().map(step).collect()
}

fn task_source(source: &Source, state: &str) -> Value {
    json!({
        "id": source.id,
        "ip": source.ip,
        "name": source.name,
        "os_type": source.os_type,
        "os_version": source.os_version,
        "oem_system": false,
        "state": state,
        "migration_cycle": source.migration_cycle,
    })
}

fn target(task: &Task, shown: bool) -> Value {
    let ip = match &task.target.ip {
        Some(ip) => json!(ip),
        None if task.ordinal.is_multiple_of(2) => json!(""),
        None => Value::Null,
    };
    let mut json = object(json!({
        "id": task.target.id,
        "vm_id": task.target.vm_id,
        "name": task.target.name,
        "ip": ip,
        "os_type": task.os_type(),
        "os_version": null,
    }));
    if shown {
        insert(&mut json, "disks", json!([]));
        insert(&mut json, "volume_groups", json!([]));
    }
    json.into()
}

/// Some agents post these figures as strings, and the service hands them on as they came.
fn network_check(network: &Network, ordinal: u64) -> Value {
    let figure = |number: f64| if ordinal % 5 == 2 { json!(format!("{number:.2}")) } else { json!(number) };
    json!({
        "domain_connectivity": network.domain_connectivity,
        "destination_connectivity": network.destination_connectivity,
        "network_delay": figure(network.network_delay),
        "network_jitter": figure(network.network_jitter),
        "migration_speed": figure(network.migration_speed),
        "loss_percentage": figure(network.loss_percentage),
        "cpu_usage": figure(network.cpu_usage),
        "mem_usage": figure(network.mem_usage),
        "evaluation_result": "",
    })
}

/// An entry of `/v3/errors`.
pub(super) fn migration_error(error: &MigrationError) -> Value {
    json!({
        "source_id": error.source_id,
        "source_ip": error.source_ip,
        "target_ip": error.target_ip,
        "name": error.name,
        "host_name": error.host_name,
        "error_json": error.error_json,
    })
}

/// `/v3/tasks/{id}/speed-limit`.
pub(super) fn speed_rules(task: &Task) -> Value {
    let rule = |rule: &super::world::SpeedRule| {
        let mut json = object(json!({"start": rule.start, "end": rule.end, "speed": rule.speed}));
        if let Some(threshold) = rule.over_speed_threshold {
            insert(&mut json, "over_speed_threshold", json!(threshold));
        }
        Value::from(json)
    };
    json!({"speed_limit": task.rules.iter().map(rule).collect::<Value>()})
}

/// `/v3/tasks/{id}/consistency-result`: objects, or JSON within strings.
pub(super) fn consistency(task: &Task, result: &Consistency) -> Value {
    let directory = |(name, [total, different, missing, extra]): &(String, [i64; 4])| {
        json!({
            "dir_check": name,
            "num_total_files": total,
            "num_different_files": different,
            "num_target_miss_files": missing,
            "num_target_more_files": extra,
        })
    };
    let result = json!({
        "finished_time": result.finished_time,
        "check_result": result.check_result,
        "consistency_result": result.directories.iter().map(directory).collect::<Value>(),
    });
    let result = if task.ordinal % 4 == 2 { json!(result.to_string()) } else { result };
    json!({"task_id": task.id, "result_list": [result]})
}

impl Task {
    /// `error_json`: "" or JSON within a string, whose parameters are JSON within a string once more.
    pub fn error_json(&self) -> String {
        let Some((code, params)) = &self.error else { return String::new() };
        let (code, params) = (json!(code), json!(json!(params).to_string()));
        // The order of the keys varies in the documents' samples.
        if self.ordinal.is_multiple_of(2) {
            format!(r#"{{"error_code":{code},"error_param":{params}}}"#)
        } else {
            format!(r#"{{"error_param":{params},"error_code":{code}}}"#)
        }
    }

    /// `WINDOWS` or `LINUX`, as its steps tell.
    fn os_type(&self) -> &'static str {
        let windows = self.sub_tasks.iter().any(|step| step.name.contains("WINDOWS"));
        if windows { "WINDOWS" } else { "LINUX" }
    }
}

fn object(json: Value) -> Map<String, Value> {
    let Value::Object(map) = json else { return Map::new() };
    map
}

fn insert(json: &mut Map<String, Value>, key: &str, value: Value) {
    json.insert(key.to_owned(), value);
}

/// Lays the test's own values over the object, and adds a key that no document knows.
fn finish(mut json: Map<String, Value>, odd: &std::collections::BTreeMap<String, Value>) -> Value {
    insert(&mut json, "x_undocumented", json!({"since": 2026, "list": [1, "two", null]}));
    json.extend(odd.iter().map(|(key, value)| (key.clone(), value.clone())));
    json.into()
}
