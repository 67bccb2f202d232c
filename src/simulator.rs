//! A stand-in for the service that moves a fleet through its migration.
//!
//! ```text
//! engine (agenda, one course per server) --moves--> world (plain values) --portrait--> JSON
//! request --> fault? --> gate (signatures, tokens) --> desk (lists, filters, pages) or identity (IAM, STS, …)
//!         --> blemish (what a fault does to the answer) --> wire (how it goes out)
//! ```
//!
//! It shares no code with the exporter: what the two agree on, they agree on by the documents. The same seed and
//! the same advanced time give the same world, however small the steps, so that tests are exact; and the truth is
//! there to be asked ([`Simulator::truth`], [`Simulator::tally`]).

mod answer;
mod blemish;
mod changes;
mod course;
mod desk;
mod engine;
mod fault;
mod fleet;
mod gate;
mod identity;
mod mishap;
mod operation;
mod pace;
mod portrait;
mod random;
mod signature;
mod transfer;
mod web;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use self::changes::Changes;
pub use self::fault::{Fault, What, When};
pub use self::identity::{ID_TOKEN, METADATA_TOKEN, POD_TOKEN};
pub use self::operation::Operation;
pub use self::portrait::SECRET_LOG_MARKER;
pub use self::world::{
    Check, Consistency, Disk, MigrationError, Network, Source, SpeedRule, SubTask, Target, Task, Text, Usage,
    World,
};

/// What kind of world it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Source servers at the start.
    pub sources: usize,
    /// Decides everything that looks like chance.
    pub seed: u64,
    /// Simulated seconds in a real second; at 0 only [`Simulator::advance`] moves the world.
    pub speed: f64,
    /// The simulated time at the start, milliseconds since 1970.
    pub start_ms: i64,
    /// The region's id, which is the name of IAM's project too.
    pub region: String,
    /// Finished servers leave and new ones register, so that it never ends.
    pub churn: bool,
}

/// What the simulator accepts as proof of who asks. All of it is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Access key.
    pub ak: String,
    /// Secret key.
    pub sk: String,
    /// The token that must come with the keys, if any.
    pub security_token: Option<String>,
    /// The account's project in the region.
    pub project_id: String,
    /// The account's id.
    pub domain_id: String,
    /// An IAM user's name.
    pub user: String,
    /// The account's name.
    pub domain: String,
    /// That user's password.
    pub password: String,
}

/// Switches that a test may turn at any time, with [`Simulator::tune`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Every answer comes so much later.
    pub latency: Duration,
    /// Whether the age of a signature matters.
    pub check_skew: bool,
    /// Added to the clock that judges signatures, locks, tokens and temporary keys.
    pub clock_shift: SignedDuration,
    /// Life of the tokens that are issued from now on.
    pub token_lifetime: SignedDuration,
    /// Life of the temporary keys that are issued from now on.
    pub credential_lifetime: SignedDuration,
    /// Whether the metadata service has tokens (its second version); else asking for one is a 404.
    pub metadata_tokens: bool,
    /// Whether instants in answers are told at the pace of the clock on the wall, however fast the world moves.
    pub wall_pace: bool,
    /// Whether a list without `limit` and `offset` is refused, as one edition documents of the errors.
    pub strict_paging: bool,
    /// Source servers that leave the list in a minute of the clock on the wall, and as many that join it.
    pub turnover: u32,
}

/// A plain copy of the world.
pub type Truth = World;

/// What happened since the start, counted exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests by operation and status; status 0 is a connection without an answer.
    pub requests: BTreeMap<(Operation, u16), u64>,
    /// Requests that an exporter must never make.
    pub forbidden_calls: u64,
    /// Requests refused because the key was locked.
    pub locked: u64,
    /// Requests refused because of who asked, the locked ones included.
    pub refused: u64,
    /// How often a fault struck.
    pub faults: u64,
    /// Every change of the world, step by step. Somebody who polls sees fewer: see [`Changes::between`].
    pub changes: Changes,
}

