//! Each event as one log line, so that a person can read what the counters counted.

use tracing::{debug, info, warn};

use crate::diff::{Event, Named, NamedTask};
use crate::model::ErrorCode;

/// How loudly an event is told.
#[derive(Clone, Copy)]
enum Loudness {
    /// A person may have to act.
    Warn,
    /// A person may want to know.
    Info,
    /// It happens in every poll.
    Debug,
}

/// What there is to tell of an event; a field that it does not have is not in its line.
struct Line<'a> {
    loudness: Loudness,
    event: &'static str,
    message: &'static str,
    source: Option<&'a Named>,
    task: Option<&'a NamedTask>,
    from: Option<&'static str>,
    to: Option<&'static str>,
    check: Option<&'a str>,
    result: Option<&'static str>,
    error_code: Option<&'a ErrorCode>,
    bytes: Option<u64>,
}

/// Tells the events of an account.
pub(super) fn tell(account: &str, events: &[Event]) {
    for event in events {
        write(account, &line(event));
    }
}

fn write(account: &str, line: &Line<'_>) {
    let Line { loudness, event, message, from, to, check, result, bytes, .. } = *line;
    let source = line.source.or(line.task.and_then(|task| task.source.as_ref()));
    let (source_id, source_name) =
        (source.map(|source| source.id.as_str()), source.map(|source| &*source.name));
    let task_id = line.task.map(|task| task.id.as_str());
    let error_code = line.error_code.map(ErrorCode::as_str);
    let category = line.error_code.map(|code| code.category().label());
    macro_rules! say {
        ($macro:ident) => {
            $macro!(
                event,
                account,
                source_id,
                source_name,
                task_id,
                from,
                to,
                check,
                result,
                error_code,
                category,
                bytes,
                "{message}"
            )
        };
    }
    match loudness {
        Loudness::Warn => say!(warn),
        Loudness::Info => say!(info),
        Loudness::Debug => say!(debug),
    }
}

const fn of_source<'a>(
    loudness: Loudness,
    event: &'static str,
    message: &'static str,
    source: &'a Named,
) -> Line<'a> {
    Line {
        loudness,
        event,
        message,
        source: Some(source),
        task: None,
        from: None,
        to: None,
        check: None,
        result: None,
        error_code: None,
        bytes: None,
    }
}

const fn of_task<'a>(
    loudness: Loudness,
    event: &'static str,
    message: &'static str,
    task: &'a NamedTask,
) -> Line<'a> {
    Line {
        loudness,
        event,
        message,
        source: None,
        task: Some(task),
        from: None,
        to: None,
        check: None,
        result: None,
        error_code: None,
        bytes: None,
    }
}

fn line(event: &Event) -> Line<'_> {
    use Loudness::{Debug, Info, Warn};
    match event {
        Event::SourceRegistered { source, state } => {
            let line = of_source(Info, "source_registered", "Source server registered", source);
            Line { to: state.map(|state| state.label()), ..line }
        }
        Event::SourceRemoved { source, state } => {
            let line = of_source(Info, "source_removed", "Source server removed", source);
            Line { from: state.map(|state| state.label()), ..line }
        }
        Event::SourceState { source, from, to } => {
            let line = of_source(Info, "source_state", "Source server changed its state", source);
            Line { from: Some(from.label()), to: Some(to.label()), ..line }
        }
        Event::AgentDisconnected { source } => {
            of_source(Warn, "agent_disconnected", "Agent lost its connection", source)
        }
        Event::AgentReconnected { source } => {
            of_source(Info, "agent_reconnected", "Agent is connected again", source)
        }
        Event::CheckProblem { source, check, result, error_code } => {
            let line = of_source(Warn, "check_problem", "Environment check is not OK", source);
            Line { check: Some(check), result: Some(result.label()), error_code: error_code.as_ref(), ..line }
        }
        Event::Replicated { source, bytes } => {
            let line = of_source(Debug, "replicated", "Source server replicated", source);
            Line { bytes: Some(*bytes), ..line }
        }
        Event::TaskCreated { task, state } => Line {
            to: state.map(|state| state.label()),
            ..of_task(Info, "task_created", "Task created", task)
        },
        Event::TaskRemoved { task, state } => Line {
            from: state.map(|state| state.label()),
            ..of_task(Info, "task_removed", "Task removed", task)
        },
        Event::TaskState { task, from, to } => {
            let line = of_task(Info, "task_state", "Task changed its state", task);
            Line { from: Some(from.label()), to: Some(to.label()), ..line }
        }
        Event::TaskFailed { task, error_code } => {
            Line { error_code: error_code.as_ref(), ..of_task(Warn, "task_failed", "Task failed", task) }
        }
        Event::Overspeed { task } => of_task(Warn, "overspeed", "Task is faster than its limit", task),
        Event::OverspeedStopSuspected { task } => of_task(
            Warn,
            "overspeed_stop",
            "Task was stopped after it ran beyond its limit and threshold",
            task,
        ),
    }
}
