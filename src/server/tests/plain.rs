//! Routes, methods and headers over plain HTTP.

use super::client::{ask, get, raw, request};
use super::*;
use crate::exposition::{Encoding, Format};
use flate2::read::GzDecoder;
use futures_util::FutureExt;
use std::io::Read;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OPEN: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";

fn inflate(gzip: &[u8]) -> String {
    let mut plain = String::new();
    GzDecoder::new(gzip).read_to_string(&mut plain).expect("a gzip member of text");
    plain
}

#[tokio::test]
async fn each_route_answers_its_methods_and_no_others() {
    let settings = Settings { enable_lifecycle: true, ..Settings::default() };
    let running = Running::start(settings);
    running.published.publish(small_page());
    let table = [
        ("GET", "/metrics", 200, None),
        ("HEAD", "/metrics?x=1", 200, None),
        ("POST", "/metrics", 405, Some("GET, HEAD")),
        ("GET", "/", 200, None),
        ("DELETE", "/", 405, Some("GET, HEAD")),
        ("GET", "/-/healthy", 200, None),
        ("OPTIONS", "/-/healthy", 405, Some("GET, HEAD")),
        ("GET", "/-/ready", 200, None),
        ("PUT", "/-/ready", 405, Some("GET, HEAD")),
        ("POST", "/-/reload", 200, None),
        ("PUT", "/-/reload", 200, None),
        ("GET", "/-/reload", 405, Some("POST, PUT")),
        ("TRACE", "/metrics", 405, Some("GET, HEAD")),
        ("BREW", "/metrics", 405, Some("GET, HEAD")),
        ("GET", "/other", 404, None),
        ("POST", "/other", 404, None),
        ("GET", "//metrics", 404, None),
        ("GET", "/metrics/", 404, None),
        ("GET", "/Metrics", 404, None),
        ("POST", "/metrics/../-/reload", 404, None),
        ("POST", "/%2d/reload", 404, None),
        ("GET", "http://exporter/metrics", 200, None),
        ("OPTIONS", "*", 404, None),
    ];
    for (method, target, status, allow) in table {
        let answer = ask(running.address, method, target, &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {target}");
    }
    assert_eq!(running.answers.lock().unwrap().len(), table.len());
    assert_eq!(running.answers.lock().unwrap()[2], ("/metrics", 405));
    assert_eq!(running.answers.lock().unwrap()[14], ("other", 404));
    running.end().await;
}

#[tokio::test]
async fn before_the_first_page_there_are_the_exporters_own_metrics_and_it_is_not_ready() {
    let running = Running::start(Settings::default());
    let answer = get(running.address, "/-/ready").await;
    let waiting = "Not ready: there is no data yet.\nprod: sources not answered yet\n";
    assert_eq!((answer.status, answer.text()), (503, waiting));
    assert_eq!(get(running.address, "/-/healthy").await.status, 200);
    let answer = get(running.address, "/metrics").await;
    assert_eq!((answer.status, answer.text()), (200, OWN_TEXT));
    running.published.publish(small_page());
    assert_eq!(get(running.address, "/-/ready").await.status, 200);
    assert_eq!(get(running.address, "/metrics").await.text(), format!("{SMALL_TEXT}{OWN_TEXT}"));
    running.end().await;
}

#[tokio::test]
async fn formats_and_encodings_are_negotiated_and_said() {
    let running = Running::start(Settings::default());
    running.published.publish(small_page());
    let gzip = "Accept-Encoding: gzip";
    let text = ("text/plain; version=0.0.4; charset=utf-8", format!("{SMALL_TEXT}{OWN_TEXT}"));
    let open = ("application/openmetrics-text; version=1.0.0; charset=utf-8", format!("{SMALL_TEXT}{OWN}"));
    for (headers, (content_type, page)) in [(vec![], &text), (vec![OPEN], &open)] {
        let answer = ask(running.address, "GET", "/metrics", &headers).await;
        assert_eq!((answer.header("content-type"), answer.text()), (Some(*content_type), page.as_str()));
        assert_eq!(answer.header("content-encoding"), None);
        let headers = [headers, vec![gzip]].concat();
        let answer = ask(running.address, "GET", "/metrics", &headers).await;
        assert_eq!((answer.header("content-type"), &inflate(&answer.body)), (Some(*content_type), page));
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
    }
    let split = ["Accept: text/plain;q=0.1", "Accept: application/openmetrics-text"];
    assert_eq!(ask(running.address, "GET", "/metrics", &split).await.text(), open.1);
    running.end().await;
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let running = Running::start(Settings::default());
    running.published.publish(small_page());
    for target in ["/metrics", "/", "/-/healthy", "/-/ready", "/other"] {
        for headers in [vec![], vec!["Accept-Encoding: gzip"], vec![OPEN]] {
            let get = ask(running.address, "GET", target, &headers).await;
            let head = ask(running.address, "HEAD", target, &headers).await;
            assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{target}");
            assert_eq!(get.header("content-length"), Some(get.body.len().to_string().as_str()));
            assert!(head.body.is_empty());
        }
    }
    running.end().await;
}

#[tokio::test]
async fn scrapes_can_be_narrowed_to_collectors() {
    let running = Running::start(Settings::default());
    running.published.publish(small_page());
    let tasks = "# HELP t_tasks Tasks.\n# TYPE t_tasks gauge\nt_tasks 2\n";
    let sources = "# HELP t_sources Sources.\n# TYPE t_sources gauge\nt_sources 1\n";
    let table = [
        ("collect[]=tasks", 200, tasks.to_owned()),
        ("collect%5B%5D=tasks&collect[]=sources", 200, format!("{sources}{tasks}")),
        ("exclude[]=tasks", 200, sources.to_owned()),
        ("exclude[]=tasks&exclude[]=sources", 200, String::new()),
        ("other=1", 200, format!("{sources}{tasks}")),
    ];
    for (query, status, families) in table {
        let answer = get(running.address, &format!("/metrics?{query}")).await;
        assert_eq!(
            (answer.status, answer.text()),
            (status, format!("{families}{OWN_TEXT}").as_str()),
            "{query}"
        );
    }
    for (query, problem) in [
        ("collect[]=nothing", "There is no collector \"nothing\".\n"),
        ("collect[]=tasks&exclude[]=sources", "collect[] and exclude[] cannot be combined.\n"),
    ] {
        let answer = get(running.address, &format!("/metrics?{query}")).await;
        assert_eq!((answer.status, answer.text()), (400, problem));
    }
    running.end().await;
}

#[tokio::test]
async fn reloading_must_be_enabled_and_says_why_it_failed() {
    let running = Running::start(Settings::default());
    assert_eq!(ask(running.address, "POST", "/-/reload", &[]).await.status, 403);
    running.end().await;
    let enabled = Settings { enable_lifecycle: true, ..Settings::default() };
    let running = Running::start_with(enabled, |hooks| {
        hooks.reload = Arc::new(|| async { Err("x.yml:3: no such key".to_owned()) }.boxed());
    });
    let answer = ask(running.address, "POST", "/-/reload", &["Content-Length: 0"]).await;
    let problem = "The configuration stays as it was: x.yml:3: no such key\n";
    assert_eq!((answer.status, answer.text()), (500, problem));
    running.end().await;
}

#[tokio::test]
async fn the_landing_page_is_html_that_can_run_nothing() {
    let running = Running::start(Settings::default());
    let answer = get(running.address, "/").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        answer.header("content-security-policy"),
        Some("default-src 'none'; style-src 'unsafe-inline'")
    );
    assert!(answer.text().contains("Version &lt;1&gt;"), "{}", answer.text());
    running.end().await;
}

