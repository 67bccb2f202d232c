//! From a failed task to a page: service, exporter, Prometheus, Alertmanager, and who is told.
//!
//! The rules and routes are the shipped ones with every duration divided by [`FASTER`], and so are the
//! exporter's poll interval and its age of staleness, Prometheus' look-back and the pause between two of its
//! notifications: what takes a quarter of an hour there takes half a minute here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, Settings, Simulator, Source, SpeedRule, Task, What, World};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::process::{Process, command, exporter, word_after};
use super::prometheus::Prometheus;
use super::tools::{newer, tool};
use super::web::ready;
use crate::harness::{REGION, serve};

/// By how much everything is faster than as shipped.
pub(super) const FASTER: u64 = 30;

/// Longer than the longest wait of a rule, on a machine that is busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Source servers that replicate: the ones that others are copied from.
const SERVERS: usize = 10;

/// A notification's receiver, alert, status and server, and the text that a person reads.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) receiver: String,
    pub(super) alert: String,
    pub(super) status: String,
    /// The server that it is about, empty where it is about none.
    pub(super) server: String,
    text: String,
}

/// Listens for notifications.
pub(super) struct Listener {
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
    _stop: DropGuard,
}

impl Listener {
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port").to_string();
        let (told, stop) = (Arc::<Mutex<Vec<Told>>>::default(), CancellationToken::new());
        let heard = Arc::clone(&told);
        let listening = async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                let new = hear(client).await;
                heard.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
            }
        };
        TaskTracker::new().spawn(stop.clone().run_until_cancelled_owned(listening));
        Self { address, told, _stop: stop.drop_guard() }
    }

    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing was told but the troubles that were made. A service that answers errors for minutes may well be
    /// told as such as well.
    fn assert_no_noise(&self) {
        let made = [
            "SourceError",
            "AgentDisconnected",
            "Overspeed",
            "FleetDisconnected",
            "DataStale",
            "ApiErrors",
            "Watchdog",
        ];
        let is_made = |told: &Told| made.iter().any(|alert| told.alert == format!("HuaweiSms{alert}"));
        let noise: Vec<_> = self.told().into_iter().filter(|told| !is_made(told)).collect();
        assert!(noise.is_empty(), "{noise:#?}");
    }

    /// How often an alert was told to fire.
    fn fired(&self, alert: &str) -> usize {
        let fires = |told: &&Told| told.alert == format!("HuaweiSms{alert}") && told.status == "firing";
        self.told().iter().filter(fires).count()
    }

    /// Waits until a receiver is told of an alert, and returns the text that a person reads.
    pub(super) async fn expect(&self, receiver: &str, alert: &str, status: &str) -> String {
        self.expect_about("", receiver, alert, status).await
    }

    /// As [`Self::expect`], about one server; about any where it has no name.
    pub(super) async fn expect_about(
        &self,
        server: &str,
        receiver: &str,
        alert: &str,
        status: &str,
    ) -> String {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let told = self.told();
            let found = told.iter().rev().find(|told| {
                told.receiver == receiver
                    && told.alert == format!("HuaweiSms{alert}")
                    && told.status == status
                    && (server.is_empty() || told.server == server)
            });
            if let Some(found) = found {
                return found.text.clone();
            }
            sleep(Duration::from_millis(200)).await;
        }
        let told: Vec<_> = self.told().into_iter().filter(|told| !told.alert.ends_with("Watchdog")).collect();
        panic!("{receiver} was never told that {alert} {server} is {status}; told was: {told:#?}");
    }
}

/// Takes one request of Alertmanager, answers it, and reads what it tells.
async fn hear(mut client: TcpStream) -> Vec<Told> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.expect("a whole head"));
    }
    let head = String::from_utf8(head).expect("a head is text").to_lowercase();
    let length =
        word_after(&head, "content-length: ").and_then(|length| length.parse().ok()).expect("a length");
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.expect("a whole body");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    client.write_all(answer).await.expect("Alertmanager takes the answer");
    let body: Value = serde_json::from_slice(&body).expect("a notification is JSON");
    let receiver = body["receiver"].as_str().expect("a receiver").to_owned();
    let text =
        |alert: &Value, group: &str, key: &str| alert[group][key].as_str().unwrap_or_default().to_owned();
    let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
    let told = |alert: &Value| Told {
        receiver: receiver.clone(),
        alert: text(alert, "labels", "alertname"),
        status: alert["status"].as_str().unwrap_or_default().to_owned(),
        server: text(alert, "labels", "source_name"),
        text: text(alert, "annotations", "description"),
    };
    alerts.iter().map(told).collect()
}

