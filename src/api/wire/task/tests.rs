//! Every field of a task, every oddity of the samples, and wrong values everywhere.

use serde_json::{Value, json};

use super::super::tests::{Except, Portrait, each_costs_only_itself, read};
use super::*;
use crate::model::{ErrorCode, Timestamp};

/// A task with every field that is read.
fn whole() -> Value {
    json!({
        "id": "t1",
        "name": "MigrationTask",
        "type": "MIGRATE_FILE",
        "os_type": "LINUX",
        "state": "RUNNING",
        "priority": 1,
        "migration_ip": "10.0.0.1",
        "migrate_speed": 80,
        "speed_limit": 160,
        "compress_rate": 1.5,
        "create_date": 1_598_435_778_001_i64,
        "estimate_complete_time": 1_598_435_778_002_i64,
        "total_time": 935_000,
        "error_json": "{\"error_code\":\"SMS.1302\",\"error_param\":\"[]\"}",
        "sub_tasks": [{
            "name": "MIGRATE_LINUX_FILE",
            "progress": 25,
            "start_date": 1_598_435_778_003_i64,
            "end_date": 1_598_435_778_004_i64,
        }],
        "source_server": {"id": "s1", "name": "web"},
        "target_server": {"vm_id": "v1", "name": "target"},
        "network_check_info": {
            "domain_connectivity": true,
            "destination_connectivity": false,
            "network_delay": 20,
            "network_jitter": 2,
            "migration_speed": 800,
            "loss_percentage": 5,
        },
        "total_cpu_usage": 50,
        "agent_cpu_usage": 25,
        "total_mem_usage": 2048,
        "agent_mem_usage": 1,
        "total_disk_io": 8,
        "agent_disk_io": 4,
    })
}

fn portrait(task: &Task) -> Portrait {
    let Task {
        id,
        source_id,
        source_name,
        facts: TaskFacts { name, task_type, os_type, priority, target_id, target_name, target_ip },
        state,
        speed,
        speed_limit,
        compression_rate,
        created,
        estimated_completion,
        active_seconds,
        error_code,
        subtasks,
        load: Load { host_cpu, agent_cpu, host_memory, agent_memory, host_disk_io, agent_disk_io },
        network,
    } = task;
    let (subtask, known) = (subtasks.first(), network.is_some());
    let network = network.unwrap_or_default();
    vec![
        ("id", format!("{id}")),
        ("source id", format!("{source_id:?}")),
        ("source name", format!("{source_name:?}")),
        ("name", format!("{name:?}")),
        ("type", format!("{task_type:?}")),
        ("os_type", format!("{os_type:?}")),
        ("priority", format!("{priority:?}")),
        ("target id", format!("{target_id:?}")),
        ("target name", format!("{target_name:?}")),
        ("target ip", format!("{target_ip:?}")),
        ("state", format!("{state:?}")),
        ("speed", format!("{speed:?}")),
        ("speed limit", format!("{speed_limit:?}")),
        ("compression", format!("{compression_rate:?}")),
        ("created", format!("{created:?}")),
        ("estimate", format!("{estimated_completion:?}")),
        ("active", format!("{active_seconds:?}")),
        ("error", format!("{error_code:?}")),
        ("subtasks", format!("{:?}", subtasks.len())),
        ("subtask name", format!("{:?}", subtask.map(|subtask| &subtask.name))),
        ("subtask progress", format!("{:?}", subtask.map(|subtask| subtask.progress))),
        ("subtask started", format!("{:?}", subtask.map(|subtask| subtask.started))),
        ("subtask finished", format!("{:?}", subtask.map(|subtask| subtask.finished))),
        ("host cpu", format!("{host_cpu:?}")),
        ("agent cpu", format!("{agent_cpu:?}")),
        ("host memory", format!("{host_memory:?}")),
        ("agent memory", format!("{agent_memory:?}")),
        ("host disk", format!("{host_disk_io:?}")),
        ("agent disk", format!("{agent_disk_io:?}")),
        ("network", format!("{known:?}")),
        ("latency", format!("{:?}", network.latency)),
        ("jitter", format!("{:?}", network.jitter)),
        ("loss", format!("{:?}", network.loss)),
        ("bandwidth", format!("{:?}", network.bandwidth)),
        ("domain", format!("{:?}", network.domain_reachable)),
        ("target", format!("{:?}", network.target_reachable)),
    ]
}

fn task(json: &Value) -> Task {
    read(&json.to_string()).0.expect("the task is read")
}

