//! A real Prometheus scrapes the exporter.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::process::{Process, SOON, exporter};
use super::prometheus::Prometheus;
use super::tools::{newer, tool};
use super::web::{Answer, get, ready};
use crate::harness::parse;

/// Stands between Prometheus and the exporter: leaves out what Prometheus accepts, where told to
/// (Prometheus 2.42 cannot be told to ask for text 0.0.4 alone), and notes what came back.
struct Between {
    address: String,
    types: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Between {
    async fn before(exporter: &str, leave_out_accept: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let (types, stop) = (Arc::<Mutex<Vec<String>>>::default(), CancellationToken::new());
        let (noted, exporter) = (Arc::clone(&types), exporter.to_owned());
        let passing = async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                let content_type = pass(client, &exporter, leave_out_accept).await;
                noted.lock().expect("nobody panics with it").push(content_type);
            }
        };
        TaskTracker::new().spawn(stop.clone().run_until_cancelled_owned(passing));
        Self { address, types, _stop: stop.drop_guard() }
    }

    fn types(&self) -> Vec<String> {
        self.types.lock().expect("nobody panics with it").clone()
    }
}

/// Passes one request on, and the answer back; returns the answer's type.
async fn pass(mut client: TcpStream, exporter: &str, leave_out_accept: bool) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.expect("a whole head"));
    }
    let head = String::from_utf8(head).expect("a head is text");
    let goes_on = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        name != "connection" && !(leave_out_accept && name == "accept")
    };
    let lines: Vec<&str> = head.trim_end().split("\r\n").filter(goes_on).collect();
    let head = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
    let mut server = TcpStream::connect(exporter).await.expect("the exporter listens");
    server.write_all(head.as_bytes()).await.expect("the exporter takes the request");
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.expect("the exporter answers");
    client.write_all(&answer).await.expect("Prometheus takes the answer");
    Answer::parse(&answer).headers.remove("content-type").unwrap_or_default()
}

/// A Prometheus with a job for each target.
async fn prometheus(program: &Path, jobs: &[(&str, &str)]) -> (Prometheus, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut config = String::from("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n");
    for (job, target) in jobs {
        config += &format!("  - {{job_name: {job}, static_configs: [{{targets: [\"{target}\"]}}]}}\n");
    }
    (Prometheus::of(program, home.path(), &config, &[]).await, home)
}

/// The values of a query by job, once each job has one that is as wanted.
async fn values(prometheus: &str, query: &str, wanted: impl Fn(f64) -> bool) -> Vec<(String, f64)> {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/api/v1/query?query={query}");
    let asking = async {
        loop {
            let json = get(prometheus, &path, &[]).await.text();
            let json: Value = serde_json::from_str(json.trim()).expect("Prometheus answers in JSON");
            let result = json["data"]["result"].as_array().cloned().unwrap_or_default();
            let value = |one: &Value| {
                let value = one["value"][1].as_str().and_then(|value| value.parse().ok()).expect("a value");
                (one["metric"]["job"].as_str().unwrap_or_default().to_owned(), value)
            };
            let values: Vec<(String, f64)> = result.iter().map(value).collect();
            if values.len() == 2 && values.iter().all(|(_, value)| wanted(*value)) {
                return values;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(SOON, asking).await.unwrap_or_else(|_| panic!("Prometheus never answers {query} as wanted"))
}

#[tokio::test]
async fn prometheus_scrapes_both_formats_and_sees_every_sample() {
    scrapes_both_formats(&tool("prometheus")).await;
}

/// From 3.0 on it asks for names in UTF-8, and refuses a page without a type that it knows.
#[tokio::test]
async fn prometheus_3_scrapes_both_formats_and_sees_every_sample() {
    scrapes_both_formats(&newer("prometheus/prometheus")).await;
}

async fn scrapes_both_formats(program: &Path) {
    // One poll, so that the number of samples stays.
    let arguments = ["demo", "--sources=20", "--poll.interval=1h", "--web.listen-address=127.0.0.1:0"];
    let mut demo = Process::start(exporter(&arguments));
    let address = demo.address().await;
    ready(&address).await;
    let negotiated = Between::before(&address, false).await;
    let classic = Between::before(&address, true).await;
    let jobs = [("negotiated", &*negotiated.address), ("classic", &*classic.address)];
    let (running, _home) = prometheus(program, &jobs).await;
    let prometheus = &*running.address;
    values(prometheus, "up", |up| up == 1.0).await;
    // The exporter counts this request and those of Prometheus in one series, which is there by now.
    let page = parse(&get(&address, "/metrics", &[]).await.text());
    let count = |family: &str| page.keys().filter(|series| series.starts_with(family)).count() as f64;
    values(prometheus, "scrape_samples_scraped", |samples| samples == count("")).await;
    let fleet = "count by (job) ({__name__=~\"huaweicloud_sms_.+\"})";
    values(prometheus, fleet, |series| series == count("huaweicloud_sms_")).await;
    values(prometheus, "sum by (job) (huaweicloud_sms_sources)", |sources| sources == 20.0).await;
    for (between, kind) in [
        (&negotiated, "application/openmetrics-text; version=1.0.0"),
        (&classic, "text/plain; version=0.0.4"),
    ] {
        let types = between.types();
        assert!(!types.is_empty() && types.iter().all(|given| given.starts_with(kind)), "{types:?}");
    }
}
