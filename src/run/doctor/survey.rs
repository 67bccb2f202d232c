//! What a poll will be: how long it takes, and how many series it makes.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::report::Diagnosis;
use crate::auth::Guards;
use crate::cli::Pace;
use crate::config::{Account, Config};
use crate::run::{Exporter, Surroundings};

/// Polls once, as the exporter would.
pub(super) async fn examine(
    account: &Account,
    config: &Config,
    surroundings: &Surroundings,
    guards: &Guards,
    diagnosis: &mut Diagnosis,
) {
    let alone = Config { accounts: vec![account.clone()], ..config.clone() };
    let exporter = Exporter::new(surroundings.clone(), CancellationToken::new()).guarded_by(guards.clone());
    let mut rounds = match exporter.rounds(&alone) {
        Ok(rounds) => rounds,
        Err(error) => {
            return diagnosis.fail("poll", error.to_string(), "mend the account's configuration");
        }
    };
    let begin = Instant::now();
    rounds.poll().await;
    let took = begin.elapsed();
    let page = exporter.published().latest();
    let series: usize = page.iter().flat_map(|page| page.series()).map(|(_, series)| series).sum();
    let own = exporter.own().text().lines().filter(|line| !line.starts_with('#')).count();
    let (interval, took_told) = (humantime::format_duration(config.poll_interval), rounded(took));
    let told = format!("took {took_told} of every {interval}");
    if took > config.poll_interval {
        diagnosis.doubt("poll", told, "polls follow one another without a pause: raise poll_interval");
    } else {
        diagnosis.well("poll", told);
    }
    let facts = exporter.publisher().facts().into_iter();
    let servers: u64 = facts.flat_map(|(_, facts)| facts.sources.into_values()).sum();
    let pace = Pace::of(account, u32::try_from(servers).unwrap_or(u32::MAX), config.poll_interval);
    diagnosis.well("pace", format!("as a rule, if all {servers} servers copy: {pace}"));
    let told = format!("{series} of this account, and {own} of the exporter itself");
    diagnosis.well("series", told);
}

/// A duration as a person reads it: to the millisecond below a second, else to the tenth.
fn rounded(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