#[tokio::test]
async fn the_metrics_may_be_anywhere_even_at_the_root() {
    let running = Running::start(Settings { telemetry_path: "/".to_owned(), ..Settings::default() });
    assert_eq!(get(running.address, "/").await.text(), OWN_TEXT);
    assert_eq!(get(running.address, "/metrics").await.status, 404);
    assert_eq!(*running.answers.lock().unwrap(), [("/metrics", 200), ("other", 404)]);
    running.end().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let running = Running::start(Settings::default());
    let two = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n\
        GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = raw(running.address, two.as_bytes()).await;
    let answers = String::from_utf8(answers).expect("text");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 2);
    assert!(answers.contains("Healthy.\nHTTP/1.1 503"), "{answers}");
    running.end().await;
}

#[tokio::test]
async fn every_path_is_below_the_prefix_and_the_landing_page_is_found_without_it() {
    let settings = Settings { route_prefix: "/a/b".to_owned(), ..Settings::default() };
    let running = Running::start(settings);
    running.published.publish(small_page());
    let table = [
        ("/a/b/metrics", 200, None),
        ("/a/b/-/healthy", 200, None),
        ("/a/b/-/ready", 200, None),
        ("/a/b/-/reload", 405, None),
        ("/a/b/", 200, None),
        ("/a/b", 302, Some("./b/")),
        ("/", 302, Some("./a/b/")),
        ("/metrics", 404, None),
        ("/-/healthy", 404, None),
        ("/a/bmetrics", 404, None),
        ("/a/", 404, None),
    ];
    for (target, status, location) in table {
        let answer = get(running.address, target).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{target}");
    }
    assert!(get(running.address, "/a/b/").await.text().contains("<a href=\"./metrics\">"));
    running.end().await;
}

