//! The dashboards' queries on a real Prometheus that scrapes the exporter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, Settings, Simulator, What};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::process::{Process, command, exporter, finish};
use super::prometheus::Prometheus;
use super::tools::{newer, passes, tool};
use super::web::{get, ready};
use crate::harness::{REGION, serve};

/// Prometheus needs samples of so many seconds before the panels have something to show.
const SAMPLES: f64 = 20.0;

/// Longer than that takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Prometheus with the shipped rules that scrapes these targets each second.
async fn prometheus(program: &Path, targets: &[&str]) -> (Prometheus, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let rules = root().join("alerts/huaweicloud-sms.rules.yml").display().to_string();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         rule_files: [{rules:?}]\n\
         scrape_configs: [{{job_name: sms-exporter, static_configs: [{{targets: {targets:?}}}]}}]\n",
    );
    (Prometheus::of(program, home.path(), &config, &[]).await, home)
}

/// The value of the first series of a query.
async fn value(prometheus: &str, query: &str) -> Option<f64> {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let json = get(prometheus, &format!("/api/v1/query?query={query}"), &[]).await.text();
    let json: Value = serde_json::from_str(json.trim()).expect("Prometheus answers in JSON");
    json["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

/// Waits until a query's first series is at least so much.
async fn reaches(prometheus: &str, query: &str, least: f64) {
    let asking = async {
        while value(prometheus, query).await.is_none_or(|value| value < least) {
            sleep(Duration::from_millis(250)).await;
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{query} never reaches {least}"));
}

/// The rules that Prometheus could not evaluate, and how many it could.
async fn rules(prometheus: &str) -> (Vec<Value>, usize) {
    let answer = get(prometheus, "/api/v1/rules", &[]).await.text();
    let json: Value = serde_json::from_str(&answer).expect("Prometheus answers in JSON");
    let groups = json["data"]["groups"].as_array().expect("groups of rules");
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array()).flatten().collect();
    let with = |health: &'static str| rules.iter().filter(move |rule| rule["health"] == health);
    (with("err").map(|rule| (*rule).clone()).collect(), with("ok").count())
}

/// One of the dashboards' scripts, which need nothing but Python.
fn dashboards(script: &str, prometheus: &str, options: &[&str]) -> Command {
    let script: PathBuf = root().join("tests/dashboards").join(script);
    let script = script.to_str().expect("a path that is text");
    let url = format!("http://{prometheus}");
    let arguments = [&[script, &url], options].concat();
    command(&tool("python3"), &arguments)
}

/// Runs one of the dashboards' scripts, which has to be content; returns how many checks it made.
async fn asks(script: &str, prometheus: &str, options: &[&str]) -> usize {
    let said = passes(dashboards(script, prometheus, options)).await.out;
    let last = said.lines().last().unwrap_or_default();
    let passed = last.strip_suffix(" passed, 0 failed").and_then(|count| count.parse().ok());
    passed.unwrap_or_else(|| panic!("{said}"))
}

#[tokio::test]
async fn every_panel_shows_something_and_key_panels_show_what_is() {
    every_panel_shows_something(&tool("prometheus")).await;
}

#[tokio::test]
async fn every_panel_shows_something_on_prometheus_3() {
    every_panel_shows_something(&newer("prometheus/prometheus")).await;
}

async fn every_panel_shows_something(program: &Path) {
    let arguments = ["demo", "--speed=60", "--poll.interval=1s", "--web.listen-address=127.0.0.1:0"];
    let mut demo = Process::start(exporter(&arguments));
    let exporter = demo.address().await;
    ready(&exporter).await;
    let (running, _home) = prometheus(program, &[&exporter]).await;
    let prometheus = &*running.address;
    reaches(prometheus, "count_over_time(up{job=\"sms-exporter\"}[5m])", SAMPLES).await;
    // Rules are evaluated every 30 seconds, and what one records another reads.
    reaches(prometheus, "count(account:huaweicloud_sms_progress:ratio)", 1.0).await;
    let checks = asks("live.py", prometheus, &["--since", "60"]).await;
    assert!(checks > 200, "{checks} checks");
    let checks = asks("values.py", prometheus, &[]).await;
    assert!(checks > 10, "{checks} checks");
    let (failed, evaluated) = rules(prometheus).await;
    assert!(failed.is_empty() && evaluated > 10, "{evaluated} rules are well, and not {failed:#?}");
}

#[tokio::test]
async fn no_query_fails_where_there_is_no_exporter() {
    let (running, _home) = prometheus(&tool("prometheus"), &[]).await;
    let prometheus = &*running.address;
    let checks = asks("live.py", prometheus, &["--errors-only"]).await;
    assert!(checks > 200, "{checks} checks");
    // Who knows nothing has nothing to be content with.
    let checks = asks("live.py", prometheus, &["--blind"]).await;
    assert!(checks > 35, "{checks} checks");
    // What shows nothing is told where something should be shown.
    let told = finish(dashboards("live.py", prometheus, &[])).await;
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.out.contains("no finite series"), "{}", told.out);
}

/// The program with the account of a simulated service that is found here.
fn exporter_of(simulator: &Simulator, origin: &str) -> Process {
    let keys = simulator.keys();
    let arguments = ["--region", REGION, "--poll.interval=1s", "--web.listen-address=127.0.0.1:0"];
    let mut starting = exporter(&arguments);
    starting.env("HUAWEICLOUD_SDK_AK", keys.ak).env("HUAWEICLOUD_SDK_SK", keys.sk);
    starting.env("HUAWEICLOUD_SDK_PROJECT_ID", keys.project_id);
    starting.env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", origin);
    starting.env("HUAWEICLOUD_SDK_IAM_ENDPOINT", origin);
    Process::start(starting)
}

#[tokio::test]
async fn no_panel_gives_comfort_while_the_api_is_away() {
    let simulator = Simulator::new(Settings { sources: 40, region: REGION.into(), ..Settings::default() });
    let (origin, stop) = serve(simulator.clone()).await;
    let _service = stop.drop_guard();
    let mut process = exporter_of(&simulator, &origin);
    let exporter = process.address().await;
    ready(&exporter).await;
    let (running, _home) = prometheus(&tool("prometheus"), &[&exporter]).await;
    let prometheus = &*running.address;
    reaches(prometheus, "count(huaweicloud_sms_source_state)", 40.0).await;
    let seeing = finish(dashboards("live.py", prometheus, &["--blind"])).await;
    assert_eq!(seeing.status, Some(1), "while all is well, panels say so: {}", seeing.out);
    simulator.inject(Fault::everywhere(What::ConnectionReset));
    // Three intervals and a minute, after which the dashboards believe nothing.
    let read = "sms_exporter_poll_last_success_timestamp_seconds{collector=~\"sources|tasks|errors\"}";
    let youngest = &format!("min(time() - {read})");
    reaches(prometheus, youngest, 65.0).await;
    let checks = asks("live.py", prometheus, &["--blind"]).await;
    assert!(checks > 35, "{checks} checks");
    simulator.clear_faults();
    let oldest = &format!("-max(time() - {read})");
    reaches(prometheus, oldest, -10.0).await;
    let seeing = finish(dashboards("live.py", prometheus, &["--blind"])).await;
    assert_eq!(seeing.status, Some(1), "once the API is back, so are the numbers: {}", seeing.out);
}
