//! Where the documents, the SDKs and the samples contradict each other, and what the exporter makes of it.
//!
//! One test for each contradiction that reaches the page, its number before its name. The others:
//!
//! * 17, the filter `connected`: the exporter never sends it; [`n17_the_connected_filter_is_not_needed`].
//! * 20, 21, 27 and 31 (`log_collect_status`, `migrate_type` and `config_key`, `evaluation_result`, a
//!   migration project's `region`) are values that no metric shows. They are passed over whatever they
//!   are, which one test shows for what stands in the lists; migration projects and settings are not asked for.
//! * 28, a token that is "optional": every request is authenticated, without exception.

mod limits;

use std::time::Duration;

use huaweicloud_sms_exporter::model::RateUnit;
use huaweicloud_sms_exporter::simulator::{Fault, Operation, What};
use serde_json::{Value, json};

use crate::answers::Answers;
use crate::harness::Rig;
use crate::samples::sample;

/// A family's name without its prefix, with the labels of the source `s` that has no name.
fn of_source(family: &str, further: &str) -> String {
    format!("huaweicloud_sms_source_{family}{{account=\"test\",source_id=\"s\",source_name=\"\"{further}}}")
}

/// A family's name without its prefix, with the labels of the task `t` that has no source.
fn of_task(family: &str, further: &str) -> String {
    format!(
        "huaweicloud_sms_task_{family}{{account=\"test\",task_id=\"t\",source_id=\"\",source_name=\"\"{further}}}"
    )
}

/// The page's value for the source `s` with these fields, if there is one.
async fn source_value(fields: Value, family: &str, further: &str) -> Option<f64> {
    let rig = Answers::source(with_id(fields, "s")).polled().await;
    rig.series().get(&of_source(family, further)).copied()
}

/// The page's value for the task `t` with these fields, if there is one.
async fn task_value(fields: Value, family: &str, further: &str) -> Option<f64> {
    let rig = Answers::task(with_id(fields, "t")).polled().await;
    rig.series().get(&of_task(family, further)).copied()
}

fn with_id(mut fields: Value, id: &str) -> Value {
    fields["id"] = id.into();
    fields
}

/// What was counted as odd, by kind and field.
fn odd(rig: &Rig, kind: &str) -> Vec<String> {
    let family = format!("sms_exporter_{kind}_values_total{{account=\"test\",field=\"");
    let fields =
        rig.series().into_keys().filter_map(|key| Some(key.strip_prefix(&family)?.replace("\"}", "")));
    fields.collect()
}

#[tokio::test]
async fn n01_migrate_speed_is_in_megabits_unless_the_setting_says_megabytes() {
    let task = json!({"id": "t", "state": "RUNNING", "migrate_speed": 80, "speed_limit": 80});
    let speed = of_task("migrate_speed_bytes_per_second", "");
    let limit = of_task("speed_limit_bytes_per_second", "");
    let rig = Answers::task(task.clone()).polled().await;
    assert_eq!((rig.value(&speed), rig.value(&limit)), (10e6, 10e6));
    let rig = Answers::task(task).polled_with(|config| config.accounts[0].speed_unit = RateUnit::Mbyte).await;
    assert_eq!((rig.value(&speed), rig.value(&limit)), (80e6, 10e6), "the limit is always in megabits");
}

#[tokio::test]
async fn n02_disk_io_is_in_megabits_unless_its_own_setting_says_megabytes() {
    let task = json!({"id": "t", "total_disk_io": 8, "agent_disk_io": 0.8});
    let host = of_task("host_disk_io_bytes_per_second", "");
    let agent = of_task("agent_disk_io_bytes_per_second", "");
    let rig = Answers::task(task.clone()).polled().await;
    assert_eq!((rig.value(&host), rig.value(&agent)), (1e6, 1e5));
    let rig =
        Answers::task(task).polled_with(|config| config.accounts[0].disk_io_unit = RateUnit::Mbyte).await;
    assert_eq!((rig.value(&host), rig.value(&agent)), (8e6, 8e5));
}

