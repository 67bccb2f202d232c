//! Loops that should turn and do not: told in the log, to systemd's watchdog, and where somebody asks for health.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Exporter;
use super::systemd;
use crate::model::AccountName;
use crate::poll::Episode;

/// How often the loops are looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// Whether every account's loop turns; the error is a sentence for the one who asks.
pub(super) fn health(exporter: &Exporter) -> Result<(), String> {
    let late = exporter.late();
    let Some((account, time)) = late.first_key_value() else { return Ok(()) };
    let time = humantime::format_duration(Duration::from_secs(time.as_secs()));
    let others = if late.len() > 1 { format!(", and {} more", late.len() - 1) } else { String::new() };
    Err(format!("The polling of account {:?} does not go on; it is {time} late{others}.", account.as_str()))
}

/// Looks at the loops until `stop`.
pub(super) async fn run(exporter: Exporter, stop: CancellationToken) {
    let mut stuck: BTreeMap<AccountName, Episode> = BTreeMap::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let late = exporter.late();
        for account in late.keys() {
            if stuck.entry(account.clone()).or_default().holds("late").is_some() {
                let account = account.as_str();
                tracing::error!(
                    account,
                    "Polling does not go on, and /-/healthy says so: restart the exporter"
                );
            }
        }
        stuck.retain(|account, _| {
            let lasts = late.contains_key(account);
            if !lasts {
                tracing::info!(account = account.as_str(), "Polling goes on");
            }
            lasts
        });
        if late.is_empty() {
            systemd::alive();
        }
    }
}
