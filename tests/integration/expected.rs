//! What a page must say of a world, written down from the documents and from none of the exporter's code.

use huaweicloud_sms_exporter::simulator::{Source, Task, World};

use crate::harness::Series;

/// States of source servers by the catalogue's codes, which begin at 1.
const SOURCE_STATES: [&str; 23] = [
    "unavailable",
    "waiting",
    "initialize",
    "replicate",
    "syncing",
    "stopping",
    "stopped",
    "skipping",
    "deleting",
    "error",
    "cloning",
    "cutovering",
    "finished",
    "clearing",
    "cleared",
    "clearfailed",
    "premigready",
    "premiging",
    "premiged",
    "premigfailed",
    "testing",
    "available",
    "unconnected",
];

/// States of tasks by the catalogue's codes, which begin at 1.
const TASK_STATES: [&str; 14] = [
    "READY",
    "RUNNING",
    "SYNCING",
    "MIGRATE_SUCCESS",
    "SYNC_SUCCESS",
    "MIGRATE_FAIL",
    "SYNC_FAIL",
    "ABORTING",
    "ABORT",
    "SKIPPING",
    "DELETING",
    "RESETING",
    "SYNC_F_ROLLBACKING",
    "SYNC_F_ROLLBACK_SUCCESS",
];

const STAGES: [&str; 10] = [
    "checking",
    "setting",
    "replicating",
    "syncing",
    "cutovering",
    "cutovered",
    "no_ready",
    "ready_for_test",
    "testing",
    "tested",
];

const RESULTS: [&str; 4] = ["OK", "WARN", "ERROR", "unknown"];

/// Bytes a second in a Mbit/s, as the documents count: a million bits.
const MBIT: f64 = 125_000.0;

/// Series under construction.
#[derive(Default)]
struct Sheet(Series);

impl Sheet {
    fn put(&mut self, family: &str, labels: &str, value: f64) {
        let name = format!("huaweicloud_sms_{family}{{account=\"test\",{labels}}}");
        assert_eq!(self.0.insert(name.clone(), value), None, "{name} is expected twice");
    }

    fn maybe(&mut self, family: &str, labels: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.put(family, labels, value);
        }
    }
}

/// What a page must say of the world, for the families that are listed by [`is_expected`].
pub(crate) fn expected(world: &World) -> Series {
    let mut sheet = Sheet::default();
    sums(&mut sheet, world);
    for source in world.sources.values() {
        source_series(&mut sheet, source);
    }
    for task in world.tasks.values() {
        task_series(&mut sheet, world, task);
    }
    sheet.0
}

/// Whether [`expected`] tells all series of the family that this one belongs to.
pub(crate) fn is_expected(series: &str) -> bool {
    let family = series.split('{').next().unwrap_or(series);
    let Some(family) = family.strip_prefix("huaweicloud_sms_") else { return false };
    // Told elsewhere: events, what merely describes, and what hangs on tables of codes and categories.
    let elsewhere = [
        "source_info",
        "task_info",
        "migration_errors",
        "source_error_info",
        "task_error_info",
        "task_overspeed_threshold_ratio",
        "task_remaining_seconds",
        "task_consistency_files",
        "task_consistency_checked_timestamp_seconds",
    ];
    !family.ends_with("_total") && !elsewhere.contains(&family)
}

/// A state that the documents know, or `unknown`.
pub(crate) fn known(state: &str) -> &str {
    let is_known = SOURCE_STATES.contains(&state) || TASK_STATES.contains(&state);
    if is_known { state } else { "unknown" }
}

fn code(states: &[&str], state: &str) -> f64 {
    states.iter().position(|known| *known == state).map_or(0.0, |at| at as f64 + 1.0)
}

