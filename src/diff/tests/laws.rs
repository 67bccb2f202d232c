//! What holds of every pair of fleets.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Objects by id with their state; `Unknown` and no state are the same to whoever counts.
type States<S> = BTreeMap<String, S>;

fn any_source(id: u8) -> impl Strategy<Value = Source> {
    let state = proptest::option::of(proptest::sample::select(SourceState::ALL));
    let parts = (state, any::<Option<bool>>(), any::<Option<u64>>(), 0..3_u8, any::<bool>());
    parts.prop_map(move |(state, connected, replicated, problems, renamed)| {
        let check = |number| Check {
            name: format!("CHECK_{number}").into(),
            result: CheckResult::Error,
            error_code: ErrorCode::new("SMS.6504"),
        };
        Source {
            name: if renamed { "another".into() } else { "name".into() },
            state,
            connected,
            replicated,
            checks: (0..problems).map(check).collect(),
            ..source(&format!("s{id}"), SourceState::Waiting)
        }
    })
}

fn any_task(id: u8) -> impl Strategy<Value = Task> {
    let state = proptest::option::of(proptest::sample::select(TaskState::ALL));
    (state, proptest::option::of(0.0..100.0)).prop_map(move |(state, speed)| Task {
        state,
        speed,
        ..task(&format!("t{id}"), TaskState::Ready, 0.0)
    })
}

/// Each of up to six objects is there or not.
fn some_of<T: std::fmt::Debug, S: Strategy<Value = T>>(
    one: impl Fn(u8) -> S,
) -> impl Strategy<Value = Vec<T>> {
    let all: Vec<_> = (0..6).map(|id| proptest::option::of(one(id))).collect();
    all.prop_map(|list| list.into_iter().flatten().collect())
}

fn any_fleet() -> impl Strategy<Value = Fleet> {
    (some_of(any_source), some_of(any_task)).prop_map(|(sources, tasks)| fleet(sources, tasks))
}

/// The same fleet in other places of the memory, as another poll would read it.
fn read_again(fleet: &Fleet) -> Fleet {
    super::fleet(
        fleet.sources().iter().map(|source| Source::clone(source)).collect(),
        fleet.tasks().iter().map(|task| Task::clone(task)).collect(),
    )
}

fn source_states(fleet: &Fleet) -> States<SourceState> {
    let state = |source: &Arc<Source>| source.state.unwrap_or(SourceState::Unknown);
    fleet.sources().iter().map(|source| (source.id.to_string(), state(source))).collect()
}

fn task_states(fleet: &Fleet) -> States<TaskState> {
    let state = |task: &Arc<Task>| task.state.unwrap_or(TaskState::Unknown);
    fleet.tasks().iter().map(|task| (task.id.to_string(), state(task))).collect()
}

/// Lets what happened happen; each event must fit what it happens to.
fn apply(events: &[Event], sources: &mut States<SourceState>, tasks: &mut States<TaskState>) {
    for event in events {
        match event {
            Event::SourceRegistered { source, state } => {
                let state = state.unwrap_or(SourceState::Unknown);
                assert_eq!(sources.insert(source.id.to_string(), state), None, "it was not there");
            }
            Event::SourceRemoved { source, .. } => {
                assert!(sources.remove(source.id.as_str()).is_some(), "it was there");
            }
            Event::SourceState { source, from, to } => {
                assert_eq!(sources.insert(source.id.to_string(), *to), Some(*from));
            }
            Event::TaskCreated { task, state } => {
                let state = state.unwrap_or(TaskState::Unknown);
                assert_eq!(tasks.insert(task.id.to_string(), state), None, "it was not there");
            }
            Event::TaskRemoved { task, .. } => {
                assert!(tasks.remove(task.id.as_str()).is_some(), "it was there");
            }
            Event::TaskState { task, from, to } => {
                assert_eq!(tasks.insert(task.id.to_string(), *to), Some(*from));
            }
            Event::AgentDisconnected { .. }
            | Event::AgentReconnected { .. }
            | Event::CheckProblem { .. }
            | Event::Replicated { .. }
            | Event::TaskFailed { .. }
            | Event::Overspeed { .. }
            | Event::OverspeedStopSuspected { .. } => {}
        }
    }
}

proptest! {
    #[test]
    fn nothing_happened_between_a_fleet_and_itself(fleet in any_fleet()) {
        prop_assert_eq!(diff(&fleet, &fleet), []);
        prop_assert_eq!(diff(&fleet, &read_again(&fleet)), []);
    }

    #[test]
    fn what_happened_leads_from_one_fleet_to_the_other(before in any_fleet(), now in any_fleet()) {
        let (mut sources, mut tasks) = (source_states(&before), task_states(&before));
        apply(&diff(&before, &now), &mut sources, &mut tasks);
        prop_assert_eq!(sources, source_states(&now));
        prop_assert_eq!(tasks, task_states(&now));
    }

    #[test]
    fn a_part_that_was_not_read_did_not_change(before in any_fleet(), now in any_fleet()) {
        let unread = Fleet { sources: None, tasks: None, ..now.clone() };
        prop_assert_eq!(diff(&before, &unread), []);
        prop_assert_eq!(diff(&unread, &now), []);
        let kept = Fleet { sources: before.sources.clone(), tasks: before.tasks.clone(), ..now };
        prop_assert!(diff(&before, &kept).is_empty(), "the last good part stays");
    }
}
