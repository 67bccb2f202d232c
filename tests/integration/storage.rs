//! Restarts lose nothing: what an exporter counted and saw is there again in the next run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use huaweicloud_sms_exporter::auth::Environment;
use huaweicloud_sms_exporter::config::Config;
use huaweicloud_sms_exporter::exposition::{Encoding, Format};
use huaweicloud_sms_exporter::model::AccountName;
use huaweicloud_sms_exporter::run::{Exporter, Rounds, Surroundings};
use huaweicloud_sms_exporter::simulator::{Fault, Operation, Settings, Simulator, What};
use huaweicloud_sms_exporter::storage::{Store, decode, is_unfinished};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{REGION, Series, clock, config, parse, serve, wall_clock};

/// A service that outlives the exporters that look at it.
struct Service {
    simulator: Simulator,
    config: Config,
    now: Arc<AtomicI64>,
    _stop: DropGuard,
}

/// One run of an exporter.
struct Run {
    exporter: Exporter,
    rounds: Rounds,
}

impl Service {
    async fn new(sources: usize) -> Self {
        let simulator =
            Simulator::new(Settings { sources, region: REGION.into(), churn: true, ..Settings::default() });
        let (origin, stop) = serve(simulator.clone()).await;
        let config = config(&origin, &simulator.keys());
        Self { simulator, config, now: Arc::new(AtomicI64::new(wall_clock())), _stop: stop.drop_guard() }
    }

    fn exporter(&self, directory: Option<&Path>) -> Exporter {
        let now = Arc::clone(&self.now);
        let clock = clock(&now);
        let surroundings = Surroundings { clock, environment: Environment::new(|_| None) };
        Exporter::new(surroundings, CancellationToken::new()).storing(directory.map(Store::new))
    }

    fn run(&self, directory: Option<&Path>) -> Run {
        let exporter = self.exporter(directory);
        let rounds = exporter.rounds(&self.config).expect("the test's account can be set up");
        Run { exporter, rounds }
    }

    /// The world goes on by this much, and the clock by little, for signatures are judged by the real one.
    fn later(&self, simulated: Duration) {
        self.simulator.advance(simulated);
        self.now.fetch_add(5_000, Ordering::Relaxed);
    }
}

impl Run {
    fn series(&self) -> Series {
        series(&self.exporter)
    }

    fn value(&self, series: &str) -> f64 {
        *self.series().get(series).unwrap_or_else(|| panic!("no {series}"))
    }
}

fn series(exporter: &Exporter) -> Series {
    let page = exporter.published().latest().unwrap_or_default();
    let own = exporter.own().text();
    let body = page.respond(Format::Text004, Encoding::Identity, &own, None).concat();
    parse(&String::from_utf8(body).expect("a page is text"))
}

/// What an account's counters say of the fleet.
fn counters(series: &Series) -> Series {
    let is_counter = |name: &str| {
        name.starts_with("huaweicloud_sms_")
            && name.split('{').next().is_some_and(|it| it.ends_with("_total"))
    };
    series.iter().filter(|(name, _)| is_counter(name)).map(|(name, value)| (name.clone(), *value)).collect()
}

const FAILURES: &str = "sms_exporter_storage_write_failures_total{account=\"test\"}";
const LAST_WRITE: &str = "sms_exporter_storage_last_success_timestamp_seconds{account=\"test\"}";
const REPLICATED: &str = "huaweicloud_sms_replicated_bytes_total{account=\"test\"}";

#[tokio::test]
async fn an_exporter_that_was_restarted_counts_as_one_that_never_was() {
    let service = Service::new(40).await;
    let directory = tempfile::tempdir().unwrap();
    let mut steady = service.run(None);
    let mut last = Series::new();
    for run in 0..4 {
        let mut restarted = service.run(Some(directory.path()));
        for _ in 0..=run % 2 {
            steady.rounds.poll().await;
            restarted.rounds.poll().await;
            let now = counters(&restarted.series());
            assert_eq!(now, counters(&steady.series()), "run {run}");
            let fell = last.iter().find(|(name, value)| !name.contains("_id=") && now[*name] < **value);
            assert_eq!(fell, None, "a counter never falls");
            last = now;
            service.later(Duration::from_secs(300));
        }
        assert_eq!(restarted.value(FAILURES), 0.0);
        restarted.rounds.finish().await;
    }
    assert!(last[REPLICATED] > 0.0 && last.keys().any(|name| name.contains("transitions")), "{last:#?}");
}

