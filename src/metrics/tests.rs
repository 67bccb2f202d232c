//! What stands on the page and what does not, fleet by fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::exposition::{Block, Encoding, Format, Page};
use crate::model::{
    AccountName, Check, CheckResult, Consistency, CurrentTask, Disk, ErrorCode, Load, MigrationError,
    Network, OsType, Overview, Part, Source, SourceFacts, SourceState, SpeedRule, Stage, Subtask, TaskFacts,
    TaskState, TaskType, TimeOfDay, Timestamp,
};

/// Noon of the first of September 2020.
const NOW: Timestamp = Timestamp::from_millis(1_598_961_600_000);

/// A source of which the service said nothing but its id.
fn source(id: &str) -> Source {
    Source {
        id: SourceId::new(id),
        name: "".into(),
        facts: SourceFacts::default(),
        state: None,
        stage: None,
        connected: None,
        replicated: None,
        total: None,
        cpus: None,
        memory: None,
        disks: Vec::new(),
        checks: Vec::new(),
        registered: None,
        state_changed: None,
        stage_changed: None,
        connection_changed: None,
        traffic_control: None,
        consistency_result: None,
        current_task: None,
    }
}

/// A task of which the service said nothing but its id.
fn task(id: &str) -> Task {
    Task {
        id: TaskId::new(id),
        source_id: None,
        source_name: None,
        facts: TaskFacts::default(),
        state: None,
        speed: None,
        speed_limit: None,
        compression_rate: None,
        created: None,
        estimated_completion: None,
        active_seconds: None,
        error_code: None,
        subtasks: Vec::new(),
        load: Load::default(),
        network: None,
    }
}

fn part<T>(data: T) -> Option<Arc<Part<T>>> {
    Some(Arc::new(Part { data, read_at: NOW }))
}

fn fleet(sources: Vec<Source>, tasks: Vec<Task>) -> Fleet {
    Fleet {
        sources: part(sources.into_iter().map(Arc::new).collect()),
        tasks: part(tasks.into_iter().map(Arc::new).collect()),
        ..Fleet::default()
    }
}

/// The lines of a fleet's sheet, without the account's label.
fn lines_of(fleet: &Fleet, tally: &Tally, choice: &Choice) -> Vec<String> {
    let sheet = render(&AccountLabels::new(&AccountName::new("a"), &BTreeMap::new()), fleet, tally, choice);
    let families =
        sheet.into_families().map(|(entry, samples, _)| (&entry.desc, vec![Block::seal(samples, None)]));
    let page = Page::new(families.collect()).respond(Format::Text004, Encoding::Identity, "", None);
    let text = String::from_utf8(page.concat()).expect("a page is text");
    let short = |line: &str| {
        line.replace("huaweicloud_sms_", "").replace("account=\"a\",", "").replace("{account=\"a\"}", "")
    };
    text.lines().filter(|line| !line.starts_with('#')).map(short).collect()
}

/// The lines of some families.
fn lines(fleet: &Fleet, families: &[&str]) -> Vec<String> {
    let all = lines_of(fleet, &Tally::default(), &Choice::default());
    let is_wanted = |line: &String| families.contains(&line.split(['{', ' ']).next().unwrap_or_default());
    all.into_iter().filter(is_wanted).collect()
}

fn problem(name: &str, result: CheckResult, code: &str) -> Check {
    Check { name: name.into(), result, error_code: ErrorCode::new(code) }
}

fn rule(start: &str, end: &str, limit: Option<f64>, threshold: Option<f64>) -> SpeedRule {
    let time = |text| TimeOfDay::parse(text).expect("the test writes times");
    SpeedRule { start: time(start), end: time(end), limit, threshold }
}

