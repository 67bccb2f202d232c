//! Clocks that step, and a loop that hangs: in the process under test alone, by a library that is preloaded there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, Keys, Operation, Settings, Simulator, What};
use tokio::time::{Instant, sleep};

use super::process::{Process, SOON, command, exporter};
use super::tools::{passes, tool};
use super::web::{get, until};
use crate::harness::{REGION, serve};

/// What the process under test takes for the time, and whether its state can be opened.
struct Clock {
    directory: tempfile::TempDir,
    library: PathBuf,
}

impl Clock {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let library = directory.path().join("clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/outside/clock.c");
        let arguments = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"].map(PathBuf::from);
        let arguments = [&arguments[..], &[library.clone(), source]].concat();
        passes(command(&tool("cc"), &arguments)).await;
        Self { directory, library }
    }

    /// Lets a clock, `REALTIME` or `MONOTONIC`, go by so many seconds later.
    fn step(&self, clock: &str, seconds: i64) {
        // Renamed, so that no half of a number is read.
        let (new, name) = (self.directory.path().join("new"), self.directory.path().join(clock));
        fs::write(&new, seconds.to_string()).expect("a directory of ours");
        fs::rename(new, name).expect("a directory of ours");
    }

    fn hang(&self, hangs: bool) {
        let file = self.directory.path().join("HANG");
        if hangs { fs::write(file, "") } else { fs::remove_file(file) }.expect("a directory of ours");
    }

    /// The program by this clock, against a service behind `origin`.
    fn start(&self, origin: &str, arguments: &[&str]) -> Process {
        let always = ["--web.listen-address=127.0.0.1:0", "--poll.interval=1s"];
        let (mut command, keys) = (exporter(&[&always, arguments].concat()), Keys::default());
        command.env("HW_REGION_NAME", REGION).env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", origin);
        command.env("HUAWEICLOUD_SDK_IAM_ENDPOINT", origin);
        command.env("HUAWEICLOUD_SDK_AK", keys.ak).env("HUAWEICLOUD_SDK_SK", keys.sk);
        command.env("LD_PRELOAD", &self.library).env("TEST_CLOCK", self.directory.path());
        Process::start(command)
    }
}

fn simulator() -> Simulator {
    Simulator::new(Settings { sources: 5, region: REGION.into(), ..Settings::default() })
}

/// How long a part is served that cannot be read anew.
const STALE_AFTER: Duration = Duration::from_secs(12);

#[tokio::test]
async fn what_is_too_old_goes_at_its_time_whatever_the_wall_clock_does() {
    let clock = Clock::new().await;
    for step in [-7200, 7200] {
        clock.step("REALTIME", 0);
        let simulator = simulator();
        let (origin, _stop) = serve(simulator.clone()).await;
        let stale_after = format!("--poll.stale-after={}s", STALE_AFTER.as_secs());
        let mut process = clock.start(&origin, &[&stale_after]);
        let address = process.address().await;
        let info = "huaweicloud_sms_source_info{";
        until(&address, "/metrics", |answer| answer.text().contains(info)).await;
        // An answer that is not asked for again, so that each poll fails at once.
        let gone = What::Status {
            code: 404,
            body: Vec::new(),
            content_type: "text/plain".into(),
            headers: Vec::new(),
        };
        simulator.inject(Fault::always(Operation::ListSources, gone));
        let failing = "sms_exporter_poll_success{account=\"default\",collector=\"sources\"} 0\n";
        until(&address, "/metrics", |answer| answer.text().contains(failing)).await;
        let failed = Instant::now();
        clock.step("REALTIME", step);
        // Two more polls see the new time.
        sleep(Duration::from_millis(2500)).await;
        let page = get(&address, "/metrics", &[]).await.text();
        assert!(page.contains(info), "{step}: it is not {STALE_AFTER:?} old yet\n{}", process.said());
        while get(&address, "/metrics", &[]).await.text().contains(info) {
            // Twice the age is enough for a busy machine.
            assert!(failed.elapsed() < 2 * STALE_AFTER, "{step}: it is served for ever\n{}", process.said());
            sleep(Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test]
async fn a_loop_that_no_longer_turns_is_unhealthy_until_it_does() {
    let (clock, state) = (Clock::new().await, tempfile::tempdir().expect("a temporary directory"));
    let storage = format!("--storage.path={}", state.path().join("state").display());
    let (origin, _stop) = serve(simulator()).await;
    let page = "huaweicloud_sms_source_info{";
    let mut first = clock.start(&origin, &[&storage]);
    let address = first.address().await;
    until(&address, "/metrics", |answer| answer.text().contains(page)).await;
    first.signal("TERM").await;
    first.end_within(SOON).await;
    // What it kept can be found now, and not be opened.
    clock.hang(true);
    let mut process = clock.start(&origin, &[&storage]);
    let address = process.address().await;
    assert_eq!(get(&address, "/-/healthy", &[]).await.status, 200, "there is time still");
    clock.step("MONOTONIC", 7200);
    let sick = until(&address, "/-/healthy", |answer| answer.status == 503).await.text();
    assert!(sick.starts_with("The polling of account \"default\" does not go on; it is 1h "), "{sick}");
    process.line(|line| line.contains("Polling does not go on").then_some(())).await;
    assert_eq!(get(&address, "/-/ready", &[]).await.status, 503);
    clock.hang(false);
    until(&address, "/-/healthy", |answer| answer.status == 200).await;
    process.line(|line| line.contains("Polling goes on").then_some(())).await;
    until(&address, "/metrics", |answer| answer.text().contains(page)).await;
}
