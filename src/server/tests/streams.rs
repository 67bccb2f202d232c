//! HTTP/2, and clients that hold its streams up.

use super::certs::Folder;
use super::secured::{Client, TLS};
use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Sender = SendRequest<Empty<Bytes>>;
type Driver = Connection<TokioIo<TlsStream<TcpStream>>, Empty<Bytes>, TokioExecutor>;

fn start(folder: &Folder, limits: Limits) -> Running {
    let web = webconfig::WebConfig::load(&folder.path("web.yml")).expect("the file is fine");
    Running::start(Settings { web: Some(Arc::new(web)), limits, ..Settings::default() })
}

async fn connect(
    folder: &Folder,
    running: &Running,
    builder: &mut Builder<TokioExecutor>,
) -> (Sender, Driver) {
    let client = Client { protocols: vec![b"h2".to_vec()], ..Client::new(folder) };
    let stream = client.connect(running).await.expect("the handshake succeeds");
    builder.handshake(TokioIo::new(stream)).await.expect("both speak HTTP/2")
}

/// One that takes a few bytes of each response and pings to show that it is alive.
async fn stalling(folder: &Folder, running: &Running) -> (Sender, Driver) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).initial_stream_window_size(16);
    builder.keep_alive_interval(Duration::from_millis(50)).keep_alive_while_idle(true);
    connect(folder, running, &mut builder).await
}

fn request(method: &str) -> http::Request<Empty<Bytes>> {
    let request = http::Request::builder().method(method).uri("https://127.0.0.1/metrics");
    request.body(Empty::new()).expect("a valid request")
}

/// Asks so many times at once; the statuses, and the bodies that are under way.
async fn ask(sender: &mut Sender, count: usize) -> (Vec<u16>, Vec<Incoming>) {
    let answers = (0..count).map(|_| sender.send_request(request("GET"))).collect::<Vec<_>>();
    let answers = futures_util::future::join_all(answers).await;
    let answers = answers.into_iter().map(|answer| answer.expect("an answer").into_parts());
    answers.map(|(head, body)| (head.status.as_u16(), body)).unzip()
}

#[tokio::test]
async fn http_2_serves_the_page_and_head_has_no_body() {
    let folder = Folder::new(TLS);
    let running = start(&folder, Limits::default());
    running.published.publish(big_page());
    let mut builder = Builder::new(TokioExecutor::new());
    let (mut sender, connection) = connect(&folder, &running, &mut builder).await;
    let asking = async move {
        let mut lengths = Vec::new();
        for method in ["GET", "HEAD"] {
            let (head, body) = sender.send_request(request(method)).await.expect("an answer").into_parts();
            let length: u64 = head.headers["content-length"].to_str().unwrap().parse().unwrap();
            let body = body.collect().await.expect("a whole body").to_bytes();
            lengths.push((head.status.as_u16(), length, u64::try_from(body.len()).unwrap()));
        }
        lengths
    };
    let lengths = tokio::select! {
        lengths = timeout(SOON, asking) => lengths.expect("soon"),
        _ = connection => panic!("the connection outlives its requests"),
    };
    let page = running.published.latest().unwrap().length(crate::exposition::Encoding::Identity);
    let whole = page + u64::try_from(OWN_TEXT.len()).unwrap();
    assert_eq!(lengths, [(200, whole, whole), (200, whole, 0)]);
    running.end().await;
}

#[tokio::test]
async fn a_connection_has_four_scrapes_at_most() {
    let folder = Folder::new(TLS);
    let running = start(&folder, Limits::default());
    running.published.publish(big_page());
    let (mut sender, driver) = stalling(&folder, &running).await;
    let (mut statuses, _bodies) = tokio::select! {
        asked = timeout(SOON, ask(&mut sender, 8)) => asked.expect("soon"),
        _ = driver => panic!("the connection outlives its requests"),
    };
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 503, 503, 503, 503]);
    running.end().await;
}

/// What is evicted when a stream stalls on the only slot and another client scrapes until it is served.
async fn evicted_for_another(stall_time: Duration) -> Vec<&'static str> {
    let (folder, evicted) = (Folder::new(TLS), Arc::new(Mutex::new(Vec::new())));
    let (seen, web) = (Arc::clone(&evicted), webconfig::WebConfig::load(&folder.path("web.yml")));
    let limits = Limits { scrapes: 1, stall_time, ..Limits::default() };
    let settings =
        Settings { web: Some(Arc::new(web.expect("the file is fine"))), limits, ..Settings::default() };
    let running = Running::start_with(settings, |hooks| {
        hooks.evicted = Arc::new(move |resource| seen.lock().unwrap().push(resource));
    });
    running.published.publish(big_page());
    let (mut sender, driver) = stalling(&folder, &running).await;
    let scraping = async {
        let (statuses, _bodies) = ask(&mut sender, 1).await;
        assert_eq!(statuses, [200]);
        while !begins_well(Client::new(&folder).connect(&running).await.expect("a handshake")).await {}
        // The stream is gone; the connection is as good as before.
        ask(&mut sender, 1).await.0.len()
    };
    let asked = tokio::select! {
        asked = timeout(SOON, scraping) => asked.expect("the slot becomes free"),
        _ = driver => panic!("the connection outlives its streams"),
    };
    assert_eq!(asked, 1);
    running.end().await;
    evicted.lock().unwrap().clone()
}

/// Whether a scrape over HTTP/1.1 gets its page; no more than the beginning is read.
async fn begins_well(mut stream: TlsStream<TcpStream>) -> bool {
    stream.write_all(super::client::request("GET", "/metrics", &[]).as_bytes()).await.expect("it is taken");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    status == *b"HTTP/1.1 200"
}

#[tokio::test]
async fn a_stalled_stream_is_reset_in_its_time_although_pings_keep_the_connection_alive() {
    assert_eq!(evicted_for_another(Duration::from_millis(100)).await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_stalled_stream_is_reset_for_another_scrape() {
    assert_eq!(evicted_for_another(SOON).await.first(), Some(&"scrape"));
}
