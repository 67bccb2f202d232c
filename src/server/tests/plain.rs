//! Routes, methods and headers over plain HTTP.

use super::client::{ask, get, raw};
use super::*;
use flate2::read::GzDecoder;
use futures_util::FutureExt;
use std::io::Read;

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
    assert_eq!(get(running.address, "/-/ready").await.status, 503);
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
