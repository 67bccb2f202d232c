//! What clients may take, through real sockets. The clock runs here, so the limits are short.

use super::client::{ask, get, raw, request};
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn limited(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings.limits);
    settings
}

async fn connect(running: &Running) -> TcpStream {
    TcpStream::connect(running.address).await.expect("the server listens")
}

/// A client that asks for the big page and does not read it.
async fn stuck(running: &Running) -> TcpStream {
    let mut socket = connect(running).await;
    socket.write_all(request("GET", "/metrics", &[]).as_bytes()).await.expect("it is taken");
    socket.read_u8().await.expect("the response begins");
    socket
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let running = Running::start(Settings::default());
    let long = format!("X-Long: {}", "x".repeat(17 * 1024));
    assert_eq!(ask(running.address, "GET", "/metrics", &[&long]).await.status, 431);
    assert_eq!(ask(running.address, "GET", "/metrics", &["X: y"; 101]).await.status, 431);
    assert_eq!(ask(running.address, "GET", "/metrics", &["X: y"; 90]).await.status, 200);
    let endless = vec![b'x'; 100_000];
    let answer = raw(running.address, &endless).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
    running.end().await;
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_cut() {
    let running = Running::start(limited(|limits| limits.head_time = Duration::from_millis(50)));
    assert!(raw(running.address, b"").await.is_empty());
    assert!(raw(running.address, b"GET /metrics HTTP/1.1\r\nHost: ").await.is_empty());
    running.end().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_place() {
    let running = Running::start(limited(|limits| {
        limits.scrapes = 1;
        limits.stall_time = Duration::from_millis(100);
    }));
    running.published.publish(big_page());
    let mut stuck = stuck(&running).await;
    let turned_away = get(running.address, "/metrics").await;
    assert_eq!(turned_away.status, 503);
    assert_eq!(turned_away.text(), "1 scrapes are under way already, try again later.\n");
    let served = async { while get(running.address, "/metrics").await.status != 200 {} };
    timeout(SOON, served).await.expect("the place becomes free");
    let mut rest = Vec::new();
    // Either way to learn of the end is fine.
    let _end = stuck.read_to_end(&mut rest).await;
    let whole = running.published.latest().unwrap().length(crate::exposition::Encoding::Identity);
    assert!(u64::try_from(rest.len()).unwrap() < whole, "the response was cut");
    running.end().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let running = Running::start(limited(|limits| limits.connections = 1));
    let mut first = connect(&running).await;
    first.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    first.read_u8().await.expect("the first is served");
    let mut second = connect(&running).await;
    second.write_all(request("GET", "/-/healthy", &[]).as_bytes()).await.unwrap();
    let early = timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(early.is_err(), "the second waits");
    drop(first);
    timeout(SOON, second.read_u8()).await.expect("the second is served").expect("the response begins");
    running.end().await;
}

#[tokio::test]
async fn a_response_under_way_is_finished_after_the_end_is_asked_for() {
    let running = Running::start(Settings::default());
    running.published.publish(big_page());
    let (published, mut reader) = (running.published.clone(), stuck(&running).await);
    running.stop.cancel();
    let mut rest = Vec::new();
    timeout(SOON, reader.read_to_end(&mut rest)).await.expect("soon").expect("the response is whole");
    let page = published.latest().unwrap().length(crate::exposition::Encoding::Identity);
    assert!(u64::try_from(rest.len()).unwrap() > page);
    assert!(rest.ends_with(OWN_TEXT.as_bytes()));
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
    running.end().await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end_and_stuck_ones_only_for_the_grace() {
    let settings = Settings { grace: Duration::from_millis(100), ..Settings::default() };
    let running = Running::start(settings);
    running.published.publish(big_page());
    let _idle = connect(&running).await;
    let _stuck = stuck(&running).await;
    running.end().await;
}
