//! What the exporter says of itself: prometheus-client's counters, gauges and histograms.
//!
//! Names and helps come from the catalogue; label sets are closed or configured, never taken from an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::account::AccountLabels;
use super::catalogue::Family;
use super::process::ProcessCollector;
use crate::exposition::own::{SortedFamily, select};
use crate::model::{AccountName, Collector, Timestamp};

type FloatGauge = Gauge<f64, AtomicU64>;
type FloatCounter = Counter<f64, AtomicU64>;
type Buckets = SortedFamily<AccountOperation, Histogram>;

/// From a few milliseconds, as a service near by answers, to the ten seconds after which a request is given up.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

macro_rules! labels {
    ($($name:ident { $($(#[$flatten:meta])? $field:ident: $kind:ty),+ })+) => {
        $(#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
        struct $name { $($(#[$flatten])? $field: $kind,)+ })+
    };
}

labels! {
    OfAccount { #[prometheus(flatten)] account: AccountLabels }
    OfCollector { #[prometheus(flatten)] account: AccountLabels, collector: &'static str }
    Failure { #[prometheus(flatten)] account: AccountLabels, collector: &'static str, reason: &'static str }
    AccountOperation { #[prometheus(flatten)] account: AccountLabels, operation: &'static str }
    Request { #[prometheus(flatten)] account: AccountLabels, operation: &'static str, code: String }
    Retry { #[prometheus(flatten)] account: AccountLabels, operation: &'static str, reason: &'static str }
    Field { #[prometheus(flatten)] account: AccountLabels, field: &'static str }
    OfFamily { family: &'static str }
    OfEncoding { encoding: &'static str }
    Served { path: &'static str, code: u16 }
    Evicted { resource: &'static str }
}

/// How a collector's poll went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CollectorOutcome {
    /// When it was begun.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// When the collector last succeeded; now, where it did.
    pub last_success: Option<Timestamp>,
    /// How often it failed since.
    pub failures: u32,
    /// Why it failed, by a closed set of reasons; `None` where it succeeded.
    pub reason: Option<&'static str>,
    /// What the service counts.
    pub expected: Option<u64>,
    /// What is served.
    pub exported: u64,
    /// What came more than once.
    pub duplicates: u64,
}

/// The exporter's own metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Own {
    registry: Arc<Registry>,
    families: Families,
    accounts: Arc<Mutex<BTreeMap<AccountName, AccountLabels>>>,
}

#[derive(Clone, Debug, Default)]
struct Families {
    success: SortedFamily<OfCollector, Gauge>,
    duration: SortedFamily<OfCollector, FloatGauge>,
    last_success: SortedFamily<OfCollector, FloatGauge>,
    last_attempt: SortedFamily<OfCollector, FloatGauge>,
    consecutive_failures: SortedFamily<OfCollector, Gauge>,
    polls: SortedFamily<OfCollector, Counter>,
    poll_failures: SortedFamily<Failure, Counter>,
    requests: SortedFamily<Request, Counter>,
    retries: SortedFamily<Retry, Counter>,
    throttled: SortedFamily<AccountOperation, Counter>,
    rate_limit: SortedFamily<OfAccount, FloatGauge>,
    budget_wait: SortedFamily<OfAccount, FloatCounter>,
    expected: SortedFamily<OfCollector, Gauge<u64, AtomicU64>>,
    exported: SortedFamily<OfCollector, Gauge<u64, AtomicU64>>,
    filtered: SortedFamily<OfCollector, Gauge<u64, AtomicU64>>,
    duplicates: SortedFamily<OfCollector, Counter>,
    unconfirmed: SortedFamily<OfCollector, Gauge<u64, AtomicU64>>,
    implausible: SortedFamily<OfCollector, Gauge>,
    order_unstable: SortedFamily<OfCollector, Gauge>,
    rereads: SortedFamily<Failure, Counter>,
    details_oldest: SortedFamily<OfCollector, FloatGauge>,
    details_pending: SortedFamily<OfCollector, Gauge<u64, AtomicU64>>,
    interval: SortedFamily<OfAccount, FloatGauge>,
    malformed: SortedFamily<Field, Counter>,
    unknown: SortedFamily<Field, Counter>,
    series: SortedFamily<OfFamily, Gauge<u64, AtomicU64>>,
    series_dropped: SortedFamily<OfFamily, Gauge<u64, AtomicU64>>,
    page_bytes: SortedFamily<OfEncoding, Gauge<u64, AtomicU64>>,
    expiry: SortedFamily<OfAccount, FloatGauge>,
    refused: SortedFamily<OfAccount, Counter>,
    storage_failures: SortedFamily<OfAccount, Counter>,
    storage_success: SortedFamily<OfAccount, FloatGauge>,
    reload_successful: Gauge,
    reload_success: FloatGauge,
    http_requests: SortedFamily<Served, Counter>,
    http_open_connections: Gauge<u64, AtomicU64>,
    http_evictions: SortedFamily<Evicted, Counter>,
    request_duration: RequestDuration,
}

#[derive(Clone, Debug)]
struct RequestDuration(Buckets);

impl Default for RequestDuration {
    fn default() -> Self {
        Self(SortedFamily::with_constructor(|| Histogram::new(SECONDS)))
    }
}

/// What the exporter was built from.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The package's version.
    pub version: &'static str,
    /// The commit.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

impl Own {
    /// Metrics that begin at zero.
    #[must_use]
    pub fn new(build: Build) -> Self {
        let families = Families::default();
        let mut registry = Registry::default();
        let Build { version, revision, rustc } = build;
        let info = Info::new([("version", version), ("revision", revision), ("rustc", rustc)]);
        register(&mut registry, Family::BuildInfo, info);
        register_polls(&mut registry, &families);
        register_api(&mut registry, &families);
        register_rest(&mut registry, &families);
        registry.register_collector(Box::new(ProcessCollector));
        Self { registry: Arc::new(registry), families, accounts: Arc::default() }
    }

    /// The metrics as OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }

    /// The same, without what is said of the process and of the exporter as a whole: every series has an account.
    #[must_use]
    pub fn text_of_accounts(&self) -> String {
        let of_accounts: BTreeSet<&str> = super::all()
            .iter()
            .filter(|entry| entry.labels.contains(&"account"))
            .map(|entry| registered_name(entry.desc.name))
            .collect();
        select(&self.text(), |name| of_accounts.contains(name))
    }

    /// What is counted for one account. Its series have these labels besides its name, unless it is known:
    /// then they keep theirs until [`Self::relabel`].
    #[must_use]
    pub fn account(&self, name: &AccountName, labels: &BTreeMap<String, String>) -> AccountMeters {
        let new = || AccountLabels::new(name, labels);
        let account = self.accounts().entry(name.clone()).or_insert_with(new).clone();
        // Counters that an alert asks for exist from the start, so that their first increase is seen.
        let of_account = OfAccount { account: account.clone() };
        drop(self.families.budget_wait.get_or_create(&of_account));
        drop(self.families.refused.get_or_create(&of_account));
        AccountMeters { account, families: self.families.clone() }
    }

    /// Gives the series of a known account these labels from now on; its counts go on.
    pub fn relabel(&self, account: &AccountName, labels: &BTreeMap<String, String>) {
        if let Some(known) = self.accounts().get(account) {
            known.give(labels);
        }
    }

    // Poison means nothing: nothing that holds the lock can leave the map in halves.
    fn accounts(&self) -> MutexGuard<'_, BTreeMap<AccountName, AccountLabels>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an account that is no longer configured.
    pub fn forget(&self, name: &AccountName) {
        self.accounts().remove(name);
        let Families { success, duration, last_success, last_attempt, consecutive_failures, polls, .. } =
            &self.families;
        success.retain(|labels| labels.account.name() != name);
        duration.retain(|labels| labels.account.name() != name);
        last_success.retain(|labels| labels.account.name() != name);
        last_attempt.retain(|labels| labels.account.name() != name);
        consecutive_failures.retain(|labels| labels.account.name() != name);
        polls.retain(|labels| labels.account.name() != name);
        let Families { poll_failures, requests, retries, throttled, rate_limit, budget_wait, .. } =
            &self.families;
        poll_failures.retain(|labels| labels.account.name() != name);
        requests.retain(|labels| labels.account.name() != name);
        retries.retain(|labels| labels.account.name() != name);
        throttled.retain(|labels| labels.account.name() != name);
        rate_limit.retain(|labels| labels.account.name() != name);
        budget_wait.retain(|labels| labels.account.name() != name);
        let Families { expected, exported, duplicates, malformed, unknown, expiry, refused, .. } =
            &self.families;
        expected.retain(|labels| labels.account.name() != name);
        exported.retain(|labels| labels.account.name() != name);
        duplicates.retain(|labels| labels.account.name() != name);
        malformed.retain(|labels| labels.account.name() != name);
        unknown.retain(|labels| labels.account.name() != name);
        expiry.retain(|labels| labels.account.name() != name);
        refused.retain(|labels| labels.account.name() != name);
        let Families { unconfirmed, implausible, order_unstable, rereads, .. } = &self.families;
        unconfirmed.retain(|labels| labels.account.name() != name);
        implausible.retain(|labels| labels.account.name() != name);
        order_unstable.retain(|labels| labels.account.name() != name);
        rereads.retain(|labels| labels.account.name() != name);
        let Families { details_oldest, details_pending, interval, .. } = &self.families;
        details_oldest.retain(|labels| labels.account.name() != name);
        details_pending.retain(|labels| labels.account.name() != name);
        interval.retain(|labels| labels.account.name() != name);
        self.families.filtered.retain(|labels| labels.account.name() != name);
        self.families.storage_failures.retain(|labels| labels.account.name() != name);
        self.families.storage_success.retain(|labels| labels.account.name() != name);
        self.families.request_duration.0.retain(|labels| labels.account.name() != name);
    }

    /// A page was published: its series by family, what was dropped, and its size by encoding.
    pub fn published(
        &self,
        series: impl Iterator<Item = (&'static str, usize)>,
        dropped: impl Iterator<Item = (&'static str, usize)>,
        bytes: [(&'static str, u64); 2],
    ) {
        let Families { series: families, series_dropped, page_bytes, .. } = &self.families;
        set_all(families, series);
        set_all(series_dropped, dropped);
        for (encoding, bytes) in bytes {
            page_bytes.get_or_create(&OfEncoding { encoding }).set(bytes);
        }
    }

    /// The configuration was loaded at `at`, or could not be.
    pub fn reloaded(&self, at: Option<Timestamp>) {
        self.families.reload_successful.set(at.is_some().into());
        if let Some(at) = at {
            self.families.reload_success.set(at.seconds());
        }
    }

    /// A request to the exporter was answered.
    pub fn served(&self, path: &'static str, code: u16) {
        self.families.http_requests.get_or_create(&Served { path, code }).inc();
    }

    /// So many connections to the exporter are open.
    pub fn connections(&self, open: usize) {
        self.families.http_open_connections.set(u64::try_from(open).unwrap_or(u64::MAX));
    }

    /// A connection or a scrape was ended to make room for others.
    pub fn evicted(&self, resource: &'static str) {
        self.families.http_evictions.get_or_create(&Evicted { resource }).inc();
    }
}

fn set_all(
    family: &SortedFamily<OfFamily, Gauge<u64, AtomicU64>>,
    values: impl Iterator<Item = (&'static str, usize)>,
) {
    let mut there = BTreeSet::new();
    for (name, value) in values {
        family.get_or_create(&OfFamily { family: name }).set(u64::try_from(value).unwrap_or(u64::MAX));
        there.insert(name);
    }
    family.retain(|labels| there.contains(labels.family));
}

/// Registers a metric under its catalogue's name; prometheus-client adds suffix and full stop by itself.
fn register(registry: &mut Registry, family: Family, metric: impl Metric) {
    let desc = family.desc();
    registry.register(registered_name(desc.name), desc.help.trim_end_matches('.'), metric);
}

/// A family's name without the suffix that prometheus-client adds.
fn registered_name(name: &str) -> &str {
    name.strip_suffix("_total").or(name.strip_suffix("_info")).unwrap_or(name)
}

fn register_polls(registry: &mut Registry, families: &Families) {
    let families = families.clone();
    register(registry, Family::PollSuccess, families.success);
    register(registry, Family::PollDuration, families.duration);
    register(registry, Family::PollLastSuccess, families.last_success);
    register(registry, Family::PollLastAttempt, families.last_attempt);
    register(registry, Family::PollConsecutiveFailures, families.consecutive_failures);
    register(registry, Family::Polls, families.polls);
    register(registry, Family::PollFailures, families.poll_failures);
    register(registry, Family::PollInterval, families.interval);
    register(registry, Family::DetailsOldest, families.details_oldest);
    register(registry, Family::DetailsPending, families.details_pending);
}

fn register_api(registry: &mut Registry, families: &Families) {
    let families = families.clone();
    register(registry, Family::ApiRequests, families.requests);
    register(registry, Family::ApiRequestDuration, families.request_duration.0);
    register(registry, Family::ApiRetries, families.retries);
    register(registry, Family::ApiThrottled, families.throttled);
    register(registry, Family::ApiRateLimit, families.rate_limit);
    register(registry, Family::ApiBudgetWait, families.budget_wait);
}

fn register_rest(registry: &mut Registry, families: &Families) {
    let families = families.clone();
    register(registry, Family::ObjectsExpected, families.expected);
    register(registry, Family::ObjectsExported, families.exported);
    register(registry, Family::ObjectsFiltered, families.filtered);
    register(registry, Family::DuplicatesDropped, families.duplicates);
    register(registry, Family::ObjectsUnconfirmed, families.unconfirmed);
    register(registry, Family::ListRereads, families.rereads);
    register(registry, Family::ListOrderUnstable, families.order_unstable);
    register(registry, Family::ListImplausible, families.implausible);
    register(registry, Family::MalformedValues, families.malformed);
    register(registry, Family::UnknownValues, families.unknown);
    register(registry, Family::Series, families.series);
    register(registry, Family::SeriesDropped, families.series_dropped);
    register(registry, Family::PageBytes, families.page_bytes);
    register(registry, Family::CredentialsExpiry, families.expiry);
    register(registry, Family::AuthFailures, families.refused);
    register(registry, Family::ReloadSuccessful, families.reload_successful);
    register(registry, Family::ReloadSuccess, families.reload_success);
    register(registry, Family::StorageWriteFailures, families.storage_failures);
    register(registry, Family::StorageLastSuccess, families.storage_success);
    register(registry, Family::HttpRequests, families.http_requests);
    register(registry, Family::HttpOpenConnections, families.http_open_connections);
    for resource in ["connection", "scrape"] {
        drop(families.http_evictions.get_or_create(&Evicted { resource }));
    }
    register(registry, Family::HttpEvictions, families.http_evictions);
}

/// What is counted for one account. Clones share the counts.
#[derive(Clone, Debug)]
pub struct AccountMeters {
    account: AccountLabels,
    families: Families,
}

impl AccountMeters {
    /// The labels that every series of the account has.
    #[must_use]
    pub fn labels(&self) -> &AccountLabels {
        &self.account
    }

    fn of_account(&self) -> OfAccount {
        OfAccount { account: self.account.clone() }
    }

    fn of_operation(&self, operation: &'static str) -> AccountOperation {
        AccountOperation { account: self.account.clone(), operation }
    }

    /// Name filters left out so many of a collector's objects.
    pub fn filtered(&self, collector: Collector, left_out: u64) {
        let of = OfCollector { account: self.account.clone(), collector: collector.label() };
        self.families.filtered.get_or_create(&of).set(left_out);
    }

    /// A collector was polled.
    pub fn polled(&self, collector: Collector, outcome: &CollectorOutcome) {
        let families = &self.families;
        let of = OfCollector { account: self.account.clone(), collector: collector.label() };
        families.success.get_or_create(&of).set(outcome.reason.is_none().into());
        families.duration.get_or_create(&of).set(outcome.took.as_secs_f64());
        families.last_attempt.get_or_create(&of).set(outcome.at.seconds());
        families.consecutive_failures.get_or_create(&of).set(outcome.failures.into());
        families.polls.get_or_create(&of).inc();
        families.exported.get_or_create(&of).set(outcome.exported);
        families.duplicates.get_or_create(&of).inc_by(outcome.duplicates);
        if let Some(at) = outcome.last_success {
            families.last_success.get_or_create(&of).set(at.seconds());
        }
        match outcome.expected {
            Some(expected) => drop(families.expected.get_or_create(&of).set(expected)),
            // What an earlier answer counted says nothing of a list that came whole without a count.
            None if outcome.reason.is_none() => families.expected.retain(|labels| *labels != of),
            None => {}
        }
        if let Some(reason) = outcome.reason {
            self.failed(collector, reason);
        }
    }

    /// A poll of a collector failed, by a closed set of reasons.
    pub fn failed(&self, collector: Collector, reason: &'static str) {
        let failure = Failure { account: self.account.clone(), collector: collector.label(), reason };
        self.families.poll_failures.get_or_create(&failure).inc();
    }

    /// A list was read: how many of its objects are kept although it lacked them, why it was read again, whether its
    /// order is unstable, and whether it lost too much at once to be believed.
    pub fn listed(
        &self,
        collector: Collector,
        unconfirmed: u64,
        rereads: impl Iterator<Item = &'static str>,
        order_unstable: bool,
        implausible: bool,
    ) {
        let families = &self.families;
        let of = OfCollector { account: self.account.clone(), collector: collector.label() };
        families.unconfirmed.get_or_create(&of).set(unconfirmed);
        families.order_unstable.get_or_create(&of).set(order_unstable.into());
        families.implausible.get_or_create(&of).set(implausible.into());
        for reason in rereads {
            let OfCollector { account, collector } = of.clone();
            families.rereads.get_or_create(&Failure { account, collector, reason }).inc();
        }
    }

    /// How what is asked for object by object stands: how many are due, and when the oldest answer came.
    pub fn details(&self, collector: Collector, pending: u64, oldest: Option<Timestamp>) {
        let of = OfCollector { account: self.account.clone(), collector: collector.label() };
        self.families.details_pending.get_or_create(&of).set(pending);
        match oldest {
            Some(at) => drop(self.families.details_oldest.get_or_create(&of).set(at.seconds())),
            None => drop(self.families.details_oldest.remove(&of)),
        }
    }

    /// How often the account is polled.
    pub fn interval(&self, interval: Duration) {
        self.families.interval.get_or_create(&self.of_account()).set(interval.as_secs_f64());
    }

    /// Odd values came in.
    pub fn odd<'a>(
        &self,
        malformed: impl IntoIterator<Item = (&'a &'static str, &'a u64)>,
        unknown: impl IntoIterator<Item = (&'a &'static str, &'a u64)>,
    ) {
        let of = |field: &&'static str| Field { account: self.account.clone(), field };
        for (field, count) in malformed {
            self.families.malformed.get_or_create(&of(field)).inc_by(*count);
        }
        for (field, count) in unknown {
            self.families.unknown.get_or_create(&of(field)).inc_by(*count);
        }
    }

    /// A request ended, with a status or without an answer.
    pub fn requested(&self, operation: &'static str, status: Option<u16>, took: Duration) {
        let code = status.map_or_else(|| "error".to_owned(), |status| status.to_string());
        let request = Request { account: self.account.clone(), operation, code };
        self.families.requests.get_or_create(&request).inc();
        let duration = self.families.request_duration.0.get_or_create(&self.of_operation(operation));
        duration.observe(took.as_secs_f64());
    }

    /// A request is made again.
    pub fn retried(&self, operation: &'static str, reason: &'static str) {
        let account = self.account.clone();
        self.families.retries.get_or_create(&Retry { account, operation, reason }).inc();
    }

    /// The service was asked too often.
    pub fn throttled(&self, operation: &'static str) {
        self.families.throttled.get_or_create(&self.of_operation(operation)).inc();
    }

    /// A request waited for its turn.
    pub fn waited(&self, time: Duration) {
        self.families.budget_wait.get_or_create(&self.of_account()).inc_by(time.as_secs_f64());
    }

    /// The rate that the exporter allows itself.
    pub fn rate(&self, requests_per_second: f64) {
        self.families.rate_limit.get_or_create(&self.of_account()).set(requests_per_second);
    }

    /// Credentials were refused.
    pub fn refused(&self) {
        self.families.refused.get_or_create(&self.of_account()).inc();
    }

    /// What must survive a restart will be written.
    pub fn stores(&self) {
        drop(self.families.storage_failures.get_or_create(&self.of_account()));
    }

    /// What must survive a restart was written at `at`, or could not be.
    pub fn stored(&self, at: Option<Timestamp>) {
        let Families { storage_failures, storage_success, .. } = &self.families;
        if let Some(at) = at {
            storage_success.get_or_create(&self.of_account()).set(at.seconds());
        } else {
            storage_failures.get_or_create(&self.of_account()).inc();
        }
    }

    /// When the credentials end, or that they do not.
    pub fn expiry(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => drop(self.families.expiry.get_or_create(&self.of_account()).set(at.seconds())),
            None => drop(self.families.expiry.remove(&self.of_account())),
        }
    }
}

#[cfg(test)]
mod tests;
