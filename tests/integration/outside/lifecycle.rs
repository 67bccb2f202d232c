//! From the start to the end of the process.

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Settings, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::process::{Process, SOON, exporter};
use super::web::{Answer, get, ready, request, until};
use crate::harness::{REGION, parse};

/// More than an end should take, and less than the 30 seconds after which Kubernetes kills.
const SECONDS: Duration = Duration::from_secs(25);

/// A scrape that was asked for and of which the answer has only begun to be read.
async fn begun_scrape(address: &str) -> (tokio::net::TcpStream, Vec<u8>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    // Small, so that the page does not fit and the exporter has to wait for its reader.
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut socket = socket.connect(address.parse().expect("an address")).await.expect("a connection");
    socket.write_all(request("/metrics", &[]).as_bytes()).await.expect("the request is taken");
    let mut begun = vec![0; 1000];
    timeout(SOON, socket.read_exact(&mut begun)).await.expect("it begins soon").expect("it begins");
    (socket, begun)
}

#[tokio::test]
async fn a_signal_ends_it_in_good_order_and_the_scrape_under_way_is_answered_whole() {
    for signal in ["TERM", "INT"] {
        let mut demo = Process::start(exporter(&[
            "demo",
            "--sources=500",
            "--speed=0.001",
            "--web.listen-address=127.0.0.1:0",
        ]));
        let address = demo.address().await;
        // Larger than what the kernel would take off the exporter's hands.
        until(&address, "/metrics", |answer| answer.body.len() > 3_500_000).await;
        let (mut socket, mut answer) = begun_scrape(&address).await;
        demo.signal(signal).await;
        demo.line(|line| line.contains("Stopping").then_some(())).await;
        timeout(SOON, socket.read_to_end(&mut answer)).await.expect("it ends soon").expect("it ends well");
        let status = demo.end_within(SECONDS).await;
        assert_eq!(status.code(), Some(0), "{signal}: {}", demo.said());
        let answer = Answer::parse(&answer);
        assert_eq!(answer.body.len().to_string(), answer.headers["content-length"], "{signal}");
        assert!(parse(&answer.text()).len() > 10_000, "the page was large");
    }
}

#[tokio::test]
async fn a_signal_ends_it_while_the_service_does_not_answer() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let mut process = start(&silent, &[]);
    process.address().await;
    let (_connection, _) = timeout(SOON, silent.accept()).await.expect("it polls soon").expect("it polls");
    process.signal("TERM").await;
    let status = process.end_within(SECONDS).await;
    assert_eq!(status.code(), Some(0), "{}", process.said());
}

/// An exporter whose service is, or will be, behind this listener.
fn start(service: &TcpListener, arguments: &[&str]) -> Process {
    let origin = format!("http://{}", service.local_addr().expect("a bound port"));
    let keys = huaweicloud_sms_exporter::simulator::Keys::default();
    let mut command =
        exporter(&[&["--web.listen-address=127.0.0.1:0", "--poll.interval=1s"], arguments].concat());
    command.env("HW_REGION_NAME", REGION).env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", &origin);
    command.env("HUAWEICLOUD_SDK_IAM_ENDPOINT", &origin);
    command.env("HUAWEICLOUD_SDK_AK", keys.ak).env("HUAWEICLOUD_SDK_SK", keys.sk);
    Process::start(command)
}

#[tokio::test]
async fn ready_with_the_first_snapshot_and_from_then_on_whatever_the_service_does() {
    let service = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let mut process = start(&service, &[]);
    let address = process.address().await;
    let status = async |path: &'static str| get(&address, path, &[]).await.status;
    assert_eq!((status("/-/ready").await, status("/-/healthy").await), (503, 200));
    let simulator = Simulator::new(Settings { sources: 5, region: REGION.into(), ..Settings::default() });
    let (serving, gone) = (TaskTracker::new(), CancellationToken::new());
    serving.spawn(simulator.serve(service, gone.clone()));
    ready(&address).await;
    gone.cancel();
    let failing = "sms_exporter_poll_success{account=\"default\",collector=\"sources\"} 0";
    let page = until(&address, "/metrics", |answer| answer.text().contains(failing)).await;
    assert_eq!((status("/-/ready").await, status("/-/healthy").await), (200, 200));
    assert!(page.text().contains("huaweicloud_sms_source_info{"), "what was known stays for a while");
}

#[tokio::test]
async fn the_landing_page_links_to_the_metrics_and_counts_the_fleet() {
    let arguments = ["demo", "--sources=17", "--web.listen-address=127.0.0.1:0", "--web.telemetry-path=/sms"];
    let mut demo = Process::start(exporter(&arguments));
    let address = demo.address().await;
    ready(&address).await;
    let html = get(&address, "/", &[]).await.text();
    assert!(html.contains("<a href=\"/sms\">"), "{html}");
    let counts = html.split("<td class=\"count\">").skip(1).filter_map(|rest| rest.split('<').next());
    let counts = counts.map(|count| count.parse::<u64>().expect("a count is a number"));
    assert_eq!(counts.sum::<u64>(), 17, "{html}");
    assert_eq!(get(&address, "/sms", &[]).await.status, 200);
    assert_eq!(get(&address, "/metrics", &[]).await.status, 404);
}
