//! Simulated days in a minute: objects come and go, one request in twenty fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, Settings, What, When, World};

use crate::counts::{Counts, counters, never_fall};
use crate::harness::{REGION, Rig, Series, wall_clock};

/// Polls; with the interval below, two days.
const POLLS: usize = 290;

/// Simulated time between two polls.
const INTERVAL: Duration = Duration::from_secs(600);

/// Polls after which memory must have settled.
const WARM_UP: usize = 100;

/// Far below what a page, a fleet or a list that is kept with each poll would reach, and above the moods of an
/// allocator.
const GROWTH: u64 = 8 << 20;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages: u64 =
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second is a number");
    pages * 4096
}

/// What goes wrong; together one request in twenty.
fn faults() -> impl Iterator<Item = Fault> {
    let status = |code| What::Status {
        code,
        body: Vec::new(),
        content_type: "text/plain".into(),
        headers: Vec::new(),
    };
    let what =
        [status(500), status(404), status(429), What::ConnectionReset, What::Garbage, What::TruncateBody(30)];
    let when = When::Chance(0.05 / 6.0);
    what.into_iter().map(move |what| Fault { operation: None, when, what })
}

fn succeeded(page: &Series, collector: &str) -> bool {
    page[&format!("sms_exporter_poll_success{{account=\"test\",collector=\"{collector}\"}}")] == 1.0
}

/// No series of a source or task that was not there when its list was last read.
fn no_ghosts(page: &Series, sources: &World, tasks: &World) {
    let id = |name: &str, label: &str| {
        let (_, rest) = name.split_once(&format!("{label}=\""))?;
        rest.split_once('"').map(|(id, _)| id.to_owned())
    };
    let fleet = page.keys().filter(|name| name.starts_with("huaweicloud_sms_"));
    for name in fleet.filter(|name| !name.starts_with("huaweicloud_sms_source_error_info")) {
        if let Some(id) = id(name, "task_id") {
            assert!(tasks.tasks.contains_key(&id), "{name} is of a task that is gone");
        } else if let Some(id) = id(name, "source_id") {
            assert!(sources.sources.contains_key(&id), "{name} is of a source that is gone");
        }
    }
}

/// How often a list lost so much at once that it was not believed: the next reading, ten minutes later, confirms it.
fn implausible(page: &Series, collector: &str) -> f64 {
    let labels = format!("{{account=\"test\",collector=\"{collector}\",reason=\"implausible\"}}");
    page.get(&format!("sms_exporter_poll_failures_total{labels}")).copied().unwrap_or_default()
}

fn gone<T>(last: &BTreeMap<String, T>, truth: &BTreeMap<String, T>) -> BTreeSet<String> {
    last.keys().filter(|id| !truth.contains_key(*id)).cloned().collect()
}

/// Keeps what is gone for the first time: it takes a second reading to believe it.
fn unconfirmed<T: Clone>(
    last: &BTreeMap<String, T>,
    known: &mut BTreeMap<String, T>,
    absent: &mut BTreeSet<String>,
) {
    let gone = last.iter().filter(|(id, _)| !known.contains_key(*id));
    let first: Vec<_> =
        gone.filter(|(id, _)| !absent.contains(*id)).map(|(id, t)| (id.clone(), t.clone())).collect();
    *absent = first.iter().map(|(id, _)| id.clone()).collect();
    known.extend(first);
}

/// Set in the process that soaks, and in no other.
const ALONE: &str = "SMS_EXPORTER_TEST_SOAKS";

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
async fn days_of_faults_leave_memory_flat_and_counters_exact() {
    if std::env::var_os(ALONE).is_some() {
        return soak().await;
    }
    // In a process of its own: the memory of the other tests is none of its business.
    let itself = std::env::current_exe().expect("a test has a file");
    let this = ["--exact", "soak::days_of_faults_leave_memory_flat_and_counters_exact", "--nocapture"];
    let run = tokio::process::Command::new(itself).args(this).env(ALONE, "1").kill_on_drop(true).output();
    let output = run.await.expect("it can be run again");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{wrong}");
    let (_, figures) = said.split_once("soak:").expect("it says how it went");
    println!("soak:{}", figures.lines().next().unwrap_or_default());
}

/// An interval later, polled again.
async fn go_on(rig: &mut Rig) {
    // Timers too: what the governor learned from a refusal is forgotten in simulated time.
    tokio::time::pause();
    tokio::time::advance(INTERVAL).await;
    tokio::time::resume();
    rig.advance(INTERVAL);
    rig.poll().await;
}

async fn soak() {
    let start_ms = wall_clock();
    let settings = Settings {
        sources: 30,
        seed: 7,
        churn: true,
        start_ms,
        region: REGION.into(),
        ..Settings::default()
    };
    let stale_after = 4 * INTERVAL;
    let mut rig = Rig::over(settings, start_ms, |config| config.stale_after = stale_after).await;
    rig.poll().await;
    let mut sources = rig.simulator.truth();
    let (mut tasks, mut counts, mut counted) = (sources.clone(), Counts::default(), counters(&rig.page()));
    faults().for_each(|fault| rig.simulator.inject(fault));
    let (mut settled, mut most, mut failed) = (0, 0, 0);
    let (mut absent_sources, mut absent_tasks, mut doubted) = (BTreeSet::new(), BTreeSet::new(), [0.0; 2]);
    for poll in 1..=POLLS {
        go_on(&mut rig).await;
        let (truth, text) = (rig.simulator.truth(), rig.page());
        let page = crate::harness::parse(&text);
        if succeeded(&page, "sources") {
            let mut known = truth.clone();
            unconfirmed(&sources.sources, &mut known.sources, &mut absent_sources);
            counts.sources(&sources, &known);
            sources = known;
        }
        if succeeded(&page, "tasks") {
            let mut known = truth;
            unconfirmed(&tasks.tasks, &mut known.tasks, &mut absent_tasks);
            counts.tasks(&tasks, &known);
            tasks = known;
        }
        let now = [implausible(&page, "sources"), implausible(&page, "tasks")];
        if now[0] > doubted[0] {
            absent_sources = gone(&sources.sources, &rig.simulator.truth().sources);
        }
        if now[1] > doubted[1] {
            absent_tasks = gone(&tasks.tasks, &rig.simulator.truth().tasks);
        }
        doubted = now;
        failed += usize::from(!succeeded(&page, "sources")) + usize::from(!succeeded(&page, "tasks"));
        counts.check(&page);
        no_ghosts(&page, &sources, &tasks);
        let now = counters(&text);
        never_fall(&counted, &now);
        counted = now;
        match poll {
            WARM_UP => settled = resident(),
            _ if poll > WARM_UP => most = most.max(resident()),
            _ => {}
        }
    }
    told(&rig, failed, settled, most);
}

#[expect(clippy::print_stdout, reason = "the test above reads it")]
fn told(rig: &Rig, failed: usize, settled: u64, most: u64) {
    let (tally, grown) = (rig.simulator.tally(), most.saturating_sub(settled));
    println!(
        "soak: {POLLS} polls, {} requests, {} faults, {failed} failed lists, {} removals; resident {} KiB after \
         {WARM_UP} polls, at most {} KiB later",
        tally.requests.values().sum::<u64>(),
        tally.faults,
        tally.changes.removals,
        settled >> 10,
        most >> 10,
    );
    assert!(
        tally.faults > 100 && failed > 3 && tally.changes.removals > 100,
        "there was something to survive"
    );
    assert!(grown < GROWTH, "memory grew by {} KiB in {} polls", grown >> 10, POLLS - WARM_UP);
}
