//! What a scrape costs: against rendering when asked, and against nginx with the same bytes as a file.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

use crate::poll::{mega, millis, to_u64};
use crate::support::cost::{costs, cpu, forget_peak, memory};
use crate::support::stand_in::StandIn;
use crate::support::{pages, plain};

/// Scrapes of which the median and the mean are taken.
const SCRAPES: u32 = 21;

/// Scrapes that are under way at once.
const AT_ONCE: usize = 50;

/// A process that is ended when dropped, and where it listens.
struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a kind of scrape took, of the server and of the one who waits.
struct Scraped {
    cpu: Duration,
    latency: Duration,
}

/// Compares at each size; 10,000 sources where none is given.
pub(crate) fn compare(sizes: &[usize]) {
    let sizes = if sizes.is_empty() { &[10_000] } else { sizes };
    for size in sizes {
        let lists = pages::of(*size);
        let stand_in = StandIn::start(&lists);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrape");
        fs::create_dir_all(&directory).expect("the target directory is writable");
        let exporter = exporter(&directory, &stand_in.origin);
        let (identity, gzip) = first_page(&exporter, *size);
        fs::write(directory.join("identity"), &identity).expect("the target directory is writable");
        fs::write(directory.join("gzip"), &gzip).expect("the target directory is writable");
        report(*size, &exporter, nginx(&directory).as_ref(), identity, &gzip);
    }
}

#[expect(clippy::print_stdout, reason = "the result")]
fn report(size: usize, exporter: &Served, nginx: Option<&Served>, identity: Vec<u8>, gzip: &[u8]) {
    let text = String::from_utf8(identity).expect("a page is text");
    println!("\n## A scrape at {size} sources\n");
    println!("{} plain, {} in gzip.\n", mega(to_u64(text.len())), mega(to_u64(gzip.len())));
    let series = plain::series(&text);
    let registry = plain::registry(&series);
    let (encoded, encoding) = costs(|| plain::encode(&registry));
    let (_, deflating) = costs(|| plain::gzip(&encoded));
    let (rendered, rendering) = costs(|| plain::render(&series));
    let (_, deflating_too) = costs(|| plain::gzip(&rendered));
    println!(
        "| | identity, CPU | gzip, CPU | identity, latency | gzip, latency |\n| --- | --: | --: | --: | --: |"
    );
    let mine = [scraped(exporter, "/metrics", false), scraped(exporter, "/metrics", true)];
    let row = |name: &str, [identity, gzip]: &[Scraped; 2]| {
        let cells = [identity.cpu, gzip.cpu, identity.latency, gzip.latency].map(millis);
        println!("| {name} | {} |", cells.join(" | "));
    };
    row("this exporter", &mine);
    if let Some(nginx) = nginx {
        row(
            "nginx, the same bytes as a file",
            &[scraped(nginx, "/identity", false), scraped(nginx, "/gzip", true)],
        );
    }
    let rows = [
        ("prometheus-client's encoder, gzip 6", encoding.cpu, encoding.cpu + deflating.cpu),
        ("a straightforward renderer, gzip 6", rendering.cpu, rendering.cpu + deflating_too.cpu),
    ];
    for (name, identity, gzip) in rows {
        println!("| {name} (without sending) | {} | {} | | |", millis(identity), millis(gzip));
    }
    let before = memory(&exporter.child.id().to_string(), "VmRSS");
    for gzip in [true, false] {
        let peak = at_once(exporter, gzip);
        let name = if gzip { "gzip" } else { "identity" };
        println!(
            "\n{AT_ONCE} scrapes at once ({name}): {} before, {} at the peak.",
            mega(before),
            mega(peak)
        );
    }
}

/// The mean of the server's processor time and the median of the latency.
fn scraped(server: &Served, path: &str, gzip: bool) -> Scraped {
    let process = server.child.id().to_string();
    let length = fetch(&server.address, path, gzip).len();
    let before = cpu(&process);
    let mut latencies: Vec<Duration> = (0..SCRAPES)
        .map(|_| {
            let (body, cost) = costs(|| fetch(&server.address, path, gzip));
            // The exporter's own metrics differ a little from scrape to scrape.
            assert!(body.len().abs_diff(length) < 4096);
            cost.wall
        })
        .collect();
    let cpu = (cpu(&process) - before) / SCRAPES;
    latencies.sort();
    Scraped { cpu, latency: latencies[latencies.len() / 2] }
}

