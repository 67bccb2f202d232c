//! Tests of the difference.

mod laws;

use super::*;
use crate::model::{Part, SourceFacts, SpeedRule, Stage, TaskFacts, TimeOfDay, Timestamp};

fn source(id: &str, state: SourceState) -> Source {
    Source {
        id: SourceId::new(id),
        name: format!("name-{id}").into(),
        facts: SourceFacts::default(),
        state: Some(state),
        stage: Some(Stage::Replicating),
        connected: Some(true),
        replicated: Some(100),
        total: Some(1000),
        cpus: None,
        memory: None,
        disks: vec![],
        checks: vec![],
        registered: None,
        state_changed: None,
        stage_changed: None,
        connection_changed: None,
        traffic_control: None,
        consistency_result: None,
        current_task: None,
    }
}

fn task(id: &str, state: TaskState, speed: f64) -> Task {
    Task {
        id: TaskId::new(id),
        source_id: Some(SourceId::new("a")),
        source_name: Some("name-a".into()),
        facts: TaskFacts::default(),
        state: Some(state),
        speed: Some(speed),
        speed_limit: Some(50.0),
        compression_rate: None,
        created: None,
        estimated_completion: None,
        active_seconds: None,
        error_code: None,
        subtasks: vec![],
        load: crate::model::Load::default(),
        network: None,
    }
}

fn fleet(sources: Vec<Source>, tasks: Vec<Task>) -> Fleet {
    let read_at = Timestamp::from_millis(12 * 3_600_000);
    let rule =
        SpeedRule { start: TimeOfDay::START, end: TimeOfDay::END, limit: Some(50.0), threshold: Some(0.2) };
    let rules = tasks.iter().map(|task| (task.id.clone(), Arc::from([rule]))).collect();
    Fleet {
        sources: Some(Arc::new(Part { data: sources.into_iter().map(Arc::new).collect(), read_at })),
        tasks: Some(Arc::new(Part { data: tasks.into_iter().map(Arc::new).collect(), read_at })),
        speed_rules: Some(Arc::new(Part { data: rules, read_at })),
        ..Fleet::default()
    }
}

fn sources(before: Source, now: Source) -> Vec<Event> {
    diff(&fleet(vec![before], vec![]), &fleet(vec![now], vec![]))
}

fn tasks(before: Task, now: Task) -> Vec<Event> {
    diff(&fleet(vec![], vec![before]), &fleet(vec![], vec![now]))
}

fn kinds(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}").split([' ', '{']).next().unwrap().to_owned()).collect()
}

#[test]
fn nothing_changed_between_a_fleet_and_itself_or_its_equal() {
    let one = fleet(vec![source("a", SourceState::Error)], vec![task("t", TaskState::MigrateFail, 99.0)]);
    let equal = fleet(vec![source("a", SourceState::Error)], vec![task("t", TaskState::MigrateFail, 99.0)]);
    assert_eq!(diff(&one, &one), []);
    assert_eq!(diff(&one, &equal), []);
}

#[test]
fn the_first_reading_of_a_part_is_a_baseline() {
    let full = fleet(vec![source("a", SourceState::Error)], vec![task("t", TaskState::MigrateFail, 99.0)]);
    assert_eq!(diff(&Fleet::default(), &full), []);
    assert_eq!(diff(&full, &Fleet::default()), [], "a part that is gone says nothing of its objects");
}

#[test]
fn sources_come_change_and_go() {
    let old = fleet(vec![source("a", SourceState::Waiting), source("b", SourceState::Finished)], vec![]);
    let new = fleet(vec![source("a", SourceState::Initialize), source("c", SourceState::Waiting)], vec![]);
    assert_eq!(kinds(&diff(&old, &new)), ["SourceState", "SourceRemoved", "SourceRegistered"]);
}

#[test]
fn an_agent_that_drops_out_and_comes_back_is_told_twice() {
    let (here, mut gone) = (source("a", SourceState::Replicate), source("a", SourceState::Replicate));
    gone.connected = Some(false);
    assert_eq!(kinds(&sources(here.clone(), gone.clone())), ["AgentDisconnected"]);
    assert_eq!(kinds(&sources(gone.clone(), here.clone())), ["AgentReconnected"]);
    let mut unsaid = here;
    unsaid.connected = None;
    assert_eq!(sources(unsaid, gone), [], "nobody knows when it went");
}

