//! The closed sets of the service: states, stages, types.
//!
//! A spelling that no document knows becomes `Unknown`, so that a new state of the service is
//! noticed and breaks nothing. Codes are part of the interface: they are only ever appended to.

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A spelling that this exporter does not know.
            Unknown,
        }

        impl $name {
            /// Every member, `Unknown` last.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ Self::Unknown];

            /// The label value, as the service spells it.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ Self::Unknown => "unknown" }
            }

            /// The number on a state timeline; fixed for ever.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ Self::Unknown => 0 }
            }

            /// Reads the service's spelling in either case; `Unknown` for any other.
            #[must_use]
            pub fn from_wire(text: &str) -> Self {
                $(if text.eq_ignore_ascii_case($label) { return Self::$variant; })+
                Self::alias(text).unwrap_or(Self::Unknown)
            }

            /// Its place in [`Self::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

closed_set! {
    /// State of a source server (`source_servers[].state`): the union of all editions of the documents.
    SourceState {
        /// The environment check failed.
        Unavailable = 1 "unavailable",
        /// Registered, waiting for its task.
        Waiting = 2 "waiting",
        /// The target is being prepared.
        Initialize = 3 "initialize",
        /// The full copy runs.
        Replicate = 4 "replicate",
        /// The increments are copied.
        Syncing = 5 "syncing",
        /// On its way to a stop.
        Stopping = 6 "stopping",
        /// Stopped by a person or by the service.
        Stopped = 7 "stopped",
        /// A subtask is being skipped.
        Skipping = 8 "skipping",
        /// On its way out.
        Deleting = 9 "deleting",
        /// The migration failed.
        Error = 10 "error",
        /// The target is being cloned for a test.
        Cloning = 11 "cloning",
        /// The target is being launched.
        Cutovering = 12 "cutovering",
        /// The target was launched.
        Finished = 13 "finished",
        /// Snapshot resources are being cleared.
        Clearing = 14 "clearing",
        /// Snapshot resources were cleared.
        Cleared = 15 "cleared",
        /// Snapshot resources could not be cleared.
        ClearFailed = 16 "clearfailed",
        /// The migration drill is ready.
        PremigReady = 17 "premigready",
        /// The migration drill runs.
        Premiging = 18 "premiging",
        /// The migration drill is done.
        Premiged = 19 "premiged",
        /// The migration drill failed.
        PremigFailed = 20 "premigfailed",
        /// The target is being tested.
        Testing = 21 "testing",
        /// Able to migrate (in the tasks' `source_server` and in SMS.7728's text).
        Available = 22 "available",
        /// Not connected (SMS.7728's text).
        Unconnected = 23 "unconnected",
    }
}

impl SourceState {
    fn alias(text: &str) -> Option<Self> {
        text.eq_ignore_ascii_case("init").then_some(Self::Initialize)
    }

    /// States in which an agent that drops out matters: the migration is under way.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Initialize | Self::Replicate | Self::Syncing | Self::Cutovering | Self::Cloning)
    }
}

closed_set! {
    /// State of a migration task (`tasks[].state`): the filter's and the response's members together.
    TaskState {
        /// Created, not started.
        Ready = 1 "READY",
        /// The full copy runs.
        Running = 2 "RUNNING",
        /// The increments are copied.
        Syncing = 3 "SYNCING",
        /// The migration succeeded.
        MigrateSuccess = 4 "MIGRATE_SUCCESS",
        /// The synchronisation succeeded.
        SyncSuccess = 5 "SYNC_SUCCESS",
        /// The migration failed.
        MigrateFail = 6 "MIGRATE_FAIL",
        /// The synchronisation failed.
        SyncFail = 7 "SYNC_FAIL",
        /// On its way to a stop.
        Aborting = 8 "ABORTING",
        /// Stopped by a person or by the service.
        Abort = 9 "ABORT",
        /// A subtask is being skipped.
        Skipping = 10 "SKIPPING",
        /// On its way out.
        Deleting = 11 "DELETING",
        /// Being reset (the service's spelling).
        Reseting = 12 "RESETING",
        /// A failed synchronisation is being rolled back.
        SyncFRollbacking = 13 "SYNC_F_ROLLBACKING",
        /// A failed synchronisation was rolled back.
        SyncFRollbackSuccess = 14 "SYNC_F_ROLLBACK_SUCCESS",
    }
}