#[test]
fn what_the_service_did_not_say_has_no_sample() {
    let all = lines_of(&fleet(vec![source("s")], vec![task("t")]), &Tally::default(), &Choice::default());
    let single: Vec<&String> = all.iter().filter(|line| line.contains("source_id")).collect();
    assert_eq!(
        single,
        [
            "source_info{source_id=\"s\",source_name=\"\",hostname=\"\",ip=\"\",os_type=\"\",os_version=\"\",\
             enterprise_project_id=\"\",agent_version=\"\",firmware=\"\"} 1",
            "task_info{task_id=\"t\",source_id=\"\",source_name=\"\",task_name=\"\",type=\"\",os_type=\"\",\
             priority=\"\",region_id=\"\",project_name=\"\",target_server_id=\"\",target_server_name=\"\",\
             target_ip=\"\"} 1",
            "task_overspeed_events_total{task_id=\"t\",source_id=\"\",source_name=\"\"} 0",
        ]
    );
}

#[test]
fn what_was_never_read_is_not_counted_as_zero() {
    let nothing = lines_of(&Fleet::default(), &Tally::default(), &Choice::default());
    let families: BTreeSet<&str> = nothing.iter().filter_map(|line| line.split(' ').next()).collect();
    let counters = [
        "agent_disconnects_total",
        "agent_reconnects_total",
        "overspeed_events_total",
        "overspeed_stops_suspected_total",
        "replicated_bytes_total",
        "source_registrations_total",
        "source_removals_total",
    ];
    assert_eq!(families, BTreeSet::from(counters));
    let empty = lines(&fleet(Vec::new(), Vec::new()), &["agents", "sources", "tasks"]);
    assert!(empty.contains(&"sources{state=\"error\"} 0".to_owned()));
    assert!(empty.contains(&"tasks{state=\"RUNNING\",type=\"MIGRATE_BLOCK\"} 0".to_owned()));
    assert!(empty.contains(&"agents{status=\"connected\"} 0".to_owned()));
}

/// A source with every part filled, whose checks come twice.
fn told(id: &str) -> Source {
    Source {
        name: "same name".into(),
        facts: SourceFacts { os_type: Some(OsType::Linux), ..SourceFacts::default() },
        state: Some(SourceState::Replicate),
        stage: Some(Stage::Replicating),
        connected: Some(true),
        replicated: Some(5),
        total: Some(9),
        disks: vec![
            Disk { name: "sda".into(), device_use: Some("BOOT|OS".into()), size: Some(7), used: None },
            Disk { name: "sdb".into(), device_use: None, size: Some(8), used: Some(1) },
        ],
        checks: vec![
            problem("CPU", CheckResult::Warn, ""),
            problem("CPU", CheckResult::Warn, "SMS.6617"),
            problem("CPU", CheckResult::Warn, "SMS.6617"),
            problem("CPU", CheckResult::Error, "SMS.6617"),
        ],
        current_task: Some(Box::new(CurrentTask {
            id: TaskId::new("t"),
            region_id: Some("r".into()),
            project_name: None,
            target_id: None,
            target_name: None,
            started: Some(NOW),
            remain: Some(60.0),
        })),
        ..source(id)
    }
}

/// A fleet with every part of the model filled, and all that may come twice coming twice.
fn crowded() -> Fleet {
    let running = Task {
        source_id: Some(SourceId::new("s1")),
        state: Some(TaskState::Running),
        facts: TaskFacts { task_type: Some(TaskType::MigrateFile), ..TaskFacts::default() },
        speed: Some(3.0),
        speed_limit: Some(2.0),
        error_code: ErrorCode::new("SMS.1302"),
        subtasks: ["A", "B"]
            .map(|name| Subtask {
                name: name.into(),
                progress: Some(1.0),
                started: Some(NOW),
                finished: None,
            })
            .to_vec(),
        network: Some(Network { latency: Some(0.1), ..Network::default() }),
        ..task("t")
    };
    let error = |name: &str, code: &str| MigrationError {
        source_id: Some(SourceId::new("s9")),
        source_name: Some(name.into()),
        error_code: ErrorCode::new(code),
    };
    let result = Consistency { finished: Some(NOW), total: 4, different: 3, missing: 2, extra: 1 };
    Fleet {
        overview: part(Overview([("unknown".into(), 1), ("waiting".into(), 2)].into())),
        errors: part(vec![
            error("a", "SMS.0202"),
            error("b", "SMS.0202"),
            error("b", ""),
            error("b", "unknown"),
            MigrationError { source_id: None, source_name: None, error_code: None },
        ]),
        speed_rules: part(
            [(TaskId::new("t"), Arc::from([rule("0:00", "24:00", Some(2.0), Some(0.5))]))].into(),
        ),
        consistency: part([(TaskId::new("t"), result)].into()),
        ..fleet(vec![told("s1"), told("s2")], vec![running])
    }
}

