//! The real program under clients that mean it ill, or ask for too much.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take that should come soon; machines that build at the same time are slow.
const SOON: Duration = Duration::from_secs(60);

/// The program, serving a simulated fleet; it ends with the test.
struct Program {
    process: Child,
    address: SocketAddr,
}

impl Program {
    /// Starts it with a limit on its file descriptors and so many simulated servers.
    fn start(descriptors: u32, sources: u32) -> Self {
        let script = format!(
            "ulimit -n {descriptors}; exec \"$0\" demo --sources {sources} --web.listen-address=127.0.0.1:0 2>&1"
        );
        let mut process = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_sms-exporter")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut log = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut address = None;
        while address.is_none() {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("the log is text") > 0, "it ended before it listened");
            address = line.contains("Listening").then(|| local_address(&line));
        }
        // Whatever it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { process, address: address.expect("the loop ends with one") }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("it listens");
        socket.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        socket
    }

    /// The answer to one request on a connection of its own; empty where the connection ends without one.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut socket = self.connect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let asked = socket.write_all(request.as_bytes()).and_then(|()| socket.read_to_end(&mut answer));
        drop(asked);
        String::from_utf8(answer).expect("an answer is text")
    }

    /// Asks until the answer is as wanted.
    fn answers(&self, path: &str, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let begin = Instant::now();
        loop {
            let answer = self.ask("GET", path);
            if wanted(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < SOON, "{what}: {}", answer.lines().next().unwrap_or("no answer"));
            std::thread::yield_now();
        }
    }

    fn polled(&self) {
        let series = "sms_exporter_poll_success{account=\"demo\",collector=\"consistency\"} 1";
        self.answers("/metrics", |page| page.contains(series), "the first poll succeeds");
    }

    /// Resident memory in bytes.
    fn resident(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.process.id())).expect("it is alive");
        let pages: u64 =
            statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
        pages * 4096
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("it is alive").count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; the test says so elsewhere.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn local_address(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("127.0.0.1:").expect("it listens there");
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")))
}

fn is_ok(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn the_limit_of_file_descriptors_reached_and_left_again_leaves_it_serving() {
    let program = Program::start(40, 3);
    program.polled();
    let crowd: Vec<TcpStream> = (0..80).map(|_| program.connect()).collect();
    let begin = Instant::now();
    while program.descriptors() < 40 {
        assert!(begin.elapsed() < SOON, "the limit is reached: {} are open", program.descriptors());
        std::thread::yield_now();
    }
    drop(crowd);
    program.answers("/-/healthy", is_ok, "it serves again");
    let page = program.answers("/metrics", is_ok, "it serves again");
    let success = "sms_exporter_poll_success{account=\"demo\",collector=\"sources\"}";
    assert!(page.contains(success), "the page is whole");
    program.polled();
}

#[test]
fn slow_heads_and_idle_connections_do_not_keep_others_from_being_served() {
    let program = Program::start(1024, 3);
    let mut crowd: Vec<TcpStream> = (0..200).map(|_| program.connect()).collect();
    for socket in crowd.iter_mut().step_by(2) {
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").expect("it is taken");
    }
    assert!(is_ok(&program.ask("GET", "/-/healthy")));
    assert!(is_ok(&program.ask("GET", "/metrics")));
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
fn readers_that_do_not_read_share_one_page() {
    let program = Program::start(1024, 400);
    let page = program.answers("/metrics", |page| page.len() > 1 << 20, "a large page");
    let length = page.len() as u64;
    let before = program.resident();
    // Twenty pages in a row fill whatever the system buffers for a connection.
    let stuck = || {
        let mut socket = program.connect();
        let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
        socket.write_all(requests.as_bytes()).expect("it is taken");
        socket
    };
    let mut crowd = Vec::new();
    // One who was refused twenty times is no longer stuck: another comes for as long as there is a place.
    while !program.ask("GET", "/metrics").starts_with("HTTP/1.1 503 ") {
        crowd.push(stuck());
        assert!(crowd.len() < 900, "all places of scrapes are taken");
    }
    let grown = program.resident().saturating_sub(before);
    println!("siege: {} stuck readers of pages of {length} bytes, {grown} bytes more", crowd.len());
    assert!(grown < 20 * length, "{grown} bytes for readers of {length}: each has a copy");
    assert!(is_ok(&program.ask("GET", "/-/healthy")), "others are served");
    drop(crowd);
    program.answers("/metrics", is_ok, "the places are free again");
}

#[test]
fn methods_that_would_change_something_are_refused() {
    let program = Program::start(1024, 3);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = program.ask(method, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nallow: get, head\r\n"), "{method}: {answer}");
    }
    let head = program.ask("HEAD", "/metrics");
    assert!(is_ok(&head) && head.ends_with("\r\n\r\n"), "a head and nothing behind it");
}