fn sums(sheet: &mut Sheet, world: &World) {
    let count =
        |matches: &dyn Fn(&Source) -> bool| world.sources.values().filter(|s| matches(s)).count() as f64;
    for state in SOURCE_STATES.into_iter().chain(["unknown"]) {
        sheet.put("sources", &format!("state=\"{state}\""), count(&|source| known(&source.state) == state));
    }
    for stage in STAGES {
        sheet.put("sources_in_stage", &format!("stage=\"{stage}\""), count(&|s| s.migration_cycle == stage));
    }
    sheet.put("sources_in_stage", "stage=\"unknown\"", 0.0);
    sheet.put("agents", "status=\"connected\"", count(&|source| source.connected));
    sheet.put("agents", "status=\"disconnected\"", count(&|source| !source.connected));
    for (state, count) in world.overview() {
        sheet.put("overview_sources", &format!("state=\"{state}\""), count as f64);
    }
    sheet.put("overview_sources", "state=\"skipping\"", 0.0);
    for state in TASK_STATES.into_iter().chain(["unknown"]) {
        for kind in ["MIGRATE_FILE", "MIGRATE_BLOCK", "unknown"] {
            let tasks = world.tasks.values().filter(|task| known(&task.state) == state && task.kind == kind);
            sheet.put("tasks", &format!("state=\"{state}\",type=\"{kind}\""), tasks.count() as f64);
        }
    }
    let checks = || world.sources.values().flat_map(|source| &source.checks);
    let names: std::collections::BTreeSet<_> = checks().map(|check| check.name.clone()).collect();
    for name in names {
        for result in RESULTS {
            let count = checks().filter(|check| check.name == name && check.result == result).count();
            sheet.put("checks", &format!("check=\"{name}\",result=\"{result}\""), count as f64);
        }
    }
}

fn source_series(sheet: &mut Sheet, source: &Source) {
    let labels = format!("source_id=\"{}\",source_name=\"{}\"", source.id, source.name);
    let with = |further: &str| format!("{labels},{further}");
    let state = known(&source.state);
    sheet.put("source_state", &with(&format!("state=\"{state}\"")), 1.0);
    sheet.put("source_state_code", &labels, code(&SOURCE_STATES, state));
    sheet.put("source_stage", &with(&format!("stage=\"{}\"", source.migration_cycle)), 1.0);
    sheet.put("source_connected", &labels, f64::from(source.connected));
    // What is negative is no size.
    let size = |bytes: i64| (bytes >= 0).then_some(bytes as f64);
    sheet.maybe("source_replicated_size_bytes", &labels, size(source.replicatesize));
    sheet.maybe("source_total_size_bytes", &labels, size(source.totalsize));
    sheet.put("source_cpu_cores", &labels, source.cpu_quantity as f64);
    sheet.put("source_memory_bytes", &labels, source.memory as f64);
    for disk in &source.disks {
        let labels = with(&format!("disk=\"{}\",use=\"{}\"", disk.name, disk.device_use));
        sheet.put("source_disk_size_bytes", &labels, disk.size as f64);
        sheet.put("source_disk_used_bytes", &labels, disk.used_size as f64);
    }
    for result in RESULTS.into_iter().filter(|_| !source.checks.is_empty()) {
        let count = source.checks.iter().filter(|check| check.result == result).count();
        sheet.put("source_checks", &with(&format!("result=\"{result}\"")), count as f64);
    }
    for check in source.checks.iter().filter(|check| check.result != "OK") {
        let code = check.error_code.as_deref().unwrap_or("unknown");
        let further = format!("check=\"{}\",result=\"{}\",error_code=\"{code}\"", check.name, check.result);
        sheet.put("source_check_problem", &with(&further), 1.0);
    }
    let times = [
        ("source_registered_timestamp_seconds", Some(source.add_date)),
        ("source_state_changed_timestamp_seconds", source.state_action_time),
        ("source_stage_changed_timestamp_seconds", source.stage_action_time),
        ("source_connection_changed_timestamp_seconds", source.last_visit_time),
    ];
    for (family, millis) in times {
        sheet.maybe(family, &labels, seconds(millis));
    }
    sheet.maybe("source_traffic_control_installed", &labels, source.has_tc.map(f64::from));
    let available = f64::from(source.is_consistency_result_exist);
    sheet.put("source_consistency_result_available", &labels, available);
}

/// Epoch milliseconds as seconds; 0 is unset.
fn seconds(millis: Option<i64>) -> Option<f64> {
    millis.filter(|millis| *millis > 0).map(|millis| millis as f64 / 1000.0)
}

