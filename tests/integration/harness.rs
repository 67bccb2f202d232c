//! An exporter and a simulated service in one process, moved by the test and by nothing else.
//!
//! The service is reached through real HTTP with real signatures; time passes only where a test says so
//! ([`Rig::poll`], [`Rig::later`]). What is asserted is the page as a client gets it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use huaweicloud_sms_exporter::auth::Environment;
use huaweicloud_sms_exporter::config::{Account, Config, CredentialSource, Endpoint, Region, SecretFrom};
use huaweicloud_sms_exporter::exposition::{Encoding, Format};
use huaweicloud_sms_exporter::model::{AccountName, Clock, Timestamp};
use huaweicloud_sms_exporter::run::{Exporter, Rounds, Surroundings};
use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The region and the project's name.
pub(crate) const REGION: &str = "cn-north-4";

/// A sample as a test names it: the family and its labels in the page's order, such as `up{a="b"}`.
pub(crate) type Series = BTreeMap<String, f64>;

/// An exporter against a simulated service.
pub(crate) struct Rig {
    /// The service.
    pub(crate) simulator: Simulator,
    /// Where the service is, such as `http://127.0.0.1:1234`.
    pub(crate) origin: String,
    exporter: Exporter,
    rounds: Rounds,
    now: Arc<AtomicI64>,
    _stop: DropGuard,
}

impl Rig {
    /// A service with so many sources and an account `test`, not yet polled.
    pub(crate) async fn new(sources: usize) -> Self {
        Self::with(sources, |_| {}).await
    }

    /// As [`Rig::new`], with a configuration changed by `change`.
    pub(crate) async fn with(sources: usize, change: impl FnOnce(&mut Config)) -> Self {
        let settings = Settings { sources, region: REGION.into(), ..Settings::default() };
        Self::over(settings, wall_clock(), change).await
    }

    /// As [`Rig::with`], over a world by these settings; `now` is the exporter's time at the start.
    pub(crate) async fn over(settings: Settings, now: i64, change: impl FnOnce(&mut Config)) -> Self {
        let simulator = Simulator::new(settings);
        let (origin, stop) = serve(simulator.clone()).await;
        let mut config = config(&origin, &simulator.keys());
        change(&mut config);
        let now = Arc::new(AtomicI64::new(now));
        let clock = clock(&now);
        let environment = Environment::new(|_| None);
        let exporter = Exporter::new(Surroundings { clock, environment }, stop.clone());
        let rounds = exporter.rounds(&config).expect("the test's accounts can be set up");
        Self { simulator, origin, exporter, rounds, now, _stop: stop.drop_guard() }
    }

    /// Polls every account once and publishes.
    pub(crate) async fn poll(&mut self) {
        self.rounds.poll().await;
    }

    /// Lets simulated time and the wall clock go on together.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.simulator.advance(time);
        self.later(time);
    }

    /// Lets the wall clock go on, and the page age with it.
    pub(crate) fn later(&mut self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("a test's time fits");
        self.now.fetch_add(millis, Ordering::Relaxed);
        // The service's watch goes with the exporter's, as signatures have an age.
        self.simulator.tune(|options| options.clock_shift += jiff::SignedDuration::from_millis(millis));
        self.rounds.publish();
    }

    /// The page in text 0.0.4, as a client gets it.
    pub(crate) fn page(&self) -> String {
        let own = self.exporter.own().text();
        let page = self.exporter.published().latest().unwrap_or_default();
        let body = page.respond(Format::Text004, Encoding::Identity, &own, None).concat();
        String::from_utf8(body).expect("a page is text")
    }

    /// The page in a format, without what the exporter says of itself.
    pub(crate) fn fleet_page(&self, format: Format) -> String {
        let page = self.exporter.published().latest().unwrap_or_default();
        let body = page.respond(format, Encoding::Identity, "", None).concat();
        String::from_utf8(body).expect("a page is text")
    }

    /// The wall clock as the exporter sees it, in epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Every series of the page with its value.
    pub(crate) fn series(&self) -> Series {
        parse(&self.page())
    }

    /// The value of one series; fails with the family's series where there is none.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let all = self.series();
        let family = series.split('{').next().unwrap_or(series);
        let near: Vec<&String> = all.keys().filter(|key| key.starts_with(family)).collect();
        *all.get(series).unwrap_or_else(|| panic!("no {series} among {near:#?}"))
    }

    /// How many series a family has.
    pub(crate) fn count(&self, family: &str) -> usize {
        self.series().keys().filter(|key| key.split('{').next() == Some(family)).count()
    }
}

/// A clock that tells the milliseconds in `now`, and measures durations by them.
pub(crate) fn clock(now: &Arc<AtomicI64>) -> Clock {
    let (wall, elapsed) = (Arc::clone(now), Arc::clone(now));
    let (begin, begun) = (tokio::time::Instant::now(), now.load(Ordering::Relaxed));
    Clock::new(move || Timestamp::from_millis(wall.load(Ordering::Relaxed))).with_monotonic(move || {
        let since = u64::try_from(elapsed.load(Ordering::Relaxed) - begun).unwrap_or_default();
        begin + Duration::from_millis(since)
    })
}

/// Serves a simulator on a port of its own until the token is cancelled.
pub(crate) async fn serve(simulator: Simulator) -> (String, CancellationToken) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("a bound port"));
    let stop = CancellationToken::new();
    TaskTracker::new().spawn(simulator.serve(listener, stop.clone()));
    (origin, stop)
}

/// A configuration with one account `test` at the service, with generous limits.
pub(crate) fn config(origin: &str, keys: &Keys) -> Config {
    let secret = |text: &str| SecretFrom::Value(text.into());
    let credentials = CredentialSource::Keys {
        access_key: secret(&keys.ak),
        secret_key: secret(&keys.sk),
        security_token: keys.security_token.as_deref().map(secret),
    };
    let endpoint = Endpoint::parse(origin).expect("the simulator's own address");
    let mut account =
        Account::new(AccountName::new("test"), Region::new(REGION).expect("a region"), credentials);
    account.iam_endpoint = endpoint.clone();
    account.endpoint = endpoint;
    account.limits.requests_per_second = 10_000.0;
    account.limits.burst = 10_000;
    account.limits.retry_base = Duration::from_millis(1);
    let poll_interval = Duration::from_secs(30);
    Config { accounts: vec![account], poll_interval, stale_after: Duration::from_secs(900) }
}

/// Signatures are judged by the real clock, so the test's clock starts there.
#[expect(clippy::disallowed_methods, reason = "the simulator judges the age of signatures by it")]
pub(crate) fn wall_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}

/// Reads a page of text 0.0.4 back into series, by the format's own rules and none of our code.
pub(crate) fn parse(page: &str) -> Series {
    let mut series = Series::new();
    for line in page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
        let value = value.replace("+Inf", "inf").parse().expect("a value is a number");
        assert_eq!(series.insert(name.to_owned(), value), None, "{name} stands on the page twice");
    }
    series
}
