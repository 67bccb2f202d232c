//! What the service says, with its units right: plain values without I/O.
//!
//! The wire's spellings, units and oddities end before this room: everything here is in base
//! units (bytes, seconds, ratios, bytes per second), every closed set is an enum, and what the
//! service did not say is `None`.

mod check;
mod clock;
mod error_code;
mod fleet;
mod id;
mod source;
mod speed;
mod state;
mod task;
mod units;

pub use check::{Check, CheckResult};
pub use clock::Clock;
pub use error_code::{Category, ErrorCode};
pub use fleet::{Collector, Consistency, Fleet, MigrationError, Overview, Part, SpeedRules};
pub use id::{AccountName, SourceId, TaskId};
pub use source::{CurrentTask, Disk, Source, SourceFacts};
pub use speed::{SpeedLimit, SpeedRule, TimeOfDay, limit_in_force};
pub use state::{OsType, SourceState, Stage, TaskState, TaskType};
pub use task::{Load, Network, Subtask, Task, TaskFacts};
pub use units::{Millis, RateUnit, Timestamp};