/// A tally with a count of everything, codes that only look alike included.
fn busy() -> Tally {
    let codes = || [None, ErrorCode::new("unknown"), ErrorCode::new("SMS.0202")];
    let problems = || codes().into_iter().map(|code| (("CPU".into(), code), 1)).collect();
    Tally {
        source_transitions: [((SourceState::Waiting, SourceState::Replicate), 2)].into(),
        task_transitions: [((TaskState::Ready, TaskState::Running), 3)].into(),
        failures: codes().into_iter().map(|code| (code, 1)).collect(),
        check_failures: problems(),
        check_warnings: problems(),
        overspeed_by_task: [(TaskId::new("t"), 4)].into(),
        replicated_by_source: [(SourceId::new("s1"), 6)].into(),
        ..Tally::default()
    }
}

#[test]
fn no_series_stands_on_the_page_twice() {
    let mut seen = BTreeSet::new();
    for line in lines_of(&crowded(), &busy(), &Choice::default()) {
        let (series, _) = line.rsplit_once(' ').expect("a sample has a value");
        assert!(seen.insert(series.to_owned()), "{series} twice");
    }
    assert!(seen.len() > 150);
}

#[test]
fn checks_are_counted_and_their_problems_named() {
    let shown = lines(&crowded(), &["source_checks", "source_check_problem", "checks"]);
    let of_first: Vec<&String> = shown.iter().filter(|line| line.contains("\"s1\"")).collect();
    let s = "source_id=\"s1\",source_name=\"same name\"";
    let problem = |result: &str, code: &str| {
        format!("source_check_problem{{{s},check=\"CPU\",result=\"{result}\",error_code=\"{code}\"}} 1")
    };
    let count = |result: &str, count: u32| format!("source_checks{{{s},result=\"{result}\"}} {count}");
    let expected = [
        count("OK", 0),
        count("WARN", 3),
        count("ERROR", 1),
        count("unknown", 0),
        problem("WARN", "unknown"),
        problem("WARN", "SMS.6617"),
        problem("ERROR", "SMS.6617"),
    ];
    assert_eq!(of_first, expected.iter().collect::<Vec<_>>());
    assert!(shown.contains(&"checks{check=\"CPU\",result=\"WARN\"} 6".to_owned()), "of both sources");
}

#[test]
fn subtasks_are_told_until_their_task_is_over() {
    let told = |state: TaskState| {
        let subtask = Subtask { name: "A".into(), progress: Some(0.5), started: Some(NOW), finished: None };
        let task = Task { state: Some(state), subtasks: vec![subtask], ..task("t") };
        let families = ["progress_ratio", "started_timestamp_seconds", "finished_timestamp_seconds"];
        let families = families.map(|family| format!("task_subtask_{family}"));
        lines(&fleet(Vec::new(), vec![task]), &families.each_ref().map(String::as_str))
    };
    let labels = "task_id=\"t\",source_id=\"\",source_name=\"\",subtask=\"A\"";
    for state in TaskState::ALL {
        let expected = if state.is_over() {
            Vec::new()
        } else {
            vec![
                format!("task_subtask_progress_ratio{{{labels}}} 0.5"),
                format!("task_subtask_started_timestamp_seconds{{{labels}}} 1598961600"),
            ]
        };
        assert_eq!(told(*state), expected, "{state:?}");
    }
}