#[tokio::test]
async fn another_site_cannot_have_the_configuration_reloaded() {
    let origin = Some("https://example.com".to_owned());
    let settings = Settings { enable_lifecycle: true, external_origin: origin, ..Settings::default() };
    let running = Running::start(settings);
    let table = [
        ("Origin: http://evil.example", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("Sec-Fetch-Site: same-origin", 200),
        ("Origin: http://exporter", 200),
        ("Origin: https://example.com", 200),
        ("User-Agent: curl", 200),
    ];
    for (header, status) in table {
        for method in ["POST", "PUT"] {
            let answer = ask(running.address, method, "/-/reload", &[header]).await;
            assert_eq!(answer.status, status, "{method} with {header}: {}", answer.text());
        }
    }
    assert_eq!(ask(running.address, "GET", "/metrics", &["Origin: http://evil.example"]).await.status, 200);
    running.end().await;
}

#[tokio::test]
async fn a_request_without_one_host_is_refused() {
    let running = Running::start(Settings::default());
    let table = [
        ("HTTP/1.1\r\n", 400),
        ("HTTP/1.1\r\nHost: one\r\nHost: other\r\n", 400),
        ("HTTP/1.1\r\nHost: one/two\r\n", 400),
        ("HTTP/1.1\r\nHost: one\r\n", 200),
        ("HTTP/1.0\r\n", 200),
    ];
    for (rest, status) in table {
        let request = format!("GET /metrics {rest}Connection: close\r\n\r\n");
        let answer = String::from_utf8(raw(running.address, request.as_bytes()).await).expect("text");
        let said = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        assert_eq!(said, Some(status), "{rest:?}: {answer}");
    }
    running.end().await;
}

#[tokio::test]
async fn requests_of_unclear_length_are_not_guessed_at() {
    let running = Running::start(Settings { enable_lifecycle: true, ..Settings::default() });
    let smuggled = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 4, 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length : 4\r\n",
    ] {
        let request = format!("POST /-/reload HTTP/1.1\r\nHost: x\r\n{lengths}\r\n{smuggled}");
        let answer = String::from_utf8(raw(running.address, request.as_bytes()).await).expect("text");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lengths:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths:?}: {answer}");
    }
    running.end().await;
}