/// Divides every duration behind one of these words.
fn faster(text: &str, words: &[&str]) -> String {
    let mut quick = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = words.iter().find(|word| rest.starts_with(**word));
        let Some((word, divided)) = word.and_then(|word| Some((*word, divide(rest.strip_prefix(*word)?)?)))
        else {
            let next = rest.chars().next().expect("there is more").len_utf8();
            let (character, tail) = rest.split_at(next);
            quick.push_str(character);
            rest = tail;
            continue;
        };
        let (millis, tail) = divided;
        quick.push_str(&format!("{word}{millis}ms"));
        rest = tail;
    }
    quick
}

/// A duration such as `15m` or `1d5m` at the start of a text, in faster milliseconds, and what is behind it.
fn divide(text: &str) -> Option<(u64, &str)> {
    let (first, rest) = divide_unit(text)?;
    Some(divide(rest).map_or((first, rest), |(more, rest)| (first + more, rest)))
}

/// The first part of such a duration.
fn divide_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let unit = rest.chars().next()?;
    let millis = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    Some((number.parse::<u64>().ok()? * millis / FASTER, rest.strip_prefix(unit)?))
}

/// The shipped rules, faster: durations, and the thresholds that are seconds.
fn rules() -> String {
    let shipped = include_str!("../../../alerts/huaweicloud-sms.rules.yml");
    let mut seconds = false;
    let mut scaled = String::new();
    for line in shipped.lines() {
        let number = line.trim().strip_prefix("expr: vector(").and_then(|rest| rest.strip_suffix(')'));
        match number.and_then(|number| number.parse::<f64>().ok()).filter(|_| seconds) {
            Some(number) => scaled.push_str(&format!("        expr: vector({})\n", number / FASTER as f64)),
            None => scaled.push_str(&format!("{line}\n")),
        }
        if let Some(name) = line.trim().strip_prefix("- record: ") {
            seconds = name.starts_with("huaweicloud_sms:threshold:") && name.ends_with("_seconds");
        }
    }
    faster(&scaled, &["for: ", "interval: ", "offset ", "["])
}

/// The shipped routes, faster, to our own receivers.
fn routes(webhook: &str) -> String {
    let shipped = include_str!("../../../alerts/alertmanager.example.yml");
    let quick = faster(shipped, &["group_wait: ", "group_interval: ", "repeat_interval: "]);
    let ours = |line: &str| match line.split_once("- url: ") {
        Some((indent, _)) => format!("{indent}- url: http://{webhook}/\n"),
        None => format!("{line}\n"),
    };
    quick.lines().map(ours).collect()
}

/// The programs that watch.
pub(super) struct Engines {
    pub(super) prometheus: PathBuf,
    pub(super) alertmanager: PathBuf,
}

impl Engines {
    /// Those of the distribution.
    pub(super) fn installed() -> Self {
        Self { prometheus: tool("prometheus"), alertmanager: tool("prometheus-alertmanager") }
    }

    /// The newest that tests/engines fetches.
    pub(super) fn newest() -> Self {
        let alertmanager = newer("alertmanager/prometheus-alertmanager");
        Self { prometheus: newer("prometheus/prometheus"), alertmanager }
    }
}

/// Everything that runs.
pub(super) struct Chain {
    pub(super) simulator: Simulator,
    pub(super) heard: Listener,
    origin: String,
    metrics: String,
    engines: Engines,
    exporting: Process,
    alertmanager: String,
    watching: Option<Prometheus>,
    home: tempfile::TempDir,
    _alerting: Process,
    _service: DropGuard,
}

impl Chain {
    pub(super) async fn start(servers: usize, engines: Engines) -> Self {
        let simulator = fleet(servers);
        let (origin, stop) = serve(simulator.clone()).await;
        move_on(simulator.clone(), stop.clone());
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut exporting = Process::start(exporting(&simulator, &origin, &home, "127.0.0.1:0"));
        let metrics = exporting.address().await;
        ready(&metrics).await;
        let heard = Listener::new().await;
        let (alerting, alertmanager) = alertmanager(&engines, &home, &heard.address).await;
        let watching = Some(prometheus(&engines, &home, &metrics, &alertmanager).await);
        let (_alerting, _service) = (alerting, stop.drop_guard());
        Self {
            simulator,
            heard,
            origin,
            metrics,
            engines,
            exporting,
            alertmanager,
            watching,
            home,
            _alerting,
            _service,
        }
    }

    /// Changes the server of that place in the order of ids.
    pub(super) fn change(&self, server: usize, change: impl FnOnce(&mut Source, &mut Task)) {
        self.simulator.edit(|world| {
            let source = world.sources.values_mut().nth(server).expect("the server is there");
            let task = source.task.as_ref().and_then(|id| world.tasks.get_mut(id)).expect("it has a task");
            change(source, task);
        });
    }

