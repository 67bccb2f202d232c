//! The file as it is written: every scalar a text with its place, nothing judged yet.
//!
//! Texts rather than numbers, because an id of digits must keep its zeros, and because a value that
//! is wrong is then told by us, with its key, rather than by the YAML library, which would quote it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A scalar with its place.
pub(super) type Text = Spanned<String>;

/// A list of scalars. Lists have no place of their own: serde's code for a value with a place is made twice, and
/// so is that of every place within.
pub(super) type Texts = Vec<Text>;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) poll_interval: Option<Text>,
    pub(super) stale_after: Option<Text>,
    pub(super) defaults: Option<Spanned<RawAccount>>,
    pub(super) accounts: Option<Vec<Spanned<RawAccount>>>,
}

/// An account, or the defaults of all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccount {
    pub(super) name: Option<Text>,
    pub(super) labels: Option<RawLabels>,
    pub(super) region: Option<Text>,
    pub(super) endpoint: Option<Text>,
    pub(super) iam_endpoint: Option<Text>,
    pub(super) project_id: Option<Text>,
    pub(super) domain_id: Option<Text>,
    pub(super) scope: Option<Text>,
    pub(super) enterprise_project_id: Option<Text>,
    pub(super) migproject: Option<Text>,
    pub(super) credentials: Option<Spanned<RawCredentials>>,
    pub(super) collectors: Option<Spanned<RawCollectors>>,
    pub(super) migrate_speed_unit: Option<Text>,
    pub(super) disk_io_unit: Option<Text>,
    pub(super) source_clock_offset: Option<Text>,
    pub(super) limits: Option<RawLimits>,
    pub(super) detail: Option<Text>,
    pub(super) finished_retention: Option<Text>,
    pub(super) name_include: Option<Texts>,
    pub(super) name_exclude: Option<Texts>,
    pub(super) metrics: Option<RawMetrics>,
    pub(super) proxy: Option<Text>,
    pub(super) proxy_env: Option<Text>,
    pub(super) proxy_file: Option<Text>,
    pub(super) ca_file: Option<Text>,
}

/// `credentials`. The last three are never accepted; they stand here to be refused in our words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredentials {
    pub(super) source: Option<Text>,
    pub(super) profile_file: Option<Text>,
    pub(super) access_key_env: Option<Text>,
    pub(super) access_key_file: Option<Text>,
    pub(super) secret_key_env: Option<Text>,
    pub(super) secret_key_file: Option<Text>,
    pub(super) security_token_env: Option<Text>,
    pub(super) security_token_file: Option<Text>,
    pub(super) user: Option<Text>,
    #[serde(alias = "account")]
    pub(super) domain: Option<Text>,
    pub(super) password_env: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) access_key: Option<Spanned<Hidden>>,
    pub(super) secret_key: Option<Spanned<Hidden>>,
    pub(super) security_token: Option<Spanned<Hidden>>,
    pub(super) password: Option<Spanned<Hidden>>,
}

/// Whatever was written; forgotten at once.
#[derive(Clone, Debug)]
pub(super) struct Hidden;

/// `limits`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) requests_per_second: Option<Text>,
    pub(super) burst: Option<Text>,
    pub(super) concurrency: Option<Text>,
    pub(super) request_timeout: Option<Text>,
    pub(super) connect_timeout: Option<Text>,
    pub(super) poll_timeout: Option<Text>,
    pub(super) retry_base: Option<Text>,
    pub(super) max_body: Option<Text>,
}

/// `metrics`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetrics {
    pub(super) allow: Option<Texts>,
    pub(super) deny: Option<Texts>,
    pub(super) max_series_per_family: Option<Text>,
}

/// `collectors`: a list of those that are on, or a map that switches some.
#[derive(Clone, Debug)]
pub(super) enum RawCollectors {
    Only(Vec<Text>),
    Switched(Vec<(Text, Text)>),
}

/// `labels`: names and values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct RawLabels(pub(super) Vec<(Text, Text)>);

