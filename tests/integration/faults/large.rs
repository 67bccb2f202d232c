//! Lists beyond the reach of offsets: 65,535 and a page of 200.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use huaweicloud_sms_exporter::config::{Collectors, Config, Detail};
use huaweicloud_sms_exporter::model::Collector;
use huaweicloud_sms_exporter::simulator::Keys;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{failures, own};
use crate::harness::Rig;

/// How many servers there are in each state; a server's place in the list is its id.
type Fleet = &'static [(&'static str, usize)];

/// A page of a list of the smallest servers there are.
fn page(fleet: Fleet, query: &str) -> String {
    let get = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let number = |name: &str| get(name).and_then(|text| text.parse::<usize>().ok()).expect("it is asked for");
    let (offset, limit) = (number("offset"), number("limit"));
    assert!(offset <= 65_535 && limit <= 200, "the service refuses {query}");
    let slice = fleet.iter().filter(|(state, _)| get("state").is_none_or(|wanted| wanted == *state));
    let count: usize = slice.clone().map(|(_, count)| count).sum();
    let servers = slice.flat_map(|(state, count)| (0..*count).map(move |place| (state, place)));
    let server = |(state, place)| format!(r#"{{"id":"{state}-{place:06}","state":"{state}"}}"#);
    let servers: Vec<String> = servers.skip(offset).take(limit).map(server).collect();
    format!(r#"{{"count":{count},"source_servers":[{}]}}"#, servers.join(","))
}

/// Serves such a fleet to whoever asks; where it is.
async fn serve(fleet: Fleet) -> (String, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("a bound port"));
    let answer = move |request: Request<hyper::body::Incoming>| async move {
        let body = page(fleet, request.uri().query().unwrap_or_default());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
    };
    let tasks = TaskTracker::new();
    let serving = tasks.clone().spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer));
            tasks.spawn(connection);
        }
    });
    (origin, AbortOnDropHandle::new(serving))
}

async fn rig(fleet: Fleet) -> (Rig, AbortOnDropHandle<()>) {
    let (origin, serving) = serve(fleet).await;
    let towards = |config: &mut Config| {
        let keys = Keys::default();
        *config = crate::harness::config(&origin, &keys);
        let account = &mut config.accounts[0];
        account.project_id = Some(keys.project_id);
        account.collectors = Collectors::new([Collector::Sources]);
        account.detail = Detail::Aggregate;
    };
    (Rig::with(0, towards).await, serving)
}

fn in_state(rig: &Rig, state: &str) -> f64 {
    rig.value(&format!("huaweicloud_sms_sources{{account=\"test\",state=\"{state}\"}}"))
}

#[tokio::test]
async fn a_list_beyond_the_reach_of_offsets_is_read_in_slices_and_whole() {
    let (mut rig, _serving) = rig(&[("waiting", 40_000), ("replicate", 20_001), ("error", 6_000)]).await;
    rig.poll().await;
    assert_eq!(rig.value(&own("poll_success", "sources")), 1.0);
    assert_eq!(rig.value(&own("objects_expected", "sources")), 66_001.0);
    assert_eq!(rig.value(&own("objects_exported", "sources")), 66_001.0);
    let counts = ["waiting", "replicate", "error", "finished"].map(|state| in_state(&rig, state));
    assert_eq!(counts, [40_000.0, 20_001.0, 6_000.0, 0.0]);
    assert_eq!(rig.value(&own("duplicates_dropped_total", "sources")), 0.0);
}

#[tokio::test]
async fn a_slice_that_is_too_large_is_a_failure_that_says_so() {
    let (mut rig, _serving) = rig(&[("error", 5), ("waiting", 65_736)]).await;
    rig.poll().await;
    assert_eq!(rig.value(&own("poll_success", "sources")), 0.0);
    assert_eq!(failures(&rig.series(), "sources", "incomplete"), 1.0);
    assert_eq!(rig.value(&own("objects_expected", "sources")), 65_736.0);
    assert_eq!(rig.value(&own("objects_exported", "sources")), 0.0);
}