/// Two families of different lines, each longer than any buffer on its way, with one of one line between them.
fn long_page(seed: u64) -> Page {
    let family = |desc: &'static Desc, lines: u64| {
        let mut samples = Samples::new(desc);
        for line in 0..lines {
            samples.push(&Labels::default(), &[("line", &line.to_string())], line.wrapping_mul(seed));
        }
        (desc, vec![Block::seal(samples, None)])
    };
    const LAST: Desc = Desc { name: "t_last", help: "Last.", unit: None, kind: Kind::Gauge };
    Page::new(vec![family(&SOURCES, 100_000), family(&TASKS, 1), family(&LAST, 150_000)])
}

fn plain(page: &Page) -> Vec<u8> {
    page.respond(Format::Text004, Encoding::Identity, OWN, None).concat()
}

/// The body of the first response of a conversation, and what follows it.
fn first_of(conversation: &[u8], has_body: bool) -> (&[u8], &[u8]) {
    let end = conversation.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = std::str::from_utf8(&conversation[..end]).expect("a head is text").to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|length| length.parse().ok()).expect("each answer tells its length");
    conversation[end..].split_at(if has_body { length } else { 0 })
}

#[tokio::test]
async fn long_pages_come_whole_however_requests_are_strung_together() {
    let running = Running::start(Settings::default());
    running.published.publish(long_page(7));
    let expected = plain(&long_page(7));
    let one = |method: &str, headers: &str| {
        format!("{method} /metrics HTTP/1.1\r\nHost: exporter\r\n{headers}\r\n")
    };
    let requests = [
        one("GET", ""),
        one("HEAD", ""),
        one("GET", "Accept-Encoding: gzip\r\n"),
        one("GET", ""),
        one("POST", ""),
        one("GET", "Connection: close\r\n"),
    ];
    let conversation = raw(running.address, requests.concat().as_bytes()).await;
    let (first, rest) = first_of(&conversation, true);
    assert!(first == expected);
    let (_, rest) = first_of(rest, false);
    let (gzip, rest) = first_of(rest, true);
    assert!(inflate(gzip).as_bytes() == expected);
    let (second, rest) = first_of(rest, true);
    assert!(second == expected);
    let (_refusal, rest) = first_of(rest, true);
    let (last, rest) = first_of(rest, true);
    assert!(last == expected && rest.is_empty());
    running.end().await;
}

#[tokio::test]
async fn a_page_that_is_replaced_while_it_is_sent_is_sent_to_its_end() {
    // On a busy machine the first reader waits longer for the second than a reader may.
    let limits = Limits { stall_time: 10 * SOON, response_time: 10 * SOON, ..Limits::default() };
    let running = Running::start(Settings { limits, ..Settings::default() });
    running.published.publish(long_page(7));
    let mut socket = TcpStream::connect(running.address).await.expect("the server listens");
    socket.write_all(request("GET", "/metrics", &[]).as_bytes()).await.expect("it is taken");
    let mut answer = vec![0; 100_000];
    socket.read_exact(&mut answer).await.expect("it begins");
    running.published.publish(long_page(11));
    let other = get(running.address, "/metrics").await;
    assert!(other.body == plain(&long_page(11)), "others get the new page");
    socket.read_to_end(&mut answer).await.expect("it ends");
    assert!(
        first_of(&answer, true).0 == plain(&long_page(7)),
        "whoever began with the old one gets the old one"
    );
    running.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_costs_nobody_else_anything() {
    let running = Running::start(Settings::default());
    running.published.publish(long_page(7));
    for _ in 0..20 {
        let mut socket = TcpStream::connect(running.address).await.expect("the server listens");
        socket.write_all(request("GET", "/metrics", &[]).as_bytes()).await.expect("it is taken");
        socket.read_exact(&mut [0; 5000]).await.expect("it begins");
    }
    assert!(get(running.address, "/metrics").await.body == plain(&long_page(7)));
    running.end().await;
}
