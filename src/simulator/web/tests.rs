//! The stand-in through real sockets, spoken to in plain HTTP/1.1, so that broken answers can be seen as they come.

use std::io::Read;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::signature::signature;
use super::super::{Fault, Keys, Settings, When};
use super::*;

const DATE: &str = "20260115T080000Z";

/// A world of sixty servers whose gateway's clock stands still, and the address where it is served.
struct Service {
    simulator: Simulator,
    address: std::net::SocketAddr,
    stop: CancellationToken,
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn message(&self) -> String {
        self.json()["error_msg"].as_str().unwrap().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn noon() -> jiff::Timestamp {
    "2026-01-15T08:00:00Z".parse().unwrap()
}

async fn service(sources: usize) -> Service {
    let settings = Settings { sources, ..Settings::default() };
    let simulator = Simulator::with_clock(settings, Keys::default(), noon);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    drop(TaskTracker::new().spawn(simulator.clone().serve(listener, stop.clone())));
    Service { simulator, address, stop }
}

impl Service {
    /// Sends a request as it is and reads all that comes; an error is a broken connection.
    async fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> std::io::Result<Reply> {
        let mut socket = TcpStream::connect(self.address).await?;
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: sms.test\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        socket.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).await?;
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Reply { status, head, body: bytes[end + 4..].to_vec() })
    }

    fn sign(&self, target: &str) -> String {
        let headers = [("Host", "sms.test"), ("X-Sdk-Date", DATE)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let names = ["host".to_owned(), "x-sdk-date".to_owned()];
        let received = Received { method: "GET", target, headers: &headers, body: b"" };
        let Keys { ak, sk, .. } = self.simulator.keys();
        let signature = signature(&sk, DATE, &received.canonical(&names));
        format!(
            "X-Sdk-Date: {DATE}\r\nAuthorization: SDK-HMAC-SHA256 Access={ak}, SignedHeaders=host;x-sdk-date, Signature={signature}\r\n"
        )
    }

    async fn get(&self, target: &str) -> std::io::Result<Reply> {
        self.send("GET", target, &self.sign(target), "").await
    }

    fn break_sources(&self, what: What) {
        self.simulator.clear_faults();
        self.simulator.inject(Fault::always(Operation::ListSources, what));
    }

    async fn post(&self, target: &str, headers: &str, body: &str) -> Reply {
        self.send("POST", target, headers, body).await.unwrap()
    }
}

#[tokio::test]
async fn every_operation_answers_with_what_the_world_knows() {
    let service = service(60).await;
    let truth = service.simulator.truth();
    let listed = service.get("/v3/sources?limit=200&offset=0").await.unwrap();
    assert_eq!((listed.status, listed.json()["count"].as_u64()), (200, Some(60)));
    assert!(
        listed.head.to_lowercase().contains("x-request-id: ") && listed.head.contains("server: api-gateway")
    );
    let tasks = service.get("/v3/tasks?limit=200&offset=0").await.unwrap().json();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), truth.tasks.len());
    assert_eq!(service.get("/v3/errors?offset=0").await.unwrap().json()["count"], truth.errors.len());
    let overview = service.get("/v3/sources/overview").await.unwrap().json();
    assert_eq!(overview["replicate"].as_i64(), truth.overview().get("replicate").copied());
    for (id, source) in truth.sources.iter().take(10) {
        let shown = service.get(&format!("/v3/sources/{id}")).await.unwrap().json();
        assert_eq!(shown["state"], *source.state);
    }
    for (id, task) in &truth.tasks {
        assert_eq!(service.get(&format!("/v3/tasks/{id}")).await.unwrap().json()["state"], *task.state);
        let rules = service.get(&format!("/v3/tasks/{id}/speed-limit")).await.unwrap();
        assert_eq!(rules.status, if task.rules.is_empty() { 400 } else { 200 });
        let result = service.get(&format!("/v3/tasks/{id}/consistency-result")).await.unwrap();
        assert_eq!(result.status, if task.consistency.is_none() { 404 } else { 200 });
    }
    assert_eq!(service.get("/v3/migprojects").await.unwrap().json()["count"], 2);
    assert_eq!(service.send("GET", "/", "", "").await.unwrap().status, 200);
}