    /// The name of that server.
    pub(super) fn name(&self, server: usize) -> String {
        self.simulator.truth().sources.values().nth(server).expect("it is there").name.clone()
    }

    /// Ends Prometheus and starts it again.
    pub(super) async fn restart_prometheus(&mut self) {
        self.watching.take().expect("it runs").stop().await;
        let started = prometheus(&self.engines, &self.home, &self.metrics, &self.alertmanager).await;
        self.watching = Some(started);
    }

    /// Ends the exporter and starts it again, at the same address.
    pub(super) async fn restart_exporter(&mut self) {
        self.exporting.signal("TERM").await;
        self.exporting.end_within(PATIENCE).await;
        let starting = exporting(&self.simulator, &self.origin, &self.home, &self.metrics);
        self.exporting = Process::start(starting);
        assert_eq!(self.exporting.address().await, self.metrics);
    }
}

/// The exporter, of one account whose limits are those of a large fleet that is polled every second.
fn exporting(simulator: &Simulator, origin: &str, home: &tempfile::TempDir, listen: &str) -> Command {
    let (keys, file) = (simulator.keys(), home.path().join("sms-exporter.yml"));
    let config = format!(
        "poll_interval: 1s\nstale_after: {}s\naccounts:\n  - name: prod\n    region: {REGION}\n    \
         endpoint: {origin}\n    iam_endpoint: {origin}\n    project_id: {}\n    \
         credentials: {{access_key_env: AK, secret_key_env: SK}}\n    \
         limits: {{requests_per_second: 100, burst: 100, retry_base: 100ms}}\n",
        900 / FASTER,
        keys.project_id,
    );
    std::fs::write(&file, config).expect("the configuration is written");
    let (file, listen) =
        (format!("--config.file={}", file.display()), format!("--web.listen-address={listen}"));
    let mut starting = exporter(&[&*file, &*listen]);
    starting.env("AK", keys.ak).env("SK", keys.sk);
    starting
}

async fn alertmanager(engines: &Engines, home: &tempfile::TempDir, webhook: &str) -> (Process, String) {
    let file = home.path().join("alertmanager.yml");
    std::fs::write(&file, routes(webhook)).expect("the routes are written");
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/templates");
    std::fs::create_dir_all(home.path().join("templates")).expect("a directory");
    std::fs::copy(templates.join("huaweicloud-sms.tmpl"), home.path().join("templates/huaweicloud-sms.tmpl"))
        .expect("the templates are copied");
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.path={}", home.path().join("alertmanager").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--cluster.listen-address=".to_owned(),
    ];
    let mut process = Process::start(command(&engines.alertmanager, &arguments));
    let address = process.listening_on().await;
    (process, address)
}

async fn prometheus(
    engines: &Engines,
    home: &tempfile::TempDir,
    metrics: &str,
    alertmanager: &str,
) -> Prometheus {
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: [{alertmanager:?}]}}]}}]}}\n\
         scrape_configs: [{{job_name: sms-exporter, static_configs: [{{targets: [{metrics:?}]}}]}}]\n",
    );
    std::fs::write(home.path().join("rules.yml"), rules()).expect("the rules are written");
    // As shipped: ten minutes after a restart until it trusts a pending alert, a minute between two
    // notifications, five minutes to look back.
    let lookback = format!("--query.lookback-delta={}s", 300 / FASTER);
    let flags = ["--rules.alert.for-grace-period=20s", "--rules.alert.resend-delay=2s", &lookback];
    Prometheus::of(&engines.prometheus, home.path(), &config, &flags).await
}

/// Servers that replicate within their limits, and nothing else.
fn fleet(servers: usize) -> Simulator {
    let simulator = Simulator::new(Settings { sources: 80, region: REGION.into(), ..Settings::default() });
    let replicating = |world: &World| {
        let running = |source: &&Source| {
            let task = source.task.as_ref().and_then(|id| world.tasks.get(id));
            source.state == "replicate" && task.is_some_and(|task| task.state == "RUNNING")
        };
        world
            .sources
            .values()
            .filter(running)
            .map(|source| source.id.clone())
            .take(SERVERS)
            .collect::<Vec<_>>()
    };
    let mut kept = replicating(&simulator.truth());
    for _ in 0..200 {
        if kept.len() == SERVERS {
            break;
        }
        simulator.advance(Duration::from_secs(60));
        kept = replicating(&simulator.truth());
    }
    assert_eq!(kept.len(), SERVERS, "a fleet of 80 has ten servers that replicate");
    simulator.edit(|world| {
        world.sources.retain(|id, _| kept.contains(id));
        world.tasks.retain(|_, task| kept.contains(&task.source_id));
        world.errors.clear();
        let current: Vec<String> = world.sources.values().filter_map(|source| source.task.clone()).collect();
        world.tasks.retain(|id, _| current.contains(id));
        world.sources.values_mut().for_each(healthy_source);
        world.tasks.values_mut().for_each(healthy_task);
        multiply(world, servers);
    });
    simulator
}