#[test]
fn every_field_reaches_the_model_in_base_units() {
    let (task, notes) = read::<Task>(&whole().to_string());
    let at = |millis: i64| Some(Timestamp::from_millis(1_598_435_778_000 + millis));
    let text = |text: &str| Some(Box::from(text));
    let expected = Task {
        id: TaskId::new("t1"),
        source_id: Some(SourceId::new("s1")),
        source_name: text("web"),
        facts: TaskFacts {
            name: text("MigrationTask"),
            task_type: Some(TaskType::MigrateFile),
            os_type: Some(OsType::Linux),
            priority: Some(1),
            target_id: text("v1"),
            target_name: text("target"),
            target_ip: text("10.0.0.1"),
        },
        state: Some(TaskState::Running),
        speed: Some(10e6),
        speed_limit: Some(20e6),
        compression_rate: Some(1.5),
        created: at(1),
        estimated_completion: at(2),
        active_seconds: Some(935.0),
        error_code: ErrorCode::new("SMS.1302"),
        subtasks: vec![Subtask {
            name: "MIGRATE_LINUX_FILE".into(),
            progress: Some(0.25),
            started: at(3),
            finished: at(4),
        }],
        load: Load {
            host_cpu: Some(0.5),
            agent_cpu: Some(0.25),
            host_memory: Some(2_147_483_648.0),
            agent_memory: Some(1_048_576.0),
            host_disk_io: Some(1e6),
            agent_disk_io: Some(5e5),
        },
        network: Some(Network {
            latency: Some(0.02),
            jitter: Some(0.002),
            loss: Some(0.05),
            bandwidth: Some(1e8),
            domain_reachable: Some(true),
            target_reachable: Some(false),
        }),
    };
    assert_eq!(task, Some(expected));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_wrong_value_anywhere_costs_only_itself_and_is_noted() {
    let telling = ["/id", "/sub_tasks/0/name"];
    each_costs_only_itself::<Task>(&whole(), portrait, Except { telling: &telling, quiet: &[] });
}

#[test]
fn a_task_with_nothing_but_an_id_says_nothing() {
    let (task, notes) = read::<Task>(r#"{"id": "t"}"#);
    let task = task.expect("an id is enough");
    let said: Vec<&str> = portrait(&task)
        .into_iter()
        .filter(|(_, value)| !matches!(value.as_str(), "None" | "0" | "false"))
        .map(|(part, _)| part)
        .collect();
    assert_eq!(said, ["id"]);
    assert!(notes.is_empty());
}

#[test]
fn a_subtask_that_ran_twice_is_told_by_its_latest_run() {
    let subtasks = json!([
        {"name": "SSL_CONFIG", "progress": 100, "start_date": 1000, "end_date": 2000},
        {"name": "SSL_CONFIG", "progress": 40, "start_date": 5000, "end_date": null},
        {"name": "SSL_CONFIG", "progress": 90, "start_date": 3000, "end_date": 4000},
        {"name": "DETTACH_AGENT_IMAGE"},
        {"name": "DETACH_AGENT_IMAGE", "progress": 10},
        {"name": "a name that is prose"},
        {"name": null},
    ]);
    let (task, notes) = read::<Task>(&json!({"id": "t", "sub_tasks": subtasks}).to_string());
    let task = task.expect("the task is read");
    let told: Vec<_> = task.subtasks.iter().map(|subtask| (&*subtask.name, subtask.progress)).collect();
    assert_eq!(told, [("SSL_CONFIG", Some(0.4)), ("DETACH_AGENT_IMAGE", Some(0.1))]);
    assert_eq!(notes.malformed["tasks.sub_tasks.name"], 2);
}

#[test]
fn the_target_is_told_by_what_is_not_empty() {
    let json =
        json!({"id": "t", "migration_ip": "", "target_server": {"vm_id": "", "name": "", "ip": "10.0.0.2"}});
    let facts = task(&json).facts;
    assert_eq!((facts.target_id, facts.target_name), (None, None));
    assert_eq!(facts.target_ip.as_deref(), Some("10.0.0.2"));
}

#[test]
fn a_progress_beyond_a_hundred_is_malformed_and_a_busy_cpu_is_not() {
    let json = json!({"id": "t", "sub_tasks": [{"name": "X", "progress": 101}], "total_cpu_usage": 350});
    let (task, notes) = read::<Task>(&json.to_string());
    let task = task.expect("the task is read");
    assert_eq!(task.subtasks[0].progress, None);
    assert_eq!(task.load.host_cpu, Some(3.5));
    assert_eq!(notes.malformed["tasks.sub_tasks.progress"], 1);
}

#[test]
fn a_limit_of_zero_is_no_limit_and_a_speed_of_zero_is_a_speed() {
    let task = task(&json!({"id": "t", "speed_limit": 0, "migrate_speed": 0.0}));
    assert_eq!((task.speed_limit, task.speed), (None, Some(0.0)));
}
