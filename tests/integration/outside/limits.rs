//! A machine that refuses threads: the start that cannot be, and the run that goes on.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator};
use tokio::process::Command;

use super::process::{Process, command, finish};
use super::tools::{passes, tool};
use super::web::{get, until};
use crate::binary::value;
use crate::harness::{REGION, serve};

/// Every user's processes are counted together, so each test has a user of its own where it may choose one.
struct Tenant {
    user: u32,
    home: tempfile::TempDir,
}

impl Tenant {
    /// The `number` tells a test's user from the others'.
    fn new(number: u32) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        let program = home.path().join("sms-exporter");
        fs::copy(env!("CARGO_BIN_EXE_sms-exporter"), program).expect("room for a copy");
        Self { user: 20_000 + std::process::id() % 10_000 * 4 + number, home }
    }

    /// A command of this user.
    fn command(&self, line: &[String]) -> Command {
        let mut arguments = Vec::new();
        // Root is bound by no such limit.
        if fs::metadata("/proc/self").expect("a Linux").uid() == 0 {
            let user = self.user;
            arguments.extend([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into()]);
        }
        arguments.push("--".into());
        arguments.extend_from_slice(line);
        command(&tool("setpriv"), &arguments)
    }

    /// The program, with two threads of its own before anything blocks: the first, and one worker.
    fn exporter(&self, arguments: &[&str], processes: Option<u32>) -> Command {
        let mut line = vec!["prlimit".to_owned()];
        line.extend(processes.map(|processes| format!("--nproc={processes}:{processes}")));
        line.extend(["--".to_owned(), self.path("sms-exporter")]);
        line.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut command = self.command(&line);
        command.env("TOKIO_WORKER_THREADS", "1");
        command
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().expect("a plain path").to_owned()
    }
}

#[tokio::test]
async fn a_start_without_threads_is_one_line_with_status_1() {
    for (number, processes) in (0..).zip([1, 2]) {
        let tenant = Tenant::new(number);
        for arguments in [&["demo", "--web.listen-address=127.0.0.1:0"][..], &["once", "--region=cn-north-4"]]
        {
            let ended = finish(tenant.exporter(arguments, Some(processes))).await;
            assert_eq!((ended.status, ended.err.lines().count()), (Some(1), 1), "{processes}: {}", ended.err);
            assert!(ended.err.contains("cannot start") && ended.err.contains("ulimit -u"), "{}", ended.err);
            assert!(!ended.err.contains("panicked") && ended.out.is_empty(), "{ended:?}");
        }
    }
}

/// Between polls longer than tokio keeps a thread that has nothing to do.
const INTERVAL: Duration = Duration::from_secs(11);

const POLLS: &str = "sms_exporter_polls_total{account=\"default\",collector=\"sources\"}";
const STORED: &str = "sms_exporter_storage_last_success_timestamp_seconds{account=\"default\"}";

#[tokio::test]
async fn polls_go_on_where_the_system_refuses_every_further_thread() {
    let simulator = Simulator::new(Settings { sources: 5, region: REGION.into(), ..Settings::default() });
    let (origin, _stop) = serve(simulator).await;
    let (tenant, keys) = (Tenant::new(2), Keys::default());
    let (state, interval) = (tenant.path("state"), format!("{}s", INTERVAL.as_secs()));
    let arguments =
        ["--web.listen-address=127.0.0.1:0", "--storage.path", &state, "--poll.interval", &interval];
    let mut command = tenant.exporter(&arguments, None);
    // A name, which a thread looks up.
    let origin = origin.replace("127.0.0.1", "localhost");
    command.env("HW_REGION_NAME", REGION).env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", &origin);
    command.env("HUAWEICLOUD_SDK_IAM_ENDPOINT", &origin);
    command.env("HUAWEICLOUD_SDK_AK", keys.ak).env("HUAWEICLOUD_SDK_SK", keys.sk);
    let mut process = Process::start(command);
    let address = process.address().await;
    let polls = |page: &str| value(page, POLLS).unwrap_or_default();
    let stored = |page: &str| value(page, STORED).unwrap_or_default();
    let first = until(&address, "/metrics", |answer| stored(&answer.text()) > 0.0).await.text();
    let limit = ["prlimit".to_owned(), format!("--pid={}", process.id()), "--nproc=1:1".to_owned()];
    passes(tenant.command(&limit)).await;
    // What must survive is written too.
    let goes_on = |page: &str| polls(page) > polls(&first) && stored(page) > stored(&first);
    let second = until(&address, "/metrics", |answer| goes_on(&answer.text())).await.text();
    assert!(!second.contains("sms_exporter_poll_failures_total{"), "{second}");
    assert!(
        second.contains("sms_exporter_storage_write_failures_total{account=\"default\"} 0\n"),
        "{second}"
    );
    assert_eq!(get(&address, "/-/healthy", &[]).await.status, 200);
    assert!(!process.said().contains("ERROR"), "{}", process.said());
}