/// The stand-in. Copies are handles to the same one.
#[derive(Clone, Debug)]
pub struct Simulator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    /// What the gateway's watch shows.
    clock: fn() -> Timestamp,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    engine: engine::Engine,
    gate: gate::Gate,
    faults: fault::Faults,
    keys: Keys,
    options: Options,
    requests: BTreeMap<(Operation, u16), u64>,
    forbidden_calls: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sources: 60,
            seed: 1,
            speed: 0.0,
            start_ms: 1_768_464_000_000,
            region: "cn-north-4".to_owned(),
            churn: false,
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            ak: "DEMOACCESSKEY0000000".to_owned(),
            sk: "demo-secret-key-of-the-simulator-0000000".to_owned(),
            security_token: None,
            project_id: "0605767f2e80d5762f7bc00e5e3f1234".to_owned(),
            domain_id: "d78cbac186b744899480f25bd022f468".to_owned(),
            user: "demo-user".to_owned(),
            domain: "demo-account".to_owned(),
            password: "demo-password".to_owned(),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            check_skew: true,
            clock_shift: SignedDuration::ZERO,
            token_lifetime: SignedDuration::from_hours(24),
            credential_lifetime: SignedDuration::from_hours(6),
            metadata_tokens: true,
            wall_pace: false,
            strict_paging: false,
            turnover: 0,
        }
    }
}

impl Simulator {
    /// A world by these settings, with keys that are good for a demonstration.
    pub fn new(settings: Settings) -> Self {
        Self::with_clock(settings, Keys::default(), Timestamp::now)
    }

    /// A world whose gateway accepts these keys and looks at this clock.
    pub fn with_clock(settings: Settings, keys: Keys, clock: fn() -> Timestamp) -> Self {
        let mut engine = engine::Engine::new(&settings);
        engine.world.project_id.clone_from(&keys.project_id);
        let state = State {
            engine,
            gate: gate::Gate::new(&keys),
            faults: fault::Faults::new(settings.seed),
            keys,
            options: Options::default(),
            requests: BTreeMap::new(),
            forbidden_calls: 0,
        };
        Self(Arc::new(Inner { settings, clock, state: Mutex::new(state) }))
    }

    /// What it accepts.
    pub fn keys(&self) -> Keys {
        self.state().keys.clone()
    }

    /// Accepts other keys from now on; the old ones, their locks and all tokens are forgotten.
    pub fn replace_keys(&self, keys: Keys) {
        let state = &mut *self.state();
        state.gate = gate::Gate::new(&keys);
        state.gate.check_skew = state.options.check_skew;
        state.engine.world.project_id.clone_from(&keys.project_id);
        state.keys = keys;
    }

    /// Moves the world on by so much simulated time.
    pub fn advance(&self, simulated: Duration) {
        self.state().engine.advance(simulated);
    }

    /// The simulated time, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.state().engine.world.now_ms
    }

    /// A copy of the world as it is.
    pub fn truth(&self) -> Truth {
        self.state().engine.world.clone()
    }

    /// What happened since the start.
    pub fn tally(&self) -> Tally {
        let state = self.state();
        Tally {
            requests: state.requests.clone(),
            forbidden_calls: state.forbidden_calls,
            locked: state.gate.locked,
            refused: state.gate.refused,
            faults: state.faults.struck,
            changes: state.engine.changes.clone(),
        }
    }

    /// How many requests came so far.
    pub fn requests(&self) -> u64 {
        self.state().requests.values().sum()
    }

    /// Lets a test change the world by hand; the changes are counted like any other.
    pub fn edit(&self, change: impl FnOnce(&mut World)) {
        self.state().engine.edit(change);
    }

    /// Turns switches.
    pub fn tune(&self, change: impl FnOnce(&mut Options)) {
        let state = &mut *self.state();
        change(&mut state.options);
        state.gate.check_skew = state.options.check_skew;
    }

    /// Orders a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.inject(fault, tokio::time::Instant::now());
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The faults in force.
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.list()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panics while it edits leaves a world that is still good to look at.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
