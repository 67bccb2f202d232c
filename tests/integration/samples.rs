//! The documents' own sample answers, through the whole exporter.
//!
//! `tests/fixtures/samples` holds them, named by document and operation: 000 and 001 are the newer and the
//! older edition of `GET /v3/sources`, 002 is `GET /v3/tasks`, 003 `GET /v3/sources/{source_id}` and 004
//! the whole reference. What stands in `*.damaged.json` is as the document has it and is not JSON: its
//! pages were cut in the middle of samples, brackets closed at each cut and quotes lost; `*.mended.json` is
//! the same sample with the brackets, commas and quotes put back and nothing else changed.
//!
//! The documents print one placeholder for every id. A list of ten objects with one id is one object, so
//! [`told_apart`] numbers the placeholders of a list; ids that a document tells apart stay as they are.
//! One field is added: no sample has `is_consistency_result_exist`, and without it nobody would ask for
//! the sample of `/consistency-result`.
//!
//! `INSTA_UPDATE=always cargo test --test integration samples` writes the golden pages anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use huaweicloud_sms_exporter::exposition::Format;
use huaweicloud_sms_exporter::simulator::{Fault, Operation, What};
use serde_json::Value;

use crate::answers::Answers;
use crate::harness::Rig;

/// What the documents print in place of an id, but for its number of digits.
const PLACEHOLDER: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxx";

/// The text of a fixture.
fn text(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples")
}

/// A fixture that is JSON.
pub(crate) fn sample(name: &str) -> Value {
    serde_json::from_str(&text(&format!("{name}.json"))).expect("a sample that is not damaged is JSON")
}

fn list(name: &str, key: &str) -> Vec<Value> {
    sample(name)[key].as_array().expect("a list").clone()
}

/// Numbers the placeholders of a list: of the objects themselves and of what they name.
fn told_apart(mut objects: Vec<Value>, document: &str) -> Vec<Value> {
    let inner = [("/id", ""), ("/current_task/id", "-task"), ("/source_server/id", "-source")];
    for (number, object) in objects.iter_mut().enumerate() {
        for (pointer, kind) in inner {
            let id = object.pointer_mut(pointer);
            if let Some(id) = id.filter(|id| id.as_str().is_some_and(|id| id.starts_with(PLACEHOLDER))) {
                *id = format!("{document}-{:02}{kind}", number + 1).into();
            }
        }
    }
    objects
}

/// The samples of all documents as one fleet.
fn fleet() -> Answers {
    let mut source = sample("003-show-source");
    source["id"] = "003".into();
    source["current_task"]["id"] = "004-task".into();
    source["is_consistency_result_exist"] = true.into();
    // Document 004 shows the task of the source that 003 shows.
    let mut task = sample("004-show-task.mended");
    task["id"] = "004-task".into();
    task["source_server"]["id"] = "003".into();
    let mut ready = sample("004-show-task-ready.mended");
    ready["id"] = "004-task-ready".into();
    let mut running = sample("004-show-task-running.mended");
    running["id"] = "004-task-running".into();
    let mut errors = list("004-list-errors.mended", "migration_errors");
    // The names of three errors are those of sources in the list of 000.
    let ids = ["000-04", "004-error-source", "000-02", "000-03"];
    for (error, id) in errors.iter_mut().zip(ids) {
        error["source_id"] = id.into();
    }
    let sources = [
        told_apart(list("000-list-sources", "source_servers"), "000"),
        list("001-list-sources", "source_servers"),
        vec![source],
    ];
    let tasks = [told_apart(list("002-list-tasks", "tasks"), "002"), vec![task, ready, running]];
    Answers {
        sources: sources.concat(),
        tasks: tasks.concat(),
        errors,
        overview: sample("004-show-overview.mended"),
        rules: sample("004-show-speed-limit"),
        consistency: sample("004-show-consistency.mended"),
    }
}

#[tokio::test]
async fn the_fleet_of_the_documents_samples_makes_the_golden_page() {
    let rig = fleet().polled().await;
    insta::assert_snapshot!("fleet_text_004", rig.fleet_page(Format::Text004));
    insta::assert_snapshot!("fleet_openmetrics", rig.fleet_page(Format::OpenMetrics100));
}

#[tokio::test]
async fn every_sample_parses_completely_and_nothing_in_them_is_odd() {
    let rig = fleet().polled().await;
    for collector in ["sources", "tasks", "overview", "errors", "speed_limits", "consistency"] {
        let success = format!("sms_exporter_poll_success{{account=\"test\",collector=\"{collector}\"}}");
        assert_eq!(rig.value(&success), 1.0, "{collector}");
    }
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 21);
    assert_eq!(rig.count("huaweicloud_sms_task_info"), 6);
    assert_eq!(rig.count("huaweicloud_sms_source_error_info"), 4);
    assert_eq!(rig.count("sms_exporter_malformed_values_total"), 0);
    assert_eq!(rig.count("sms_exporter_unknown_values_total"), 0);
}

