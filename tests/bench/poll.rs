//! What a poll costs: by stage, cold and when little changed, against the plain way, and as fleets grow.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use huaweicloud_sms_exporter::config::ApiLimits;
use huaweicloud_sms_exporter::exposition::{Encoding, Format};

use crate::support::cost::{Cost, costs, forget_peak, memory};
use crate::support::rig::{Rig, Stages};
use crate::support::stand_in::{StandIn, change, delay};
use crate::support::{pages, plain};

/// A poll with nothing known, and nine in each of which one object of a hundred changed.
const POLLS: usize = 10;

/// Milliseconds that a slow service takes for an answer.
const LATENCY: usize = 50;

/// The fleets that are compared.
const SIZES: [usize; 3] = [1_000, 10_000, 65_000];

/// Measures each size in a process of its own, so that each has its own memory.
pub(crate) fn compare(sizes: &[usize]) {
    let sizes = if sizes.is_empty() { &SIZES } else { sizes };
    for size in sizes {
        let lists = pages::of(*size);
        let stand_in = StandIn::start(&lists);
        for part in ["poll-exporter", "poll-slow", "poll-plain"] {
            let program = std::env::current_exe().expect("a program knows where it is");
            let status = Command::new(program).arg(part).arg(&lists).arg(&stand_in.origin).status();
            assert!(status.is_ok_and(|status| status.success()), "{part} failed");
            change(&stand_in.origin, 0);
            delay(&stand_in.origin, 0);
        }
    }
}

/// The exporter's own way.
#[expect(clippy::print_stdout, reason = "the result")]
pub(crate) fn exporter(origin: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut rig = Rig::new(origin);
    let idle = memory("self", "VmRSS");
    let cold = runtime.block_on(rig.poll());
    let mut warm = Vec::new();
    for generation in 1..POLLS {
        change(origin, generation);
        forget_peak("self");
        warm.push(runtime.block_on(rig.poll()));
    }
    let (sources, tasks) = rig.objects();
    assert!(sources > 0 && tasks > 0, "the lists are read");
    let page = rig.published.latest().expect("polled");
    let series: usize = page.series().map(|(_, series)| series).sum();
    println!("\n## {sources} sources, {tasks} tasks, {series} series\n");
    let (identity, gzip) = (page.length(Encoding::Identity), page.length(Encoding::Gzip));
    println!("Page: {} plain, {} in gzip.\n", mega(identity), mega(gzip));
    warm.sort_by_key(|stages| stages.total().cpu);
    let warm = warm[warm.len() / 2];
    table(&cold, &warm);
    println!(
        "\nMemory: {} before the first poll, {} after {POLLS} polls, {} at the peak of the last.",
        mega(idle),
        mega(memory("self", "VmRSS")),
        mega(memory("self", "VmHWM"))
    );
    let (_, own) = costs(|| rig.own.text());
    println!("The exporter's own metrics at a scrape: {}.", millis(own.cpu));
}

#[expect(clippy::print_stdout, reason = "the result")]
fn table(cold: &Stages, warm: &Stages) {
    println!("| stage | cold, CPU | 1 % changed, CPU | cold, wall | 1 % changed, wall |");
    println!("| --- | --: | --: | --: | --: |");
    let row = |name: &str, stage: fn(&Stages) -> Cost| {
        let (cold, warm) = (stage(cold), stage(warm));
        let cells = [cold.cpu, warm.cpu, cold.wall, warm.wall].map(millis);
        println!("| {name} | {} |", cells.join(" | "));
    };
    row("receive and decode", |stages| stages.read);
    row("diff", |stages| stages.diff);
    row("render", |stages| stages.render);
    row("deflate, assemble, publish", |stages| stages.publish);
    row("**whole poll**", Stages::total);
    let ratio = warm.total().cpu.as_secs_f64() / cold.total().cpu.as_secs_f64();
    println!("\nA poll after 1 % changed costs {ratio:.2} of a cold one.");
}

/// A cold poll of a service that thinks before each answer, within the governor's bound on requests at once.
#[expect(clippy::print_stdout, reason = "the result")]
pub(crate) fn slowly(origin: &str) {
    delay(origin, LATENCY);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut rig = Rig::new(origin);
    let read = runtime.block_on(rig.poll()).read;
    let (requests, at_once) = (rig.requests(), to_u64(ApiLimits::default().concurrency));
    let bound = Duration::from_millis(requests.div_ceil(at_once) * to_u64(LATENCY));
    println!(
        "\nWith {LATENCY} ms before each answer, {requests} requests, {at_once} at once, took {}; {} is the least.",
        millis(read.wall),
        millis(bound)
    );
}

/// The plain way, with the same bytes received by the same client.
#[expect(clippy::print_stdout, reason = "the result")]
pub(crate) fn plainly(lists: &Path, origin: &str) {
    // The same series as the exporter's.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut rig = Rig::new(origin);
    runtime.block_on(rig.poll());
    let page = rig.published.latest().expect("polled");
    let text = page.respond(Format::Text004, Encoding::Identity, "", None).concat();
    let series = plain::series(&String::from_utf8(text).expect("a page is text"));
    drop((page, rig));

    let (bodies, receive) = costs(|| runtime.block_on(receive(lists, origin)));
    let bytes: usize = bodies.iter().map(|body| body.len()).sum();
    let (decoded, decode) = costs(|| plain::decode(&bodies));
    drop(decoded);
    let (registry, fill) = costs(|| plain::registry(&series));
    let (text, encode) = costs(|| plain::encode(&registry));
    let (_, gzip) = costs(|| plain::gzip(&text));
    println!("\nThe plain way with the same {} of JSON and the same series:\n", mega(to_u64(bytes)));
    println!("| stage | CPU |\n| --- | --: |");
    let rows = [
        ("receive", receive.cpu),
        ("serde_json into owned structs", decode.cpu),
        ("prometheus-client, filled", fill.cpu),
        ("prometheus-client, encoded", encode.cpu),
        ("gzip at level 6", gzip.cpu),
        ("**whole poll**", [receive, decode, fill, encode, gzip].iter().map(|cost| cost.cpu).sum()),
    ];
    for (name, cpu) in rows {
        println!("| {name} | {} |", millis(cpu));
    }
}

/// Receives every page with the exporter's HTTP client, page by page.
async fn receive(lists: &Path, origin: &str) -> Vec<Vec<u8>> {
    let client = reqwest::Client::builder().http1_only().gzip(true).build().expect("a client");
    let mut bodies = Vec::new();
    for (path, key, limit) in pages::LISTS {
        let count = std::fs::read_to_string(lists.join(key)).expect("the lists are made").lines().count();
        for offset in (0..count.max(1)).step_by(limit) {
            let url = format!("{origin}{path}?limit={limit}&offset={offset}");
            let response = client.get(url).send().await.expect("the stand-in answers");
            bodies.push(response.bytes().await.expect("the stand-in answers to the end").to_vec());
        }
    }
    bodies
}

pub(crate) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(crate) fn mega(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).expect("no target has addresses wider than 64 bits")
}
