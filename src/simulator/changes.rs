//! What changed, counted: exactly, step by step, or as an observer of two moments sees it.

use std::collections::BTreeMap;

use super::world::{Source, Task, Text, World};

/// Counts of changes. All maps lack what never happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Sources, by state before and after.
    pub source_transitions: BTreeMap<(String, String), u64>,
    /// Tasks, by state before and after.
    pub task_transitions: BTreeMap<(String, String), u64>,
    /// Agents that fell silent.
    pub disconnects: u64,
    /// Agents that came back.
    pub reconnects: u64,
    /// Tasks that entered `MIGRATE_FAIL` or `SYNC_FAIL`, by error code ("" for none).
    pub failures: BTreeMap<String, u64>,
    /// Sources that appeared.
    pub registrations: u64,
    /// Sources that went.
    pub removals: u64,
    /// Bytes that `replicatesize` gained, by source id. A fall gains nothing, unless the task or the stage
    /// changed with it: then the new figure is a gain.
    pub gained: BTreeMap<String, i64>,
    /// Tasks whose speed went from within the limit in force to above it, by task id.
    pub overspeed: BTreeMap<String, u64>,
}

/// As much of a source as a change is told by.
#[derive(Clone, Debug)]
pub(super) struct SourceGlance {
    state: Text,
    cycle: Text,
    connected: bool,
    replicated: i64,
    task: Option<String>,
}

/// As much of a task as a change is told by.
#[derive(Clone, Debug)]
pub(super) struct TaskGlance {
    state: Text,
    code: Text,
    over: bool,
}

impl From<&Source> for SourceGlance {
    fn from(source: &Source) -> Self {
        Self {
            state: source.state.clone(),
            cycle: source.migration_cycle.clone(),
            connected: source.connected,
            replicated: source.replicatesize,
            task: source.task.clone(),
        }
    }
}

impl TaskGlance {
    pub(super) fn new(task: &Task, now_ms: i64) -> Self {
        let code = task.error.as_ref().map(|(code, _)| code.clone()).unwrap_or_default();
        Self { state: task.state.clone(), code, over: task.is_over_limit_at(now_ms) }
    }
}

impl Changes {
    /// What somebody who sees only these two moments would count.
    pub fn between(before: &World, after: &World) -> Self {
        let mut changes = Self::default();
        for (id, source) in &before.sources {
            changes.note_source(id, Some(&source.into()), after.sources.get(id).map(Into::into).as_ref());
        }
        for (id, source) in after.sources.iter().filter(|(id, _)| !before.sources.contains_key(*id)) {
            changes.note_source(id, None, Some(&source.into()));
        }
        for (id, task) in &after.tasks {
            let earlier = before.tasks.get(id).map(|task| TaskGlance::new(task, before.now_ms));
            changes.note_task(id, earlier.as_ref(), Some(&TaskGlance::new(task, after.now_ms)));
        }
        changes
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: &Self) {
        let Self {
            source_transitions,
            task_transitions,
            disconnects,
            reconnects,
            failures,
            registrations,
            removals,
            gained,
            overspeed,
        } = other;
        self.disconnects += disconnects;
        self.reconnects += reconnects;
        self.registrations += registrations;
        self.removals += removals;
        add_up(&mut self.source_transitions, source_transitions);
        add_up(&mut self.task_transitions, task_transitions);
        add_up(&mut self.failures, failures);
        add_up(&mut self.overspeed, overspeed);
        for (id, gain) in gained {
            let gained = self.gained.entry(id.clone()).or_default();
            *gained = gained.saturating_add(*gain);
        }
    }

    /// Bytes gained by all sources.
    pub fn gained_total(&self) -> i64 {
        self.gained.values().fold(0, |sum, gain| sum.saturating_add(*gain))
    }

    pub(super) fn note_source(
        &mut self,
        id: &str,
        before: Option<&SourceGlance>,
        after: Option<&SourceGlance>,
    ) {
        let (Some(before), Some(after)) = (before, after) else {
            self.registrations += u64::from(after.is_some());
            self.removals += u64::from(before.is_some());
            return;
        };
        if before.state != after.state {
            count(&mut self.source_transitions, (before.state.to_string(), after.state.to_string()));
        }
        self.disconnects += u64::from(before.connected && !after.connected);
        self.reconnects += u64::from(!before.connected && after.connected);
        let anew = before.task != after.task || before.cycle != after.cycle;
        let gain = match after.replicated.saturating_sub(before.replicated) {
            fall if fall < 0 => i64::from(anew) * after.replicated,
            gain => gain,
        };
        if gain != 0 {
            let gained = self.gained.entry(id.to_owned()).or_default();
            *gained = gained.saturating_add(gain);
        }
    }

    pub(super) fn note_task(&mut self, id: &str, before: Option<&TaskGlance>, after: Option<&TaskGlance>) {
        let (Some(before), Some(after)) = (before, after) else { return };
        if before.state != after.state {
            count(&mut self.task_transitions, (before.state.to_string(), after.state.to_string()));
            if matches!(&*after.state, "MIGRATE_FAIL" | "SYNC_FAIL") {
                count(&mut self.failures, after.code.to_string());
            }
        }
        if after.over && !before.over {
            count(&mut self.overspeed, id.to_owned());
        }
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn add_up<K: Ord + Clone>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, value) in from {
        *to.entry(key.clone()).or_default() += *value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(sources: &[(&str, &'static str, i64)]) -> World {
        let mut world = World::default();
        for (id, state, replicatesize) in sources {
            let source =
                Source { state: (*state).into(), replicatesize: *replicatesize, ..Source::default() };
            world.sources.insert((*id).to_owned(), source);
        }
        world
    }

    #[test]
    fn nothing_changes_between_a_moment_and_itself() {
        let world = world(&[("a", "waiting", 5)]);
        assert_eq!(Changes::between(&world, &world), Changes::default());
    }

    #[test]
    fn moves_gains_comings_and_goings_are_counted() {
        let before = world(&[("a", "replicate", 5), ("b", "error", 9)]);
        let after = world(&[("a", "syncing", 12), ("c", "waiting", 100)]);
        let changes = Changes::between(&before, &after);
        assert_eq!(changes.source_transitions, BTreeMap::from([(("replicate".into(), "syncing".into()), 1)]));
        assert_eq!((changes.registrations, changes.removals, changes.gained_total()), (1, 1, 7));
    }

    #[test]
    fn a_fall_is_a_gain_only_when_the_task_changed() {
        let before = world(&[("a", "replicate", 50)]);
        let mut after = world(&[("a", "replicate", 20)]);
        assert_eq!(Changes::between(&before, &after).gained_total(), 0);
        after.sources.get_mut("a").unwrap().task = Some("new".into());
        assert_eq!(Changes::between(&before, &after).gained_total(), 20);
    }
}