#[tokio::test]
async fn a_list_as_printed_is_one_object_that_came_ten_times() {
    let answers = Answers { sources: list("000-list-sources", "source_servers"), ..Answers::default() };
    let rig = answers.polled().await;
    let of = |family| format!("sms_exporter_{family}{{account=\"test\",collector=\"sources\"}}");
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 1);
    assert_eq!(rig.value(&of("poll_success")), 1.0);
    assert_eq!(rig.value(&of("duplicates_dropped_total")), 9.0);
}

/// The placeholders of a sample, which the reference prints a digit longer, made equal.
fn same_placeholders(text: &str) -> String {
    let shorter = |text: String, long: &str, short: &str| text.replace(long, short);
    let text = shorter(text.to_owned(), "xxxxxxxxx0001", "xxxxxxxx0001");
    shorter(text, "xxxxxxxxxxxxxxxxxxxxxxxxx00000001", "xxxxxxxxxxxxxxxxxxxxxxxx00000001")
}

#[test]
fn the_reference_prints_the_same_lists_as_the_single_pages() {
    let same = |name: &str| same_placeholders(&sample(name).to_string());
    assert_eq!(same("004-list-sources.mended"), same("000-list-sources"));
    let tasks = same("004-list-tasks.mended").replace("sms_task_bxxx11", "sms_task_lxxxx11");
    assert_eq!(tasks, same("002-list-tasks"));
}

#[test]
fn what_is_called_damaged_is_not_json_and_everything_else_is() {
    let names: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 29);
    for name in names {
        let json = serde_json::from_str::<Value>(&text(&name));
        assert_eq!(json.is_err(), name.ends_with(".damaged.json"), "{name}");
    }
}

/// What a damaged answer costs: its collector's poll, with a reason, and nothing else.
async fn costs_one_poll(operation: Operation, collector: &str, body: String) {
    let mut rig = fleet().polled().await;
    rig.simulator.clear_faults();
    rig.simulator.inject(Fault::always(operation, What::RawBody(body.into_bytes())));
    fleet().put_into(&rig);
    let before = rig.fleet_page(Format::Text004);
    rig.poll().await;
    let failed = format!(
        "sms_exporter_poll_failures_total{{account=\"test\",collector=\"{collector}\",reason=\"malformed\"}}"
    );
    assert_eq!(rig.value(&failed), 1.0);
    for other in ["sources", "tasks", "overview", "errors"] {
        let success = format!("sms_exporter_poll_success{{account=\"test\",collector=\"{other}\"}}");
        assert_eq!(rig.value(&success) == 1.0, other != collector, "{other}");
    }
    assert_eq!(rig.fleet_page(Format::Text004), before, "what was read before is still served");
}

#[tokio::test]
async fn a_damaged_list_or_overview_costs_its_own_poll() {
    costs_one_poll(Operation::ListSources, "sources", text("004-list-sources.damaged.json")).await;
    costs_one_poll(Operation::ListTasks, "tasks", text("004-list-tasks.damaged.json")).await;
    costs_one_poll(Operation::ListErrors, "errors", text("004-list-errors.damaged.json")).await;
    costs_one_poll(Operation::ShowOverview, "overview", text("004-show-overview.damaged.json")).await;
}

#[tokio::test]
async fn a_damaged_object_inside_a_list_costs_that_lists_poll() {
    let inside = |key: &str, name: &str| format!("{{\"count\":1,\"{key}\":[{}]}}", text(name));
    let source = inside("source_servers", "004-show-source.damaged.json");
    costs_one_poll(Operation::ListSources, "sources", source).await;
    for name in ["004-show-task", "004-show-task-ready", "004-show-task-running"] {
        let task = inside("tasks", &format!("{name}.damaged.json"));
        costs_one_poll(Operation::ListTasks, "tasks", task).await;
    }
}

#[tokio::test]
async fn a_damaged_consistency_result_costs_the_results() {
    let mut rig = Rig::new(1).await;
    let body = text("004-show-consistency.damaged.json").into_bytes();
    rig.simulator.inject(Fault::always(Operation::ShowConsistency, What::RawBody(body)));
    fleet().put_into(&rig);
    rig.poll().await;
    let success =
        |collector| format!("sms_exporter_poll_success{{account=\"test\",collector=\"{collector}\"}}");
    assert_eq!(rig.value(&success("consistency")), 0.0);
    assert_eq!(rig.value(&success("tasks")), 1.0);
    assert_eq!(rig.count("huaweicloud_sms_task_consistency_files"), 0);
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 21);
}

#[tokio::test]
async fn a_refusal_as_the_documents_print_it_is_told_as_forbidden() {
    let mut rig = fleet().polled().await;
    for name in ["000-error-403", "002-error-403", "003-error-403", "004-error-403"] {
        rig.simulator.clear_faults();
        rig.simulator.inject(Fault::always(
            Operation::ListTasks,
            What::Status {
                code: 403,
                body: text(&format!("{name}.json")).into_bytes(),
                content_type: "application/json".into(),
                headers: Vec::new(),
            },
        ));
        fleet().put_into(&rig);
        rig.poll().await;
    }
    let failures =
        "sms_exporter_poll_failures_total{account=\"test\",collector=\"tasks\",reason=\"forbidden\"}";
    assert_eq!(rig.value(failures), 4.0);
    assert_eq!(rig.count("huaweicloud_sms_task_info"), 6, "what was read before is still served");
}