/// As many servers as asked for, each a copy of one of those that there are.
fn multiply(world: &mut World, servers: usize) {
    let models: Vec<Source> = world.sources.values().cloned().collect();
    for (number, model) in (models.len()..servers).zip(models.iter().cycle()) {
        let task = model.task.as_ref().and_then(|id| world.tasks.get(id)).expect("it has a task").clone();
        let (id, task_id) = (format!("{number:0>32}"), format!("{number:0>36}"));
        let source = Source {
            id: id.clone(),
            name: format!("copy-{number:04}"),
            task: Some(task_id.clone()),
            ..model.clone()
        };
        world.tasks.insert(task_id.clone(), Task { id: task_id, source_id: id.clone(), ..task });
        world.sources.insert(id, source);
    }
}

fn healthy_source(source: &mut Source) {
    source.state = "replicate".into();
    source.connected = true;
    (source.replicatesize, source.totalsize) = (0, 1 << 42);
    for check in &mut source.checks {
        (check.result, check.error_code) = ("OK".into(), None);
    }
}

fn healthy_task(task: &mut Task) {
    task.state = "RUNNING".into();
    task.error = None;
    (task.migrate_speed, task.speed_limit) = (40.0, 100);
    let (start, end) = ("00:00".into(), "24:00".into());
    task.rules = vec![SpeedRule { start, end, speed: 100, over_speed_threshold: Some(50.0) }];
}

/// Lets every server that replicates copy a little, five times a second.
fn move_on(simulator: Simulator, stop: CancellationToken) {
    let copying = async move {
        loop {
            simulator.edit(|world| {
                let copying = world.sources.values_mut().filter(|source| source.state == "replicate");
                copying.for_each(|source| source.replicatesize += 1 << 20);
            });
            sleep(Duration::from_millis(200)).await;
        }
    };
    TaskTracker::new().spawn(stop.run_until_cancelled_owned(copying));
}

#[tokio::test]
async fn each_trouble_reaches_who_must_act_and_nobody_else_is_told() {
    let chain = Chain::start(SERVERS, Engines::installed()).await;
    let heard = &chain.heard;
    heard.expect("heartbeat", "Watchdog", "firing").await;

    // One server fails, another loses its agent, a third is too fast.
    chain.change(0, |source, task| {
        source.state = "error".into();
        task.state = "MIGRATE_FAIL".into();
        task.error = Some(("SMS.1807".into(), vec![]));
    });
    chain.change(1, |source, _| source.connected = false);
    chain.change(2, |_, task| task.migrate_speed = 120.0);
    let name = |server: usize| chain.name(server);
    let text = heard.expect("tickets", "SourceError", "firing").await;
    assert!(text.contains(&name(0)) && text.contains("SMS.1807"), "{text}");
    let text = heard.expect("tickets", "AgentDisconnected", "firing").await;
    assert!(text.contains(&name(1)), "{text}");
    let text = heard.expect("tickets", "Overspeed", "firing").await;
    assert!(text.contains(&name(2)), "{text}");

    // All is well again.
    for server in 0..3 {
        chain.change(server, |source, task| {
            source.state = "replicate".into();
            source.connected = true;
            healthy_task(task);
        });
    }
    heard.expect("tickets", "AgentDisconnected", "resolved").await;
    heard.expect("tickets", "Overspeed", "resolved").await;
    heard.expect("tickets", "SourceError", "resolved").await;

    // A mass disconnect is one page.
    let before = heard.fired("AgentDisconnected");
    (3..8).for_each(|server| chain.change(server, |source, _| source.connected = false));
    let text = heard.expect("pager", "FleetDisconnected", "firing").await;
    assert!((3..8).all(|server| text.contains(&name(server))), "{text}");
    (3..8).for_each(|server| chain.change(server, |source, _| source.connected = true));
    heard.expect("pager", "FleetDisconnected", "resolved").await;
    assert_eq!(heard.fired("AgentDisconnected"), before, "one page, not fifty");

    // The service goes away, and comes back.
    chain.simulator.inject(Fault::everywhere(What::Html502));
    heard.expect("pager", "DataStale", "firing").await;
    chain.simulator.clear_faults();
    heard.expect("pager", "DataStale", "resolved").await;

    heard.assert_no_noise();
    assert_eq!(chain.simulator.tally().forbidden_calls, 0);
}