fn task_series(sheet: &mut Sheet, world: &World, task: &Task) {
    let source = world.sources.get(&task.source_id);
    let (source_id, source_name) = source.map_or(("", ""), |source| (&source.id, &source.name));
    let labels = format!("task_id=\"{}\",source_id=\"{source_id}\",source_name=\"{source_name}\"", task.id);
    let state = known(&task.state);
    sheet.put("task_state", &format!("{labels},state=\"{state}\""), 1.0);
    sheet.put("task_state_code", &labels, code(&TASK_STATES, state));
    speeds(sheet, world, task, &labels);
    sheet.put("task_compression_rate", &labels, task.compress_rate);
    sheet.maybe("task_created_timestamp_seconds", &labels, seconds(Some(task.create_date)));
    sheet.maybe("task_estimated_completion_timestamp_seconds", &labels, seconds(task.estimate_complete_time));
    // Only a source's current task tells when it was started.
    let is_current = source.is_some_and(|source| source.task.as_deref() == Some(task.id.as_str()));
    let started = task.start_date.filter(|_| is_current);
    sheet.maybe("task_started_timestamp_seconds", &labels, seconds(started));
    sheet.put("task_active_seconds", &labels, task.total_time as f64 / 1000.0);
    if !["MIGRATE_SUCCESS", "SYNC_SUCCESS", "DELETING"].contains(&state) {
        steps(sheet, task, &labels);
    }
    let usage = &task.usage;
    let load = [
        ("task_host_cpu_usage_ratio", usage.total_cpu_usage / 100.0),
        ("task_agent_cpu_usage_ratio", usage.agent_cpu_usage / 100.0),
        ("task_host_memory_used_bytes", usage.total_mem_usage * 1_048_576.0),
        ("task_agent_memory_used_bytes", usage.agent_mem_usage * 1_048_576.0),
        ("task_host_disk_io_bytes_per_second", usage.total_disk_io * MBIT),
        ("task_agent_disk_io_bytes_per_second", usage.agent_disk_io * MBIT),
    ];
    for (family, value) in load {
        sheet.put(family, &labels, value);
    }
    let Some(network) = &task.network else { return };
    // The service hands some agents' figures on as text with two decimals.
    let quality = [
        ("task_network_latency_seconds", network.network_delay / 1000.0),
        ("task_network_jitter_seconds", network.network_jitter / 1000.0),
        ("task_network_loss_ratio", network.loss_percentage / 100.0),
        ("task_network_bandwidth_bytes_per_second", network.migration_speed * MBIT),
        ("task_network_domain_reachable", f64::from(network.domain_connectivity)),
        ("task_network_target_reachable", f64::from(network.destination_connectivity)),
    ];
    for (family, value) in quality {
        sheet.put(family, &labels, value);
    }
}

fn speeds(sheet: &mut Sheet, world: &World, task: &Task, labels: &str) {
    sheet.put("task_migrate_speed_bytes_per_second", labels, task.migrate_speed * MBIT);
    // Rules are asked for while a task copies; else its own limit is all there is.
    let copies = ["RUNNING", "SYNCING"].contains(&&*task.state);
    let in_force = task.limit_at(world.now_ms).map(|(limit, _)| limit);
    let limit = if copies { in_force } else { Some(task.speed_limit).filter(|limit| *limit > 0) };
    sheet.maybe("task_speed_limit_bytes_per_second", labels, limit.map(|limit| limit as f64 * MBIT));
    let over = limit.map(|limit| f64::from(task.migrate_speed > limit as f64));
    sheet.maybe("task_overspeed", labels, over);
}

fn steps(sheet: &mut Sheet, task: &Task, labels: &str) {
    let mut runs = std::collections::BTreeMap::new();
    for step in &task.sub_tasks {
        // One spelling in the documents is a slip.
        let run = runs.entry(step.name.replace("DETTACH", "DETACH")).or_insert(step);
        // A step that was repeated is told once, by its latest run.
        if run.start_date <= step.start_date {
            *run = step;
        }
    }
    for (name, step) in runs {
        let labels = format!("{labels},subtask=\"{name}\"");
        sheet.put("task_subtask_progress_ratio", &labels, step.progress as f64 / 100.0);
        sheet.maybe("task_subtask_started_timestamp_seconds", &labels, seconds(step.start_date));
        sheet.maybe("task_subtask_finished_timestamp_seconds", &labels, seconds(step.end_date));
    }
}
