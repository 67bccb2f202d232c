//! Every field of a source, every oddity of the samples, and wrong values everywhere.

use serde_json::{Value, json};

use super::super::tests::{Except, Portrait, each_costs_only_itself, read};
use super::*;
use crate::model::Timestamp;

/// By what a source, its disk and its task are told.
const TELLING: [&str; 3] = ["/id", "/init_target_server/disks/0/name", "/current_task/id"];

/// A source with every field that is read.
fn whole() -> Value {
    json!({
        "id": "s1",
        "name": "web",
        "hostname": "web-1",
        "ip": "192.168.0.1",
        "os_type": "LINUX",
        "os_version": "CENTOS_7_6_64BIT",
        "enterprise_project_id": "e1",
        "agent_version": "6.1.8",
        "firmware": "BIOS",
        "state": "replicate",
        "migration_cycle": "replicating",
        "connected": true,
        "replicatesize": 1000,
        "totalsize": 4000,
        "cpu_quantity": 4,
        "memory": 8_581_140_480_u64,
        "init_target_server": {
            "disks": [{"name": "/dev/vda", "device_use": "BOOT|OS", "size": 42_949_672_960_u64, "used_size": 7}],
        },
        "checks": [{
            "name": "LINUX_BLOCK_SUPPORT",
            "result": "WARN",
            "error_code": "SMS.6617",
        }],
        "add_date": 1_598_417_717_001_i64,
        "state_action_time": 1_598_417_717_002_i64,
        "stage_action_time": 1_598_417_717_003_i64,
        "last_visit_time": 1_598_417_717_004_i64,
        "has_tc": false,
        "is_consistency_result_exist": true,
        "current_task": {
            "id": "t1",
            "region_id": "cn-north-4",
            "project_name": "p",
            "target_server": {"vm_id": "v1", "name": "target"},
            "start_date": 1_598_417_717_005_i64,
            "remain_seconds": 60,
        },
    })
}

fn portrait(source: &Source) -> Portrait {
    let Source {
        id,
        name,
        facts:
            SourceFacts { hostname, ip, os_type, os_version, enterprise_project_id, agent_version, firmware },
        state,
        stage,
        connected,
        replicated,
        total,
        cpus,
        memory,
        disks,
        checks,
        registered,
        state_changed,
        stage_changed,
        connection_changed,
        traffic_control,
        consistency_result,
        current_task,
    } = source;
    let mut portrait = vec![
        ("id", format!("{id}")),
        ("name", format!("{name}")),
        ("hostname", format!("{hostname:?}")),
        ("ip", format!("{ip:?}")),
        ("os_type", format!("{os_type:?}")),
        ("os_version", format!("{os_version:?}")),
        ("enterprise_project_id", format!("{enterprise_project_id:?}")),
        ("agent_version", format!("{agent_version:?}")),
        ("firmware", format!("{firmware:?}")),
        ("state", format!("{state:?}")),
        ("stage", format!("{stage:?}")),
        ("connected", format!("{connected:?}")),
        ("replicated", format!("{replicated:?}")),
        ("total", format!("{total:?}")),
        ("cpus", format!("{cpus:?}")),
        ("memory", format!("{memory:?}")),
        ("registered", format!("{registered:?}")),
        ("state changed", format!("{state_changed:?}")),
        ("stage changed", format!("{stage_changed:?}")),
        ("connection changed", format!("{connection_changed:?}")),
        ("traffic control", format!("{traffic_control:?}")),
        ("consistency", format!("{consistency_result:?}")),
    ];
    portrait.extend(within(disks, checks, current_task.as_deref()));
    portrait
}

/// What a source's disks, checks and task say.
fn within(disks: &[Disk], checks: &[Check], task: Option<&CurrentTask>) -> Portrait {
    let (disk, check) = (disks.first(), checks.first());
    let target = task.map(|task| (&task.target_id, &task.target_name));
    vec![
        ("disks", format!("{:?}", disks.len())),
        ("disk name", format!("{:?}", disk.map(|disk| &disk.name))),
        ("disk use", format!("{:?}", disk.map(|disk| &disk.device_use))),
        ("disk size", format!("{:?}", disk.map(|disk| disk.size))),
        ("disk used", format!("{:?}", disk.map(|disk| disk.used))),
        ("checks", format!("{:?}", checks.len())),
        ("check name", format!("{:?}", check.map(|check| &check.name))),
        ("check result", format!("{:?}", check.map(|check| check.result))),
        ("check code", format!("{:?}", check.map(|check| &check.error_code))),
        ("task id", format!("{:?}", task.map(|task| &task.id))),
        ("task region", format!("{:?}", task.map(|task| &task.region_id))),
        ("task project", format!("{:?}", task.map(|task| &task.project_name))),
        ("task target", format!("{target:?}")),
        ("task started", format!("{:?}", task.map(|task| task.started))),
        ("task remain", format!("{:?}", task.map(|task| task.remain))),
    ]
}

fn source(json: &Value) -> Source {
    read(&json.to_string()).0.expect("the source is read")
}

