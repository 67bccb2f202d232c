//! A service that only hands out bytes, in a process of its own, so that its work is not counted as ours.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::pages::LISTS;

/// The process, ended when dropped.
pub(crate) struct StandIn {
    child: Child,
    /// Such as `http://127.0.0.1:1234`.
    pub(crate) origin: String,
}

/// An object as it is, and as it is after its one change.
type Object = [String; 2];

/// Pages by path and offset.
type Pages = HashMap<(String, usize), Arc<[u8]>>;

impl StandIn {
    /// Starts this program once more, as the service of these lists.
    pub(crate) fn start(lists: &Path) -> Self {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut command = Command::new(program);
        command.arg("serve").arg(lists).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the benchmark starts itself");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the service tells its port");
        Self { child, origin: format!("http://127.0.0.1:{}", line.trim()) }
    }
}

/// Tells the service that from now on `generation` objects of a hundred have changed.
pub(crate) fn change(origin: &str, generation: usize) {
    tell(origin, "generation", generation);
}

/// Tells the service to wait for so many milliseconds before each answer.
pub(crate) fn delay(origin: &str, millis: usize) {
    tell(origin, "delay", millis);
}

fn tell(origin: &str, what: &str, number: usize) {
    let address = origin.strip_prefix("http://").expect("an origin");
    let mut stream = TcpStream::connect(address).expect("the stand-in listens");
    let request = format!("GET /{what}?offset={number} HTTP/1.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the stand-in reads");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("the stand-in answers");
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The other process: serves until it is killed.
#[expect(clippy::print_stdout, reason = "the port goes to the process that asked for it")]
pub(crate) fn serve(lists: &Path) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let objects: Vec<Vec<Object>> = LISTS.iter().map(|(_, key, _)| read(&lists.join(key))).collect();
    let overview: Arc<[u8]> = fs::read(lists.join("overview")).expect("the lists are made").into();
    let pages = Arc::new(RwLock::new(assemble(&objects, &overview, 0)));
    println!("{}", listener.local_addr().expect("a bound port").port());
    let objects = Arc::new(objects);
    let delay = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        let (pages, objects, overview) = (Arc::clone(&pages), Arc::clone(&objects), Arc::clone(&overview));
        let delay = Arc::clone(&delay);
        std::thread::spawn(move || {
            converse(stream, |path, offset| {
                match path {
                    "/generation" => {
                        *pages.write().expect("nobody panics") = assemble(&objects, &overview, offset);
                        return Some(Arc::default());
                    }
                    "/delay" => {
                        delay.store(offset, Ordering::Relaxed);
                        return Some(Arc::default());
                    }
                    _ => {}
                }
                let millis = u64::try_from(delay.load(Ordering::Relaxed)).expect("a short wait");
                std::thread::sleep(Duration::from_millis(millis));
                pages.read().expect("nobody panics").get(&(path.to_owned(), offset)).cloned()
            })
        });
    }
}

fn converse(mut stream: TcpStream, answer: impl Fn(&str, usize) -> Option<Arc<[u8]>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut first = String::new();
        let mut line = String::new();
        reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        }
        let target = first.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let offset = query.split('&').find_map(|pair| pair.strip_prefix("offset="));
        let offset = offset.and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let (status, body) = match answer(path, offset) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", Arc::default()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&body).ok()?;
    }
}

fn assemble(objects: &[Vec<Object>], overview: &Arc<[u8]>, generation: usize) -> Pages {
    let mut pages = Pages::from([(("/v3/sources/overview".to_owned(), 0), Arc::clone(overview))]);
    for ((path, key, limit), objects) in LISTS.iter().zip(objects) {
        let count = objects.len();
        // The exporter's pages overlap by one object, the plain way's do not; its page behind the last is empty.
        let overlapping = (0..=count).step_by(limit - 1);
        for offset in (0..=count + limit).step_by(*limit).chain(overlapping) {
            let page = objects.iter().enumerate().skip(offset).take(*limit);
            // Objects 0, 100, 200 … have changed in generation 1, objects 1, 101, 201 … in generation 2.
            let page = page.map(|(at, object)| &*object[usize::from(at % 100 < generation)]);
            let page = page.collect::<Vec<&str>>().join(",");
            let body = format!("{{\"count\":{count},\"{key}\":[{page}]}}");
            pages.insert(((*path).to_owned(), offset), body.into_bytes().into());
        }
    }
    pages
}

fn read(file: &Path) -> Vec<Object> {
    let text = fs::read_to_string(file).expect("the lists are made");
    text.lines().map(|line| [line.to_owned(), changed(line)]).collect()
}

/// The object after some time at work: figures move, names and states stay.
fn changed(object: &str) -> String {
    let mut json: Value = serde_json::from_str(object).expect("made by serde_json");
    for (field, by) in [("replicatesize", 4_194_304.0), ("migrate_speed", 1.5), ("total_time", 60_000.0)] {
        if let Some(number) = json.get(field).and_then(Value::as_f64) {
            let whole = json[field].is_i64() || json[field].is_u64();
            #[expect(clippy::cast_possible_truncation, reason = "sizes and milliseconds are whole")]
            let next = if whole { json!((number + by) as i64) } else { json!(number + by) };
            json[field] = next;
        }
    }
    for field in ["total_cpu_usage", "agent_mem_usage", "total_disk_io", "estimate_complete_time"] {
        if let Some(number) = json.get(field).and_then(Value::as_f64) {
            json[field] = json!(number + 1.0);
        }
    }
    json.to_string()
}
