//! The exporter's own parts, put together so that each stage of a poll can be measured by itself.

use std::sync::Arc;
use std::time::Duration;

use huaweicloud_sms_exporter::api::Client;
use huaweicloud_sms_exporter::auth::{Authenticator, Environment, transport};
use huaweicloud_sms_exporter::config::{
    Account, CredentialSource, Endpoint, Region, SecretFrom, default_stale_after,
};
use huaweicloud_sms_exporter::exposition::Published;
use huaweicloud_sms_exporter::metrics::{Build, Choice, Own};
use huaweicloud_sms_exporter::model::{AccountName, Clock, Collector};
use huaweicloud_sms_exporter::poll::{Ledger, Meter, Publisher, Reader};

use super::cost::{self, Cost};
use super::pages::now;

/// The exporter against a service, without its own clock and its server.
pub(crate) struct Rig {
    reader: Reader,
    ledger: Ledger,
    clock: Clock,
    publisher: Publisher,
    pub(crate) published: Published,
    pub(crate) own: Own,
}

/// How far a poll goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Pages received and decoded.
    Read,
    /// Fleets compared, sample lines written.
    Rendered,
    /// Blocks deflated, the page published.
    Published,
}

/// What the stages of one poll cost. Receiving is measured apart, because it and decoding overlap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stages {
    /// Requests sent, pages received and decoded.
    pub(crate) read: Cost,
    /// Fleets compared and events counted.
    pub(crate) diff: Cost,
    /// Sample lines written.
    pub(crate) render: Cost,
    /// Blocks deflated, the page put together and published.
    pub(crate) publish: Cost,
}

impl Rig {
    pub(crate) fn new(origin: &str) -> Self {
        let account = account(origin, "ACCESSKEY", "secret", "0605767f2e80d5762f7bc00e5e3f1234");
        let own = Own::new(Build { version: "bench", revision: "bench", rustc: "bench" });
        let published = Published::default();
        let publisher = Publisher::new(published.clone(), own.clone());
        let meters = own.account(&account.name, &account.labels);
        let transport = transport(&account, Arc::new(Meter(meters.clone()))).expect("a transport");
        let asks = Authenticator::new(&account, transport.clone(), Environment::new(|_| None));
        let clock = Clock::new(now);
        let client = Client::new(&account, asks, transport, clock.clone());
        // What is asked for task by task is bounded by the budget and not by the size of the fleet.
        let lists = [Collector::Sources, Collector::Tasks, Collector::Overview, Collector::Errors];
        let reader = Reader::new(client, clock.clone(), lists, Duration::from_secs(300));
        let stale_after = default_stale_after(Duration::from_secs(60));
        let ledger = Ledger::new(account.name.clone(), meters, Choice::default(), stale_after, 0);
        Self { reader, ledger, clock, publisher, published, own }
    }

    /// One poll, stage by stage.
    pub(crate) async fn poll(&mut self) -> Stages {
        self.poll_until(Until::Published).await
    }

    /// The first stages of a poll; nobody learns what they found.
    pub(crate) async fn poll_until(&mut self, until: Until) -> Stages {
        let meter = cost::Meter::start();
        let readings = self.reader.read_lists().await;
        let read = meter.stop();
        if until == Until::Read {
            return Stages { read, ..Stages::default() };
        }
        let ((), diff) = cost::costs(|| {
            for reading in readings {
                self.ledger.take(reading, &self.clock);
            }
        });
        let (rendered, render) = cost::costs(|| self.ledger.render(self.clock.instant()));
        if until == Until::Rendered {
            return Stages { read, diff, render, ..Stages::default() };
        }
        let ((), publish) = cost::costs(|| self.publisher.publish(rendered));
        Stages { read, diff, render, publish }
    }

    /// Requests that were sent so far.
    pub(crate) fn requests(&self) -> u64 {
        let text = self.own.text();
        let counts = text.lines().filter(|line| line.starts_with("sms_exporter_api_requests_total{"));
        counts.map(|line| line.rsplit(' ').next().map_or(0, |count| count.parse().expect("a count"))).sum()
    }

    /// Sources and tasks that are known.
    pub(crate) fn objects(&self) -> (usize, usize) {
        (self.ledger.fleet().sources().len(), self.ledger.fleet().tasks().len())
    }
}

impl Stages {
    pub(crate) fn total(&self) -> Cost {
        let all = [self.read, self.diff, self.render, self.publish];
        Cost { cpu: all.iter().map(|cost| cost.cpu).sum(), wall: all.iter().map(|cost| cost.wall).sum() }
    }
}

/// An account at `origin` with bounds that do not bound.
pub(crate) fn account(origin: &str, access_key: &str, secret_key: &str, project: &str) -> Account {
    let secret = |text: &str| SecretFrom::Value(text.into());
    let credentials = CredentialSource::Keys {
        access_key: secret(access_key),
        secret_key: secret(secret_key),
        security_token: None,
    };
    let region = Region::new("cn-north-4").expect("a region");
    let mut account = Account::new(AccountName::new("production"), region, credentials);
    account.endpoint = Endpoint::parse(origin).expect("an origin");
    account.iam_endpoint = account.endpoint.clone();
    account.project_id = Some(project.to_owned());
    account.limits.requests_per_second = 1e6;
    account.limits.burst = 1_000_000;
    account.limits.request_timeout = Duration::from_secs(60);
    account
}