#[test]
fn every_field_reaches_the_model_in_its_own_unit() {
    let (source, notes) = read::<Source>(&whole().to_string());
    let source = source.expect("a whole source is read");
    let at = |millis: i64| Some(Timestamp::from_millis(1_598_417_717_000 + millis));
    let text = |text: &str| Some(Box::from(text));
    let expected = Source {
        id: SourceId::new("s1"),
        name: "web".into(),
        facts: SourceFacts {
            hostname: text("web-1"),
            ip: text("192.168.0.1"),
            os_type: Some(OsType::Linux),
            os_version: text("CENTOS_7_6_64BIT"),
            enterprise_project_id: text("e1"),
            agent_version: text("6.1.8"),
            firmware: text("BIOS"),
        },
        state: Some(SourceState::Replicate),
        stage: Some(Stage::Replicating),
        connected: Some(true),
        replicated: Some(1000),
        total: Some(4000),
        cpus: Some(4),
        memory: Some(8_581_140_480),
        disks: vec![Disk {
            name: "/dev/vda".into(),
            device_use: text("BOOT|OS"),
            size: Some(42_949_672_960),
            used: Some(7),
        }],
        checks: vec![Check {
            name: "LINUX_BLOCK_SUPPORT".into(),
            result: CheckResult::Warn,
            error_code: ErrorCode::new("SMS.6617"),
        }],
        registered: at(1),
        state_changed: at(2),
        stage_changed: at(3),
        connection_changed: at(4),
        traffic_control: Some(false),
        consistency_result: Some(true),
        current_task: Some(Box::new(CurrentTask {
            id: TaskId::new("t1"),
            region_id: text("cn-north-4"),
            project_name: text("p"),
            target_id: text("v1"),
            target_name: text("target"),
            started: at(5),
            remain: Some(60.0),
        })),
    };
    assert_eq!(source, expected);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_wrong_value_anywhere_costs_only_itself_and_is_noted() {
    each_costs_only_itself::<Source>(&whole(), portrait, Except { telling: &TELLING, quiet: &[] });
}

#[test]
fn a_wrong_error_or_warn_costs_only_the_code_that_it_may_hold() {
    let mut whole = whole();
    whole["checks"][0].as_object_mut().expect("a check").remove("error_code");
    whole["checks"][0]["error_or_warn"] = json!({"error_code": "SMS.6617"});
    let quiet = ["/checks/0/error_or_warn", "/checks/0/error_or_warn/error_code"];
    each_costs_only_itself::<Source>(&whole, portrait, Except { telling: &TELLING, quiet: &quiet });
}

#[test]
fn a_source_with_nothing_but_an_id_says_nothing() {
    let (source, notes) = read::<Source>(r#"{"id": 5}"#);
    let source = source.expect("an id is enough");
    assert_eq!((source.id.as_str(), &*source.name), ("5", ""));
    let said: Vec<(&str, String)> = portrait(&source)
        .into_iter()
        .filter(|(_, value)| !matches!(value.as_str(), "None" | "" | "0"))
        .collect();
    let default = "Some(\"0\")".to_owned();
    assert_eq!(said, [("id", "5".into()), ("enterprise_project_id", default)]);
    assert!(notes.is_empty());
}

#[test]
fn the_checks_of_the_quirk_samples_give_their_codes() {
    let fixture = include_str!("../../../../tests/fixtures/quirk-samples.json");
    let fixture: Value = serde_json::from_str(fixture).expect("the fixture is JSON");
    let samples = fixture["environment_check"].as_array().expect("a list");
    let told: Vec<String> = samples
        .iter()
        .map(|sample| source(&json!({"id": "s", "checks": [sample["value"]]})))
        .flat_map(|source| source.checks)
        .map(|Check { name, result, error_code }| {
            let code = error_code.map(|code| code.to_string()).unwrap_or_default();
            format!("{name} {} {code}", result.label())
        })
        .collect();
    assert_eq!(told, ["OS_VERSION ERROR SMS.6504", "LINUX_BLOCK_SUPPORT WARN SMS.6617", "X WARN "]);
}

#[test]
fn a_disk_that_comes_twice_is_one_disk() {
    let disks = json!([
        {"name": "sdb", "size": 2, "device_use": "NORMAL"},
        {"name": "sda", "size": 1, "device_use": "OS | boot"},
        {"name": "sdb", "size": 3, "device_use": "OS"},
        {"name": "", "size": 4},
    ]);
    let json = json!({"id": "s", "init_target_server": {"disks": disks}});
    let (source, notes) = read::<Source>(&json.to_string());
    let source = source.expect("the source is read");
    let told: Vec<_> =
        source.disks.iter().map(|disk| (&*disk.name, disk.device_use.as_deref(), disk.size)).collect();
    assert_eq!(told, [("sda", Some("BOOT|OS"), Some(1)), ("sdb", Some("NORMAL"), Some(2))]);
    assert_eq!(notes.malformed["sources.disks.name"], 1, "a disk without a name cannot be told");
}

#[test]
fn memory_below_sixteen_mebibytes_is_in_mebibytes() {
    let memory = |memory: u64| source(&json!({"id": "s", "memory": memory})).memory;
    assert_eq!(memory(2048), Some(2 << 30));
    assert_eq!(memory((16 << 20) - 1), Some(((16 << 20) - 1) << 20));
    assert_eq!(memory(16 << 20), Some(16 << 20));
    assert_eq!(memory(0), Some(0));
}

#[test]
fn a_task_without_an_id_is_no_task() {
    for id in [json!(null), json!(""), json!({})] {
        assert_eq!(source(&json!({"id": "s", "current_task": {"id": id}})).current_task, None);
    }
}