/// The peak of the exporter's memory while many scrapes are under way, all of them begun before any ends.
fn at_once(exporter: &Served, gzip: bool) -> u64 {
    let process = exporter.child.id().to_string();
    forget_peak(&process);
    std::thread::scope(|scope| {
        let streams: Vec<_> = (0..AT_ONCE).map(|_| ask(&exporter.address, "/metrics", gzip)).collect();
        std::thread::sleep(Duration::from_millis(500));
        for stream in streams {
            scope.spawn(move || body(stream).len());
        }
    });
    memory(&process, "VmHWM")
}

fn fetch(address: &str, path: &str, gzip: bool) -> Vec<u8> {
    body(ask(address, path, gzip))
}

fn ask(address: &str, path: &str, gzip: bool) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let accept = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{accept}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server reads");
    stream
}

fn body(stream: TcpStream) -> Vec<u8> {
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let (mut line, mut first, mut length) = (String::new(), String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("the server answers");
        if first.is_empty() {
            first.clone_from(&line);
        }
        let said = line.to_ascii_lowercase();
        length = said
            .strip_prefix("content-length:")
            .map_or(length, |text| text.trim().parse().expect("a length"));
    }
    assert!(first.contains(" 200 "), "{first}");
    let mut body = Vec::with_capacity(length + 1);
    reader.read_to_end(&mut body).expect("the server answers to the end");
    body
}

/// The exporter's own binary, which reads the stand-in once.
fn exporter(directory: &Path, origin: &str) -> Served {
    let configuration = format!(
        "poll_interval: 30m\naccounts:\n  - name: production\n    region: cn-north-4\n    endpoint: {origin}\n    \
         iam_endpoint: {origin}\n    project_id: 0605767f2e80d5762f7bc00e5e3f1234\n    \
         collectors: [sources, tasks, overview, errors]\n    \
         limits: {{requests_per_second: 1000, burst: 1000, request_timeout: 60s}}\n"
    );
    let file = directory.join("exporter.yml");
    fs::write(&file, configuration).expect("the target directory is writable");
    let address = free();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sms-exporter"));
    command.env("HUAWEICLOUD_SDK_AK", "ACCESSKEY").env("HUAWEICLOUD_SDK_SK", "secret");
    command.arg("--config.file").arg(file).arg(format!("--web.listen-address={address}"));
    command.arg("--web.max-requests=0").arg("--log.level=warn").stdout(Stdio::null());
    Served { child: command.spawn().expect("the exporter starts"), address }
}

/// The page in both encodings, once the first poll is over.
fn first_page(exporter: &Served, size: usize) -> (Vec<u8>, Vec<u8>) {
    #[expect(clippy::disallowed_methods, reason = "the exporter is another process")]
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(200));
        if TcpStream::connect(&exporter.address).is_err() {
            continue;
        }
        let gzip = fetch(&exporter.address, "/metrics", true);
        let mut text = Vec::new();
        GzDecoder::new(&*gzip).read_to_end(&mut text).expect("a gzip member");
        // Before the first poll there are only the exporter's own metrics.
        if text.len() > size * 1000 {
            return (fetch(&exporter.address, "/metrics", false), gzip);
        }
    }
    panic!("no page within two minutes");
}

/// Debian's nginx, if it is installed, as one process that sends files.
#[expect(clippy::print_stdout, reason = "the result")]
fn nginx(directory: &Path) -> Option<Served> {
    let program = PathBuf::from("/usr/sbin/nginx");
    if !program.exists() {
        println!("\n(nginx is not installed.)");
        return None;
    }
    let address = free();
    let root = directory.display();
    let configuration = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/nginx.log;\n\
         events {{ }}\nhttp {{ access_log off; sendfile on; tcp_nopush on; default_type text/plain;\n\
         server {{ listen {address}; root {root};\n\
         location = /gzip {{ add_header Content-Encoding gzip; }} }} }}\n"
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration).expect("the target directory is writable");
    let child = Command::new(program).arg("-c").arg(file).stderr(Stdio::null()).spawn().ok()?;
    let served = Served { child, address };
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(100));
        if TcpStream::connect(&served.address).is_ok() {
            return Some(served);
        }
    }
    None
}

/// An address that is free now.
fn free() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound port").to_string()
}
