//! The counters as they are kept: maps become lists, for JSON's keys are strings.

use serde::{Deserialize, Serialize};

use crate::metrics::Tally;
use crate::model::{ErrorCode, SourceId, SourceState, TaskId, TaskState};

/// A count by two words.
type Pair = (String, String, u64);

/// A count by a check's name and an error code.
type Problem = (String, Option<String>, u64);

/// The tally. A counter that a file does not have begins at zero.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct KeptTally {
    source_transitions: Vec<Pair>,
    task_transitions: Vec<Pair>,
    disconnects: u64,
    reconnects: u64,
    failures: Vec<(Option<String>, u64)>,
    check_failures: Vec<Problem>,
    check_warnings: Vec<Problem>,
    overspeed: u64,
    overspeed_stops: u64,
    registrations: u64,
    removals: u64,
    replicated: u64,
    replicated_by_source: Vec<(String, u64)>,
    overspeed_by_task: Vec<(String, u64)>,
}

impl From<&Tally> for KeptTally {
    fn from(tally: &Tally) -> Self {
        let Tally {
            source_transitions,
            task_transitions,
            disconnects,
            reconnects,
            failures,
            check_failures,
            check_warnings,
            overspeed,
            overspeed_stops,
            registrations,
            removals,
            replicated,
            replicated_by_source,
            overspeed_by_task,
        } = tally;
        let code = |code: &Option<ErrorCode>| code.as_ref().map(ToString::to_string);
        let word = |label: &'static str| label.to_owned();
        Self {
            source_transitions: list(source_transitions, |(from, to), n| {
                (word(from.label()), word(to.label()), n)
            }),
            task_transitions: list(task_transitions, |(from, to), n| {
                (word(from.label()), word(to.label()), n)
            }),
            disconnects: *disconnects,
            reconnects: *reconnects,
            failures: list(failures, |failure, n| (code(failure), n)),
            check_failures: list(check_failures, |(check, why), n| (check.to_string(), code(why), n)),
            check_warnings: list(check_warnings, |(check, why), n| (check.to_string(), code(why), n)),
            overspeed: *overspeed,
            overspeed_stops: *overspeed_stops,
            registrations: *registrations,
            removals: *removals,
            replicated: *replicated,
            replicated_by_source: list(replicated_by_source, |id, n| (id.to_string(), n)),
            overspeed_by_task: list(overspeed_by_task, |id, n| (id.to_string(), n)),
        }
    }
}

impl From<KeptTally> for Tally {
    fn from(kept: KeptTally) -> Self {
        let KeptTally {
            source_transitions,
            task_transitions,
            disconnects,
            reconnects,
            failures,
            check_failures,
            check_warnings,
            overspeed,
            overspeed_stops,
            registrations,
            removals,
            replicated,
            replicated_by_source,
            overspeed_by_task,
        } = kept;
        let code = |code: Option<String>| code.as_deref().and_then(ErrorCode::new);
        let of_source =
            |(from, to, n): Pair| ((SourceState::from_wire(&from), SourceState::from_wire(&to)), n);
        let of_task = |(from, to, n): Pair| ((TaskState::from_wire(&from), TaskState::from_wire(&to)), n);
        let problem = |(check, why, n): Problem| ((check.into_boxed_str(), code(why)), n);
        Self {
            source_transitions: source_transitions.into_iter().map(of_source).collect(),
            task_transitions: task_transitions.into_iter().map(of_task).collect(),
            disconnects,
            reconnects,
            failures: failures.into_iter().map(|(why, n)| (code(why), n)).collect(),
            check_failures: check_failures.into_iter().map(problem).collect(),
            check_warnings: check_warnings.into_iter().map(problem).collect(),
            overspeed,
            overspeed_stops,
            registrations,
            removals,
            replicated,
            replicated_by_source: ids(replicated_by_source, SourceId::new),
            overspeed_by_task: ids(overspeed_by_task, TaskId::new),
        }
    }
}

fn list<K, T>(counts: &std::collections::BTreeMap<K, u64>, keep: impl Fn(&K, u64) -> T) -> Vec<T> {
    counts.iter().map(|(key, count)| keep(key, *count)).collect()
}

fn ids<K: Ord>(counts: Vec<(String, u64)>, id: impl Fn(String) -> K) -> std::collections::BTreeMap<K, u64> {
    counts.into_iter().map(|(key, count)| (id(key), count)).collect()
}
