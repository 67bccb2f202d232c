//! The file as it is written: every scalar a text with its place, nothing judged yet.

use crate::config::yaml::{At, Fields, Listing, Placed, Text, Texts};

/// How `collectors` can be written.
const COLLECTORS: &str = "a list of collectors, or a map from collectors to true or false";

/// The whole file.
#[derive(Debug)]
pub(super) struct RawConfig {
    pub(super) poll_interval: Option<Text>,
    pub(super) stale_after: Option<Text>,
    pub(super) defaults: Option<Placed<RawAccount>>,
    pub(super) accounts: Option<Placed<Vec<Placed<RawAccount>>>>,
}

/// An account, or the defaults of all.
#[derive(Clone, Debug, Default)]
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
    pub(super) credentials: Option<Placed<RawCredentials>>,
    /// Those that are on, or a map that switches some.
    pub(super) collectors: Option<Placed<Listing>>,
    pub(super) migrate_speed_unit: Option<Text>,
    pub(super) disk_io_unit: Option<Text>,
    pub(super) source_clock_offset: Option<Text>,
    pub(super) limits: Option<RawLimits>,
    pub(super) details: Option<RawDetails>,
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

/// `credentials`. The last four are never accepted: they stand here to be refused in our words, and
/// what was written is forgotten at once.
#[derive(Clone, Debug)]
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
    pub(super) domain: Option<Text>,
    pub(super) password_env: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) access_key: Option<At>,
    pub(super) secret_key: Option<At>,
    pub(super) security_token: Option<At>,
    pub(super) password: Option<At>,
}

/// `limits`.
#[derive(Clone, Debug, Default)]
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

/// `details`: what is asked for object by object.
#[derive(Clone, Debug, Default)]
pub(super) struct RawDetails {
    pub(super) requests_per_second: Option<Text>,
}

/// `metrics`.
#[derive(Clone, Debug, Default)]
pub(super) struct RawMetrics {
    pub(super) allow: Option<Texts>,
    pub(super) deny: Option<Texts>,
    pub(super) max_series_per_family: Option<Text>,
}

/// `labels`: names and values, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct RawLabels(pub(super) Vec<(Text, Text)>);

impl RawConfig {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            poll_interval: fields.text("poll_interval"),
            stale_after: fields.text("stale_after"),
            defaults: fields.map("defaults", RawAccount::read),
            accounts: fields.maps("accounts", RawAccount::read),
        }
    }
}

impl RawAccount {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            name: fields.text("name"),
            labels: fields.pairs("labels").map(RawLabels),
            region: fields.text("region"),
            endpoint: fields.text("endpoint"),
            iam_endpoint: fields.text("iam_endpoint"),
            project_id: fields.text("project_id"),
            domain_id: fields.text("domain_id"),
            scope: fields.text("scope"),
            enterprise_project_id: fields.text("enterprise_project_id"),
            migproject: fields.text("migproject"),
            credentials: fields.map("credentials", RawCredentials::read),
            collectors: fields.listing("collectors", COLLECTORS),
            migrate_speed_unit: fields.text("migrate_speed_unit"),
            disk_io_unit: fields.text("disk_io_unit"),
            source_clock_offset: fields.text("source_clock_offset"),
            limits: fields.map("limits", RawLimits::read).map(|written| written.value),
            details: fields.map("details", RawDetails::read).map(|written| written.value),
            detail: fields.text("detail"),
            finished_retention: fields.text("finished_retention"),
            name_include: fields.texts("name_include"),
            name_exclude: fields.texts("name_exclude"),
            metrics: fields.map("metrics", RawMetrics::read).map(|written| written.value),
            proxy: fields.text("proxy"),
            proxy_env: fields.text("proxy_env"),
            proxy_file: fields.text("proxy_file"),
            ca_file: fields.text("ca_file"),
        }
    }

    /// This account, with what it does not say from `defaults`: `labels`, `limits`, `details` and `metrics` key by
    /// key, every other key as a whole. An account's own proxy replaces the defaults' in whatever form.
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
            details: merged(self.details, &defaults.details, RawDetails::or),
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

impl RawCredentials {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            source: fields.text("source"),
            profile_file: fields.text("profile_file"),
            access_key_env: fields.text("access_key_env"),
            access_key_file: fields.text("access_key_file"),
            secret_key_env: fields.text("secret_key_env"),
            secret_key_file: fields.text("secret_key_file"),
            security_token_env: fields.text("security_token_env"),
            security_token_file: fields.text("security_token_file"),
            user: fields.text("user"),
            domain: fields.either(["account", "domain"]),
            password_env: fields.text("password_env"),
            password_file: fields.text("password_file"),
            access_key: fields.place("access_key"),
            secret_key: fields.place("secret_key"),
            security_token: fields.place("security_token"),
            password: fields.place("password"),
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
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            requests_per_second: fields.text("requests_per_second"),
            burst: fields.text("burst"),
            concurrency: fields.text("concurrency"),
            request_timeout: fields.text("request_timeout"),
            connect_timeout: fields.text("connect_timeout"),
            poll_timeout: fields.text("poll_timeout"),
            retry_base: fields.text("retry_base"),
            max_body: fields.text("max_body"),
        }
    }

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

impl RawDetails {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { requests_per_second: fields.text("requests_per_second") }
    }

    fn or(self, defaults: &Self) -> Self {
        Self { requests_per_second: or(self.requests_per_second, &defaults.requests_per_second) }
    }
}

impl RawMetrics {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            allow: fields.texts("allow"),
            deny: fields.texts("deny"),
            max_series_per_family: fields.text("max_series_per_family"),
        }
    }

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
