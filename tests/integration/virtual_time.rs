//! An exporter that polls by itself, against a simulated service, under a clock that only the test moves.
//!
//! Sockets are real and time is not: tokio's clock stands still, so that an hour of polls, pauses and timeouts takes
//! a second and comes out the same on a slow machine. By itself tokio would leap to the next timer whenever all tasks
//! wait, even where they wait for a socket; so a blocking task forbids it that, and [`Live::step`] lets everybody run
//! until what is on the wire has arrived, and then moves the clock by a little. A request takes a step or two, as one
//! takes some milliseconds in life.

use std::sync::Arc;
use std::time::Duration;

use huaweicloud_sms_exporter::auth::Environment;
use huaweicloud_sms_exporter::config::{Config, Endpoint};
use huaweicloud_sms_exporter::exposition::{Encoding, Format, Page};
use huaweicloud_sms_exporter::model::{Clock, Timestamp};
use huaweicloud_sms_exporter::run::{Exporter, Surroundings};
use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator, World};
use tokio::task::yield_now;
use tokio::time::{Instant, advance};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{REGION, Series, config, parse, serve};

/// By how much a step moves the clock.
pub(crate) const STEP: Duration = Duration::from_millis(250);

/// How often everybody runs in a step at least: more hops than a request takes from the exporter to the service.
const ROUNDS: usize = 10;

/// A busy kernel delivers what was sent on this machine a moment later, and the exporter must not wait in vain.
const DELIVERY: Duration = Duration::from_micros(50);

/// Everybody's time at the start, 2026-01-15T10:10:00Z: no window of a speed rule begins soon after.
pub(crate) const START_MS: i64 = 1_768_471_800_000;

fn gateway_at_start() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(START_MS).expect("a time of this century")
}

/// Runs a test on a thread and a runtime of its own, whose clock stands still.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(test)
}

/// A service and an exporter that polls it.
pub(crate) struct Live {
    pub(crate) simulator: Simulator,
    begin: Instant,
    exporter: Exporter,
    /// By how much the service's clock is ahead of the exporter's.
    skew: Duration,
    seen: Option<Arc<Page>>,
    _stop: DropGuard,
    /// Dropped, it lets the blocking task end.
    _still: std::sync::mpsc::Sender<()>,
}

/// A service that is up, and nobody polls it yet.
pub(crate) struct Service {
    pub(crate) simulator: Simulator,
    pub(crate) origin: String,
    stop: CancellationToken,
}

impl Service {
    /// A service that knows just what `world` puts there; nothing of it changes by itself.
    pub(crate) async fn new(world: impl FnOnce(&mut World)) -> Self {
        let settings =
            Settings { sources: 0, start_ms: START_MS, region: REGION.into(), ..Settings::default() };
        Self::over(settings, world).await
    }

    /// The same over a world by these settings.
    pub(crate) async fn over(settings: Settings, world: impl FnOnce(&mut World)) -> Self {
        let simulator = Simulator::with_clock(settings, Keys::default(), gateway_at_start);
        simulator.edit(world);
        let (origin, stop) = serve(simulator.clone()).await;
        Self { simulator, origin, stop }
    }

    /// Has it polled with an account `test` by the default limits, at `endpoint`, and as `change` has it.
    pub(crate) fn polled(self, endpoint: &str, change: impl FnOnce(&mut Config)) -> Live {
        let Self { simulator, stop, .. } = self;
        let (still, ends) = std::sync::mpsc::channel();
        drop(tokio::task::spawn_blocking(move || ends.recv()));
        let begin = Instant::now();
        let clock = Clock::new(move || {
            let passed = i64::try_from(begin.elapsed().as_millis()).expect("a test's time fits");
            Timestamp::from_millis(START_MS + passed)
        });
        let mut config = config("http://127.0.0.1:1", &simulator.keys());
        let account = &mut config.accounts[0];
        account.endpoint = Endpoint::parse(endpoint).expect("an endpoint");
        account.iam_endpoint = account.endpoint.clone();
        account.limits = Default::default();
        change(&mut config);
        let surroundings = Surroundings { clock, environment: Environment::new(|_| None) };
        let exporter = Exporter::new(surroundings, stop.clone());
        exporter.apply(&config).expect("the test's account can be set up");
        Live {
            simulator,
            begin,
            exporter,
            skew: Duration::ZERO,
            seen: None,
            _stop: stop.drop_guard(),
            _still: still,
        }
    }
}

impl Live {
    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Lets everybody run, and a little time pass.
    pub(crate) async fn step(&self) {
        self.settle().await;
        std::thread::sleep(DELIVERY);
        self.settle().await;
        advance(STEP).await;
        self.set_gateway();
    }

    /// Sets the service's clock so much ahead of the exporter's.
    pub(crate) fn set_skew(&mut self, skew: Duration) {
        self.skew = skew;
        self.set_gateway();
    }

    fn set_gateway(&self) {
        let shift = jiff::SignedDuration::try_from(self.elapsed() + self.skew).expect("a test's time fits");
        self.simulator.tune(|options| options.clock_shift = shift);
    }

    /// Lets everybody run until nobody asks for more.
    async fn settle(&self) {
        loop {
            let asked = self.simulator.requests();
            for _ in 0..ROUNDS {
                yield_now().await;
            }
            if self.simulator.requests() == asked {
                return;
            }
        }
    }

    /// Whether another page was published since the last call.
    pub(crate) fn is_new(&mut self) -> bool {
        let latest = self.exporter.published().latest();
        let same = match (&self.seen, &latest) {
            (Some(seen), Some(latest)) => Arc::ptr_eq(seen, latest),
            (None, None) => true,
            _ => false,
        };
        self.seen = latest;
        !same
    }

    /// Every series of the fleet with its value, as a client gets it.
    pub(crate) fn series(&self) -> Series {
        self.parsed("")
    }

    /// The same with what the exporter says of itself.
    pub(crate) fn whole(&self) -> Series {
        self.parsed(&self.exporter.own().text())
    }

    fn parsed(&self, own: &str) -> Series {
        let page = self.exporter.published().latest().unwrap_or_default();
        let body = page.respond(Format::Text004, Encoding::Identity, own, None).concat();
        parse(&String::from_utf8(body).expect("a page is text"))
    }
}