#[tokio::test]
async fn the_json_has_the_size_and_the_oddities_of_the_documents() {
    let service = service(120).await;
    let sources = service.get("/v3/sources?limit=200&offset=0").await.unwrap();
    let text = String::from_utf8(sources.body.clone()).unwrap();
    assert!((300_000..600_000).contains(&text.len()), "{} bytes for 120", text.len());
    let list = sources.json()["source_servers"].as_array().unwrap().clone();
    let any = |test: &dyn Fn(&Value) -> bool| list.iter().any(test);
    assert!(any(&|s| s["current_task"].is_null()) && any(&|s| s["enterprise_project_id"] == 0));
    assert!(
        any(&|s| s["enterprise_project_id"] == "0") && any(&|s| s.get("enterprise_project_id").is_none())
    );
    assert!(any(&|s| s.get("hostname").is_none()) && any(&|s| s.get("has_tc").is_none()));
    assert!(text.contains("\"BOOT|OS\"") && text.contains("SECRET-LOG-URL"));
    assert!(text.contains("\"error_or_warn\":{\"") && text.contains("\"error_or_warn\":\"SMS."));
    let tasks = service.get("/v3/tasks?limit=200&offset=0").await.unwrap();
    let text = String::from_utf8(tasks.body.clone()).unwrap();
    let count = tasks.json()["count"].as_u64().unwrap();
    assert!((1500..3500).contains(&(u64::try_from(text.len()).unwrap() / count)));
    assert!(
        text.contains("\"AVAILABLE\"")
            && text.contains("DETTACH_AGENT_IMAGE")
            && text.contains("\"error_json\":\"\"")
    );
    assert!(text.contains("\"ip\":null") && text.contains("\"source_server\":null"));
}

