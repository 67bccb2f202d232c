//! Flags about what is polled.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::CollectorFlags;
use crate::config::{CredentialKind, MAX_POLL_INTERVAL, MIN_POLL_INTERVAL, Region};

/// Where the configuration is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigOptions {
    /// Configuration file (YAML); without one, the environment describes a single account
    #[arg(long = "config.file", id = "config.file", value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,
    /// Say what is wrong with the configuration, with file and line, or "ok", and end
    #[arg(long = "config.check", id = "config.check", global = true)]
    pub check: bool,
}

/// What is polled, how often, and what is kept.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Polling")]
pub struct PollOptions {
    /// Region of accounts for which the file names none; `HW_REGION_NAME`, where it is not said.
    #[arg(long, id = "region", value_name = "REGION", global = true, value_parser = region)]
    #[arg(help = "Region of accounts for which the file names none [default: HW_REGION_NAME]")]
    pub region: Option<Region>,
    /// Where the environment's account gets its credentials; the chain, where it is not said.
    #[arg(help = "Credentials of the environment's account: chain, profile, ecs_agency, oidc or \
                  pod_identity [default: chain]")]
    #[arg(long = "credentials.source", id = "credentials.source", value_name = "SOURCE", global = true)]
    #[arg(value_parser = credentials)]
    pub credentials: Option<CredentialKind>,
    /// Time between two polls of an account, such as 30s or 1m; over the file's [default: 30s]
    #[arg(long = "poll.interval", id = "poll.interval", value_name = "DURATION", global = true)]
    #[arg(value_parser = interval)]
    pub interval: Option<Duration>,
    /// Age at which data that cannot be read anew disappears; over the file's [default: 15m]
    #[arg(long = "poll.stale-after", id = "poll.stale-after", value_name = "DURATION", global = true)]
    #[arg(value_parser = duration)]
    pub stale_after: Option<Duration>,
    /// Directory in which counters and the last states survive a restart [default: they do not]
    #[arg(long = "storage.path", id = "storage.path", value_name = "DIR", global = true)]
    pub storage: Option<PathBuf>,
    /// Collectors that are switched on or off.
    #[command(flatten)]
    pub collectors: CollectorFlags,
}

/// A duration as people write it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a duration such as 30s, 5m or 1h".to_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let bounds = MIN_POLL_INTERVAL..=MAX_POLL_INTERVAL;
    duration(text).ok().filter(|interval| bounds.contains(interval)).ok_or_else(|| {
        let (least, most) = (bounds.start().as_secs(), bounds.end().as_secs() / 3600);
        format!("expected a duration from {least}s to {most}h, such as 30s or 5m")
    })
}

fn region(text: &str) -> Result<Region, String> {
    Region::new(text).map_err(|_| "expected a region's id such as cn-north-4".to_owned())
}

fn credentials(text: &str) -> Result<CredentialKind, String> {
    let known = CredentialKind::ALL.map(CredentialKind::label).join(", ");
    CredentialKind::from_label(text).ok_or_else(|| format!("expected one of {known}"))
}
