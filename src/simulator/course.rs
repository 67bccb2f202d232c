//! The way of one server through its migration: from each state to the next, with plausible dwell times.
//!
//! The state that the service shows is the only state there is, so that a test which changes it by hand
//! finds the server going on from there. What each server will meet on its way is decided by its ordinal
//! ([`Course::meets`]), so that even a small fleet meets everything.

use std::collections::BTreeMap;

use super::fleet;
use super::random::Random;
use super::transfer;
use super::world::{MigrationError, Source, Task};

/// Between two looks at a server that is being worked on, milliseconds.
pub(super) const TICK: i64 = 10_000;

/// What is known of a server beyond what the service shows.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) random: Random,
    pub(super) ordinal: u64,
    pub(super) source: String,
    /// Mbit/s that its network gives.
    pub(super) bandwidth: f64,
    /// When work was last accounted for, milliseconds.
    pub(super) worked: i64,
    /// When the present stage may end, milliseconds.
    pub(super) until: i64,
    /// The mishap that still waits for it.
    pub(super) stumbles_in: Option<&'static str>,
    /// Where to go on after an error or a stop.
    pub(super) resume: &'static str,
    /// Speeding: until when, and how many times the limit.
    pub(super) surge: Option<(i64, f64)>,
    /// Since when the service sees it above limit and threshold.
    pub(super) over_since: Option<i64>,
    /// Stops that still wait for it.
    pub(super) stops_left: u8,
}

/// The hazards of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hazard {
    FailedChecks,
    Premigration,
    PremigrationFailure,
    Pause,
    Reset,
    Overspeed,
    Clone,
    Test,
    Skip,
    Clear,
    ClearFailure,
    Rollback,
}

/// What follows.
pub(super) enum Next {
    /// Look again after so many milliseconds.
    After(i64),
    /// A task begins to exist.
    Configured(Box<Task>, i64),
    /// The server leaves.
    Gone,
}

/// One server with everything that a step may change.
pub(super) struct Scene<'a> {
    pub(super) now: i64,
    pub(super) churn: bool,
    /// Between two looks at a copy, milliseconds.
    pub(super) tick: i64,
    pub(super) source: &'a mut Source,
    pub(super) task: Option<&'a mut Task>,
    pub(super) errors: &'a mut BTreeMap<String, MigrationError>,
    pub(super) course: &'a mut Course,
}

impl Course {
    pub(super) fn new(mut random: Random, source: &Source) -> Self {
        let stumbles_in = match source.ordinal % 9 {
            2 => Some("initialize"),
            5 => Some("replicate"),
            7 => Some("syncing"),
            8 => Some("cutovering"),
            _ => None,
        };
        Self {
            bandwidth: random.real(150.0, 900.0),
            random,
            ordinal: source.ordinal,
            source: source.id.clone(),
            worked: 0,
            until: 0,
            stumbles_in,
            resume: "initialize",
            surge: None,
            over_since: None,
            stops_left: 1,
        }
    }

    pub(super) fn meets(&self, hazard: Hazard) -> bool {
        let is = |modulus, rest| self.ordinal % modulus == rest;
        match hazard {
            Hazard::FailedChecks => is(6, 1),
            Hazard::Premigration => is(10, 4),
            Hazard::PremigrationFailure => is(20, 4),
            Hazard::Pause => is(11, 3),
            Hazard::Reset => is(22, 3),
            Hazard::Overspeed => is(7, 6),
            Hazard::Clone => is(12, 0),
            Hazard::Test => is(24, 0),
            Hazard::Skip => is(8, 5),
            Hazard::Clear => is(5, 0),
            Hazard::ClearFailure => is(10, 5),
            Hazard::Rollback => is(2, 1),
        }
    }

    pub(super) fn seconds(&mut self, low: i64, high: i64) -> Next {
        Next::After(self.random.between(low * 1000, high * 1000))
    }
}

