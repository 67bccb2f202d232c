//! The page as other people's readers understand it.

use std::io::Write;
use std::process::Stdio;

use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::process::{Process, SOON, exporter};
use super::tools::{passes, script, tool};
use super::web::{Answer, get, ready, until};
use crate::harness::parse;

const CLASSIC: &str = "Accept: text/plain;version=0.0.4";
const OPEN: &str = "Accept: application/openmetrics-text;version=1.0.0";
const GZIP: &str = "Accept-Encoding: gzip";

/// Every way to ask for the page, answered between two polls.
struct Pages {
    classic: Answer,
    classic_gzip: Answer,
    open: Answer,
    open_gzip: Answer,
}

/// The lines that only a poll changes.
fn fleet(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("huaweicloud_sms_")).collect()
}

fn names(page: &str) -> Vec<String> {
    parse(page).into_keys().collect()
}

/// Asks until no poll came in between.
async fn pages(address: &str) -> Pages {
    loop {
        let pages = Pages {
            classic: get(address, "/metrics", &[CLASSIC]).await,
            classic_gzip: get(address, "/metrics", &[CLASSIC, GZIP]).await,
            open: get(address, "/metrics", &[OPEN]).await,
            open_gzip: get(address, "/metrics", &[OPEN, GZIP]).await,
        };
        let (before, after) = (pages.classic.text(), get(address, "/metrics", &[CLASSIC]).await.text());
        if fleet(&before) == fleet(&after) && names(&before) == names(&after) {
            return pages;
        }
    }
}

/// A demo that has counted events, so that every kind of family is on its page.
async fn demo() -> (Process, String) {
    let mut demo = Process::start(exporter(&[
        "demo",
        "--sources=25",
        "--poll.interval=2s",
        "--web.listen-address=127.0.0.1:0",
    ]));
    let address = demo.address().await;
    let eventful = "\nhuaweicloud_sms_source_state_transitions_total{";
    until(&address, "/metrics", |answer| answer.text().contains(eventful)).await;
    (demo, address)
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_classic_page() {
    let (_demo, address) = demo().await;
    let page = get(&address, "/metrics", &[CLASSIC]).await.text();
    let mut check = super::process::command(&tool("promtool"), &["check", "metrics"]);
    let mut check = check.stdin(Stdio::piped()).spawn().expect("promtool starts");
    let mut stdin = check.stdin.take().expect("stdin is piped");
    stdin.write_all(page.as_bytes()).await.expect("promtool reads the page");
    drop(stdin);
    let output = tokio::time::timeout(SOON, check.wait_with_output()).await.expect("promtool ends");
    let output = output.expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{:?}: {said}", output.status);
}

#[tokio::test]
async fn the_reference_parser_reads_the_same_from_both_formats() {
    let (_demo, address) = demo().await;
    let pages = pages(&address).await;
    let mut read = script("reference.py");
    let files = [&pages.classic, &pages.open].map(|page| {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(page.text().as_bytes()).expect("the page is written");
        file
    });
    read.args(files.iter().map(NamedTempFile::path));
    let read = passes(read).await;
    let count = parse(&pages.classic.text()).len();
    assert_eq!(read.out.trim(), format!("{count} samples"), "the parser and we count the same");
}

#[tokio::test]
async fn each_format_is_the_same_text_with_gzip_and_without() {
    let (_demo, address) = demo().await;
    let pages = pages(&address).await;
    for (identity, gzip, kind) in [
        (&pages.classic, &pages.classic_gzip, "text/plain; version=0.0.4"),
        (&pages.open, &pages.open_gzip, "application/openmetrics-text; version=1.0.0"),
    ] {
        for answer in [identity, gzip] {
            assert_eq!(answer.status, 200);
            assert!(answer.headers["content-type"].starts_with(kind), "{:?}", answer.headers);
        }
        assert_eq!(identity.headers.get("content-encoding"), None);
        assert_eq!(gzip.headers["content-encoding"], "gzip");
        assert!(gzip.body.len() * 3 < identity.body.len(), "gzip is worth its while");
        let (identity, gzip) = (identity.text(), gzip.text());
        assert_eq!(fleet(&identity), fleet(&gzip));
        assert!(fleet(&identity).len() > 500, "the whole fleet is there");
    }
}

#[tokio::test]
async fn text_0_0_4_is_what_somebody_gets_who_asks_for_nothing() {
    let mut demo = Process::start(exporter(&["demo", "--sources=3", "--web.listen-address=127.0.0.1:0"]));
    let address = demo.address().await;
    ready(&address).await;
    let answer = get(&address, "/metrics", &[]).await;
    assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"), "{:?}", answer.headers);
}