#[test]
fn a_fall_of_the_replicated_size_adds_nothing_unless_the_copy_began_anew() {
    let at = |bytes, stage| Source {
        replicated: Some(bytes),
        stage: Some(stage),
        ..source("a", SourceState::Replicate)
    };
    let gain = |before, now| match sources(before, now).as_slice() {
        [Event::Replicated { bytes, .. }] => *bytes,
        [] => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(gain(at(100, Stage::Replicating), at(150, Stage::Replicating)), 50);
    assert_eq!(gain(at(100, Stage::Replicating), at(30, Stage::Replicating)), 0);
    assert_eq!(gain(at(100, Stage::Replicating), at(30, Stage::Syncing)), 30);
    assert_eq!(gain(at(100, Stage::Replicating), at(100, Stage::Syncing)), 0);
    let unsaid = Source { replicated: None, ..source("a", SourceState::Replicate) };
    assert_eq!(gain(unsaid, at(100, Stage::Replicating)), 0);
}

#[test]
fn a_check_is_told_when_it_turns_bad_and_not_again() {
    let check = |result| Check { name: "OS_VERSION".into(), result, error_code: ErrorCode::new("SMS.6504") };
    let with = |checks: Vec<Check>| Source { checks, ..source("a", SourceState::Unavailable) };
    let bad = with(vec![check(CheckResult::Error)]);
    assert_eq!(kinds(&sources(with(vec![check(CheckResult::Ok)]), bad.clone())), ["CheckProblem"]);
    assert_eq!(sources(bad.clone(), bad.clone()), []);
    assert_eq!(sources(bad.clone(), with(vec![check(CheckResult::Ok)])), []);
    let twice = with(vec![check(CheckResult::Error), check(CheckResult::Error)]);
    assert_eq!(kinds(&sources(bad.clone(), twice)), ["CheckProblem"]);
    let came = diff(&fleet(vec![], vec![]), &fleet(vec![bad], vec![]));
    assert_eq!(kinds(&came), ["SourceRegistered", "CheckProblem"]);
}

#[test]
fn a_task_that_fails_says_why() {
    let failed = Task { error_code: ErrorCode::new("SMS.1302"), ..task("t", TaskState::MigrateFail, 0.0) };
    let events = tasks(task("t", TaskState::Running, 10.0), failed.clone());
    assert_eq!(kinds(&events), ["TaskState", "TaskFailed"]);
    assert!(
        matches!(&events[1], Event::TaskFailed { error_code: Some(code), .. } if code.as_str() == "SMS.1302")
    );
    let came = diff(&fleet(vec![], vec![]), &fleet(vec![], vec![failed]));
    assert_eq!(kinds(&came), ["TaskCreated", "TaskFailed"]);
}

#[test]
fn a_crossing_of_the_limit_is_told_once_and_a_stop_beyond_the_threshold_is_suspected() {
    let running = |speed| task("t", TaskState::Running, speed);
    assert_eq!(kinds(&tasks(running(50.0), running(51.0))), ["Overspeed"]);
    assert_eq!(tasks(running(51.0), running(59.0)), []);
    assert_eq!(
        kinds(&tasks(running(61.0), task("t", TaskState::Aborting, 0.0))),
        ["TaskState", "OverspeedStopSuspected"]
    );
    assert_eq!(kinds(&tasks(running(59.0), task("t", TaskState::Aborting, 0.0))), ["TaskState"]);
    assert_eq!(
        kinds(&tasks(task("t", TaskState::Ready, 61.0), task("t", TaskState::Abort, 0.0))),
        ["TaskState"]
    );
}

#[test]
fn a_window_that_begins_makes_an_unchanged_task_too_fast() {
    let old = fleet(vec![], vec![task("t", TaskState::Running, 40.0)]);
    let strict =
        SpeedRule { start: TimeOfDay::START, end: TimeOfDay::END, limit: Some(30.0), threshold: None };
    let rules = [(TaskId::new("t"), Arc::from([strict]))].into();
    let read_at = Timestamp::from_millis(0);
    let tasks = Part { data: old.tasks().to_vec(), read_at };
    let new = Fleet {
        tasks: Some(Arc::new(tasks)),
        speed_rules: Some(Arc::new(Part { data: rules, read_at })),
        ..old.clone()
    };
    assert_eq!(kinds(&diff(&old, &new)), ["Overspeed"]);
}

#[test]
fn a_limit_that_is_only_now_known_was_not_crossed_now() {
    let new = fleet(vec![], vec![task("t", TaskState::Running, 99.0)]);
    let unlimited = Task { speed_limit: None, ..task("t", TaskState::Running, 99.0) };
    let old = Fleet { speed_rules: None, ..fleet(vec![], vec![unlimited]) };
    assert_eq!(diff(&old, &new), []);
}
