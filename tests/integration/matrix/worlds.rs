//! Worlds that stand still but for what a test does to them.

use huaweicloud_sms_exporter::simulator::{
    Consistency, MigrationError, Source, SpeedRule, Target, Task, World,
};

use crate::virtual_time::START_MS;

/// How many of each there are; tasks belong to the sources in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) sources: usize,
    pub(super) tasks: usize,
    pub(super) errors: usize,
    /// Tasks that copy by rules; half of them have a consistency result.
    pub(super) detailed: usize,
}

pub(super) fn source_id(nth: usize) -> String {
    format!("source-{nth:05}")
}

fn task_id(nth: usize) -> String {
    format!("task-{nth:05}")
}

pub(super) fn fill(world: &mut World, size: Size) {
    for nth in 0..size.sources {
        let source = source(nth, (nth < size.tasks).then(|| task_id(nth)), nth < size.detailed / 2);
        world.sources.insert(source.id.clone(), source);
    }
    for nth in 0..size.tasks {
        let task = task(nth, nth % size.sources, nth < size.detailed);
        world.tasks.insert(task.id.clone(), task);
    }
    for nth in 0..size.errors {
        world.errors.insert(source_id(nth), error(nth));
    }
}

fn source(nth: usize, task: Option<String>, compared: bool) -> Source {
    Source {
        ordinal: nth as u64,
        id: source_id(nth),
        ip: format!("10.0.{}.{}", nth / 200, nth % 200 + 1),
        name: format!("server-{nth:05}"),
        add_date: START_MS - 86_400_000,
        os_type: "LINUX".into(),
        os_version: "CENTOS_7_6_64BIT".into(),
        firmware: "BIOS".into(),
        agent_version: "25.2.0".into(),
        state: "replicate".into(),
        connected: true,
        cpu_quantity: 4,
        memory: 8 << 30,
        replicatesize: 1 << 30,
        totalsize: 1 << 40,
        migration_cycle: "replicating".into(),
        is_consistency_result_exist: compared,
        task,
        ..Source::default()
    }
}

fn task(nth: usize, source: usize, detailed: bool) -> Task {
    let rule = SpeedRule {
        start: "00:00".into(),
        end: "24:00".into(),
        speed: 100 + nth as i64,
        over_speed_threshold: Some(10.0),
    };
    let result = Consistency {
        finished_time: START_MS - 3_600_000,
        check_result: "success".into(),
        directories: vec![("/srv".into(), [10, 0, 0, 0])],
    };
    Task {
        // Any that has no oddity: some tasks' JSON does not tell their source, which must tell its task then.
        ordinal: 1,
        id: task_id(nth),
        name: format!("sms_task_{nth}"),
        kind: "MIGRATE_FILE".into(),
        state: if detailed { "RUNNING".into() } else { "READY".into() },
        create_date: START_MS - 86_400_000,
        migrate_speed: 50.0,
        compress_rate: 1.0,
        source_id: source_id(source),
        target: Target { id: format!("target-{nth}"), ..Target::default() },
        rules: if detailed { vec![rule] } else { Vec::new() },
        consistency: detailed.then_some(result),
        ..Task::default()
    }
}

fn error(nth: usize) -> MigrationError {
    MigrationError {
        error_json: r#"{"error_code":"SMS.1901","error_param":"[]"}"#.into(),
        name: format!("server-{nth:05}"),
        source_id: source_id(nth),
        ..MigrationError::default()
    }
}

/// What happens while a fault is in force: one goes, one comes, one goes on in its migration, one falls silent.
pub(super) fn change(world: &mut World) {
    let detailed = world.tasks.get(&task_id(0)).is_some_and(|task| task.state == "RUNNING");
    world.sources.remove(&source_id(1));
    world.tasks.retain(|id, task| *id != task_id(1) && task.source_id != source_id(1));
    world.errors.remove(&source_id(1));
    let (new, has_task) = (90_000, !world.tasks.is_empty());
    world.sources.insert(source_id(new), source(new, has_task.then(|| task_id(new)), detailed));
    if has_task {
        world.tasks.insert(task_id(new), task(new, new, detailed));
    }
    if !world.errors.is_empty() {
        world.errors.insert(source_id(new), error(new));
    }
    world.tasks.entry(task_id(2)).and_modify(|task| task.state = "SYNCING".into());
    world.sources.entry(source_id(2)).and_modify(|source| {
        (source.state, source.migration_cycle) = ("syncing".into(), "syncing".into());
        source.replicatesize += 1 << 30;
    });
    world.sources.entry(source_id(3)).and_modify(|source| source.connected = false);
}

/// What happens when a fault ends, so that whoever reads it was fresh after it; the nth time.
pub(super) fn mark(world: &mut World) {
    for source in world.sources.values_mut() {
        source.cpu_quantity += 1;
    }
    for task in world.tasks.values_mut() {
        task.compress_rate += 1.0;
    }
    if !world.errors.is_empty() {
        world.errors.insert(source_id(91_000), error(91_000));
    }
    world.sources.entry(source_id(0)).and_modify(|source| source.state = "stopping".into());
}
