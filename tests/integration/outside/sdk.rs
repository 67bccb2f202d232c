//! The official Python SDK against the simulated service.

use super::process::{Process, exporter};
use super::tools::{passes, script};

/// The simulated service as a process, and the variables that it prints.
async fn simulator(arguments: &[&str]) -> (Process, Vec<(String, String)>) {
    let mut simulator = Process::start(exporter(&[&["simulator"], arguments].concat()));
    // The endpoint is the last of them.
    let is_last = |line: &str| line.starts_with("HUAWEICLOUD_SDK_REGION_SMS_").then_some(());
    simulator.line(is_last).await;
    let said = simulator.said();
    let variables =
        said.lines().filter_map(|line| line.split_once('=')).filter(|(name, _)| !name.contains(' '));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (simulator, variables)
}

#[tokio::test]
async fn the_official_sdk_lists_everything_and_a_wrong_key_is_refused() {
    // Slow, so that the fleet is the same on all pages of a list.
    let (_simulator, variables) = simulator(&["--sources=35", "--speed=0.001"]).await;
    let mut sdk = script("sdk.py");
    // Where the SDK looks for a profile, there is none.
    let home = tempfile::tempdir().expect("a temporary directory");
    sdk.envs(variables).env("SOURCES", "35").env("HOME", home.path());
    let said = passes(sdk).await.out;
    assert!(said.starts_with("35 servers, "), "{said}");
    assert!(said.ends_with("the wrong key is refused\n"), "{said}");
}

#[tokio::test]
async fn the_exporter_runs_with_the_variables_that_the_simulator_prints() {
    let (_simulator, variables) = simulator(&["--sources=12", "--speed=0.001"]).await;
    let mut once = exporter(&["once"]);
    once.envs(variables);
    let page = crate::harness::parse(&passes(once).await.out);
    let infos = page.keys().filter(|series| series.starts_with("huaweicloud_sms_source_info{"));
    assert_eq!(infos.count(), 12);
}
