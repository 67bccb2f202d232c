//! Single values that are not what the documents say.

use std::collections::BTreeSet;

use huaweicloud_sms_exporter::simulator::{Fault, Operation, What};
use serde_json::Value;

use super::{of, own, sum};
use crate::harness::{Rig, Series};

/// Where it stands in an answer, what stands there, and the field that is counted.
type Case = (&'static str, &'static str, &'static str);

const MALFORMED: &str = "sms_exporter_malformed_values_total";
const UNKNOWN: &str = "sms_exporter_unknown_values_total";

fn counter(family: &str, field: &str) -> String {
    format!("{family}{{account=\"test\",field=\"{field}\"}}")
}

/// The families of the fleet that are not the same on two pages, without their prefix.
fn differ(a: &Series, b: &Series) -> BTreeSet<String> {
    let names = a.keys().chain(b.keys()).filter(|name| name.starts_with("huaweicloud_sms_"));
    let changed = names.filter(|name| a.get(*name) != b.get(*name));
    let family = |name: &String| {
        name.split('{').next().unwrap_or(name).trim_start_matches("huaweicloud_sms_").to_owned()
    };
    changed.map(family).collect()
}

fn families(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

/// Replaces one value and asserts the whole state: it is counted, and nothing but these families changes.
async fn costs(rig: &mut Rig, operation: Operation, (path, json, field): Case, counted: &str, lost: &str) {
    rig.poll().await;
    let before = rig.series();
    rig.simulator
        .inject(Fault::always(operation, What::ReplaceField { path: path.into(), json: json.into() }));
    rig.poll().await;
    rig.simulator.clear_faults();
    let (after, case) = (rig.series(), format!("{path} = {json}"));
    for family in [MALFORMED, UNKNOWN] {
        let name = counter(family, field);
        let expected = f64::from(u8::from(family == counted && !field.is_empty()));
        assert_eq!(of(&after, &name) - of(&before, &name), expected, "{case}: {name}");
        let since = sum(&after, family, &[]) - sum(&before, family, &[]);
        assert_eq!(since, expected, "{case}: nothing else is counted in {family}");
    }
    for (collector, _) in super::COLLECTORS {
        assert_eq!(after[&own("poll_success", collector)], 1.0, "{case}: {collector}");
        let exported = own("objects_exported", collector);
        assert_eq!(after[&exported], before[&exported], "{case}: {exported}");
    }
    assert_eq!(differ(&before, &after), families(lost), "{case}: what changes on the page");
}

/// A rig whose first source and first task have everything that the cases below spoil.
async fn rig() -> Rig {
    let rig = Rig::new(6).await;
    rig.simulator.edit(|world| {
        let rich = world.sources.values().find(|source| source.task.is_some()).cloned();
        let rich = rich.expect("a source that migrates");
        let first = world.sources.values_mut().next().expect("there are six");
        (first.checks, first.disks) = (rich.checks, rich.disks);
        (first.state, first.migration_cycle, first.has_tc) = ("waiting".into(), "setting".into(), Some(true));
        first.task = None;
        first.checks.iter_mut().for_each(|check| (check.result, check.error_code) = ("OK".into(), None));
        let first = world.tasks.values_mut().next().expect("some migrate");
        (first.state, first.error, first.speed_limit, first.migrate_speed) = ("READY".into(), None, 10, 5.0);
        (first.ordinal, first.rules) = (1, Vec::new());
        first.network = Some(Default::default());
    });
    rig
}

const SOURCE_MALFORMED: [(Case, &str); 21] = [
    (("source_servers.0.memory", "-1", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "\"lots\"", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "1e999", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "99999999999999999999999", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "[1]", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "{\"a\":1}", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "true", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "\"NaN\"", "sources.memory"), "source_memory_bytes"),
    (("source_servers.0.memory", "null", ""), "source_memory_bytes"),
    (("source_servers.0.memory", "NaN", ""), "source_memory_bytes"),
    (("source_servers.0.memory", "-Infinity", ""), "source_memory_bytes"),
    (("source_servers.0.memory", "\"\"", ""), "source_memory_bytes"),
    (("source_servers.0.memory", "\"4294967296\"", ""), "source_memory_bytes"),
    (("source_servers.0.cpu_quantity", "4294967296", "sources.cpu_quantity"), "source_cpu_cores"),
    (("source_servers.0.totalsize", "-9223372036854775808", "sources.totalsize"), "source_total_size_bytes"),
    (
        ("source_servers.0.add_date", "\"yesterday\"", "sources.add_date"),
        "source_registered_timestamp_seconds",
    ),
    (("source_servers.0.add_date", "1e300", "sources.add_date"), "source_registered_timestamp_seconds"),
    (("source_servers.0.connected", "\"maybe\"", "sources.connected"), "agents source_connected"),
    (("source_servers.0.has_tc", "7", "sources.has_tc"), "source_traffic_control_installed"),
    (("source_servers.0.checks", "{}", "sources.checks"), "checks source_checks"),
    (("source_servers.0.checks.0", "7", "sources.checks"), "checks source_checks"),
];

const DISKS: [(Case, &str); 4] = [
    (
        ("source_servers.0.init_target_server", "[]", "sources.init_target_server"),
        "source_disk_size_bytes source_disk_used_bytes",
    ),
    (
        ("source_servers.0.init_target_server.disks", "\"none\"", "sources.disks"),
        "source_disk_size_bytes source_disk_used_bytes",
    ),
    (
        ("source_servers.0.init_target_server.disks.0.name", "null", "sources.disks.name"),
        "source_disk_size_bytes source_disk_used_bytes",
    ),
    (
        ("source_servers.0.init_target_server.disks.0.size", "-5", "sources.disks.size"),
        "source_disk_size_bytes",
    ),
];

const TASK_MALFORMED: [(Case, &str); 11] = [
    (
        ("tasks.0.migrate_speed", "-1", "tasks.migrate_speed"),
        "task_migrate_speed_bytes_per_second task_overspeed",
    ),
    (
        ("tasks.0.speed_limit", "\"fast\"", "tasks.speed_limit"),
        "task_overspeed task_speed_limit_bytes_per_second",
    ),
    (("tasks.0.compress_rate", "\"x\"", "tasks.compress_rate"), "task_compression_rate"),
    (("tasks.0.create_date", "-1", "tasks.create_date"), "task_created_timestamp_seconds"),
    (("tasks.0.total_time", "[]", "tasks.total_time"), "task_active_seconds"),
    (("tasks.0.sub_tasks", "7", "tasks.sub_tasks"), STEPS),
    (("tasks.0.sub_tasks.0.progress", "101", "tasks.sub_tasks.progress"), "task_subtask_progress_ratio"),
    (("tasks.0.total_cpu_usage", "\"inf\"", "tasks.total_cpu_usage"), "task_host_cpu_usage_ratio"),
    (("tasks.0.network_check_info", "\"bad\"", "tasks.network_check_info"), NETWORK),
    (
        ("tasks.0.network_check_info.loss_percentage", "1000", "tasks.network_check_info.loss_percentage"),
        "task_network_loss_ratio",
    ),
    (("tasks.0.priority", "-1", "tasks.priority"), "task_info"),
];

const STEPS: &str = "task_subtask_finished_timestamp_seconds task_subtask_progress_ratio \
    task_subtask_started_timestamp_seconds";

const NETWORK: &str = "task_network_bandwidth_bytes_per_second task_network_domain_reachable \
    task_network_jitter_seconds task_network_latency_seconds task_network_loss_ratio task_network_target_reachable";

#[tokio::test]
async fn a_bad_value_of_a_source_costs_itself() {
    let mut rig = rig().await;
    for (case, lost) in SOURCE_MALFORMED.into_iter().chain(DISKS) {
        costs(&mut rig, Operation::ListSources, case, MALFORMED, lost).await;
    }
}

#[tokio::test]
async fn a_bad_value_of_a_task_costs_itself() {
    let mut rig = rig().await;
    for (case, lost) in TASK_MALFORMED {
        costs(&mut rig, Operation::ListTasks, case, MALFORMED, lost).await;
    }
}

#[tokio::test]
async fn a_word_that_no_document_has_is_unknown_and_counted() {
    let mut rig = rig().await;
    let state = "source_state source_state_code source_state_transitions_total sources";
    let sources = [
        (("source_servers.0.state", "\"teleporting\"", "sources.state"), state),
        (("source_servers.0.state", "7", "sources.state"), state),
        (
            ("source_servers.0.migration_cycle", "\"x\"", "sources.migration_cycle"),
            "source_stage sources_in_stage",
        ),
        (("source_servers.0.os_type", "\"PLAN9\"", "sources.os_type"), "source_info"),
        (("source_servers.0.checks.0.result", "\"MAYBE\"", "sources.checks.result"), "checks source_checks"),
        (("source_servers.0.checks.0.name", "\"a b\"", "sources.checks.name"), "checks"),
    ];
    for (case, lost) in sources {
        costs(&mut rig, Operation::ListSources, case, UNKNOWN, lost).await;
    }
    let tasks = [
        (
            ("tasks.0.state", "\"DREAMING\"", "tasks.state"),
            "task_state task_state_code task_state_transitions_total tasks",
        ),
        (("tasks.0.type", "\"MIGRATE_MAGIC\"", "tasks.type"), "task_info tasks"),
    ];
    for (case, lost) in tasks {
        costs(&mut rig, Operation::ListTasks, case, UNKNOWN, lost).await;
    }
}

#[tokio::test]
async fn an_object_without_an_id_costs_that_object() {
    let mut rig = rig().await;
    rig.poll().await;
    let before = rig.series();
    let id = rig.simulator.truth().sources.into_keys().next().expect("there are six");
    let cases = [
        ("source_servers.0.id", "null", "sources.id"),
        ("source_servers.0.id", "\"\"", "sources.id"),
        ("source_servers.0.id", "[]", "sources.id"),
        ("source_servers.0", "7", "sources"),
        ("source_servers.0", "null", "sources"),
        ("source_servers.0", "[\"x\"]", "sources"),
    ];
    for (path, json, field) in cases {
        let (fault, counted) =
            (What::ReplaceField { path: path.into(), json: json.into() }, counter(MALFORMED, field));
        let counted_before = of(&rig.series(), &counted);
        rig.simulator.inject(Fault::always(Operation::ListSources, fault));
        rig.poll().await;
        rig.poll().await;
        rig.simulator.clear_faults();
        let after = rig.series();
        assert_eq!(of(&after, &counted) - counted_before, 2.0, "{path} = {json}, in two polls");
        assert_eq!(after[&own("poll_success", "sources")], 1.0, "{path} = {json}");
        assert_eq!(after[&own("objects_expected", "sources")], 6.0, "{path} = {json}");
        assert_eq!(after[&own("objects_exported", "sources")], 5.0, "{path} = {json}");
        assert!(!after.keys().any(|name| name.contains(&id)), "{path} = {json}: it is gone");
        let others = before.iter().filter(|(name, _)| name.contains("source_id=") && !name.contains(&id));
        for (name, value) in others.filter(|(name, _)| !name.contains("_total{")) {
            assert_eq!(after.get(name), Some(value), "{path} = {json}: {name}");
        }
        rig.poll().await;
    }
}

#[tokio::test]
async fn nesting_however_deep_costs_the_value_it_stands_in() {
    let mut rig = rig().await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).leak();
    let case: Case = ("source_servers.0.memory", deep, "sources.memory");
    costs(&mut rig, Operation::ListSources, case, MALFORMED, "source_memory_bytes").await;
    let case: Case = ("source_servers.0.x_undocumented", deep, "");
    costs(&mut rig, Operation::ListSources, case, MALFORMED, "").await;
}

#[tokio::test]
async fn every_kind_of_error_json_gives_its_code() {
    let mut rig = rig().await;
    let samples: Value = serde_json::from_str(include_str!("../../fixtures/quirk-samples.json"))
        .expect("the samples are JSON");
    let id = rig.simulator.truth().tasks.into_keys().next().expect("some migrate");
    for sample in samples["error_json"].as_array().expect("a list") {
        rig.simulator.edit(|world| {
            let task = world.tasks.get_mut(&id).expect("it stays");
            task.odd.insert("error_json".into(), sample["value"].clone());
        });
        rig.poll().await;
        let series = rig.series();
        let told: Vec<&String> =
            series.keys().filter(|name| name.starts_with("huaweicloud_sms_task_error_info{")).collect();
        match sample["code"].as_str() {
            Some(code) => {
                let [only] = told.as_slice() else { panic!("{sample}: {told:?}") };
                assert!(
                    only.contains(&id) && only.contains(&format!("error_code=\"{code}\"")),
                    "{sample}: {only}"
                );
            }
            None => assert_eq!(told, [""; 0], "{sample}"),
        }
        assert_eq!(series[&own("poll_success", "tasks")], 1.0, "{sample}");
    }
}

#[tokio::test]
async fn codes_that_would_make_two_series_of_one_name_make_one() {
    let mut rig = rig().await;
    rig.poll().await;
    let problem = |code: Value| serde_json::json!({"name": "CPU", "result": "ERROR", "error_code": code});
    let checks = serde_json::json!([problem(Value::Null), problem("unknown".into()), problem(Value::Null)]);
    rig.simulator.edit(|world| {
        let source = world.sources.values_mut().next().expect("there are six");
        source.odd.insert("checks".into(), checks);
        for (task, code) in world.tasks.values_mut().zip([Value::Null, "unknown".into()]) {
            task.odd.insert("error_json".into(), serde_json::json!({"error_code": code}));
            task.state = "MIGRATE_FAIL".into();
        }
    });
    rig.poll().await;
    let series = rig.series();
    assert_eq!(sum(&series, "huaweicloud_sms_source_check_problem", &["check=\"CPU\"", "\"unknown\""]), 1.0);
    assert_eq!(sum(&series, "huaweicloud_sms_check_failures_total", &["check=\"CPU\""]), 3.0);
    assert_eq!(sum(&series, "huaweicloud_sms_task_failures_total", &["error_code=\"unknown\""]), 2.0);
}