/// What is told of the time that a task still takes.
fn remaining(state: TaskState, said: f64, estimate_in: Option<u64>) -> Vec<String> {
    let current = CurrentTask {
        id: TaskId::new("t"),
        region_id: None,
        project_name: None,
        target_id: None,
        target_name: None,
        started: None,
        remain: Some(said),
    };
    let task = Task {
        state: Some(state),
        source_id: Some(SourceId::new("s")),
        estimated_completion: estimate_in.map(|seconds| NOW.plus(Duration::from_secs(seconds))),
        ..task("t")
    };
    let source = Source { current_task: Some(Box::new(current)), ..source("s") };
    let lines = lines(&fleet(vec![source], vec![task]), &["task_remaining_seconds"]);
    lines.iter().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_remaining_time_is_read_in_the_unit_that_fits_the_estimate() {
    assert_eq!(remaining(TaskState::Running, 60_000.0, Some(60)), ["60"]);
    assert_eq!(remaining(TaskState::Running, 60_000.0, Some(50_000)), ["60000"]);
    assert_eq!(
        remaining(TaskState::Syncing, 60_000.0, None),
        ["60000"],
        "without an estimate its name holds"
    );
    assert_eq!(remaining(TaskState::Running, 0.0, Some(5)), ["0"]);
}

#[test]
fn a_remaining_time_that_cannot_be_is_not_told() {
    assert!(remaining(TaskState::Running, 1e9, None).is_empty(), "thirty years");
    for state in [TaskState::Ready, TaskState::MigrateSuccess, TaskState::Abort, TaskState::Unknown] {
        assert!(remaining(state, 60.0, Some(60)).is_empty(), "{state:?}");
    }
}

#[test]
fn overspeed_is_told_where_a_limit_is_in_force() {
    let told = |speed: Option<f64>, own: Option<f64>, rules: Vec<SpeedRule>| {
        let task = Task { speed, speed_limit: own, state: Some(TaskState::Running), ..task("t") };
        let rules = part([(task.id.clone(), Arc::from(rules))].into());
        let fleet = Fleet { speed_rules: rules, ..fleet(Vec::new(), vec![task]) };
        let families = ["speed_limit_bytes_per_second", "overspeed_threshold_ratio", "overspeed"];
        families.map(|family| {
            let lines = lines(&fleet, &[&format!("task_{family}")]);
            lines.first().and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        })
    };
    let all_day = |limit| vec![rule("0:00", "24:00", limit, Some(0.1))];
    assert_eq!(told(Some(3.0), Some(2.0), Vec::new()), [Some(2.0), None, Some(1.0)]);
    assert_eq!(
        told(Some(2.0), Some(2.0), Vec::new()),
        [Some(2.0), None, Some(0.0)],
        "at the limit is within"
    );
    assert_eq!(told(Some(3.0), None, Vec::new()), [None, None, None]);
    assert_eq!(told(None, Some(2.0), Vec::new()), [Some(2.0), None, None]);
    assert_eq!(told(Some(3.0), Some(2.0), all_day(Some(4.0))), [Some(4.0), Some(0.1), Some(0.0)]);
    assert_eq!(
        told(Some(3.0), Some(2.0), all_day(None)),
        [None, Some(0.1), None],
        "a rule of 0 is unlimited"
    );
    let night = vec![rule("22:00", "6:00", Some(1.0), None)];
    assert_eq!(told(Some(3.0), Some(2.0), night), [Some(2.0), None, Some(1.0)], "it is noon");
}

#[test]
fn a_task_that_is_long_over_is_left_out_where_that_is_chosen() {
    let ended = |id: &str, state: TaskState, hours_ago: u64| {
        let millis = i64::try_from(hours_ago * 3_600_000).expect("a few hours");
        let finished = Some(Timestamp::from_millis(NOW.millis() - millis));
        let subtask = Subtask { name: "A".into(), progress: None, started: None, finished };
        Task { state: Some(state), subtasks: vec![subtask], ..task(id) }
    };
    let tasks = vec![
        ended("failed", TaskState::MigrateFail, 9),
        ended("late", TaskState::MigrateSuccess, 9),
        ended("new", TaskState::MigrateSuccess, 1),
    ];
    let choice = Choice { finished_retention: Some(Duration::from_secs(7200)), ..Choice::default() };
    let shown = lines_of(&fleet(Vec::new(), tasks), &Tally::default(), &choice);
    let shows = |id: &str| shown.iter().any(|line| line.contains(&format!("task_id=\"{id}\"")));
    assert_eq!((shows("failed"), shows("late"), shows("new")), (true, false, true));
    let counted = "tasks{state=\"MIGRATE_SUCCESS\",type=\"unknown\"} 2".to_owned();
    assert!(shown.contains(&counted), "what is left out is still counted");
}

#[test]
fn the_aggregate_has_no_series_of_single_objects() {
    let choice = Choice { aggregate: true, ..Choice::default() };
    let shown = lines_of(&crowded(), &busy(), &choice);
    assert!(shown.iter().all(|line| !line.contains("source_id") && !line.contains("task_id")));
    assert!(shown.contains(&"sources{state=\"replicate\"} 2".to_owned()));
}

#[test]
fn an_error_is_told_once_a_code_and_by_the_name_that_the_list_has() {
    let error = |id: &str, name: &str, code: &str| MigrationError {
        source_id: Some(SourceId::new(id)),
        source_name: Some(name.into()),
        error_code: ErrorCode::new(code),
    };
    let errors = vec![
        error("gone", "old name", "SMS.0202"),
        error("s", "old name", "SMS.0202"),
        error("s", "older name", "SMS.0202"),
        error("s", "old name", ""),
    ];
    let listed = Source { name: "new name".into(), ..source("s") };
    let fleet = Fleet { errors: part(errors), ..fleet(vec![listed], Vec::new()) };
    let permission = "error_code=\"SMS.0202\",category=\"permission\"";
    let unknown = "error_code=\"unknown\",category=\"unknown\"";
    let info = |id: &str, name: &str, code: &str| {
        format!("source_error_info{{source_id=\"{id}\",source_name=\"{name}\",{code}}} 1")
    };
    assert_eq!(
        lines(&fleet, &["source_error_info"]),
        [
            info("gone", "old name", permission),
            info("s", "new name", permission),
            info("s", "new name", unknown)
        ]
    );
    assert_eq!(
        lines(&fleet, &["migration_errors"]),
        [format!("migration_errors{{{permission}}} 3"), format!("migration_errors{{{unknown}}} 1")]
    );
}

#[test]
fn counters_tell_what_was_counted_and_nothing_of_the_gauges() {
    let shown = lines_of(&crowded(), &busy(), &Choice::default());
    for line in [
        "source_state_transitions_total{from=\"waiting\",to=\"replicate\"} 2",
        "task_state_transitions_total{from=\"READY\",to=\"RUNNING\"} 3",
        "task_failures_total{error_code=\"SMS.0202\",category=\"permission\"} 1",
        "check_failures_total{check=\"CPU\",error_code=\"SMS.0202\"} 1",
        "check_warnings_total{check=\"CPU\",error_code=\"SMS.0202\"} 1",
        "source_replicated_bytes_total{source_id=\"s1\",source_name=\"same name\"} 6",
        "source_replicated_bytes_total{source_id=\"s2\",source_name=\"same name\"} 0",
        "task_overspeed_events_total{task_id=\"t\",source_id=\"s1\",source_name=\"same name\"} 4",
    ] {
        assert!(shown.contains(&line.to_owned()), "{line}");
    }
}