#[tokio::test]
async fn a_list_in_pages_is_the_whole_list() {
    let service = service(60).await;
    let mut ids = Vec::new();
    for offset in [0, 25, 50, 75] {
        let page = service.get(&format!("/v3/sources?limit=25&offset={offset}")).await.unwrap().json();
        let page = page["source_servers"].as_array().unwrap().clone();
        ids.extend(page.iter().map(|source| source["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids, service.simulator.truth().sources.into_keys().collect::<Vec<_>>());
    let refused = service.get("/v3/sources?limit=201&offset=0").await.unwrap();
    assert_eq!((refused.status, refused.json()["error_code"].as_str()), (400, Some("SMS.9001")));
    assert_eq!(service.get("/v3/tasks?offset=65536").await.unwrap().status, 400);
}

#[tokio::test]
async fn who_does_not_prove_who_he_is_gets_nothing() {
    let service = service(2).await;
    let unsigned = service.send("GET", "/v3/sources", "", "").await.unwrap();
    assert_eq!((unsigned.status, unsigned.json()["error_code"].as_str()), (401, Some("APIGW.0301")));
    let stolen = service.send("GET", "/v3/tasks", &service.sign("/v3/sources"), "").await.unwrap();
    assert!(stolen.message().contains("canonicalRequest:GET|/v3/tasks/|"), "{}", stolen.message());
    let token = service.send("GET", "/v3/tasks", "X-Auth-Token: none\r\n", "").await.unwrap();
    assert!(token.message().ends_with("decrypt token fail"));
    let foreign = format!("{}X-Project-Id: other\r\n", service.sign("/v3/tasks"));
    assert_eq!(service.send("GET", "/v3/tasks", &foreign, "").await.unwrap().status, 403);
    let tally = service.simulator.tally();
    assert_eq!((tally.refused, tally.locked, tally.forbidden_calls), (4, 0, 0));
    assert_eq!(service.get("/v3/sources/x/command").await.unwrap().status, 500);
    assert_eq!(service.simulator.tally().forbidden_calls, 1);
}

#[tokio::test]
async fn a_user_gets_a_token_that_lives_its_life() {
    let service = service(2).await;
    let Keys { user, domain, password, .. } = service.simulator.keys();
    let question = |password: &str| {
        format!(
            r#"{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{user}","password":"{password}","domain":{{"name":"{domain}"}}}}}}}},"scope":{{"project":{{"name":"cn-north-4"}}}}}}}}"#
        )
    };
    assert_eq!(service.post("/v3/auth/tokens", "", &question("wrong")).await.status, 401);
    let given = service.post("/v3/auth/tokens?nocatalog=true", "", &question(&password)).await;
    assert_eq!(
        (given.status, &given.json()["token"]["expires_at"]),
        (201, &"2026-01-16T08:00:00.000000Z".into())
    );
    let token = given.head.lines().find_map(|line| line.strip_prefix("x-subject-token: ")).unwrap();
    let header = format!("X-Auth-Token: {token}\r\n");
    let status = async || service.send("GET", "/v3/sources", &header, "").await.unwrap().status;
    assert_eq!(status().await, 200);
    service.simulator.tune(|options| options.clock_shift = jiff::SignedDuration::from_hours(24));
    assert_eq!(status().await, 401);
    service.simulator.tune(|options| options.clock_shift = jiff::SignedDuration::ZERO);
    service.simulator.inject(Fault::once(Operation::ListTasks, What::TokenRevoked));
    service.get("/v3/tasks").await.unwrap();
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn iam_and_its_neighbours_answer_too() {
    let service = service(2).await;
    let keys = service.simulator.keys();
    let projects = service.get("/v3/projects?name=cn-north-4").await.unwrap().json();
    assert_eq!(projects["projects"][0]["id"], *keys.project_id);
    assert!(
        service.get("/v3/projects?name=other").await.unwrap().json()["projects"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(service.get("/v3/auth/domains").await.unwrap().json()["domains"][0]["id"], *keys.domain_id);
    let ttl = "X-Metadata-Token-Ttl-Seconds: 21600\r\n";
    let token = service.send("PUT", "/meta-data/latest/api/token", ttl, "").await.unwrap().body;
    let header = format!("X-Metadata-Token: {}\r\n", String::from_utf8(token).unwrap());
    let path = "/openstack/latest/securitykey";
    let given = service.send("GET", path, &header, "").await.unwrap().json();
    assert_eq!(given["credential"]["expires_at"], "2026-01-15T14:00:00.000000Z");
    assert_eq!(service.send("GET", path, "", "").await.unwrap().status, 401);
    let body = r#"{"auth":{"id_token":{"id":"pretended-id-token"}}}"#;
    let federated = service.post("/v3.0/OS-AUTH/id-token/tokens", "X-Idp-Id: idp\r\n", body).await;
    let token = federated.head.lines().find_map(|line| line.strip_prefix("x-subject-token: ")).unwrap();
    let body = format!(r#"{{"auth":{{"identity":{{"methods":["token"],"token":{{"id":"{token}"}}}}}}}}"#);
    let keys = service.post("/v3.0/OS-CREDENTIAL/securitytokens", "", &body).await;
    assert!(keys.status == 201 && keys.json()["credential"]["access"].is_string());
    let body = r#"{"id_token":"pretended-id-token","provider_urn":"p","agency_urn":"a"}"#;
    let assumed = service.post("/v5/agencies/assume-with-oidc", "", body).await.json();
    assert!(assumed["credentials"]["access_key_id"].is_string());
    let pod = service.post("/pod-identity/credentials", "Authorization: pretended-pod-token\r\n", "{}").await;
    assert!(pod.json()["credential"]["securitytoken"].is_string());
}

#[tokio::test]
async fn gzip_is_given_to_those_who_take_it() {
    let service = service(60).await;
    let target = "/v3/sources?offset=0";
    let headers = format!("{}Accept-Encoding: gzip\r\n", service.sign(target));
    let zipped = service.send("GET", target, &headers, "").await.unwrap();
    let plain = service.get(target).await.unwrap();
    assert!(zipped.head.contains("content-encoding: gzip") && zipped.body.len() * 5 < plain.body.len());
    let mut unzipped = Vec::new();
    flate2::read::GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut unzipped).unwrap();
    assert_eq!(unzipped, plain.body);
}

#[tokio::test]
async fn faults_give_other_answers_as_ordered() {
    let service = service(3).await;
    let cases = [
        (What::Html502, 502, "<html><body>502 Bad Gateway</body></html>"),
        (What::EmptyBody200, 200, ""),
        (What::NotJson, 200, "OK"),
        (What::Redirect("http://elsewhere.test/".to_owned()), 302, ""),
        (What::RawBody(b"{\"count\":1e999}".to_vec()), 200, "{\"count\":1e999}"),
    ];
    for (what, status, body) in cases {
        service.break_sources(what.clone());
        let reply = service.get("/v3/sources").await.unwrap();
        assert_eq!(
            (reply.status, String::from_utf8(reply.body).unwrap().as_str()),
            (status, body),
            "{what:?}"
        );
    }
    let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
    let (body, content_type) = (b"busy".to_vec(), "text/plain".to_owned());
    service.break_sources(What::Status { code: 503, body, content_type, headers });
    let reply = service.get("/v3/sources").await.unwrap();
    assert!(reply.status == 503 && reply.head.contains("retry-after: 7") && reply.body == b"busy");
    service.break_sources(What::Garbage);
    assert!(serde_json::from_slice::<Value>(&service.get("/v3/sources").await.unwrap().body).is_err());
    service.break_sources(What::WrongContentEncoding);
    let reply = service.get("/v3/sources").await.unwrap();
    assert!(reply.head.contains("content-encoding: gzip") && reply.json()["count"] == 3);
    service.break_sources(What::HugeHeader(300_000));
    assert!(service.get("/v3/sources").await.unwrap().head.len() > 300_000);
    service.break_sources(What::ReplaceField {
        path: "source_servers.1.memory".to_owned(),
        json: "NaN".to_owned(),
    });
    assert!(
        String::from_utf8(service.get("/v3/sources").await.unwrap().body).unwrap().contains("\"memory\":NaN")
    );
    assert_eq!(service.get("/v3/tasks").await.unwrap().status, 200, "other operations go on");
    service.simulator.clear_faults();
    assert_eq!(service.get("/v3/sources").await.unwrap().json()["count"], 3);
    assert_eq!(service.simulator.tally().faults, 10);
}

#[tokio::test]
async fn faults_of_lists_touch_the_pages_that_they_name() {
    let service = service(6).await;
    let all: Vec<String> = service.simulator.truth().sources.into_keys().collect();
    let pages = async |what: What| {
        service.break_sources(what);
        let mut ids = Vec::new();
        for offset in [0, 2, 4] {
            let page = service.get(&format!("/v3/sources?limit=2&offset={offset}")).await.unwrap().json();
            for source in page["source_servers"].as_array().unwrap() {
                let id = source["id"].as_str().unwrap();
                ids.push(all.iter().position(|known| known == id).unwrap());
            }
        }
        ids
    };
    assert_eq!(pages(What::DropPage(1)).await, [0, 1, 4, 5]);
    assert!(pages(What::EmptyPage).await.is_empty());
    assert_eq!(pages(What::DuplicateWithinPage).await, [0, 1, 0, 2, 3, 2, 4, 5, 4]);
    assert_eq!(pages(What::DuplicateAcrossPages).await, [0, 1, 1, 2, 3, 3, 4, 5]);
    assert_eq!(pages(What::ShiftWhilePaging(1)).await, [0, 1, 3, 4, 5]);
    assert_eq!(pages(What::ShiftWhilePaging(-1)).await, [0, 1, 1, 2, 3, 4]);
    service.break_sources(What::CountOff(3));
    assert_eq!(service.get("/v3/sources").await.unwrap().json()["count"], 9);
}

#[tokio::test]
async fn broken_connections_break_as_ordered() {
    let service = service(3).await;
    service.break_sources(What::ConnectionReset);
    let error = service.get("/v3/sources").await.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    service.break_sources(What::TruncateBody(100));
    let cut = service.get("/v3/sources").await.unwrap();
    assert!(cut.status == 200 && cut.body.len() == 100, "{}", cut.body.len());
    assert!(!cut.head.contains("content-length: 100\r"), "more was announced");
    service.break_sources(What::HangHeaders);
    let hung = tokio::time::timeout(Duration::from_millis(50), service.get("/v3/sources")).await;
    assert!(hung.is_err(), "nothing comes");
    let tally = service.simulator.tally();
    assert_eq!(tally.requests[&(Operation::ListSources, 0)], 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_takes_its_time_and_an_endless_one_does_not_end() {
    let service = service(1).await;
    service.break_sources(What::TrickleBody(1000));
    let begin = Instant::now();
    let slow = service.get("/v3/sources").await.unwrap();
    assert!(begin.elapsed() > Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(slow.status == 200 && slow.head.contains("transfer-encoding: chunked"));
    service.break_sources(What::SlowBy(Duration::from_secs(60)));
    let begin = Instant::now();
    assert_eq!(service.get("/v3/sources").await.unwrap().status, 200);
    assert!(begin.elapsed() >= Duration::from_secs(60));
    service.break_sources(What::EndlessBody);
    let mut socket = TcpStream::connect(service.address).await.unwrap();
    let request =
        format!("GET /v3/sources HTTP/1.1\r\nHost: sms.test\r\n{}\r\n", service.sign("/v3/sources"));
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 5_000_000];
    assert_eq!(socket.read_exact(&mut bytes).await.unwrap(), 5_000_000);
}

#[tokio::test]
async fn a_locked_key_is_refused_however_well_it_signs() {
    let service = service(1).await;
    service.simulator.inject(Fault::once(Operation::ListSources, What::KeyLocked));
    assert_eq!(service.get("/v3/sources").await.unwrap().status, 401);
    assert!(service.get("/v3/sources").await.unwrap().message().contains("locked"));
    assert_eq!(service.simulator.tally().locked, 2);
    service.simulator.tune(|options| options.clock_shift = jiff::SignedDuration::from_mins(6));
    assert_eq!(service.get("/v3/sources").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_counts_by_the_second() {
    let service = service(1).await;
    let what = What::Throttle { limit: 2, retry_after: Some(1) };
    service.simulator.inject(Fault { operation: None, when: When::Always, what });
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(service.get("/v3/tasks").await.unwrap().status);
    }
    let refused = service.get("/v3/tasks").await.unwrap();
    assert!(refused.message().ends_with("policy user over ratelimit,limit:2,time:1 second"));
    assert!(refused.head.contains("retry-after: 1"));
    tokio::time::advance(Duration::from_secs(1)).await;
    statuses.push(service.get("/v3/tasks").await.unwrap().status);
    assert_eq!(statuses, [200, 200, 429, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_refusals_comes_and_goes_with_the_clock() {
    let service = service(1).await;
    let when = When::Recurring { every: Duration::from_secs(300), lasts: Duration::from_secs(60) };
    service.simulator.inject(Fault { operation: None, when, what: What::Refuse { retry_after: Some(7) } });
    for (seconds, status) in [(0, 200), (239, 200), (2, 429), (57, 429), (3, 200), (238, 200), (2, 429)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let reply = service.get("/v3/tasks").await.unwrap();
        assert_eq!(reply.status, status, "after {seconds} more seconds: {}", reply.head);
        assert_eq!(reply.head.contains("retry-after: 7"), status == 429);
        assert!(status == 200 || !reply.message().contains("limit:"), "{}", reply.message());
    }
}

#[tokio::test]
async fn a_list_that_turns_over_between_pages_loses_whom_it_moved() {
    let service = service(60).await;
    service.break_sources(What::Turnover { leave: 5, join: 2 });
    let ids = |reply: Reply| -> Vec<String> {
        let json = reply.json();
        let ids = json["source_servers"].as_array().unwrap().iter().map(|source| &source["id"]);
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let first = service.get("/v3/sources?limit=30&offset=0").await.unwrap();
    assert_eq!(first.json()["count"], 60, "the first page is as it was");
    let second = service.get("/v3/sources?limit=30&offset=30").await.unwrap();
    assert_eq!(second.json()["count"], 57);
    let seen: std::collections::BTreeSet<String> = ids(first).into_iter().chain(ids(second)).collect();
    let truth = service.simulator.truth().sources;
    assert!(truth.keys().any(|id| !seen.contains(id)), "somebody who is there was on neither page");
    let changes = service.simulator.tally().changes;
    assert_eq!((changes.removals, changes.registrations), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn a_list_turns_over_with_the_clock_on_the_wall() {
    let service = service(60).await;
    service.simulator.tune(|options| options.turnover = 75);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let changes = service.simulator.tally().changes;
    assert!((73..=75).contains(&changes.removals), "{changes:?}");
    assert_eq!(changes.removals, changes.registrations);
    assert_eq!(service.simulator.truth().sources.len(), 60);
}

#[tokio::test]
async fn a_document_that_stops_is_sent_to_its_end() {
    let service = service(3).await;
    service.break_sources(What::CutDocument(100));
    let reply = service.get("/v3/sources").await.unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 100));
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_world_with_a_speed_moves_by_itself() {
    let settings = Settings { sources: 5, speed: 60.0, ..Settings::default() };
    let simulator = Simulator::new(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, begin) = (CancellationToken::new(), simulator.now_ms());
    let tasks = TaskTracker::new();
    tasks.spawn(simulator.clone().serve(listener, stop.clone()));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!((580_000..=600_000).contains(&(simulator.now_ms() - begin)));
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
