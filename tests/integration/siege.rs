//! The real program under clients that mean it ill, or ask for too much.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use socket2::{Domain, Socket, Type};

use tokio::time::Instant;

/// How long anything may take that should come soon; machines that build at the same time are slow.
const SOON: Duration = Duration::from_secs(60);

/// The program, serving a simulated fleet; it ends with the test.
struct Program {
    process: Child,
    address: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts it with a limit on its file descriptors and so many simulated servers.
    fn start(descriptors: u32, sources: u32) -> Self {
        Self::start_with(descriptors, sources, &[])
    }

    /// The same with further flags.
    fn start_with(descriptors: u32, sources: u32, flags: &[&str]) -> Self {
        let script = format!(
            "ulimit -n {descriptors}; exec \"$0\" demo --sources {sources} --web.listen-address=127.0.0.1:0 \"$@\" 2>&1"
        );
        let mut process = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_sms-exporter")])
            .args(flags)
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
        let said = Arc::<Mutex<Vec<String>>>::default();
        let saying = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                saying.lock().expect("nobody panics with it").push(line);
            }
        });
        Self { process, address: address.expect("the loop ends with one"), said }
    }

    /// How many lines of the log say this.
    fn said(&self, what: &str) -> usize {
        self.said.lock().expect("nobody panics with it").iter().filter(|line| line.contains(what)).count()
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("it listens");
        socket.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        socket
    }

    /// A connection from another address of this machine than [`Self::connect`] comes from.
    fn connect_from_elsewhere(&self) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("an address of this machine");
        socket.connect(&self.address.into()).expect("it listens");
        socket.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        socket.into()
    }

    /// The answer to one request on a connection of its own; empty where the connection ends without one.
    fn ask(&self, method: &str, path: &str) -> String {
        Self::ask_over(self.connect(), method, path)
    }

    fn ask_over(mut socket: TcpStream, method: &str, path: &str) -> String {
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

/// Ends a crowd's thread with the test.
struct Crowd {
    go_on: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    /// So many connections to the program that `act` makes, and makes again when the program closes them.
    fn gather(address: SocketAddr, count: usize, act: fn(&mut TcpStream) -> std::io::Result<()>) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let going_on = Arc::clone(&go_on);
        let join = move || -> std::io::Result<TcpStream> {
            let mut socket = TcpStream::connect(address)?;
            act(&mut socket)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let thread = std::thread::spawn(move || {
            let mut crowd: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
            while going_on.load(Ordering::Relaxed) {
                for place in &mut crowd {
                    if place.as_mut().is_none_or(is_closed) {
                        *place = join().ok();
                    }
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self { go_on, thread: Some(thread) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.go_on.store(false, Ordering::Relaxed);
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

/// Whether the program hung up; what it said before is read.
fn is_closed(socket: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(1..) => {}
            Ok(0) => return true,
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Waits until the program counts so many evictions of a kind, as another peer sees it.
fn evictions(program: &Program, resource: &str, least: f64) {
    let series = format!("sms_exporter_http_evictions_total{{resource=\"{resource}\"}} ");
    let begin = Instant::now();
    loop {
        let page = Program::ask_over(program.connect_from_elsewhere(), "GET", "/metrics");
        let count = page.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok());
        if count.is_some_and(|count| count >= least) {
            return;
        }
        assert!(begin.elapsed() < SOON, "{count:?} of {least} evictions");
    }
}

/// While the crowd is there, another peer asks every second and is answered each time.
fn another_peer_is_answered(program: &Program, seconds: u64) {
    let begin = Instant::now();
    for second in 1..=seconds {
        for path in ["/metrics", "/-/healthy", "/-/ready"] {
            let answer = Program::ask_over(program.connect_from_elsewhere(), "GET", path);
            assert!(is_ok(&answer), "{path} in second {second}: {:?}", answer.lines().next());
        }
        let next = Duration::from_secs(second);
        std::thread::sleep(next.saturating_sub(begin.elapsed()));
    }
}

#[test]
fn two_thousand_connections_of_one_peer_keep_no_other_from_a_single_scrape() {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: descriptors.maximum, ..descriptors };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("up to the hard limit");
    let acts: [fn(&mut TcpStream) -> std::io::Result<()>; 3] = [
        |socket| socket.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        |_| Ok(()),
        |socket| socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: "),
    ];
    for act in acts {
        let program = Program::start(1024, 3);
        program.polled();
        let crowd = Crowd::gather(program.address, 2000, act);
        evictions(&program, "connection", 2000.0);
        another_peer_is_answered(&program, 5);
        // From the same address too, as through one gateway, though there it may take a second attempt: of two that
        // begin at once, nothing tells which is one of the crowd.
        program.answers("/-/healthy", is_ok, "a request from the crowd's address is answered");
        let page = Program::ask_over(program.connect_from_elsewhere(), "GET", "/metrics");
        let open = page.lines().find_map(|line| line.strip_prefix("sms_exporter_http_open_connections "));
        let open: f64 = open.and_then(|open| open.parse().ok()).expect("a number of connections");
        assert!(open <= 512.0, "{open} connections are open");
        assert_eq!(program.said("All places for connections are taken"), 1, "once, not for each");
        drop(crowd);
    }
}

#[test]
fn sixty_readers_that_stall_keep_no_other_from_a_single_scrape() {
    let program = Program::start(1024, 400);
    program.answers("/metrics", |page| page.len() > 1 << 20, "a large page");
    // Twenty pages in a row fill whatever the system buffers for a connection.
    let _crowd: Vec<TcpStream> = (0..60).map(|_| stuck(&program)).collect();
    another_peer_is_answered(&program, 5);
    // From the same address, as soon as those are known to be slow.
    program.answers("/metrics", is_ok, "a slow one makes room");
    evictions(&program, "scrape", 1.0);
    assert_eq!(program.said("Scrapes that are read slowly"), 1, "once, not for each");
}

/// A client that asks for many large pages and reads none.
fn stuck(program: &Program) -> TcpStream {
    let mut socket = program.connect();
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    socket.write_all(requests.as_bytes()).expect("it is taken");
    socket
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
fn readers_that_do_not_read_share_one_page() {
    let program = Program::start_with(1024, 400, &["--web.max-requests=0"]);
    let page = program.answers("/metrics", |page| page.len() > 1 << 20, "a large page");
    let length = page.len() as u64;
    let before = program.resident();
    let crowd: Vec<TcpStream> = (0..100).map(|_| stuck(&program)).collect();
    assert!(is_ok(&program.ask("GET", "/metrics")), "others are served behind them");
    let grown = program.resident().saturating_sub(before);
    println!("siege: {} stuck readers of pages of {length} bytes, {grown} bytes more", crowd.len());
    assert!(grown < 20 * length, "{grown} bytes for readers of {length}: each has a copy");
    assert!(is_ok(&program.ask("GET", "/-/healthy")), "others are served");
    drop(crowd);
    program.answers("/metrics", is_ok, "it goes on");
}

/// Asks for the metrics with a password.
fn ask_with(mut socket: TcpStream, password: &str) -> String {
    let credentials = STANDARD.encode(format!("scraper:{password}"));
    let headers = format!("Host: localhost\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n");
    let mut answer = Vec::new();
    let asked = socket.write_all(format!("GET /-/healthy HTTP/1.1\r\n{headers}\r\n").as_bytes());
    drop(asked.and_then(|()| socket.read_to_end(&mut answer)));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn thirty_that_guess_passwords_do_not_keep_the_right_one_out() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let web = directory.path().join("web.yml");
    let hash = bcrypt::hash("sesame", 10).expect("a valid cost");
    fs::write(&web, format!("basic_auth_users:\n  scraper: {hash}\n")).expect("a file is written");
    let program = Program::start_with(1024, 3, &["--web.config.file", web.to_str().expect("a path is text")]);
    let (guessing, guesses) = (AtomicBool::new(true), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for guesser in 0..30 {
            let (program, guessing, guesses) = (&program, &guessing, &guesses);
            scope.spawn(move || {
                for number in 0.. {
                    if !guessing.load(Ordering::Relaxed) {
                        break;
                    }
                    let answer = ask_with(program.connect(), &format!("{guesser}-{number}"));
                    guesses.fetch_add(usize::from(answer.starts_with("HTTP/1.1 401 ")), Ordering::Relaxed);
                }
            });
        }
        let begin = Instant::now();
        while guesses.load(Ordering::Relaxed) < 5 && begin.elapsed() < SOON {
            std::thread::yield_now();
        }
        let (before, asked) = (guesses.load(Ordering::Relaxed), Instant::now());
        let answer = ask_with(program.connect_from_elsewhere(), "sesame");
        let (after, took) = (guesses.load(Ordering::Relaxed), asked.elapsed());
        guessing.store(false, Ordering::Relaxed);
        assert!(before >= 5, "they guess");
        assert!(is_ok(&answer), "{answer}");
        assert!(
            after - before <= 3 && took < Duration::from_secs(10),
            "{} came first, {took:?}",
            after - before
        );
    });
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
