//! What drives the world: an agenda of the moments at which something happens, worked off in order.
//!
//! Every server has its own stream of chance and the agenda has one order, so a world depends on its seed and
//! on how far it was moved, not on the size of the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Settings;
use super::changes::{Changes, SourceGlance, TaskGlance};
use super::course::{Course, Next, Scene, TICK};
use super::fleet;
use super::operation::Operation;
use super::random::Random;
use super::world::{MigrationError, Source, World};

/// The first servers had registered up to so long before the start, milliseconds.
const PAST: i64 = 45 * 60_000;

/// Between two looks at a copy before the start, milliseconds: coarser, so that large worlds begin soon.
const PAST_TICK: i64 = 60_000;

/// What happens at an entry of the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Registration,
    Agent,
    Step,
}

#[derive(Debug)]
pub(super) struct Engine {
    pub(super) world: World,
    pub(super) changes: Changes,
    courses: BTreeMap<u64, Course>,
    agenda: BTreeSet<(i64, u64, Turn)>,
    next_ordinal: u64,
    seed: u64,
    churn: bool,
    tick: i64,
    /// Less than a millisecond that was advanced but not yet lived.
    remainder: Duration,
    /// Decides who leaves when the list turns over.
    leaving: Random,
}

impl Engine {
    /// A fleet in the middle of its migration: half of it registered long before, half just now.
    pub(super) fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed, u64::MAX);
        let migprojects = ["SystemProject", "phase-1"].map(|name| (random.uuid(), name.to_owned())).to_vec();
        let mut engine = Self {
            world: World {
                now_ms: settings.start_ms - PAST - 1,
                region: settings.region.clone(),
                migprojects,
                ..World::default()
            },
            changes: Changes::default(),
            courses: BTreeMap::new(),
            agenda: BTreeSet::new(),
            next_ordinal: 0,
            seed: settings.seed,
            churn: false,
            tick: PAST_TICK,
            remainder: Duration::ZERO,
            leaving: Random::new(settings.seed, 0x1EA_7E5),
        };
        for index in 0..settings.sources {
            let ago =
                if index % 2 == 0 { random.between(PAST / 8, PAST) } else { random.between(1, PAST / 8) };
            engine.expect_registration(settings.start_ms - ago);
        }
        engine.move_to(settings.start_ms);
        engine.changes = Changes::default();
        (engine.churn, engine.tick) = (settings.churn, TICK);
        engine
    }

    /// Moves the world on by so much simulated time.
    pub(super) fn advance(&mut self, by: Duration) {
        let whole = by + self.remainder;
        self.remainder = Duration::from_nanos(u64::from(whole.subsec_nanos() % 1_000_000));
        let milliseconds = i64::try_from(whole.as_millis()).unwrap_or(i64::MAX / 4);
        self.move_to(self.world.now_ms + milliseconds);
    }

    /// Lets somebody change the world by hand, and counts what changed.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut World)) {
        let before = self.world.clone();
        change(&mut self.world);
        self.world.now_ms = before.now_ms;
        self.changes.add(&Changes::between(&before, &self.world));
    }

    fn move_to(&mut self, target: i64) {
        while let Some(&(due, ordinal, turn)) = self.agenda.first().filter(|entry| entry.0 <= target) {
            self.agenda.pop_first();
            self.world.now_ms = due;
            match turn {
                Turn::Registration => drop(self.register(ordinal)),
                Turn::Agent => self.agent(ordinal),
                Turn::Step => self.step(ordinal),
            }
        }
        self.world.now_ms = target;
    }

    fn expect_registration(&mut self, at: i64) {
        self.agenda.insert((at, self.next_ordinal, Turn::Registration));
        self.next_ordinal += 1;
    }

    fn register(&mut self, ordinal: u64) -> Source {
        let (now, mut random) = (self.world.now_ms, Random::new(self.seed, ordinal));
        let project = self.world.migprojects.get(usize::from(ordinal.is_multiple_of(3)));
        let project = project.map_or("", |(id, _)| id);
        let source = fleet::register(&mut random, ordinal, now, project);
        self.agenda.insert((now + random.between(20_000, 60_000), ordinal, Turn::Step));
        self.agenda.insert((now + random.between(300_000, 5_400_000), ordinal, Turn::Agent));
        self.changes.registrations += 1;
        self.courses.insert(ordinal, Course::new(random, &source));
        self.world.sources.insert(source.id.clone(), source.clone());
        source
    }

    /// The agent falls silent or comes back.
    fn agent(&mut self, ordinal: u64) {
        let Some(course) = self.courses.get_mut(&ordinal) else { return };
        let Some(source) = self.world.sources.get_mut(&course.source) else { return };
        let now = self.world.now_ms;
        if !source.pinned {
            source.connected = !source.connected;
            source.last_visit_time = Some(now);
            self.changes.reconnects += u64::from(source.connected);
            self.changes.disconnects += u64::from(!source.connected);
        }
        let pause = if source.connected { (600_000, 5_400_000) } else { (30_000, 300_000) };
        self.agenda.insert((now + course.random.between(pause.0, pause.1), ordinal, Turn::Agent));
    }

    fn step(&mut self, ordinal: u64) {
        let Some(course) = self.courses.get_mut(&ordinal) else { return };
        let World { now_ms, sources, tasks, errors, .. } = &mut self.world;
        let (now, id) = (*now_ms, course.source.clone());
        let Some(source) = sources.get_mut(&id) else {
            self.courses.remove(&ordinal);
            return;
        };
        let task = source.task.as_ref().and_then(|id| tasks.get_mut(id));
        let source_before = SourceGlance::from(&*source);
        let task_before = task.as_deref().map(|task| TaskGlance::new(task, now));
        let next = Scene { now, churn: self.churn, tick: self.tick, source, task, errors, course }.step();
        let pause = match next {
            Next::After(pause) => pause,
            Next::Configured(task, pause) => {
                source.task = Some(task.id.clone());
                tasks.insert(task.id.clone(), *task);
                pause
            }
            Next::Gone => {
                self.remove(&id);
                self.courses.remove(&ordinal);
                let pause = Random::new(self.seed, !ordinal).between(TICK, 12 * TICK);
                return self.expect_registration(self.world.now_ms + pause);
            }
        };
        self.agenda.insert((now + pause.max(1), ordinal, Turn::Step));
        self.changes.note_source(&id, Some(&source_before), Some(&SourceGlance::from(&*source)));
        if let Some(task) = source.task.as_ref().and_then(|id| tasks.get(id)) {
            self.changes.note_task(&task.id, task_before.as_ref(), Some(&TaskGlance::new(task, now)));
        }
    }

    /// Takes a server from every list; its course ends at its next turn.
    fn remove(&mut self, id: &str) {
        let removed = self.world.sources.remove(id);
        if let Some(task) = removed.and_then(|source| source.task) {
            self.world.tasks.remove(&task);
        }
        self.world.errors.remove(id);
        self.changes.removals += 1;
    }

    /// Lets so many servers leave, chosen by chance, and so many join: with a task, or an error, where it is the
    /// list of these that shall turn over. Servers that a test has pinned stay.
    pub(super) fn turn_over(&mut self, list: Operation, leave: u32, join: u32) {
        for _ in 0..leave {
            let World { sources, errors, .. } = &self.world;
            let is_listed = |source: &&Source| {
                let listed = match list.list_key() {
                    Some("tasks") => source.task.is_some(),
                    Some("migration_errors") => errors.contains_key(&source.id),
                    _ => true,
                };
                listed && !source.pinned
            };
            let candidates: Vec<&Source> = sources.values().filter(is_listed).collect();
            if candidates.is_empty() {
                break;
            }
            let id = self.leaving.pick(&candidates).id.clone();
            self.remove(&id);
        }
        for _ in 0..join {
            self.join(list);
        }
    }

    fn join(&mut self, list: Operation) {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        let source = self.register(ordinal);
        if list == Operation::ListErrors {
            let error = MigrationError {
                error_json: r#"{"error_code":"SMS.1901","error_param":"[]"}"#.into(),
                name: source.name,
                source_id: source.id.clone(),
                source_ip: source.ip,
                ..MigrationError::default()
            };
            self.world.errors.insert(source.id, error);
        } else if list == Operation::ListTasks {
            let task = fleet::task(&mut self.leaving, &source, self.world.now_ms);
            self.world.sources.entry(source.id).and_modify(|source| source.task = Some(task.id.clone()));
            self.world.tasks.insert(task.id.clone(), task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn engine(sources: usize, seed: u64) -> Engine {
        Engine::new(&Settings { sources, seed, churn: true, ..Settings::default() })
    }

    #[test]
    fn the_same_seed_gives_the_same_world_whatever_the_steps() {
        let (mut one, mut many) = (engine(30, 7), engine(30, 7));
        one.advance(Duration::from_secs(5000));
        for step in [1, 999, 4000] {
            many.advance(Duration::from_millis(333));
            many.advance(Duration::from_secs(step) - Duration::from_millis(333));
        }
        assert_eq!(one.world, many.world);
        assert_eq!(one.changes, many.changes);
        assert_ne!(engine(30, 8).world, engine(30, 7).world);
    }

    #[test]
    fn every_state_appears_within_a_simulated_day() {
        let mut engine = engine(60, 1);
        let (mut sources, mut tasks) = (BTreeSet::new(), BTreeSet::new());
        let mut cycles = BTreeSet::new();
        for _ in 0..DAY.as_secs() / 10 {
            engine.advance(Duration::from_secs(10));
            sources.extend(engine.world.sources.values().map(|source| source.state.clone()));
            cycles.extend(engine.world.sources.values().map(|source| source.migration_cycle.clone()));
            tasks.extend(engine.world.tasks.values().map(|task| task.state.clone()));
        }
        let list = |text: &'static str| {
            text.split(' ').map(Into::into).collect::<BTreeSet<super::super::world::Text>>()
        };
        let states = "unavailable waiting initialize replicate syncing stopping stopped skipping deleting error cloning \
            cutovering finished clearing cleared clearfailed premigready premiging premiged premigfailed testing";
        assert_eq!(sources, list(states));
        assert_eq!(cycles, list("checking setting replicating syncing cutovering cutovered"));
        assert_eq!(
            tasks,
            list(
                "READY RUNNING SYNCING MIGRATE_SUCCESS SYNC_SUCCESS MIGRATE_FAIL SYNC_FAIL ABORTING ABORT SKIPPING \
                 DELETING RESETING SYNC_F_ROLLBACKING SYNC_F_ROLLBACK_SUCCESS"
            )
        );
    }

    #[test]
    fn a_start_shows_a_fleet_in_the_middle_of_its_migration() {
        let world = engine(60, 1).world;
        let states: BTreeSet<_> = world.sources.values().map(|source| source.state.to_string()).collect();
        assert_eq!(world.sources.len(), 60);
        assert!(states.len() >= 6, "only {states:?}");
    }

    #[test]
    fn a_day_has_overspeed_stops_failures_and_agents_that_come_back() {
        let mut engine = engine(60, 1);
        engine.advance(DAY);
        let Changes { overspeed, failures, disconnects, reconnects, removals, .. } = &engine.changes;
        assert!(overspeed.values().sum::<u64>() > 10 && failures.len() > 5);
        assert!(*disconnects > 200 && *removals > 200, "{disconnects} {removals}");
        // Some left before they came back.
        assert!(*reconnects * 10 > *disconnects * 8, "{reconnects} of {disconnects}");
    }

    #[test]
    fn an_edit_is_counted_like_any_change_and_a_pinned_server_stays() {
        let mut engine = engine(4, 1);
        let id = engine.world.sources.keys().next().unwrap().clone();
        engine.edit(|world| {
            let source = world.sources.get_mut(&id).unwrap();
            (source.state, source.pinned) = ("weird".into(), true);
        });
        assert_eq!(engine.changes.source_transitions.len(), 1);
        engine.advance(DAY);
        assert_eq!(engine.world.sources[&id].state, "weird");
    }

    #[test]
    fn a_list_turns_over_by_what_it_lists_and_leaves_what_is_pinned() {
        let mut engine = engine(60, 1);
        engine.edit(|world| world.sources.values_mut().take(3).for_each(|source| source.pinned = true));
        let before = engine.world.clone();
        let lists = [Operation::ListSources, Operation::ListTasks, Operation::ListErrors];
        for list in lists {
            let World { sources, tasks, errors, .. } = engine.world.clone();
            engine.turn_over(list, 2, 3);
            let world = &engine.world;
            let left = if list == Operation::ListErrors { errors.len().min(2) } else { 2 };
            assert_eq!(world.sources.len(), sources.len() + 3 - left, "{list:?}");
            let tasks_gone = tasks.keys().filter(|id| !world.tasks.contains_key(*id)).count();
            let errors_gone = errors.keys().filter(|id| !world.errors.contains_key(*id)).count();
            let tasks_new = world.tasks.keys().filter(|id| !tasks.contains_key(*id)).count();
            let errors_new = world.errors.keys().filter(|id| !errors.contains_key(*id)).count();
            let is = |operation| usize::from(list == operation);
            assert_eq!(tasks_new, 3 * is(Operation::ListTasks));
            assert_eq!(errors_new, 3 * is(Operation::ListErrors));
            assert!(list != Operation::ListTasks || tasks_gone == left);
            assert!(list != Operation::ListErrors || errors_gone == left);
        }
        assert!(before.sources.values().take(3).all(|pinned| engine.world.sources.contains_key(&pinned.id)));
        engine.turn_over(Operation::ListSources, u32::MAX, 0);
        assert_eq!(engine.world.sources.len(), 3, "only the pinned ones are left");
        assert_eq!((engine.changes.registrations, engine.changes.removals), (9, 60 + 9 - 3));
        engine.advance(DAY);
        assert_eq!(engine.world.sources.len(), 3, "who left takes no further turn, nor has a successor");
    }

    #[test]
    fn a_task_that_stays_above_limit_and_threshold_is_stopped() {
        let mut engine = engine(60, 1);
        let (mut speeding, mut stopped) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..DAY.as_secs() / 40 {
            engine.advance(Duration::from_secs(10));
            for (id, task) in &engine.world.tasks {
                if task.state == "ABORTING" && speeding.contains(id) {
                    stopped.insert(id.clone());
                }
                let limit =
                    task.limit_at(engine.world.now_ms).map(|(limit, over)| (limit, over.unwrap_or(1e9)));
                let bound =
                    limit.map(|(limit, over)| super::super::random::real(limit) * (1.0 + over / 100.0));
                match bound.filter(|bound| task.migrate_speed > *bound) {
                    Some(_) => speeding.insert(id.clone()),
                    None => speeding.remove(id),
                };
            }
        }
        assert!(stopped.len() > 3, "only {}", stopped.len());
    }

    #[test]
    fn a_world_that_was_turned_upside_down_goes_on() {
        let mut engine = engine(60, 3);
        engine.edit(|world| {
            world.migprojects.clear();
            world.tasks.clear();
            for (source, state) in world
                .sources
                .values_mut()
                .zip(["error", "replicate", "stopped", "odd", "syncing"].iter().cycle())
            {
                source.state = (*state).into();
                (source.replicatesize, source.totalsize) = (i64::MIN, i64::MAX);
                source.disks.iter_mut().for_each(|disk| disk.used_size = i64::MAX);
            }
        });
        engine.advance(DAY);
        assert!(engine.world.sources.values().any(|source| source.state == "replicate"));
    }

    #[test]
    fn who_looks_every_second_counts_what_the_tally_counts() {
        let mut engine = engine(20, 5);
        let (mut seen, mut last) = (Changes::default(), engine.world.clone());
        for _ in 0..3 * 3600 {
            engine.advance(Duration::from_secs(1));
            seen.add(&Changes::between(&last, &engine.world));
            last.clone_from(&engine.world);
        }
        assert!(seen.gained_total() > 0 && seen.removals > 0 && !seen.overspeed.is_empty());
        assert_eq!(seen, engine.changes);
    }
}
