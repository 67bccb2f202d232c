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
    assert_eq!(turned_away.text(), "1 scrapes from this address are under way already, try again later.\n");
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
async fn a_connection_beyond_the_limit_is_served_and_the_one_idle_longest_is_closed() {
    type Seen = Arc<Mutex<Vec<usize>>>;
    let (open, evicted) = (Seen::default(), Arc::new(Mutex::new(Vec::new())));
    let (seen_open, seen_evicted) = (Arc::clone(&open), Arc::clone(&evicted));
    let running = Running::start_with(limited(|limits| limits.connections = 2), |hooks| {
        hooks.connections = Arc::new(move |count| seen_open.lock().unwrap().push(count));
        hooks.evicted = Arc::new(move |resource| seen_evicted.lock().unwrap().push(resource));
    });
    // One that was served and is kept, one that sent nothing.
    let mut kept = connect(&running).await;
    kept.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    kept.read_u8().await.expect("the first is served");
    let mut silent = connect(&running).await;
    let mut newcomers = Vec::new();
    for _ in 0..2 {
        let mut newcomer = connect(&running).await;
        newcomer.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        newcomer.read_u8().await.expect("a newcomer is served");
        newcomers.push(newcomer);
    }
    for socket in [&mut kept, &mut silent] {
        let mut rest = Vec::new();
        // Either way to learn of the end is fine.
        let _end = timeout(SOON, socket.read_to_end(&mut rest)).await.expect("it was closed");
    }
    drop(newcomers);
    running.end().await;
    assert_eq!(*evicted.lock().unwrap(), ["connection"; 2]);
    assert_eq!(open.lock().unwrap().iter().max(), Some(&2));
    assert_eq!(open.lock().unwrap().last(), Some(&0));
}

#[tokio::test]
async fn slow_readers_make_room_for_others_of_their_own_address() {
    let running = Running::start(limited(|limits| limits.scrapes = 4));
    running.published.publish(big_page());
    let mut crowd = [stuck(&running).await, stuck(&running).await];
    let served = async {
        loop {
            let answer = get(running.address, "/metrics").await;
            if answer.status == 200 {
                return;
            }
            assert_eq!(
                answer.text(),
                "2 scrapes from this address are under way already, try again later.\n"
            );
        }
    };
    timeout(SOON, served).await.expect("a slow one makes room");
    let mut rest = Vec::new();
    let first = timeout(SOON, crowd[0].read_to_end(&mut rest)).await.expect("the slowest was cut");
    let whole = running.published.latest().unwrap().length(crate::exposition::Encoding::Identity);
    assert!(first.is_err() || u64::try_from(rest.len()).unwrap() < whole);
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
