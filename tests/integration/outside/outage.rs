//! An hour of a fleet in trouble, half of it without the API: nothing ends by itself, nothing begins by itself, and
//! one page says that nobody can see.
//!
//! Faster than as shipped, as all of [`super::chain`].

use std::collections::BTreeSet;
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, Source, Task, What};
use tokio::time::{Instant, sleep_until};

use super::chain::{Chain, Engines, FASTER, Told};
use crate::harness::wall_clock;

/// What is restarted in the middle of the outage.
enum Restarted {
    Prometheus,
    Exporter,
}

/// So many minutes of the shipped rules.
fn minutes(minutes: u64) -> Duration {
    Duration::from_millis(minutes * 60_000 / FASTER)
}

/// Troubles that were there before the API went away: whom they concern, the alert, the server.
const TROUBLES: [(&str, &str, usize); 5] = [
    ("tickets", "SourceError", 0),
    ("pager", "AgentDisconnected", 1),
    ("pager", "SourceError", 2),
    ("pager", "CutoverStuck", 3),
    ("tickets", "AgentDisconnected", 4),
];

/// Servers whose agents go while nobody can see it; too few for a mass.
const UNSEEN: std::ops::Range<usize> = 5..8;

fn fail(source: &mut Source, task: &mut Task) {
    source.state = "error".into();
    task.state = "MIGRATE_FAIL".into();
    task.error = Some(("SMS.1807".into(), vec![]));
}

/// Cutting over, for so many minutes of the shipped rules; a time to come stands for only just.
fn cut_over(source: &mut Source, minutes: i64) {
    source.state = "cutovering".into();
    source.migration_cycle = "cutovering".into();
    source.state_action_time = Some(wall_clock() - minutes * 60_000 / FASTER.cast_signed());
}

fn make_trouble(chain: &Chain) {
    chain.change(0, fail);
    chain.change(1, |source, _| {
        cut_over(source, -90);
        source.connected = false;
    });
    chain.change(2, |source, task| {
        cut_over(source, 0);
        fail(source, task);
    });
    chain.change(3, |source, _| cut_over(source, 61));
    chain.change(4, |source, _| source.connected = false);
}

fn mend(source: &mut Source, task: &mut Task) {
    source.state = "replicate".into();
    source.migration_cycle = "replicating".into();
    source.connected = true;
    task.state = "RUNNING".into();
    task.error = None;
}

/// What was told of these servers, or of none: receiver, alert, status and server.
fn gist(told: &[Told]) -> BTreeSet<(&str, &str, &str, &str)> {
    let shown = told.iter().map(|told| {
        (&*told.receiver, told.alert.trim_start_matches("HuaweiSms"), &*told.status, &*told.server)
    });
    shown.filter(|(_, alert, ..)| *alert != "Watchdog").collect()
}

/// The outage, from its first minute to its last: what was told meanwhile.
async fn outage(chain: &mut Chain, restarted: Restarted) -> Vec<Told> {
    let (before, begin) = (chain.heard.told().len(), Instant::now());
    chain.simulator.inject(Fault::everywhere(What::Html502));
    // What nobody can see: one is repaired, others get into trouble.
    chain.change(0, mend);
    UNSEEN.for_each(|server| chain.change(server, |source, _| source.connected = false));
    chain.heard.expect("pager", "DataStale", "firing").await;
    sleep_until(begin + minutes(15)).await;
    match restarted {
        Restarted::Prometheus => chain.restart_prometheus().await,
        Restarted::Exporter => chain.restart_exporter().await,
    }
    sleep_until(begin + minutes(30)).await;
    chain.heard.told().split_off(before)
}

async fn an_hour_of_trouble(servers: usize, engines: Engines, restarted: Restarted) {
    let mut chain = Chain::start(servers, engines).await;
    make_trouble(&chain);
    for (receiver, alert, server) in TROUBLES {
        chain.heard.expect_about(&chain.name(server), receiver, alert, "firing").await;
    }

    let meanwhile = outage(&mut chain, restarted).await;
    let stale = meanwhile.iter().filter(|told| told.alert == "HuaweiSmsDataStale").count();
    assert_eq!(stale, 1, "one page says that the data is stale: {meanwhile:#?}");
    let names: Vec<String> = TROUBLES.iter().map(|&(.., server)| chain.name(server)).collect();
    // That much fails is told as well; what fired before may be told again.
    let mut allowed =
        BTreeSet::from([("pager", "DataStale", "firing", ""), ("tickets", "ApiErrors", "firing", "")]);
    allowed.extend(
        TROUBLES.iter().zip(&names).map(|(&(receiver, alert, _), name)| (receiver, alert, "firing", &**name)),
    );
    let false_ones: Vec<_> = gist(&meanwhile).difference(&allowed).copied().collect();
    assert!(false_ones.is_empty(), "told while nobody could know: {false_ones:#?}");

    chain.simulator.clear_faults();
    chain.heard.expect("pager", "DataStale", "resolved").await;
    chain.heard.expect_about(&chain.name(0), "tickets", "SourceError", "resolved").await;
    for server in UNSEEN {
        chain.heard.expect_about(&chain.name(server), "tickets", "AgentDisconnected", "firing").await;
    }
    (0..UNSEEN.end).for_each(|server| chain.change(server, mend));
    for (receiver, alert, server) in TROUBLES {
        chain.heard.expect_about(&chain.name(server), receiver, alert, "resolved").await;
    }
    let told = chain.heard.told();
    let paged = gist(&told).into_iter().filter(|&(receiver, ..)| receiver == "pager");
    let about: BTreeSet<_> = paged.map(|(_, alert, _, server)| (alert, server)).collect();
    assert_eq!(about.len(), 4, "three servers and the API were paged for: {about:#?}");
}

#[tokio::test]
async fn an_outage_with_a_restart_of_prometheus_tells_nothing_false() {
    an_hour_of_trouble(40, Engines::installed(), Restarted::Prometheus).await;
}

#[tokio::test]
async fn an_outage_of_a_large_fleet_with_a_restart_of_the_exporter_tells_nothing_false() {
    an_hour_of_trouble(400, Engines::newest(), Restarted::Exporter).await;
}