impl RawAccount {
    /// This account, with what it does not say from `defaults`: `labels`, `limits` and `metrics` key by key,
    /// every other key as a whole. An account's own proxy replaces the defaults' in whatever form.
    pub(super) fn or(self, defaults: &Self) -> Self {
        let has_proxy = self.proxy.is_some() || self.proxy_env.is_some() || self.proxy_file.is_some();
        let proxy = |default: &Option<Text>| if has_proxy { None } else { default.clone() };
        Self {
            name: self.name,
            labels: merged(self.labels, &defaults.labels, RawLabels::or),
            region: or(self.region, &defaults.region),
            endpoint: or(self.endpoint, &defaults.endpoint),
            iam_endpoint: or(self.iam_endpoint, &defaults.iam_endpoint),
            project_id: or(self.project_id, &defaults.project_id),
            domain_id: or(self.domain_id, &defaults.domain_id),
            scope: or(self.scope, &defaults.scope),
            enterprise_project_id: or(self.enterprise_project_id, &defaults.enterprise_project_id),
            migproject: or(self.migproject, &defaults.migproject),
            credentials: or(self.credentials, &defaults.credentials),
            collectors: or(self.collectors, &defaults.collectors),
            migrate_speed_unit: or(self.migrate_speed_unit, &defaults.migrate_speed_unit),
            disk_io_unit: or(self.disk_io_unit, &defaults.disk_io_unit),
            source_clock_offset: or(self.source_clock_offset, &defaults.source_clock_offset),
            limits: merged(self.limits, &defaults.limits, RawLimits::or),
            detail: or(self.detail, &defaults.detail),
            finished_retention: or(self.finished_retention, &defaults.finished_retention),
            name_include: or(self.name_include, &defaults.name_include),
            name_exclude: or(self.name_exclude, &defaults.name_exclude),
            metrics: merged(self.metrics, &defaults.metrics, RawMetrics::or),
            proxy: self.proxy.or_else(|| proxy(&defaults.proxy)),
            proxy_env: self.proxy_env.or_else(|| proxy(&defaults.proxy_env)),
            proxy_file: self.proxy_file.or_else(|| proxy(&defaults.proxy_file)),
            ca_file: or(self.ca_file, &defaults.ca_file),
        }
    }
}

impl RawLabels {
    fn or(mut self, defaults: &Self) -> Self {
        let own = |name: &Text| self.0.iter().any(|(known, _)| known.value == name.value);
        let further: Vec<_> = defaults.0.iter().filter(|(name, _)| !own(name)).cloned().collect();
        self.0.extend(further);
        self
    }
}

impl RawLimits {
    fn or(self, defaults: &Self) -> Self {
        Self {
            requests_per_second: or(self.requests_per_second, &defaults.requests_per_second),
            burst: or(self.burst, &defaults.burst),
            concurrency: or(self.concurrency, &defaults.concurrency),
            request_timeout: or(self.request_timeout, &defaults.request_timeout),
            connect_timeout: or(self.connect_timeout, &defaults.connect_timeout),
            poll_timeout: or(self.poll_timeout, &defaults.poll_timeout),
            retry_base: or(self.retry_base, &defaults.retry_base),
            max_body: or(self.max_body, &defaults.max_body),
        }
    }
}

impl RawMetrics {
    fn or(self, defaults: &Self) -> Self {
        Self {
            allow: or(self.allow, &defaults.allow),
            deny: or(self.deny, &defaults.deny),
            max_series_per_family: or(self.max_series_per_family, &defaults.max_series_per_family),
        }
    }
}

fn or<T: Clone>(own: Option<T>, default: &Option<T>) -> Option<T> {
    own.or_else(|| default.clone())
}

fn merged<T: Clone>(own: Option<T>, default: &Option<T>, merge: impl Fn(T, &T) -> T) -> Option<T> {
    match (own, default) {
        (Some(own), Some(default)) => Some(merge(own, default)),
        (own, default) => or(own, default),
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl<'de> Deserialize<'de> for RawCollectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because an untagged enum would lose the places.
        deserializer.deserialize_any(CollectorsVisitor)
    }
}

struct CollectorsVisitor;

impl<'de> Visitor<'de> for CollectorsVisitor {
    type Value = RawCollectors;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of collectors, or a map from collectors to true or false")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut only = Vec::new();
        while let Some(text) = seq.next_element()? {
            only.push(text);
        }
        Ok(RawCollectors::Only(only))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        entries(map).map(RawCollectors::Switched)
    }
}

impl<'de> Deserialize<'de> for RawLabels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a map would lose the order and a name's place.
        deserializer.deserialize_map(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = RawLabels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from labels to their values")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        entries(map).map(RawLabels)
    }
}

/// The entries of a map, in the order of the file.
fn entries<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<(Text, Text)>, A::Error> {
    let mut entries = Vec::new();
    while let Some(entry) = map.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}