impl Scene<'_> {
    /// One step of the server's way.
    pub(super) fn step(&mut self) -> Next {
        if self.source.pinned {
            return Next::After(6 * TICK);
        }
        let state = self.source.state.clone();
        match &*state {
            "unavailable" => self.check(),
            "waiting" => self.configure(),
            "premigready" | "premiging" | "premigfailed" | "premiged" => self.premigrate(&state),
            "initialize" => self.initialize(),
            "replicate" => transfer::replicate(self),
            "syncing" => transfer::sync(self),
            "stopping" => self.stop(),
            "stopped" => self.restart(),
            "error" => self.retry(),
            "cloning" | "testing" | "skipping" => self.pass(&state),
            "cutovering" => self.cut_over(),
            "finished" | "clearing" | "clearfailed" | "cleared" | "deleting" => self.leave(&state),
            // A state that only a test can have set.
            _ => Next::After(6 * TICK),
        }
    }

    pub(super) fn enter(&mut self, state: &'static str) {
        self.source.state = state.into();
        self.source.state_action_time = Some(self.now);
        self.course.worked = self.now;
    }

    pub(super) fn enter_stage(&mut self, cycle: &'static str) {
        if self.source.migration_cycle != cycle {
            self.source.migration_cycle = cycle.into();
            self.source.stage_action_time = Some(self.now);
        }
    }

    pub(super) fn task_enters(&mut self, state: &'static str) {
        if let Some(task) = self.task.as_deref_mut() {
            task.state = state.into();
        }
    }

    fn check(&mut self) -> Next {
        let failing = self.source.checks.is_empty() && self.course.meets(Hazard::FailedChecks);
        self.source.checks = fleet::checks(&mut self.course.random, self.source, failing);
        self.source.state_action_time = Some(self.now);
        if failing {
            return self.course.seconds(120, 600);
        }
        self.enter("waiting");
        self.course.seconds(60, 400)
    }

    fn configure(&mut self) -> Next {
        if self.task.is_none() {
            self.enter_stage("setting");
            let task = fleet::task(&mut self.course.random, self.source, self.now);
            return Next::Configured(Box::new(task), self.course.random.between(20_000, 90_000));
        }
        if self.course.meets(Hazard::Premigration) {
            self.enter("premigready");
            return self.course.seconds(30, 60);
        }
        self.begin()
    }

    fn premigrate(&mut self, state: &str) -> Next {
        match state {
            "premigready" | "premigfailed" => {
                self.course.until = if state == "premigfailed" { 1 } else { 0 };
                self.enter("premiging");
                self.course.seconds(60, 180)
            }
            "premiging" if self.course.until == 0 && self.course.meets(Hazard::PremigrationFailure) => {
                self.enter("premigfailed");
                self.course.seconds(120, 240)
            }
            "premiging" => {
                self.enter("premiged");
                self.course.seconds(30, 60)
            }
            _ => self.begin(),
        }
    }

    fn begin(&mut self) -> Next {
        self.enter("initialize");
        self.enter_stage("replicating");
        let network = fleet::network(&mut self.course.random, self.course.bandwidth);
        let now = self.now;
        if let Some(task) = self.task.as_deref_mut() {
            task.state = "RUNNING".into();
            task.start_date.get_or_insert(now);
            task.network = Some(network);
        }
        Next::After(TICK)
    }

    fn initialize(&mut self) -> Next {
        if !self.work(0..4, (15, 60)) {
            return Next::After(TICK);
        }
        if self.course.stumbles_in == Some("initialize") {
            return self.stumble("MIGRATE_FAIL", &["SMS.3805", "SMS.1105", "SMS.2802", "SMS.0203"]);
        }
        if let Some(task) = self.task.as_deref_mut() {
            task.target.vm_id.clone_from(&task.target.id);
            task.target.name.clone_from(&self.source.name);
            task.target.ip = (task.ordinal % 3 == 0).then(|| format!("10.0.0.{}", task.ordinal % 250 + 1));
        }
        transfer::begin(self)
    }

    /// Moves these subtasks forward; true when all are done.
    fn work(&mut self, steps: std::ops::Range<usize>, percent: (i64, i64)) -> bool {
        let now = self.now;
        let elapsed = now - self.course.worked;
        self.course.worked = now;
        let Some(task) = self.task.as_deref_mut() else { return true };
        task.total_time += elapsed;
        let Some(step) =
            task.sub_tasks.iter_mut().take(steps.end).skip(steps.start).find(|s| s.progress < 100)
        else {
            return true;
        };
        step.start_date.get_or_insert(now);
        step.progress = (step.progress + self.course.random.between(percent.0, percent.1)).min(100);
        step.end_date = (step.progress == 100).then_some(now);
        false
    }

    fn pass(&mut self, state: &str) -> Next {
        if state == "cloning" && self.course.meets(Hazard::Test) {
            self.enter("testing");
            return self.course.seconds(60, 120);
        }
        self.enter("cutovering");
        self.enter_stage("cutovering");
        self.task_enters("RUNNING");
        Next::After(TICK)
    }

    fn cut_over(&mut self) -> Next {
        if !self.work(7..9, (8, 40)) {
            return Next::After(TICK);
        }
        if self.course.stumbles_in == Some("cutovering") {
            return self.stumble("MIGRATE_FAIL", &["SMS.2101", "SMS.3101", "SMS.5301", "SMS.1302"]);
        }
        self.enter("finished");
        self.enter_stage("cutovered");
        let now = self.now;
        if let Some(task) = self.task.as_deref_mut() {
            task.state = if task.syncing && task.ordinal % 4 == 2 {
                "SYNC_SUCCESS".into()
            } else {
                "MIGRATE_SUCCESS".into()
            };
            task.finish_date = Some(now);
            task.migrate_speed = 0.0;
            (task.estimate_complete_time, task.remain_seconds) = (None, None);
        }
        self.course.seconds(300, 1500)
    }

    fn leave(&mut self, state: &str) -> Next {
        match state {
            "finished" | "clearfailed" if state == "clearfailed" || self.course.meets(Hazard::Clear) => {
                self.course.until = if state == "clearfailed" { 1 } else { 0 };
                self.enter("clearing");
                self.course.seconds(30, 60)
            }
            "clearing" if self.course.until == 0 && self.course.meets(Hazard::ClearFailure) => {
                self.enter("clearfailed");
                self.course.seconds(60, 200)
            }
            "clearing" => {
                self.enter("cleared");
                self.course.seconds(60, 100)
            }
            "deleting" => Next::Gone,
            _ if !self.churn => Next::After(6 * TICK),
            _ => {
                self.enter("deleting");
                self.task_enters("DELETING");
                self.course.seconds(20, 40)
            }
        }
    }
}
