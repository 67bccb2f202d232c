//! The lists that the benchmarks read, made once by the simulator and kept as files, one object a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use huaweicloud_sms_exporter::auth::http::{Transport, Unobserved};
use huaweicloud_sms_exporter::auth::{Authenticator, Environment, transport};
use huaweicloud_sms_exporter::model::Timestamp;
use huaweicloud_sms_exporter::simulator::{Settings, Simulator};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::rig::account;

/// Long enough for nearly every source to have a task, short enough for most to be at work.
const SIMULATED: Duration = Duration::from_secs(7 * 3600);

/// Where each list is kept, the key of its objects, and the longest page.
pub(crate) const LISTS: [(&str, &str, usize); 3] = [
    ("/v3/sources", "source_servers", 200),
    ("/v3/tasks", "tasks", 200),
    ("/v3/errors", "migration_errors", 100),
];

/// The directory with the lists of so many sources; they are made where they are not there yet.
pub(crate) fn of(sources: usize) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lists-of-{sources}"));
    if !directory.join("overview").exists() {
        fs::create_dir_all(&directory).expect("the target directory is writable");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(make(sources, &directory));
    }
    directory
}

async fn make(sources: usize, directory: &Path) {
    let simulator = Simulator::new(Settings { sources, ..Settings::default() });
    simulator.advance(SIMULATED);
    let keys = simulator.keys();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("a bound port"));
    let stop = CancellationToken::new();
    let serving = tokio_util::task::TaskTracker::new();
    serving.spawn(simulator.serve(listener, stop.clone()));
    let account = account(&origin, &keys.ak, &keys.sk, &keys.project_id);
    let transport =
        transport(&account, &Environment::new(|_| None), Arc::new(Unobserved)).expect("a transport");
    let asks = Authenticator::new(&account, transport.clone(), Environment::new(|_| None));
    for (path, key, limit) in LISTS {
        let objects = list(&asks, &transport, path, key, limit).await;
        fs::write(directory.join(key), objects.join("\n")).expect("the target directory is writable");
    }
    let overview = get(&asks, &transport, "/v3/sources/overview", &[]).await;
    fs::write(directory.join("overview"), overview).expect("the target directory is writable");
    stop.cancel();
}

async fn list(
    asks: &Authenticator,
    transport: &Transport,
    path: &str,
    key: &str,
    limit: usize,
) -> Vec<String> {
    let mut objects = Vec::new();
    loop {
        let (offset, limit) = (objects.len().to_string(), limit.to_string());
        let body = get(asks, transport, path, &[("limit", &limit), ("offset", &offset)]).await;
        let page: Value = serde_json::from_slice(&body).expect("the simulator speaks JSON");
        let page = page[key].as_array().expect("a list").clone();
        objects.extend(page.iter().map(Value::to_string));
        if page.len().to_string() != limit || objects.len() > 65_535 {
            return objects;
        }
    }
}

async fn get(asks: &Authenticator, transport: &Transport, path: &str, query: &[(&str, &str)]) -> Vec<u8> {
    let request = asks.get(path, query, now()).await.expect("the simulator's own keys");
    let answer = transport.send("bench", request).await.expect("the simulator answers");
    assert!(answer.status.is_success(), "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.body.to_vec()
}

/// Signatures are judged by the real clock.
#[expect(clippy::disallowed_methods, reason = "the simulator judges the age of signatures by it")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("before the year 292 million"))
}