#[tokio::test]
async fn what_an_earlier_run_saw_is_compared_with_and_never_served() {
    let service = Service::new(30).await;
    let directory = tempfile::tempdir().unwrap();
    let (mut steady, mut first) = (service.run(None), service.run(Some(directory.path())));
    for run in [&mut steady, &mut first] {
        run.rounds.poll().await;
    }
    let read_at = "sms_exporter_poll_last_success_timestamp_seconds{account=\"test\",collector=\"sources\"}";
    let success = first.value(read_at);
    first.rounds.finish().await;
    service.later(Duration::from_secs(1800));
    // The service is away when the exporter comes back: twice, so that what is handed on is seen too.
    let away =
        What::Status { code: 404, body: Vec::new(), content_type: "text/plain".into(), headers: Vec::new() };
    service.simulator.inject(Fault::always(Operation::ListSources, away));
    for _ in 0..2 {
        let mut run = service.run(Some(directory.path()));
        run.rounds.poll().await;
        steady.rounds.poll().await;
        let page = run.series();
        assert!(!page.keys().any(|name| name.starts_with("huaweicloud_sms_source_info")), "{page:#?}");
        assert!(page.keys().any(|name| name.starts_with("huaweicloud_sms_task_info")), "tasks were read");
        assert_eq!(page[REPLICATED], 0.0, "what was counted is told");
        assert_eq!(page[read_at], success, "and when the sources were last read");
        run.rounds.finish().await;
    }
    service.simulator.clear_faults();
    let mut run = service.run(Some(directory.path()));
    for run in [&mut steady, &mut run] {
        run.rounds.poll().await;
    }
    assert_eq!(counters(&run.series()), counters(&steady.series()));
    assert!(run.value(REPLICATED) > 0.0, "what happened meanwhile is counted once it can be seen");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_a_metric_and_not_an_end() {
    let service = Service::new(10).await;
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("file/state");
    fs::write(directory.path().join("file"), "in the way").unwrap();
    let mut run = service.run(Some(&inner));
    for polls in 1..=3 {
        run.rounds.poll().await;
        assert_eq!(run.value(FAILURES), f64::from(polls));
        assert!(!run.series().contains_key(LAST_WRITE));
        assert!(run.series().keys().any(|name| name.starts_with("huaweicloud_sms_source_info")));
    }
    fs::remove_file(directory.path().join("file")).unwrap();
    run.rounds.poll().await;
    assert_eq!(run.value(FAILURES), 3.0);
    assert!(run.value(LAST_WRITE) > 0.0, "it is tried with each poll");
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_counting_begins_anew() {
    let service = Service::new(20).await;
    let directory = tempfile::tempdir().unwrap();
    let mut run = service.run(Some(directory.path()));
    run.rounds.poll().await;
    service.later(Duration::from_secs(1800));
    run.rounds.poll().await;
    assert!(run.value(REPLICATED) > 0.0);
    run.rounds.finish().await;
    let file = only_file(directory.path());
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let mut run = service.run(Some(directory.path()));
    run.rounds.poll().await;
    assert_eq!(run.value(REPLICATED), 0.0);
    let aside = format!("{}.damaged-1", file.display());
    assert_eq!(fs::read(aside).unwrap(), bytes, "a person can look at it");
    assert!(file.exists(), "and keeping goes on");
}

#[tokio::test]
async fn an_account_that_changes_in_a_reload_keeps_its_counters() {
    let mut service = Service::new(20).await;
    let directory = tempfile::tempdir().unwrap();
    // Only the first poll of each incarnation happens.
    service.config.poll_interval = Duration::from_secs(3600);
    let exporter = service.exporter(Some(directory.path()));
    exporter.apply(&service.config).unwrap();
    until(&exporter, |page| page.keys().any(|name| name.starts_with("huaweicloud_sms_source_info"))).await;
    service.later(Duration::from_secs(1800));
    service.config.stale_after = Duration::from_secs(86_400);
    exporter.apply(&service.config).unwrap();
    until(&exporter, |page| page[REPLICATED] > 0.0).await;
}

/// Waits for what real sockets and a real disk take.
async fn until(exporter: &Exporter, holds: impl Fn(&Series) -> bool) {
    let waiting = async {
        while !holds(&series(exporter)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes to hold");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| !is_of_refusals(&path.file_name().unwrap_or_default().to_string_lossy())).collect()
}

/// Whether a file is no account's, but the memory of refused keys.
fn is_of_refusals(name: &str) -> bool {
    name.starts_with("refusals")
}

fn only_file(directory: &Path) -> PathBuf {
    let mut files = files(directory);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// The real program is killed while it writes, again and again: each time all that it left loads, and what it
/// had counted goes on.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_leaves_files_that_load() {
    const ACCOUNTS: usize = 4;
    const KILLS: u64 = 6;
    let service = Service::new(30).await;
    let directory = tempfile::tempdir().unwrap();
    let (state, file) = (directory.path().join("state"), directory.path().join("sms.yml"));
    fs::write(&file, accounts(ACCOUNTS, &service)).unwrap();
    let keys = service.simulator.keys();
    let mut finished = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sms-exporter"))
            .args(["--config.file", file.to_str().unwrap(), "--storage.path", state.to_str().unwrap()])
            .args(["--web.listen-address", "127.0.0.1:0", "--log.level", "error"])
            .envs([("TEST_AK", &keys.ak), ("TEST_SK", &keys.sk)])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let watched = state.clone();
        // A different moment each time: a file is being written, or so many have just been.
        let wrote = tokio::task::spawn_blocking(move || wait_for_writes(&watched, kill % 4)).await.unwrap();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(wrote, "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing went wrong before the end");
        finished = loaded(&state);
        service.later(Duration::from_secs(600));
    }
    assert!(finished > 0, "some writes were whole before the kill");
    let names = files(&state);
    let damaged = names.iter().filter(|path| path.to_string_lossy().contains("damaged")).count();
    assert_eq!(damaged, 0, "{names:?}");
}

/// Waits until a file is being written, or for some, until one was renamed meanwhile.
fn wait_for_writes(state: &Path, how: u64) -> bool {
    let names = || -> Vec<(std::ffi::OsString, Option<std::time::SystemTime>)> {
        let entries = fs::read_dir(state).into_iter().flatten().flatten();
        let entries = entries.filter(|entry| !is_of_refusals(&entry.file_name().to_string_lossy()));
        entries.map(|it| (it.file_name(), it.metadata().and_then(|about| about.modified()).ok())).collect()
    };
    let before = names();
    for _ in 0..200_000 {
        let now = names();
        let unfinished =
            now.iter().any(|it| it.0.to_string_lossy().ends_with(".unfinished") && !before.contains(it));
        let whole = now.iter().filter(|it| !before.contains(it)).count();
        let enough = match how {
            0 | 1 => unfinished,
            more => whole >= usize::try_from(more).expect("a small number"),
        };
        if enough {
            return true;
        }
        // Shorter than a write, long enough to leave the processor to the one who writes.
        std::thread::sleep(Duration::from_micros(100));
    }
    false
}

/// Loads every file that is not unfinished, as the program would, and counts them.
fn loaded(state: &Path) -> usize {
    let whole: Vec<PathBuf> = files(state).into_iter().filter(|path| !is_unfinished(path)).collect();
    for path in &whole {
        let bytes = fs::read(path).expect("it can be read");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let account = AccountName::new(name.split('-').next().unwrap_or_default());
        if let Err(error) = decode(&bytes, &account, "") {
            panic!("{name}: {error}");
        }
    }
    whole.len()
}

/// A configuration of so many accounts that all look at the one service.
fn accounts(count: usize, service: &Service) -> String {
    let endpoint = &service.config.accounts[0].endpoint;
    let mut yaml = "poll_interval: 1s\naccounts:\n".to_owned();
    for number in 0..count {
        yaml += &format!(
            "  - name: a{number}\n    region: {REGION}\n    endpoint: {endpoint}\n    iam_endpoint: {endpoint}\n    \
             credentials:\n      access_key_env: TEST_AK\n      secret_key_env: TEST_SK\n"
        );
    }
    yaml
}
