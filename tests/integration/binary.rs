//! The real binary as a child process: started, asked over HTTP, and read to its last line of log.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::outside::process::{Process, SOON};

/// A binary that serves.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Running {
    /// Starts it on a free port, and waits until it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        command.arg("--web.listen-address=127.0.0.1:0");
        let mut process = Process::start(command);
        let address = process.line(address).await;
        Self { address, process }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.process.said()
    }

    /// The answer to a GET, with status line and headers.
    pub(crate) async fn get(&self, path: &str) -> String {
        self.ask("GET", path, "").await
    }

    /// The answer to a request with further header lines, each ended by `\r\n`.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> String {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"))
            .await
    }

    /// Whatever comes back for these bytes.
    pub(crate) async fn send(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        // A server that hangs up on what it refuses may reset the connection.
        drop(timeout(SOON, socket.read_to_end(&mut answer)).await.expect("it answers in time"));
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The page, once it fulfils a condition.
    pub(crate) async fn page_with(&self, what: impl Fn(&str) -> bool) -> String {
        let wanted = timeout(SOON, async {
            loop {
                let page = self.get("/metrics").await;
                if what(&page) {
                    return page;
                }
                sleep(Duration::from_millis(50)).await;
            }
        });
        match wanted.await {
            Ok(page) => page,
            Err(_) => panic!("never came:\n{}\n{}", self.get("/metrics").await, self.log()),
        }
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) async fn signal(&self, name: &str) {
        self.process.signal(name).await;
    }
}

/// The value of a series on a page.
pub(crate) fn value(page: &str, series: &str) -> Option<f64> {
    let line =
        page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Writes a file and gives its path as text.
pub(crate) fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the directory can be written to");
    path.to_str().expect("a plain path").to_owned()
}

/// The address in the line that says where it listens, in either format of the log.
fn address(line: &str) -> Option<SocketAddr> {
    let line = line.replace('"', "");
    let (_, rest) = line.split_once("address=").or_else(|| line.split_once("address:"))?;
    rest.split([' ', ',', '}']).next()?.parse().ok()
}
