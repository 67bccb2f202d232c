//! One account's settings, from what is written to what can be run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::raw::{RawAccount, RawDetails, RawLabels, RawLimits, RawMetrics};
use super::reader::{Reader, SecretPlace};
use crate::config::error::{ConfigError, Problem};
use crate::config::values;
use crate::config::yaml::{At, Listing, Placed};
use crate::config::{
    Account, ApiLimits, Collectors, CredentialSource, Detail, Endpoint, Glob, MAX_POLL_INTERVAL, Overrides,
    Region, Scope,
};
use crate::model::{AccountName, Collector, RateUnit};

/// Timeouts of requests: shorter than a tenth of a second is a mistake of the unit.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);

/// Waits before a repetition: no service gains from less than a millisecond, nobody waits a minute.
const RETRY_BASES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Retention of finished tasks: up to ten years of 365.25 days.
const RETENTION: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(315_576_000);

/// The most labels that an account can give: they stand on every one of its series.
const MAX_LABELS: usize = 16;

/// The words for [`RateUnit`].
const UNITS: [(&str, RateUnit); 2] = [("mbit", RateUnit::Mbit), ("mbyte", RateUnit::Mbyte)];

impl Reader<'_> {
    /// The account that is written at a place; `None` where something that it cannot be without is
    /// missing or wrong, which is noted.
    pub(super) fn account(&mut self, raw: &RawAccount, at: At, overrides: &Overrides) -> Option<Account> {
        let name = self.value("name", raw.name.as_ref(), values::name);
        if raw.name.is_none() {
            self.refuse(at, "name", Problem::Missing("a name for the account label".into()));
        }
        let region = self.region(raw, at, overrides);
        let credentials = self.credentials(raw.credentials.as_ref());
        // Built on stand-ins where something is wrong, so that the rest is judged all the same.
        let mut account = Account::new(
            AccountName::new(name.as_deref().unwrap_or_default()),
            region.clone().unwrap_or_else(stand_in_region),
            credentials.clone().unwrap_or(CredentialSource::Chain),
        );
        self.labels(&mut account.labels, raw.labels.as_ref());
        self.scope(&mut account, raw);
        self.endpoints(&mut account, raw, region.is_some() && credentials.is_some());
        self.collectors(&mut account.collectors, raw, at, overrides);
        self.limits(&mut account.limits, &raw.limits.clone().unwrap_or_default());
        self.details(&mut account.limits, &raw.details.clone().unwrap_or_default());
        self.units(&mut account, raw);
        self.filters(&mut account, raw);
        self.network(&mut account, raw);
        (name.is_some() && region.is_some() && credentials.is_some()).then_some(account)
    }

    fn labels(&mut self, labels: &mut BTreeMap<String, String>, raw: Option<&RawLabels>) {
        let taken = self.taken;
        let written = raw.map_or(&[][..], |raw| &raw.0);
        for (name, value) in written {
            let name = self.value("labels", Some(name), |name| values::label_name(name, taken));
            let Some(name) = name else { continue };
            let value = self.value(&format!("labels.{name}"), Some(value), values::label_value);
            labels.extend(value.map(|value| (name, value)));
        }
        if let Some((name, _)) = written.get(MAX_LABELS) {
            let problem = values::invalid(&name.value, format!("at most {MAX_LABELS} labels of an account"));
            self.refuse(name.at, "labels", problem);
        }
    }

    fn region(&mut self, raw: &RawAccount, at: At, overrides: &Overrides) -> Option<Region> {
        if raw.region.is_some() {
            return self.value("region", raw.region.as_ref(), |id| Ok(Region::new(id)?));
        }
        if overrides.region.is_some() {
            return overrides.region.clone();
        }
        match self.variables.region() {
            Ok(Some(region)) => return Some(region),
            Ok(None) => {
                let expected = "a region such as cn-north-4 here, in --region or in HW_REGION_NAME";
                self.refuse(at, "region", Problem::Missing(expected.into()));
            }
            Err(error) => self.errors.push(error),
        }
        None
    }

    fn scope(&mut self, account: &mut Account, raw: &RawAccount) {
        let words = [("project", Scope::Project), ("domain", Scope::Domain)];
        self.set(&mut account.scope, "scope", raw.scope.as_ref(), |text| values::choice(text, &words));
        account.project_id = self.value("project_id", raw.project_id.as_ref(), values::id);
        account.domain_id = self.value("domain_id", raw.domain_id.as_ref(), values::id);
        let eps = raw.enterprise_project_id.as_ref();
        account.enterprise_project_id = self.value("enterprise_project_id", eps, values::id);
        account.migproject = self.value("migproject", raw.migproject.as_ref(), values::id);
        if account.credentials == CredentialSource::Chain && account.domain_id.is_none() {
            let domain = self.variables.domain_id();
            account.domain_id = self.noted(domain);
        }
    }

    /// Endpoints as written, else those of the environment for the chain, else the region's.
    fn endpoints(&mut self, account: &mut Account, raw: &RawAccount, sound: bool) {
        let chain = sound && account.credentials == CredentialSource::Chain;
        let read = |text: &str| Ok(Endpoint::parse(text)?);
        self.set(&mut account.endpoint, "endpoint", raw.endpoint.as_ref(), read);
        self.set(&mut account.iam_endpoint, "iam_endpoint", raw.iam_endpoint.as_ref(), read);
        if chain && raw.endpoint.is_none() {
            let endpoint = self.variables.sms_endpoint(&account.region);
            account.endpoint = self.noted(endpoint).unwrap_or_else(|| account.endpoint.clone());
        }
        if chain && raw.iam_endpoint.is_none() {
            let endpoint = self.variables.iam_endpoint();
            account.iam_endpoint = self.noted(endpoint).unwrap_or_else(|| account.iam_endpoint.clone());
        }
    }

    fn noted<T>(&mut self, result: Result<Option<T>, ConfigError>) -> Option<T> {
        result.unwrap_or_else(|error| {
            self.errors.push(error);
            None
        })
    }

    fn collectors(&mut self, collectors: &mut Collectors, raw: &RawAccount, at: At, overrides: &Overrides) {
        if let Some(Placed { value: written, at }) = &raw.collectors {
            self.written_collectors(collectors, written);
            if collectors.is_empty() {
                self.refuse(*at, "collectors", Problem::NoCollector);
                return;
            }
        }
        overrides.switch(collectors);
        if collectors.is_empty() {
            self.refuse(at, "collectors", Problem::NoCollector);
        }
    }

    fn written_collectors(&mut self, collectors: &mut Collectors, written: &Listing) {
        match written {
            Listing::Texts(names) => {
                let known = names.iter().filter_map(|name| self.value("collectors", Some(name), collector));
                *collectors = Collectors::new(known);
                // One that is wrong has been told; that none is left then would be told on top.
                if collectors.is_empty() && !names.is_empty() {
                    *collectors = Collectors::default();
                }
            }
            Listing::Pairs(entries) => {
                for (name, on) in entries {
                    let name = self.value("collectors", Some(name), collector);
                    let on = self.value("collectors", Some(on), values::switch);
                    if let (Some(name), Some(on)) = (name, on) {
                        collectors.set(name, on);
                    }
                }
            }
        }
    }

    fn limits(&mut self, limits: &mut ApiLimits, raw: &RawLimits) {
        let timeout = |text: &str| values::duration(text, TIMEOUTS);
        let rate = |text: &str| values::number(text, "number", 0.01..=1000.0);
        let burst = |text: &str| values::number(text, "whole number", 1..=10_000);
        let concurrency = |text: &str| values::number(text, "whole number", 1..=100);
        let body = |text: &str| values::bytes(text, 64 << 10..=1 << 30);
        let poll = |text: &str| values::duration(text, Duration::from_secs(1)..=MAX_POLL_INTERVAL);
        let rps = raw.requests_per_second.as_ref();
        self.set(&mut limits.requests_per_second, "limits.requests_per_second", rps, rate);
        self.set(&mut limits.burst, "limits.burst", raw.burst.as_ref(), burst);
        self.set(&mut limits.concurrency, "limits.concurrency", raw.concurrency.as_ref(), concurrency);
        self.set(
            &mut limits.request_timeout,
            "limits.request_timeout",
            raw.request_timeout.as_ref(),
            timeout,
        );
        self.set(
            &mut limits.connect_timeout,
            "limits.connect_timeout",
            raw.connect_timeout.as_ref(),
            timeout,
        );
        self.set(&mut limits.poll_timeout, "limits.poll_timeout", raw.poll_timeout.as_ref(), poll);
        let wait = |text: &str| values::duration(text, RETRY_BASES);
        self.set(&mut limits.retry_base, "limits.retry_base", raw.retry_base.as_ref(), wait);
        self.set(&mut limits.max_body_bytes, "limits.max_body", raw.max_body.as_ref(), body);
    }

    /// Details share the account's rate, so theirs lies within it.
    fn details(&mut self, limits: &mut ApiLimits, raw: &RawDetails) {
        let most = limits.requests_per_second;
        let rate = |text: &str| values::number(text, "number", 0.001..=most);
        limits.details_requests_per_second =
            self.value("details.requests_per_second", raw.requests_per_second.as_ref(), rate);
    }

    fn units(&mut self, account: &mut Account, raw: &RawAccount) {
        let unit = |text: &str| values::choice(text, &UNITS);
        let speed = raw.migrate_speed_unit.as_ref();
        self.set(&mut account.speed_unit, "migrate_speed_unit", speed, unit);
        self.set(&mut account.disk_io_unit, "disk_io_unit", raw.disk_io_unit.as_ref(), unit);
        let offset = raw.source_clock_offset.as_ref();
        self.set(&mut account.clock_offset, "source_clock_offset", offset, values::offset);
    }

    fn filters(&mut self, account: &mut Account, raw: &RawAccount) {
        let words = [("full", Detail::Full), ("aggregate", Detail::Aggregate)];
        self.set(&mut account.detail, "detail", raw.detail.as_ref(), |text| values::choice(text, &words));
        let retention = |text: &str| values::duration(text, RETENTION);
        account.finished_retention =
            self.value("finished_retention", raw.finished_retention.as_ref(), retention);
        account.names.include = self.values("name_include", raw.name_include.as_ref(), glob);
        account.names.exclude = self.values("name_exclude", raw.name_exclude.as_ref(), glob);
        let Some(RawMetrics { allow, deny, max_series_per_family }) = &raw.metrics else { return };
        account.families.names.include = self.values("metrics.allow", allow.as_ref(), family);
        account.families.names.exclude = self.values("metrics.deny", deny.as_ref(), family);
        let cap = |text: &str| values::number(text, "whole number", NonZeroUsize::MIN..=CAP);
        account.families.max_series =
            self.value("metrics.max_series_per_family", max_series_per_family.as_ref(), cap);
    }

    fn network(&mut self, account: &mut Account, raw: &RawAccount) {
        let place = SecretPlace {
            env_key: "proxy_env",
            env: raw.proxy_env.as_ref(),
            file_key: "proxy_file",
            file: raw.proxy_file.as_ref(),
        };
        account.proxy = self.proxy(raw.proxy.as_ref(), &place);
        account.ca_file = self.readable_path("ca_file", raw.ca_file.as_ref());
    }
}

