//! Clients that send what they are told, byte by byte.

use super::SOON;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A response as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// By lower-case name, without `date`.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Reads a whole response that ends with the connection.
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let headers = lines.map(|line| line.split_once(": ").expect("a header"));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self {
            status: status.parse().expect("a status"),
            headers: headers.filter(|(name, _)| name != "date").collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Sends bytes over a connection of any kind, and reads until the server closes it.
pub(super) async fn exchange(mut socket: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Vec<u8> {
    let exchange = async {
        // The server may close before it has read all; what it said until then is what counts.
        let _sent = socket.write_all(request).await;
        let mut answer = Vec::new();
        let _end = socket.read_to_end(&mut answer).await;
        answer
    };
    timeout(SOON, exchange).await.expect("the server closes the connection")
}

/// Sends bytes and reads what comes back.
pub(super) async fn raw(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    exchange(TcpStream::connect(address).await.expect("the server listens"), request).await
}

/// The text of a request after which the connection is closed.
pub(super) fn request(method: &str, target: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n")
}

pub(super) async fn ask(address: SocketAddr, method: &str, target: &str, headers: &[&str]) -> Answer {
    Answer::parse(&raw(address, request(method, target, headers).as_bytes()).await)
}

pub(super) async fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, &[]).await
}

/// As [`ask`], over a connection that is there.
pub(super) async fn ask_over(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    target: &str,
    headers: &[&str],
) -> Answer {
    Answer::parse(&exchange(socket, request("GET", target, headers).as_bytes()).await)
}
