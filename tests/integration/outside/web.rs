//! A client that says exactly what it is told to.

use std::collections::BTreeMap;
use std::io::Read;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep, timeout};

use super::process::SOON;

/// A response.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// By lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    /// As it came, without the marks of chunks.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Reads a whole response that ended with the connection.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_lowercase(), value.to_owned())
        };
        let headers: BTreeMap<String, String> = lines.map(header).collect();
        let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let sent = &bytes[end + 4..];
        let body = if chunked { joined(sent) } else { sent.to_vec() };
        Self { status: status.parse().expect("a number"), headers, body }
    }

    /// The body as text, inflated where it says that it is gzip.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let encoding = self.headers.get("content-encoding").map_or("identity", String::as_str);
        match encoding {
            "gzip" => flate2::read::GzDecoder::new(&*self.body).read_to_string(&mut text),
            "identity" => Read::read_to_string(&mut &*self.body, &mut text),
            other => panic!("nobody asked for {other}"),
        }
        .expect("the body is whole and text");
        text
    }
}

/// A body that came in chunks, each behind its length in hexadecimal, the last of which is 0.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").expect("the length of a chunk");
        let length = std::str::from_utf8(&chunks[..end]).expect("a number is text");
        let length = usize::from_str_radix(length, 16).expect("a number in hexadecimal");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&chunks[end + 2..][..length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}

/// The text of a GET after which the server closes the connection.
pub(super) fn request(path: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n")
}

/// Gets a page.
pub(super) async fn get(address: &str, path: &str, headers: &[&str]) -> Answer {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await.expect("something listens there");
        socket.write_all(request(path, headers).as_bytes()).await.expect("the request is taken");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("the answer comes");
        Answer::parse(&answer)
    };
    timeout(SOON, exchange).await.expect("the answer comes soon")
}

/// Asks until the answer is as wanted.
pub(super) async fn until(address: &str, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let asking = async {
        loop {
            let answer = get(address, path, &[]).await;
            if wanted(&answer) {
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, asking).await.unwrap_or_else(|_| panic!("{address}{path} does not answer as wanted"))
}

/// Waits for the first snapshot.
pub(super) async fn ready(address: &str) {
    until(address, "/-/ready", |answer| answer.status == 200).await;
}
