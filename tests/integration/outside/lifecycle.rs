//! From the start to the end of the process.

use std::net::Ipv6Addr;
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
    assert!(html.contains("<a href=\"./sms\">"), "{html}");
    let counts = html.split("<td class=\"count\">").skip(1).filter_map(|rest| rest.split('<').next());
    let counts = counts.map(|count| count.parse::<u64>().expect("a count is a number"));
    assert_eq!(counts.sum::<u64>(), 17, "{html}");
    assert_eq!(get(&address, "/sms", &[]).await.status, 200);
    assert_eq!(get(&address, "/metrics", &[]).await.status, 404);
}

#[tokio::test]
async fn behind_a_path_every_page_and_link_is_below_it() {
    for flags in [
        &["--web.external-url=https://example.com/a/sms/"][..],
        &["--web.external-url=https://example.com/other", "--web.route-prefix=a/sms"],
    ] {
        let arguments = [&["demo", "--sources=3", "--web.listen-address=127.0.0.1:0"], flags].concat();
        let mut demo = Process::start(exporter(&arguments));
        let address = demo.address().await;
        until(&address, "/a/sms/-/ready", |answer| answer.status == 200).await;
        let root = get(&address, "/", &[]).await;
        assert_eq!((root.status, root.headers["location"].as_str()), (302, "./a/sms/"));
        let html = get(&address, "/a/sms/", &[]).await.text();
        assert!(html.contains("<a href=\"./metrics\">") && !html.contains("=\"/"), "{html}");
        assert_eq!(get(&address, "/a/sms/metrics", &[]).await.status, 200);
        for outside in ["/metrics", "/-/healthy", "/-/ready"] {
            assert_eq!(get(&address, outside, &[]).await.status, 404, "{outside}");
        }
    }
}

#[tokio::test]
async fn an_external_url_whose_path_a_proxy_takes_off_leaves_the_routes_at_the_root() {
    let flags = ["--web.external-url=https://example.com/sms", "--web.route-prefix=/"];
    let arguments = [&["demo", "--sources=3", "--web.listen-address=127.0.0.1:0"], &flags[..]].concat();
    let mut demo = Process::start(exporter(&arguments));
    let address = demo.address().await;
    ready(&address).await;
    assert!(get(&address, "/", &[]).await.text().contains("<a href=\"./metrics\">"));
    assert_eq!(get(&address, "/metrics", &[]).await.status, 200);
}

/// A link-local address of this machine and the index of its interface, of `/proc/net/if_inet6`.
fn link_local() -> Option<(Ipv6Addr, u32, String)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ip = Ipv6Addr::from_bits(u128::from_str_radix(words.first()?, 16).ok()?);
        let index = u32::from_str_radix(words.get(1)?, 16).ok()?;
        ip.is_unicast_link_local().then(|| Some((ip, index, (*words.get(5)?).to_owned())))?
    })
}

#[tokio::test]
async fn a_zone_of_an_address_is_taken_by_number_and_by_name() {
    let mut addresses = vec!["[::1%lo]:0".to_owned(), "[::1%1]:0".to_owned()];
    // Machines without IPv6 on a network have none; what the resolver makes of zones is tested in any case.
    if let Some((ip, index, name)) = link_local() {
        addresses.extend([format!("[{ip}%{index}]:0"), format!("[{ip}%{name}]:0")]);
    }
    for address in addresses {
        let flag = format!("--web.listen-address={address}");
        let mut demo = Process::start(exporter(&["demo", "--sources=3", &flag]));
        let listening = demo.address().await;
        assert_eq!(get(&listening, "/-/healthy", &[]).await.status, 200, "{address} as {listening}");
    }
}