#[tokio::test]
async fn n03_memory_is_in_bytes_unless_it_is_too_small_for_that() {
    let gib = 1024.0 * 1024.0 * 1024.0;
    for (memory, bytes) in [(2_146_557_952_u64, 2_146_557_952.0), (2048, 2.0 * gib), (16 << 20, 16_777_216.0)]
    {
        assert_eq!(source_value(json!({"memory": memory}), "memory_bytes", "").await, Some(bytes));
    }
}

#[tokio::test]
async fn n04_enterprise_project_id_is_text_a_number_or_the_default_project() {
    let told = async |fields: Value| {
        let rig = Answers::source(with_id(fields, "s")).polled().await;
        let info = rig.series().into_keys().find(|key| key.starts_with("huaweicloud_sms_source_info"));
        let info = info.expect("a source has its info");
        let (_, rest) = info.split_once("enterprise_project_id=\"").expect("the label is there");
        rest.split('"').next().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(told(json!({"enterprise_project_id": 0})).await, "0");
    assert_eq!(told(json!({"enterprise_project_id": null})).await, "0");
    assert_eq!(told(json!({})).await, "0");
    assert_eq!(told(json!({"enterprise_project_id": "6f1c-2"})).await, "6f1c-2");
}

#[tokio::test]
async fn n05_error_or_warn_is_an_object_text_or_nothing() {
    let check = |error_code: Value, error_or_warn: Value| {
        json!({"checks": [{
            "name": "CPU", "result": "WARN", "error_code": error_code, "error_or_warn": error_or_warn,
        }]})
    };
    let coded = ",check=\"CPU\",result=\"WARN\",error_code=\"SMS.6617\"";
    let uncoded = ",check=\"CPU\",result=\"WARN\",error_code=\"unknown\"";
    let object = json!({"error_code": "SMS.6617", "link": "xxxx"});
    let cases = [
        (json!(null), object.clone(), coded),
        (json!("SMS.6617"), json!("text"), coded),
        (json!("SMS.6617"), json!(null), coded),
        (json!(null), json!("text"), uncoded),
        (json!(null), json!(null), uncoded),
    ];
    for (code, or_warn, labels) in cases {
        let value = source_value(check(code, or_warn), "check_problem", labels).await;
        assert_eq!(value, Some(1.0), "{labels}");
    }
}

#[tokio::test]
async fn n06_total_time_is_milliseconds_of_the_subtasks_work() {
    let task = sample("004-show-task-ready.mended");
    let millis = |subtask: &Value, key: &str| subtask[key].as_i64().expect("a date");
    let subtasks = task["sub_tasks"].as_array().expect("a list").iter();
    let work: i64 = subtasks.map(|subtask| millis(subtask, "end_date") - millis(subtask, "start_date")).sum();
    assert_eq!(task["total_time"], work, "the sample's own arithmetic");
    assert_eq!(task_value(json!({"total_time": work}), "active_seconds", "").await, Some(935.0));
}

#[tokio::test]
async fn n07_remain_seconds_is_read_in_the_unit_that_fits_the_estimate() {
    let remaining = async |state: &str, remain: i64, estimate: Option<i64>| {
        let mut rig = Rig::new(1).await;
        let estimate = estimate.map(|seconds| rig.now_ms() + seconds * 1000);
        let answers = Answers {
            sources: vec![json!({"id": "s", "current_task": {"id": "t", "remain_seconds": remain}})],
            tasks: vec![json!({
                "id": "t", "state": state, "estimate_complete_time": estimate, "source_server": {"id": "s"},
            })],
            ..Answers::default()
        };
        answers.put_into(&rig);
        rig.poll().await;
        let labels = "{account=\"test\",task_id=\"t\",source_id=\"s\",source_name=\"\"}";
        let said = rig.series().get(&format!("huaweicloud_sms_task_remaining_seconds{labels}")).copied();
        let end = format!("huaweicloud_sms_task_estimated_completion_timestamp_seconds{labels}");
        assert_eq!(rig.series().contains_key(&end), estimate.is_some(), "the estimate is told as it is");
        said
    };
    assert_eq!(remaining("RUNNING", 60_000, Some(60)).await, Some(60.0), "milliseconds, as in the sample");
    assert_eq!(remaining("SYNCING", 60, Some(61)).await, Some(60.0), "seconds, as its name says");
    assert_eq!(remaining("RUNNING", 60, None).await, Some(60.0));
    assert_eq!(remaining("MIGRATE_SUCCESS", 60, None).await, None, "what is over takes no longer");
}

#[tokio::test]
async fn n08_instants_are_epoch_milliseconds_and_null_or_zero_is_unset() {
    let registered = async |value: Value| {
        source_value(json!({"add_date": value}), "registered_timestamp_seconds", "").await
    };
    assert_eq!(registered(json!(1_598_417_717_123_i64)).await, Some(1_598_417_717.123));
    assert_eq!(registered(json!(null)).await, None);
    assert_eq!(registered(json!(0)).await, None);
    // The sample that is READY has a finish_date; its state is what its state says.
    let ready = sample("004-show-task-ready.mended");
    assert!(ready["finish_date"].is_i64());
    let ready = json!({"state": ready["state"], "finish_date": ready["finish_date"]});
    assert_eq!(task_value(ready, "state", ",state=\"READY\"").await, Some(1.0));
}

#[tokio::test]
async fn n09_every_server_state_of_every_edition_is_known_and_a_new_one_breaks_nothing() {
    let known = "unavailable waiting initialize replicate syncing stopping stopped skipping deleting error \
        cloning cutovering finished clearing cleared clearfailed premigready premiging premiged premigfailed \
        testing available unconnected";
    let spelled: Vec<String> =
        known.split_whitespace().flat_map(|state| [state.into(), state.to_uppercase()]).collect();
    let others = ["init".to_owned(), "INIT".to_owned()];
    let states: Vec<String> = spelled.into_iter().chain(others).collect();
    let sources = states.iter().enumerate();
    let sources = sources.map(|(at, state)| json!({"id": format!("s{at}"), "state": state})).collect();
    let rig = Answers { sources, ..Answers::default() }.polled().await;
    let count = |rig: &Rig, state: &str| {
        rig.value(&format!("huaweicloud_sms_sources{{account=\"test\",state=\"{state}\"}}"))
    };
    for state in known.split_whitespace() {
        let expected = if state == "initialize" { 4.0 } else { 2.0 };
        assert_eq!(count(&rig, state), expected, "{state}");
    }
    assert_eq!(count(&rig, "unknown"), 0.0);
    let rig = Answers::source(json!({"id": "s", "state": "levitating"})).polled().await;
    assert_eq!(count(&rig, "unknown"), 1.0);
    assert_eq!(rig.value(&of_source("state", ",state=\"unknown\"")), 1.0);
    assert_eq!(odd(&rig, "unknown"), ["sources.state"]);
}

#[tokio::test]
async fn n10_every_task_state_of_filter_and_response_is_known_and_nothing_is_filtered() {
    let known = "READY RUNNING SYNCING MIGRATE_SUCCESS SYNC_SUCCESS MIGRATE_FAIL SYNC_FAIL ABORTING ABORT SKIPPING \
        DELETING RESETING SYNC_F_ROLLBACKING SYNC_F_ROLLBACK_SUCCESS";
    // The second spelling of resetting, and a state of the future.
    let states: Vec<&str> = known.split_whitespace().chain(["RESETTING", "ASCENDING"]).collect();
    let tasks = states.iter().enumerate();
    let tasks = tasks
        .map(|(at, state)| json!({"id": format!("t{at}"), "state": state, "type": "MIGRATE_FILE"}))
        .collect();
    let rig = Answers { tasks, ..Answers::default() }.polled().await;
    let count = |state: &str| {
        let labels = format!("account=\"test\",state=\"{state}\",type=\"MIGRATE_FILE\"");
        rig.value(&format!("huaweicloud_sms_tasks{{{labels}}}"))
    };
    for state in known.split_whitespace() {
        assert_eq!(count(state), if state == "RESETING" { 2.0 } else { 1.0 }, "{state}");
    }
    assert_eq!(count("unknown"), 1.0);
    assert_eq!(odd(&rig, "unknown"), ["tasks.state"]);
}

#[tokio::test]
async fn n11_every_migration_cycle_is_known_and_a_new_one_is_tolerated() {
    let known =
        "checking setting replicating syncing cutovering cutovered no_ready ready_for_test testing tested";
    for stage in known.split_whitespace() {
        let labels = format!(",stage=\"{stage}\"");
        assert_eq!(
            source_value(json!({"migration_cycle": stage}), "stage", &labels).await,
            Some(1.0),
            "{stage}"
        );
    }
    let new = source_value(json!({"migration_cycle": "orbiting"}), "stage", ",stage=\"unknown\"").await;
    assert_eq!(new, Some(1.0));
}

#[tokio::test]
async fn n12_device_use_is_split_at_its_bars() {
    for (wire, told) in
        [("BOOT|OS", "BOOT|OS"), ("OS|BOOT", "BOOT|OS"), ("NORMAL", "NORMAL"), ("X", "unknown")]
    {
        let disk = json!({"init_target_server": {"disks": [{"name": "sda", "size": 5, "device_use": wire}]}});
        let labels = format!(",disk=\"sda\",use=\"{told}\"");
        assert_eq!(source_value(disk, "disk_size_bytes", &labels).await, Some(5.0), "{wire}");
    }
}

#[tokio::test]
async fn n13_the_overview_is_a_map_whose_documented_keys_default_to_zero() {
    let overview = json!({"unconfigured": 13, "premigready": 2, "cleared": 1});
    let rig = Answers { overview, ..Answers::default() }.polled().await;
    let count = |state: &str| {
        rig.value(&format!("huaweicloud_sms_overview_sources{{account=\"test\",state=\"{state}\"}}"))
    };
    assert_eq!(count("skipping"), 0.0, "documented, and missing from the sample");
    assert_eq!((count("unconfigured"), count("premigready"), count("cleared")), (13.0, 2.0, 1.0));
    assert_eq!(rig.count("huaweicloud_sms_overview_sources"), 16);
}

#[tokio::test]
async fn n14_error_json_gives_its_code_however_damaged_it_is() {
    let quirks = include_str!("../fixtures/quirk-samples.json");
    let quirks: Value = serde_json::from_str(quirks).expect("the fixture is JSON");
    for quirk in quirks["error_json"].as_array().expect("a list") {
        let task = json!({"state": "MIGRATE_FAIL", "error_json": quirk["value"]});
        let rig = Answers::task(with_id(task, "t")).polled().await;
        match quirk["code"].as_str() {
            Some(code) => {
                let info =
                    rig.series().into_keys().find(|key| key.starts_with("huaweicloud_sms_task_error_info"));
                let info = info.unwrap_or_default();
                assert!(info.contains(&format!("error_code=\"{code}\"")), "{quirk}: {info}");
            }
            None => assert_eq!(rig.count("huaweicloud_sms_task_error_info"), 0, "{quirk}"),
        }
    }
    // A code that the table of codes lacks has the category of its first two digits.
    let disk = ",error_code=\"SMS.1302\",category=\"disk\"";
    let task = json!({"error_json": "{\"error_code\":\"SMS.1302\"}"});
    assert_eq!(task_value(task, "error_info", disk).await, Some(1.0));
}

#[tokio::test]
async fn n15_the_errors_are_read_page_by_page_under_their_own_key() {
    let errors = |number: usize| json!({"source_id": format!("s{number}"), "error_json": "SMS.0202"});
    let rig = Answers { errors: (0..3).map(errors).collect(), ..Answers::default() }.polled().await;
    let labels = "{account=\"test\",collector=\"errors\"}";
    assert_eq!(rig.value(&format!("sms_exporter_objects_expected{labels}")), 3.0);
    assert_eq!(rig.value(&format!("sms_exporter_objects_exported{labels}")), 3.0);
}

#[tokio::test]
async fn n15_every_list_is_asked_for_with_limit_and_offset() {
    let mut rig = Rig::new(10).await;
    rig.simulator.tune(|switches| switches.strict_paging = true);
    rig.poll().await;
    for collector in ["sources", "tasks", "errors"] {
        let success = format!("sms_exporter_poll_success{{account=\"test\",collector=\"{collector}\"}}");
        assert_eq!(rig.value(&success), 1.0, "{collector}");
    }
}

#[tokio::test]
async fn n16_offsets_count_records_and_an_object_on_two_pages_is_one() {
    let mut rig = Rig::new(210).await;
    rig.poll().await;
    let truth = rig.simulator.truth();
    assert_eq!(rig.count("huaweicloud_sms_source_info"), truth.sources.len());
    rig.simulator.inject(Fault::always(Operation::ListSources, What::DuplicateAcrossPages));
    rig.poll().await;
    assert_eq!(rig.count("huaweicloud_sms_source_info"), truth.sources.len());
    let duplicates =
        rig.value("sms_exporter_duplicates_dropped_total{account=\"test\",collector=\"sources\"}");
    assert_eq!(duplicates, 0.0, "pages overlap anyway");
}

#[tokio::test]
async fn n17_the_connected_filter_is_not_needed() {
    let sources = [("a", true), ("b", false), ("c", false)];
    let sources = sources.map(|(id, connected)| json!({"id": id, "connected": connected})).to_vec();
    let rig = Answers { sources, ..Answers::default() }.polled().await;
    let agents =
        |status: &str| rig.value(&format!("huaweicloud_sms_agents{{account=\"test\",status=\"{status}\"}}"));
    assert_eq!((agents("connected"), agents("disconnected")), (1.0, 2.0));
}

#[tokio::test]
async fn n18_null_objects_and_empty_ids_are_absent() {
    let answers = Answers {
        sources: vec![json!({"id": "s", "current_task": null, "checks": null, "init_target_server": null})],
        tasks: vec![json!({
            "id": "t", "source_server": null, "sub_tasks": null, "network_check_info": null, "clone_server": null,
            "target_server": {"id": "x", "vm_id": "", "name": "", "ip": null}, "migration_ip": "",
        })],
        ..Answers::default()
    };
    let rig = answers.polled().await;
    let info = of_task(
        "info",
        ",task_name=\"\",type=\"\",os_type=\"\",priority=\"\",region_id=\"\",project_name=\"\",\
        target_server_id=\"\",target_server_name=\"\",target_ip=\"\"",
    );
    assert_eq!(rig.value(&info), 1.0);
    assert_eq!(odd(&rig, "malformed"), Vec::<String>::new());
}

#[tokio::test]
async fn n19_numbers_come_as_numbers_or_text_and_garbage_is_absent() {
    let loss = async |value: Value| {
        task_value(json!({"network_check_info": {"loss_percentage": value}}), "network_loss_ratio", "").await
    };
    assert_eq!(loss(json!("20.00")).await, Some(0.2));
    assert_eq!(loss(json!(20)).await, Some(0.2));
    for garbage in [json!("NaN"), json!("many"), json!(true), json!([]), json!(-1), json!(null)] {
        assert_eq!(loss(garbage.clone()).await, None, "{garbage}");
    }
}

#[tokio::test]
async fn n20_n21_n27_n31_what_no_metric_shows_is_passed_over_whatever_it_is() {
    let plain = json!({"id": "t", "network_check_info": {"network_delay": 5}});
    let page = async |task: Value| {
        let rig = Answers::task(task).polled().await;
        assert_eq!(odd(&rig, "malformed"), Vec::<String>::new());
        rig.fleet_page(huaweicloud_sms_exporter::exposition::Format::Text004)
    };
    let expected = page(plain.clone()).await;
    for value in
        [json!("UPLOADED"), json!("AGENT_COLLECT_FAIL"), json!(""), json!(7), json!(null), json!({"a": []})]
    {
        let mut task = plain.clone();
        for field in ["log_collect_status", "migrate_type", "special_config", "region", "clone_server"] {
            task[field] = value.clone();
        }
        task["network_check_info"]["evaluation_result"] = value.clone();
        assert_eq!(page(task).await, expected, "{value}");
    }
}

#[tokio::test]
async fn n22_the_misspelled_subtask_and_the_spelled_one_are_the_same() {
    for name in ["DETTACH_AGENT_IMAGE", "DETACH_AGENT_IMAGE"] {
        let task = json!({"state": "RUNNING", "sub_tasks": [{"name": name, "progress": 50}]});
        let value = task_value(task, "subtask_progress_ratio", ",subtask=\"DETACH_AGENT_IMAGE\"").await;
        assert_eq!(value, Some(0.5), "{name}");
    }
}

#[tokio::test]
async fn n26_consistency_results_are_objects_or_text_and_404_is_none() {
    let answers = |consistency: Value| Answers {
        sources: vec![json!({"id": "s", "is_consistency_result_exist": true})],
        tasks: vec![json!({"id": "t", "source_server": {"id": "s"}})],
        consistency,
        ..Answers::default()
    };
    let result =
        json!({"finished_time": 1_736_854_315_000_i64, "consistency_result": [{"num_total_files": 7}]});
    let total = "huaweicloud_sms_task_consistency_files{account=\"test\",task_id=\"t\",source_id=\"s\",\
        source_name=\"\",kind=\"total\"}";
    for list in [json!([result.clone()]), json!([result.to_string()])] {
        let rig = answers(json!({"result_list": list})).polled().await;
        assert_eq!(rig.value(total), 7.0);
    }
    let mut rig = Rig::new(1).await;
    let body = br#"{"error_code":"SMS.6401","error_msg":"none"}"#.to_vec();
    let (content_type, headers) = ("application/json".to_owned(), Vec::new());
    rig.simulator.inject(Fault::always(
        Operation::ShowConsistency,
        What::Status { code: 404, body, content_type, headers },
    ));
    answers(json!({})).put_into(&rig);
    rig.poll().await;
    assert_eq!(rig.value("sms_exporter_poll_success{account=\"test\",collector=\"consistency\"}"), 1.0);
    assert_eq!(rig.count("huaweicloud_sms_task_consistency_files"), 0);
}

#[tokio::test]
async fn n28_every_request_is_authenticated() {
    let mut rig = Rig::new(20).await;
    rig.simulator.advance(Duration::from_secs(7200));
    rig.poll().await;
    let tally = rig.simulator.tally();
    // The service refuses whom it does not know; it refused nobody.
    assert_eq!((tally.refused, tally.forbidden_calls), (0, 0));
    assert!(tally.requests.keys().any(|(operation, _)| *operation == Operation::ShowSpeedLimit));
}

#[tokio::test]
async fn n29_ids_are_opaque_and_never_leave_their_segment_of_the_path() {
    let ids = ["x".repeat(255), "8abda8635e09d185015e09d188dd0001xx".into(), "a/../b?c=d#e %".into()];
    let tasks = ids.iter().map(|id| json!({"id": id, "state": "RUNNING"})).collect();
    let rig =
        Answers { tasks, rules: json!({"speed_limit": [{"speed": 8}]}), ..Answers::default() }.polled().await;
    assert_eq!(rig.count("huaweicloud_sms_task_speed_limit_bytes_per_second"), 3);
    assert_eq!(rig.simulator.tally().requests[&(Operation::ShowSpeedLimit, 200)], 3);
}

#[tokio::test]
async fn n32_hostname_is_told_where_the_list_has_it() {
    let sources = vec![
        json!({"id": "a", "hostname": "web-1"}),
        json!({"id": "b", "hostname": null}),
        json!({"id": "c"}),
    ];
    let rig = Answers { sources, ..Answers::default() }.polled().await;
    let infos: Vec<String> =
        rig.series().into_keys().filter(|key| key.starts_with("huaweicloud_sms_source_info")).collect();
    let hostnames = infos.iter().map(|info| info.contains("hostname=\"web-1\"")).collect::<Vec<_>>();
    assert_eq!(hostnames, [true, false, false]);
    assert!(infos[1].contains("hostname=\"\"") && infos[2].contains("hostname=\"\""));
}

#[tokio::test]
async fn n33_priority_is_passed_through() {
    for priority in [0, 2, 65_535] {
        let rig = Answers::task(json!({"id": "t", "priority": priority})).polled().await;
        let info = rig.series().into_keys().find(|key| key.starts_with("huaweicloud_sms_task_info"));
        assert!(info.expect("a task has its info").contains(&format!("priority=\"{priority}\"")));
    }
}
