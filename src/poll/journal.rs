//! Each event as one log line, so that a person can read what the counters counted.

use std::collections::BTreeMap;

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
#[derive(Clone, Copy)]
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

/// So many events of a kind are told one by one in a poll; a hundred servers that register at once are one event to
/// a person, and further lines are for those who look for them.
const TOLD_EACH: usize = 10;

/// Tells the events of an account: of each kind the first few, and how many more there are. Those are told too, to
/// whoever logs at the level of debugging.
pub(super) fn tell(account: &str, events: &[Event]) {
    let mut told: BTreeMap<&'static str, (Line<'_>, usize)> = BTreeMap::new();
    for event in events {
        let line = line(event);
        let (_, count) = told.entry(line.event).or_insert((line, 0));
        *count += 1;
        let loudness = if *count > TOLD_EACH { Loudness::Debug } else { line.loudness };
        write(account, &Line { loudness, ..line });
    }
    for (event, (Line { loudness, message, .. }, count)) in told {
        let more = count.saturating_sub(TOLD_EACH);
        match loudness {
            _ if more == 0 => {}
            Loudness::Warn => warn!(event, account, count, more, "{message}, and more in the same poll"),
            Loudness::Info => info!(event, account, count, more, "{message}, and more in the same poll"),
            Loudness::Debug => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Event;
    use crate::model::SourceId;
    use crate::poll::failures::testing::Log;

    fn named(number: usize) -> Named {
        Named { id: SourceId::new(format!("s-{number}")), name: format!("web-{number}").into() }
    }

    #[test]
    fn many_events_of_a_kind_are_a_few_lines_and_one_that_counts_them() {
        let log = Log::default();
        let _watch = log.watch();
        let registered =
            (0..150).map(|number| Event::SourceRegistered { source: named(number), state: None });
        let lost = (0..12).map(|number| Event::AgentDisconnected { source: named(number) });
        let back = (0..10).map(|number| Event::AgentReconnected { source: named(number) });
        tell("a", &registered.chain(lost).chain(back).collect::<Vec<_>>());
        let lines = log.lines();
        let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
        assert_eq!(lines.len(), 11 + 11 + 10, "{lines:#?}");
        assert_eq!((count("WARN"), count("source_id=\"s-9\""), count("source_id=\"s-10\"")), (11, 3, 0));
        let rest = "INFO Source server registered, and more in the same poll event=\"source_registered\" \
                    account=\"a\" count=150 more=140";
        assert!(lines.iter().any(|line| line == rest), "{lines:#?}");
    }
}
