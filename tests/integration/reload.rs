//! A new configuration is used as a whole or not at all, and what did not change goes on.

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator};
use tempfile::TempDir;

use crate::binary::{Running, file, value};
use crate::harness::{REGION, serve};
use crate::outside::process::exporter;

const RELOADED: &str = "sms_exporter_config_last_reload_successful";

/// Accounts of these names, all at the same service.
fn accounts(origin: &str, names: &[&str]) -> String {
    let account = |name: &&str| {
        format!(
            "- {{name: {name}, region: {REGION}, endpoint: {origin}, iam_endpoint: {origin}, \
             credentials: {{access_key_env: AK, secret_key_env: SK}}}}\n"
        )
    };
    format!("poll_interval: 1s\naccounts:\n{}", names.iter().map(account).collect::<String>())
}

/// The binary with one account `a`, whose counter of bytes has moved; and the directory of its file.
async fn moved(simulator: &Simulator, origin: &str, flags: &[&str]) -> (Running, TempDir, f64) {
    let directory = tempfile::tempdir().expect("a directory");
    let flag = format!("--config.file={}", file(directory.path(), "exporter.yml", &accounts(origin, &["a"])));
    let mut command = exporter(&[&[flag.as_str()], flags].concat());
    command.env("AK", Keys::default().ak).env("SK", Keys::default().sk);
    let running = Running::start(command).await;
    running.page_with(|page| page.contains("huaweicloud_sms_source_info{account=\"a\"")).await;
    simulator.advance(Duration::from_secs(600));
    let page = running.page_with(|page| bytes(page, "a") > Some(0.0)).await;
    let replicated = bytes(&page, "a").expect("it is there");
    (running, directory, replicated)
}

fn bytes(page: &str, account: &str) -> Option<f64> {
    value(page, &format!("huaweicloud_sms_replicated_bytes_total{{account=\"{account}\"}}"))
}

fn service() -> Simulator {
    Simulator::new(Settings { sources: 30, region: REGION.into(), ..Settings::default() })
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_reason_and_the_old_one_goes_on() {
    let simulator = service();
    let (origin, _stop) = serve(simulator.clone()).await;
    let (running, directory, replicated) = moved(&simulator, &origin, &["--web.enable-lifecycle"]).await;
    file(directory.path(), "exporter.yml", "poll_interval: soon\naccounts: []\n");
    let answer = running.ask("POST", "/-/reload", "").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("exporter.yml:1") && answer.contains("poll_interval"), "{answer}");
    let page = running.page_with(|page| value(page, RELOADED) == Some(0.0)).await;
    assert!(bytes(&page, "a") >= Some(replicated), "{page}");
    running.signal("HUP").await;
    file(directory.path(), "exporter.yml", &accounts(&origin, &["a"]));
    let answer = running.ask("POST", "/-/reload", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.page_with(|page| value(page, RELOADED) == Some(1.0)).await;
}

#[tokio::test]
async fn a_signal_adds_and_removes_accounts_and_leaves_the_others_their_counters() {
    let simulator = service();
    let (origin, _stop) = serve(simulator.clone()).await;
    let (running, directory, replicated) = moved(&simulator, &origin, &[]).await;
    file(directory.path(), "exporter.yml", &accounts(&origin, &["b", "a"]));
    running.signal("HUP").await;
    let page = running.page_with(|page| bytes(page, "b").is_some()).await;
    assert_eq!(bytes(&page, "b"), Some(0.0), "a new account begins at nothing");
    assert!(bytes(&page, "a") >= Some(replicated), "an account that did not change keeps its counters");
    file(directory.path(), "exporter.yml", &accounts(&origin, &["a"]));
    running.signal("HUP").await;
    let page = running.page_with(|page| bytes(page, "b").is_none()).await;
    assert!(bytes(&page, "a") >= Some(replicated));
    assert!(!page.contains("account=\"b\""), "nothing is left of an account that is gone");
    assert!(running.ask("POST", "/-/reload", "").await.starts_with("HTTP/1.1 403"), "lifecycle is off");
}

#[tokio::test]
async fn labels_that_change_are_on_the_next_page_and_no_counter_begins_anew() {
    let simulator = service();
    let (origin, _stop) = serve(simulator.clone()).await;
    let (running, directory, replicated) = moved(&simulator, &origin, &[]).await;
    let polls = |page: &str, labels: &str| {
        value(page, &format!("sms_exporter_polls_total{{account=\"a\"{labels},collector=\"sources\"}}"))
    };
    let mut polled = polls(&running.get("/metrics").await, "").expect("it was polled");
    for (written, labels) in [("{team: x}", ",team=\"x\""), ("{env: y}", ",env=\"y\""), ("{}", "")] {
        let yaml = accounts(&origin, &["a"]).replace("{name: a,", &format!("{{name: a, labels: {written},"));
        file(directory.path(), "exporter.yml", &yaml);
        running.signal("HUP").await;
        let series = format!("huaweicloud_sms_replicated_bytes_total{{account=\"a\"{labels}}}");
        let page = running.page_with(|page| value(page, &series).is_some()).await;
        assert!(value(&page, &series) >= Some(replicated), "{page}");
        let now = polls(&page, labels).expect("it goes on");
        assert!(now >= polled, "{now} polls, and before {polled}");
        polled = now;
        let of_account = page.lines().filter(|line| line.contains("account=\"a\""));
        let others: Vec<&str> = of_account.filter(|line| !line.contains(&format!("\"a\"{labels}"))).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}
