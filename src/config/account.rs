//! One account: where its service is, who asks, what is asked, and how fast.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::{CredentialSource, Endpoint, FamilyFilter, NameFilter, Region, SecretFrom};
use crate::model::{AccountName, Collector, RateUnit};

/// What an account's credentials are scoped to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// A project: `X-Project-Id` is sent (the vendor's SDKs).
    #[default]
    Project,
    /// The whole account: `X-Domain-Id` is sent (the documents' samples).
    Domain,
}

/// Bounds on the requests to an account's service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApiLimits {
    /// Requests a second that the token bucket refills.
    pub requests_per_second: f64,
    /// Of these, what may go to what is asked for object by object; a fifth where absent.
    pub details_requests_per_second: Option<f64>,
    /// Requests that may go at once after a pause.
    pub burst: u32,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Time for one request, from its start to the last byte of the answer.
    pub request_timeout: Duration,
    /// Time for one connection to be made.
    pub connect_timeout: Duration,
    /// Time for one poll with all its pages and retries.
    pub poll_timeout: Duration,
    /// The wait before the first repetition of a request; it doubles with each further one.
    pub retry_base: Duration,
    /// The longest answer that is read, in bytes, after decompression.
    pub max_body_bytes: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 5.0,
            details_requests_per_second: None,
            burst: 10,
            concurrency: 4,
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            poll_timeout: Duration::from_secs(300),
            retry_base: Duration::from_secs(1),
            max_body_bytes: 32 << 20,
        }
    }
}

impl ApiLimits {
    /// Requests a second for what is asked for object by object: as configured, or a fifth of the account's.
    #[must_use]
    pub fn details_requests_per_second(&self) -> f64 {
        let share = self.details_requests_per_second.unwrap_or(self.requests_per_second / 5.0);
        share.min(self.requests_per_second)
    }
}

/// The collectors that are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collectors(BTreeSet<Collector>);

impl Collectors {
    /// Exactly these.
    #[must_use]
    pub fn new(on: impl IntoIterator<Item = Collector>) -> Self {
        Self(on.into_iter().collect())
    }

    /// Whether a collector is on.
    #[must_use]
    pub fn has(&self, collector: Collector) -> bool {
        self.0.contains(&collector)
    }

    /// Switches one on or off.
    pub fn set(&mut self, collector: Collector, on: bool) {
        if on {
            self.0.insert(collector);
        } else {
            self.0.remove(&collector);
        }
    }

    /// Whether none is on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are on.
    pub fn iter(&self) -> impl Iterator<Item = Collector> {
        self.0.iter().copied()
    }
}

impl Default for Collectors {
    fn default() -> Self {
        Self::new(Collector::ALL)
    }
}

/// How much of a fleet becomes series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Every source and task.
    #[default]
    Full,
    /// The counts and sums only.
    Aggregate,
}

/// One account of the service.
///
/// Two that are equal are polled alike, so that a reload can leave the one alone that did not change; see
/// [`Account::is_polled_like`].
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The `account` label; each name once.
    pub name: AccountName,
    /// Labels that all of its series have besides, by name: none that the exporter or Prometheus gives itself.
    pub labels: BTreeMap<String, String>,
    /// The region, which names the project and the endpoints.
    pub region: Region,
    /// Where the migration service answers.
    pub endpoint: Endpoint,
    /// Where the identity service answers.
    pub iam_endpoint: Endpoint,
    /// The project; found by the region's name where absent.
    pub project_id: Option<String>,
    /// What the credentials are scoped to.
    pub scope: Scope,
    /// The account's own id, for the domain scope; looked up where absent.
    pub domain_id: Option<String>,
    /// Only this enterprise project's servers.
    pub enterprise_project_id: Option<String>,
    /// Only this migration project's servers.
    pub migproject: Option<String>,
    /// Where the credentials come from.
    pub credentials: CredentialSource,
    /// What is read.
    pub collectors: Collectors,
    /// Bounds on the requests.
    pub limits: ApiLimits,
    /// Unit of `migrate_speed` on the wire.
    pub speed_unit: RateUnit,
    /// Unit of `total_disk_io` and `agent_disk_io` on the wire.
    pub disk_io_unit: RateUnit,
    /// Seconds by which the sources' clocks are ahead of UTC.
    pub clock_offset: i32,
    /// How much becomes series.
    pub detail: Detail,
    /// The source servers that are shown, by name; their tasks and errors go with them.
    pub names: NameFilter,
    /// The families that are shown, and the most series of each.
    pub families: FamilyFilter,
    /// How long after its end a finished task is still shown; `None` is for ever.
    pub finished_retention: Option<Duration>,
    /// A proxy of this account's own, such as `http://proxy:3128`; else the environment's.
    pub proxy: Option<SecretFrom>,
    /// Root certificates beyond the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

impl Account {
    /// An account of which nothing is said but this: the region's own endpoints, every collector,
    /// every name, the default limits.
    #[must_use]
    pub fn new(name: AccountName, region: Region, credentials: CredentialSource) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            endpoint: region.sms_endpoint(),
            iam_endpoint: region.iam_endpoint(),
            region,
            project_id: None,
            scope: Scope::default(),
            domain_id: None,
            enterprise_project_id: None,
            migproject: None,
            credentials,
            collectors: Collectors::default(),
            limits: ApiLimits::default(),
            speed_unit: RateUnit::default(),
            disk_io_unit: RateUnit::default(),
            clock_offset: 0,
            detail: Detail::default(),
            names: NameFilter::default(),
            families: FamilyFilter::default(),
            finished_retention: None,
            proxy: None,
            ca_file: None,
        }
    }

    /// Whether it is polled as another is, whatever labels the series of either have.
    #[must_use]
    pub fn is_polled_like(&self, other: &Self) -> bool {
        *self == Self { labels: self.labels.clone(), ..other.clone() }
    }
}
