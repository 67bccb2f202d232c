//! The service locks a key after more than five refusals in five minutes, for everybody who uses it: whatever
//! people do with the exporter, it is not the exporter that makes them.

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Keys, Operation, Settings, Simulator};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use crate::binary::{Running, file, value};
use crate::harness::{REGION, serve};
use crate::outside::process::{exporter, finish};

/// Refusals that are risked; the service locks after two more.
const BUDGET: u64 = 4;

/// A service, and a directory with the configuration and the secret.
struct Case {
    simulator: Simulator,
    origin: String,
    directory: TempDir,
    _stop: DropGuard,
}

impl Case {
    /// With a secret that is wrong.
    async fn new() -> Self {
        let simulator = Simulator::new(Settings { sources: 3, region: REGION.into(), ..Settings::default() });
        let (origin, stop) = serve(simulator.clone()).await;
        let directory = tempfile::tempdir().expect("a directory");
        file(directory.path(), "sk", "a-wrong-secret-key\n");
        file(directory.path(), "password", "a-wrong-password\n");
        Self { simulator, origin, directory, _stop: stop.drop_guard() }
    }

    /// Writes a configuration with these accounts, by their name and credentials.
    fn configure(&self, interval: &str, accounts: &[(&str, &str)]) {
        let origin = &self.origin;
        let account = |(name, credentials): &(&str, &str)| {
            format!(
                "- {{name: {name}, region: {REGION}, endpoint: {origin}, iam_endpoint: {origin}, \
                 limits: {{retry_base: 10ms}}, credentials: {{{credentials}}}}}\n"
            )
        };
        let accounts: String = accounts.iter().map(account).collect();
        file(
            self.directory.path(),
            "exporter.yml",
            &format!("poll_interval: {interval}\naccounts:\n{accounts}"),
        );
    }

    fn command(&self, flags: &[&str]) -> Command {
        let config = format!("--config.file={}", self.directory.path().join("exporter.yml").display());
        let mut command = exporter(&[&[config.as_str()], flags].concat());
        command.env("AK", Keys::default().ak);
        command
    }

    fn storage(&self) -> String {
        format!("--storage.path={}", self.directory.path().join("state").display())
    }

    fn refused(&self) -> u64 {
        let tally = self.simulator.tally();
        tally.refused + tally.requests.get(&(Operation::CreateToken, 401)).copied().unwrap_or_default()
    }
}

const KEYS: &str = "access_key_env: AK, secret_key_file: sk";
const USER: &str = "user: demo-user, account: demo-account, password_file: password";

#[tokio::test]
async fn accounts_that_share_a_key_or_a_user_share_its_refusals() {
    for credentials in [KEYS, USER] {
        let case = Case::new().await;
        case.configure("1s", &["a", "b", "c", "d", "e", "f"].map(|name| (name, credentials)));
        let running = Running::start(case.command(&[&case.storage()])).await;
        sleep(Duration::from_secs(12)).await;
        let refused = case.refused();
        assert!((1..=BUDGET).contains(&refused), "{credentials}: {refused} refusals\n{}", running.log());
        let told = running
            .log()
            .lines()
            .filter(|line| line.contains("WARN") && line.contains("credentials"))
            .count();
        assert!(told <= 2, "one line for a key, and not one for each poll:\n{}", running.log());
    }
}

#[tokio::test]
async fn edits_and_reloads_do_not_try_a_refused_key_again_and_a_new_secret_is_tried_at_once() {
    let case = Case::new().await;
    case.configure("1s", &[("a", KEYS)]);
    let running = Running::start(case.command(&[])).await;
    for interval in 2..10 {
        sleep(Duration::from_secs(1)).await;
        case.configure(&format!("{interval}s"), &[("a", KEYS)]);
        running.signal("HUP").await;
    }
    sleep(Duration::from_secs(1)).await;
    let refused = case.refused();
    assert!((1..=BUDGET).contains(&refused), "{refused} refusals\n{}", running.log());
    file(case.directory.path(), "sk", &Keys::default().sk);
    let works = |page: &str| {
        value(page, "sms_exporter_poll_success{account=\"a\",collector=\"sources\"}") == Some(1.0)
    };
    running.page_with(works).await;
    assert!(running.log().contains("The credentials are accepted again"), "{}", running.log());
}

#[tokio::test]
async fn restarts_and_other_commands_remember_what_was_refused() {
    let case = Case::new().await;
    case.configure("1s", &[("a", KEYS)]);
    let storage = case.storage();
    for _ in 0..4 {
        let running = Running::start(case.command(&[&storage])).await;
        sleep(Duration::from_millis(1500)).await;
        drop(running);
    }
    for command in ["once", "doctor", "once", "doctor"] {
        let ended = finish(case.command(&[command, &storage])).await;
        assert_eq!(ended.status, Some(1), "{ended:?}");
    }
    let refused = case.refused();
    assert!((1..=BUDGET).contains(&refused), "{refused} refusals");
    let written =
        std::fs::read_to_string(case.directory.path().join("state/refusals")).expect("it is remembered");
    for secret in ["a-wrong-secret-key", Keys::default().ak.as_str()] {
        assert!(!written.contains(secret), "{written}");
    }
    file(case.directory.path(), "sk", &Keys::default().sk);
    let ended = finish(case.command(&["once", &storage])).await;
    assert_eq!(ended.status, Some(0).filter(|_| refused < BUDGET).or(Some(1)), "{ended:?}");
}
