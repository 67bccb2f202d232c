//! Signals that come early, and two processes that would share a directory.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator};
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::process::{Process, SOON, exporter, finish};
use super::tools::{passes, tool};
use super::web::until;
use crate::harness::{REGION, parse, serve};

/// A configuration of one account behind `origin`, which stays what it is.
fn configuration(origin: &str) -> String {
    format!(
        "poll_interval: 1s\naccounts:\n  - name: prod\n    region: {REGION}\n    endpoint: {origin}\n    \
         iam_endpoint: {origin}\n    credentials: {{access_key_env: TEST_AK, secret_key_env: TEST_SK}}\n"
    )
}

/// The program with that configuration's keys.
fn with_keys(arguments: &[&str]) -> Command {
    let (mut command, keys) = (exporter(arguments), Keys::default());
    command.env("TEST_AK", keys.ak).env("TEST_SK", keys.sk);
    command
}

/// Writes a text to whoever reads a pipe, once there is a reader.
async fn feed(pipe: PathBuf, text: String, before: impl AsyncFnOnce()) {
    let opened = spawn_blocking(move || OpenOptions::new().write(true).open(pipe));
    let mut opened =
        timeout(SOON, opened).await.expect("it is read soon").expect("no panic").expect("a pipe");
    before().await;
    opened.write_all(text.as_bytes()).expect("it reads what is written");
}

/// What a process tells systemd, in the words of its protocol.
async fn told(systemd: &UnixDatagram) -> String {
    let mut words = vec![0; 200];
    let length = timeout(SOON, systemd.recv(&mut words)).await.expect("it tells soon").expect("it tells");
    String::from_utf8(words[..length].to_vec()).expect("words")
}

#[tokio::test]
async fn a_hangup_before_the_configuration_is_read_is_a_reload_and_no_end() {
    let (origin, _stop) = serve(Simulator::new(Settings::default())).await;
    let home = tempfile::tempdir().expect("a temporary directory");
    let pipe = home.path().join("sms.yml");
    passes(super::process::command(&tool("mkfifo"), &[&pipe])).await;
    let file = pipe.to_str().expect("a plain path");
    let mut process = Process::start(with_keys(&["--web.listen-address=127.0.0.1:0", "--config.file", file]));
    let configuration = configuration(&origin);
    // It has opened its configuration, and cannot have read it.
    feed(pipe.clone(), configuration.clone(), async || process.signal("HUP").await).await;
    process.address().await;
    feed(pipe.clone(), configuration, async || {}).await;
    process.line(|line| line.contains("Configuration loaded").then_some(())).await;
    process.signal("TERM").await;
    let status = process.end_within(SOON).await;
    assert_eq!(status.code(), Some(0), "{}", process.said());
}

#[tokio::test]
async fn systemd_is_told_when_a_reload_may_come_and_that_the_loops_turn() {
    let (origin, _stop) = serve(Simulator::new(Settings::default())).await;
    let home = tempfile::tempdir().expect("a temporary directory");
    let (socket, file) = (home.path().join("notify"), home.path().join("sms.yml"));
    let systemd = UnixDatagram::bind(&socket).expect("a socket in a directory of ours");
    std::fs::write(&file, configuration(&origin)).expect("a directory of ours");
    let file = file.to_str().expect("a plain path");
    let mut command = with_keys(&["--web.listen-address=127.0.0.1:0", "--config.file", file]);
    command.env("NOTIFY_SOCKET", &socket);
    let mut process = Process::start(command);
    let mut words = vec![told(&systemd).await];
    // `systemctl start && systemctl reload`: the reload comes with this word.
    while words.last().is_some_and(|word| word != "READY=1\n") {
        words.push(told(&systemd).await);
    }
    process.signal("HUP").await;
    process.line(|line| line.contains("Configuration loaded").then_some(())).await;
    while !words.iter().any(|word| word == "WATCHDOG=1\n") {
        words.push(told(&systemd).await);
    }
    process.signal("TERM").await;
    while words.last().is_some_and(|word| word != "STOPPING=1\n") {
        words.push(told(&systemd).await);
    }
    assert_eq!(process.end_within(SOON).await.code(), Some(0), "{}", process.said());
}

#[tokio::test]
async fn a_hangup_ends_what_has_nothing_to_read_anew() {
    let mut simulator = Process::start(exporter(&["simulator"]));
    simulator.line(|line| line.contains("HUAWEICLOUD_SDK_AK=").then_some(())).await;
    simulator.signal("HUP").await;
    let status = simulator.end_within(Duration::from_secs(25)).await;
    assert_eq!(status.code(), Some(0), "{}", simulator.said());
}

/// A daemon that keeps its state in a directory, once it has.
async fn storing(file: &str, state: &str) -> Process {
    let arguments = ["--web.listen-address=127.0.0.1:0", "--config.file", file, "--storage.path", state];
    let mut process = Process::start(with_keys(&arguments));
    let address = process.address().await;
    let stored = "sms_exporter_storage_last_success_timestamp_seconds{account=\"prod\"}";
    until(&address, "/metrics", |answer| answer.text().contains(stored)).await;
    process
}

fn configured(home: &Path, origin: &str) -> (String, String) {
    let (file, state) = (home.join("sms.yml"), home.join("state"));
    std::fs::write(&file, configuration(origin)).expect("a directory of ours");
    let text = |path: PathBuf| path.to_str().expect("a plain path").to_owned();
    (text(file), text(state))
}

#[tokio::test]
async fn a_second_process_on_the_same_storage_stops_or_does_without() {
    let (origin, _stop) = serve(Simulator::new(Settings::default())).await;
    let home = tempfile::tempdir().expect("a temporary directory");
    let (file, state) = configured(home.path(), &origin);
    let mut first = storing(&file, &state).await;
    let flags = ["--config.file", &file, "--storage.path", &state, "--web.listen-address=127.0.0.1:0"];
    let second = finish(with_keys(&flags)).await;
    assert_eq!((second.status, second.err.lines().count()), (Some(1), 1), "{}", second.err);
    assert!(second.err.contains(&format!("{state} is in use by another")), "{}", second.err);
    let once = finish(with_keys(&["once", "--config.file", &file, "--storage.path", &state])).await;
    assert_eq!((once.status, once.err.lines().count()), (Some(0), 1), "{}", once.err);
    assert!(once.err.contains("WARN") && once.err.contains("in use by another"), "{}", once.err);
    assert!(parse(&once.out).len() > 100, "its page is whole");
    // However it ends, what it claimed is free.
    first.signal("KILL").await;
    first.end_within(SOON).await;
    let third = storing(&file, &state).await;
    assert!(third.said().contains("Going on from what an earlier run kept"), "{}", third.said());
}