/// The largest cap on a family's series: no Prometheus wants more from one target.
const CAP: NonZeroUsize = NonZeroUsize::new(10_000_000).expect("ten million is not zero");

fn collector(name: &str) -> Result<Collector, Problem> {
    Collector::from_label(name).ok_or_else(|| {
        let known = Collector::ALL.map(Collector::label).join(", ");
        values::invalid(name, format!("one of the collectors {known}"))
    })
}

fn glob(pattern: &str) -> Result<Glob, Problem> {
    Glob::new(pattern).map_err(|error| {
        let expected = error.to_string();
        let expected = expected.strip_prefix("expected ").unwrap_or(&expected).to_owned();
        values::invalid(pattern, expected)
    })
}

/// A pattern for families' names: anything that cannot be in such a name would match nothing.
fn family(pattern: &str) -> Result<Glob, Problem> {
    let possible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'*' | b'?');
    let wrong = || values::invalid(pattern, "a family's name, in which * is any text and ? one character");
    if !pattern.bytes().all(possible) {
        return Err(wrong());
    }
    Glob::new(pattern).map_err(|_| wrong())
}

/// Any region at all, to go on judging an account whose own is wrong.
fn stand_in_region() -> Region {
    Region::new("cn-north-4").expect("this is a region's id")
}