impl TaskState {
    fn alias(text: &str) -> Option<Self> {
        // The service's own spelling has one T; the right one may come one day.
        text.eq_ignore_ascii_case("RESETTING").then_some(Self::Reseting)
    }

    /// The task failed; a person has to look.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::MigrateFail | Self::SyncFail)
    }

    /// The task copies data: its speed rules are worth asking for.
    #[must_use]
    pub const fn is_copying(self) -> bool {
        matches!(self, Self::Running | Self::Syncing)
    }

    /// The task was stopped, or is about to be.
    #[must_use]
    pub const fn is_stopped(self) -> bool {
        matches!(self, Self::Aborting | Self::Abort)
    }

    /// Nothing more will happen to the task by itself: it succeeded or is being deleted.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::MigrateSuccess | Self::SyncSuccess | Self::Deleting)
    }
}

closed_set! {
    /// How a task migrates (`tasks[].type`).
    TaskType {
        /// File by file (Linux).
        MigrateFile = 1 "MIGRATE_FILE",
        /// Block by block (Windows, and Linux where chosen).
        MigrateBlock = 2 "MIGRATE_BLOCK",
    }
}

impl TaskType {
    const fn alias(_text: &str) -> Option<Self> {
        None
    }
}

closed_set! {
    /// Stage of a source's migration (`migration_cycle`).
    Stage {
        /// The environment is checked.
        Checking = 1 "checking",
        /// The migration is set up.
        Setting = 2 "setting",
        /// The full copy.
        Replicating = 3 "replicating",
        /// The increments.
        Syncing = 4 "syncing",
        /// The target is launched.
        Cutovering = 5 "cutovering",
        /// The target was launched.
        Cutovered = 6 "cutovered",
        /// Not ready to migrate.
        NoReady = 7 "no_ready",
        /// Ready for a test of the target.
        ReadyForTest = 8 "ready_for_test",
        /// The target is tested.
        Testing = 9 "testing",
        /// The target was tested.
        Tested = 10 "tested",
    }
}

impl Stage {
    const fn alias(_text: &str) -> Option<Self> {
        None
    }
}

closed_set! {
    /// Family of operating systems (`os_type`).
    OsType {
        /// Linux.
        Linux = 1 "LINUX",
        /// Windows.
        Windows = 2 "WINDOWS",
    }
}

impl OsType {
    const fn alias(_text: &str) -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_label_reads_back_as_its_member_in_either_case() {
        for state in SourceState::ALL {
            assert_eq!(SourceState::from_wire(&state.label().to_uppercase()), *state);
        }
        for state in TaskState::ALL {
            assert_eq!(TaskState::from_wire(&state.label().to_lowercase()), *state);
        }
    }

    #[test]
    fn codes_are_distinct_and_unknown_is_zero() {
        let codes: BTreeSet<u8> = SourceState::ALL.iter().map(|state| state.code()).collect();
        assert_eq!(codes.len(), SourceState::ALL.len());
        let codes: BTreeSet<u8> = TaskState::ALL.iter().map(|state| state.code()).collect();
        assert_eq!(codes.len(), TaskState::ALL.len());
        assert_eq!((SourceState::Unknown.code(), TaskState::Unknown.code()), (0, 0));
    }

    #[test]
    fn aliases_are_read_and_a_new_state_is_unknown() {
        assert_eq!(SourceState::from_wire("INIT"), SourceState::Initialize);
        assert_eq!(TaskState::from_wire("RESETTING"), TaskState::Reseting);
        assert_eq!(SourceState::from_wire("teleporting"), SourceState::Unknown);
        assert_eq!(SourceState::from_wire(""), SourceState::Unknown);
    }
}
