//! The way to the service: proxies, certificates, connections that are closed, and answers that are odd.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use huaweicloud_sms_exporter::simulator::{Keys, Settings, Simulator};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio_util::sync::DropGuard;

use crate::binary::{Running, file, value};
use crate::harness::{REGION, parse, serve};
use crate::outside::process::{SOON, exporter, finish};

const SMS_ENDPOINT: &str = "HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4";

/// What every secret of these tests contains.
const MARK: &str = "marked";

/// A gateway in front of a simulated service, and what it does to requests and answers.
struct Gateway {
    origin: String,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
    _stop: DropGuard,
}

/// A request's head and body, and how many came before it on its connection; `None` closes the connection.
type Answers = fn(Passed) -> Option<Vec<u8>>;

struct Passed {
    head: String,
    body: String,
    number: usize,
    /// What the service answers: head and body.
    answer: (String, Vec<u8>),
}

impl Gateway {
    async fn start(answers: Answers) -> Self {
        let simulator = Simulator::new(Settings { sources: 5, region: REGION.into(), ..Settings::default() });
        let (service, stop) = serve(simulator).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("a bound port"));
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                open.spawn(connection(socket, service.trim_start_matches("http://").to_owned(), answers));
            }
        });
        Self { origin, connections, _tasks: tasks, _stop: stop.drop_guard() }
    }

    /// The binary with the demo's keys at this gateway.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = with_keys(arguments);
        command.env("HUAWEICLOUD_SDK_IAM_ENDPOINT", &self.origin).env(SMS_ENDPOINT, &self.origin);
        command
    }
}

fn with_keys(arguments: &[&str]) -> Command {
    let mut command = exporter(arguments);
    let keys = Keys::default();
    command.env("HW_REGION_NAME", REGION).env("HUAWEICLOUD_SDK_AK", keys.ak);
    command.env("HUAWEICLOUD_SDK_SK", keys.sk);
    command
}

async fn connection(mut socket: TcpStream, service: String, answers: Answers) {
    for number in 0.. {
        let Some((head, request)) = message(&mut socket).await else { return };
        // Without compression, and one request a connection, so that the answer is easily taken apart.
        let plain = head
            .replace("accept-encoding: gzip\r\n", "")
            .replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        let mut upstream = TcpStream::connect(&service).await.expect("the service listens");
        upstream.write_all(&[plain.as_bytes(), &request].concat()).await.expect("the service reads");
        let (answer, body) = message(&mut upstream).await.expect("the service answers");
        let answer = (answer.replace("connection: close\r\n", ""), body);
        let body = String::from_utf8_lossy(&request).into_owned();
        match answers(Passed { head, body, number, answer }) {
            Some(bytes) => socket.write_all(&bytes).await.expect("the exporter reads"),
            None => return,
        }
    }
}

/// A head and the body that its length announces.
async fn message(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.trim().parse::<usize>().expect("a length"));
    while bytes.len() < end + length {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            break;
        }
    }
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    Some((head, bytes[end..].to_vec()))
}

/// An answer with another body.
fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_kept_connection_that_the_service_has_closed_costs_no_attempt() {
    let gateway = Gateway::start(|Passed { number, answer: (head, body), .. }| {
        (number == 0).then(|| [head.into_bytes(), body].concat())
    })
    .await;
    let ended = finish(gateway.command(&["once"])).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let retries = parse(&ended.out)
        .into_iter()
        .filter(|(series, _)| series.starts_with("sms_exporter_api_retries_total"));
    assert_eq!(retries.map(|(_, value)| value).sum::<f64>(), 0.0);
    assert!(gateway.connections.load(Ordering::Relaxed) >= 3, "each was used once");
}

#[tokio::test]
async fn an_answer_of_many_headers_and_several_gzip_members_behind_a_mark_is_read() {
    let gateway = Gateway::start(|Passed { answer: (head, body), .. }| {
        let mut headers: String =
            (0..300).map(|number| format!("x-added-{number}: by a gateway\r\n")).collect();
        headers += "content-type: application/json\r\ncontent-encoding: gzip\r\n";
        let text = [b"\xef\xbb\xbf".as_slice(), &body].concat();
        let (first, second) = text.split_at(text.len() / 2);
        let members = [first, second].map(|part| {
            let mut member = GzEncoder::new(Vec::new(), Compression::default());
            member.write_all(part).expect("memory can be written to");
            member.finish().expect("memory can be written to")
        });
        let status =
            head.lines().next().and_then(|line| line.split_once(' ')).map(|(_, status)| status.to_owned());
        Some(answer(&status.unwrap_or_default(), &headers, &members.concat()))
    })
    .await;
    let ended = finish(gateway.command(&["once"])).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let page = parse(&ended.out);
    assert_eq!(page.keys().filter(|series| series.starts_with("huaweicloud_sms_source_info{")).count(), 5);
}

#[tokio::test]
async fn a_reload_begins_with_new_connections() {
    let gateway =
        Gateway::start(|Passed { answer: (head, body), .. }| Some([head.into_bytes(), body].concat())).await;
    let running = Running::start(gateway.command(&["--poll.interval=1s"])).await;
    let polls =
        |page: &str| value(page, "sms_exporter_polls_total{account=\"default\",collector=\"errors\"}");
    running.page_with(|page| polls(page) >= Some(3.0)).await;
    let before = gateway.connections.load(Ordering::Relaxed);
    running.signal("HUP").await;
    let now = polls(&running.get("/metrics").await).expect("it polls") + 3.0;
    running.page_with(|page| polls(page) >= Some(now)).await;
    assert!(gateway.connections.load(Ordering::Relaxed) > before, "{}", running.log());
}

/// Answers as a gateway that quotes what it got; tokens are given first.
fn echo(Passed { head, number, .. }: Passed) -> Option<Vec<u8>> {
    if head.starts_with("POST /v3/auth/tokens") {
        let body = r#"{"token":{"expires_at":"2099-01-01T00:00:00.000000Z","project":{"id":"p1"}}}"#;
        let token = format!("x-subject-token: {}\r\n", "marked-subject-token-".repeat(4));
        return Some(answer("201 Created", &token, body.as_bytes()));
    }
    let quoted = head.replace("\r\n", "|").replace('"', "'");
    let body = match number % 2 {
        0 => format!("{{\"error_code\":\"APIGW.0301\",\"error_msg\":\"bad request: {quoted}\"}}"),
        _ => format!("<html><body>{quoted}</body></html>"),
    };
    Some(answer(
        "401 Unauthorized",
        &format!("x-request-id: {}\r\n", quoted.replace('|', " ")),
        body.as_bytes(),
    ))
}

/// Answers as one that quotes a request's body too.
fn echo_all(Passed { head, body, .. }: Passed) -> Option<Vec<u8>> {
    let body = format!("refused: {head} {body}");
    Some(answer("403 Forbidden", "", body.as_bytes()))
}

#[tokio::test]
async fn what_a_gateway_quotes_of_a_request_is_shown_to_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    file(directory.path(), "password", "marked-password\n");
    let keys = "access_key_env: AK, secret_key_env: SK, security_token_env: TOKEN";
    let user = "user: u, account: a, password_file: password";
    for answers in [echo as Answers, echo_all] {
        let gateway = Gateway::start(answers).await;
        let origin = &gateway.origin;
        let common = format!("region: {REGION}, endpoint: {origin}, iam_endpoint: {origin}");
        let yaml = format!(
            "poll_interval: 1s\naccounts:\n- {{name: keys, project_id: p, {common}, credentials: {{{keys}}}}}\n\
             - {{name: user, {common}, credentials: {{{user}}}}}\n"
        );
        let flag = format!("--config.file={}", file(directory.path(), "exporter.yml", &yaml));
        for arguments in [["once", "--log.level=debug"].as_slice(), &["doctor"]] {
            let mut command = exporter(&[arguments, &[flag.as_str()]].concat());
            command.env("AK", "AKID").env("SK", "marked-secret-key");
            command.env("TOKEN", "marked-security-token-of-some-length-0123456789");
            let ended = finish(command).await;
            let text = ended.out + &ended.err;
            assert!(text.contains("401") || text.contains("403"), "the gateway's answer is shown: {text}");
            let found = text.lines().find(|line| line.contains(MARK) || line.contains("Signature="));
            assert_eq!(found, None, "{arguments:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_variable_that_cannot_be_used_ends_the_start_with_one_line() {
    let wrong = [
        ("HTTPS_PROXY", "::not a url::"),
        ("https_proxy", "http://user:12#marked@proxy:3128"),
        ("ALL_PROXY", "gopher://marked.example.com"),
    ];
    for (name, url) in wrong {
        for arguments in [["once"].as_slice(), &["--config.check"], &["--web.listen-address=127.0.0.1:0"]] {
            let mut command = with_keys(arguments);
            command.env(name, url);
            let ended = finish(command).await;
            assert_eq!(ended.status, Some(2), "{name} {arguments:?}: {ended:?}");
            assert_eq!(ended.err.lines().filter(|line| line.contains(name)).count(), 1, "{ended:?}");
            assert!(!format!("{ended:?}").contains(MARK), "{ended:?}");
        }
        let mut doctor = with_keys(&["doctor"]);
        doctor.env(name, url);
        let ended = finish(doctor).await;
        assert!(ended.out.contains("FAIL  set-up") && ended.out.contains(name), "{ended:?}");
    }
}

/// What the first client of a listener says first.
async fn first_words(listener: &TcpListener) -> Vec<u8> {
    let heard = timeout(SOON, async {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let mut bytes = vec![0; 2048];
        let length = socket.read(&mut bytes).await.expect("it speaks");
        bytes.truncate(length);
        bytes
    });
    heard.await.expect("a client comes")
}

#[tokio::test]
async fn proxies_of_both_kinds_are_spoken_to_and_shown_by_the_doctor() {
    let cases = [
        ("ALL_PROXY", "socks5h://", b"\x05".as_slice()),
        ("https_proxy", "http://us%40er:m%23arked@", b"CONNECT "),
    ];
    for (name, url, begin) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("{url}{}", listener.local_addr().expect("a bound port"));
        let mut doctor = with_keys(&["doctor"]);
        doctor.env(name, &url);
        let (words, ended) = tokio::join!(first_words(&listener), finish(doctor));
        assert!(words.starts_with(begin), "{:?}", String::from_utf8_lossy(&words));
        let shown = format!("ok    proxy: {}", url.split("us%40").next().expect("a beginning"));
        assert!(ended.out.contains(&shown) && ended.out.contains(&format!("from {name}")), "{}", ended.out);
        assert!(!ended.out.contains("arked") && !ended.err.contains("arked"), "{ended:?}");
        if begin != b"\x05" {
            // us@er:m#arked
            let words = String::from_utf8_lossy(&words).to_lowercase();
            assert!(words.contains("basic dxnazxi6bsnhcmtlza=="), "{words}");
        }
    }
    let mut doctor = with_keys(&["doctor"]);
    doctor.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", ".myhuaweicloud.com");
    doctor.env(SMS_ENDPOINT, "https://sms.invalid.myhuaweicloud.com");
    let ended = finish(doctor).await;
    assert!(
        ended.out.contains("proxy: not used for sms.invalid.myhuaweicloud.com, which NO_PROXY names"),
        "{ended:?}"
    );
}

/// The configuration of an account with a further setting, for a service that never answers well.
fn account(directory: &Path, endpoint: &str, setting: &str) -> String {
    let yaml = format!(
        "poll_interval: 1s\naccounts: [{{name: a, region: {REGION}, project_id: p, endpoint: {endpoint}, {setting}, \
         limits: {{connect_timeout: 1s, retry_base: 100ms}}, credentials: {{access_key_env: AK, secret_key_env: SK}}}}]"
    );
    format!("--config.file={}", file(directory, "exporter.yml", &yaml))
}

fn replace(directory: &Path, name: &str, text: &str) {
    file(directory, "next", text);
    std::fs::rename(directory.join("next"), directory.join(name)).expect("a rename");
}

#[tokio::test]
async fn a_proxy_file_that_is_replaced_is_noticed() {
    let directory = tempfile::tempdir().expect("a directory");
    let listeners =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let urls = listeners.each_ref().map(|listener| format!("http://{}\n", listener.local_addr().unwrap()));
    file(directory.path(), "proxy", &urls[0]);
    let flag = account(directory.path(), "https://sms.invalid", "proxy_file: proxy");
    let mut command = exporter(&[&flag]);
    command.env("AK", "AKID").env("SK", "secret");
    let _running = Running::start(command).await;
    assert!(first_words(&listeners[0]).await.starts_with(b"CONNECT sms.invalid:443"));
    replace(directory.path(), "proxy", &urls[1]);
    assert!(first_words(&listeners[1]).await.starts_with(b"CONNECT sms.invalid:443"));
}

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("keys can be made");
    let pem = params.self_signed(&key).expect("the parameters are valid").pem();
    (Issuer::new(params, key), pem)
}

/// Serves TLS with a certificate of this authority; how many handshakes went well.
async fn tls(issuer: &Issuer<'static, KeyPair>) -> (String, Arc<AtomicUsize>, JoinSet<()>) {
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    let key = KeyPair::generate().expect("keys can be made");
    let certificate = params.signed_by(&key, issuer).expect("the parameters are valid").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the library's own versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("https://{}", listener.local_addr().expect("a bound port"));
    let (shaken, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    let counted = Arc::clone(&shaken);
    tasks.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut socket) = acceptor.accept(socket).await {
                // A client that trusts the certificate sends a request.
                if socket.read_u8().await.is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    (endpoint, shaken, tasks)
}

#[tokio::test]
async fn a_file_of_authorities_that_is_replaced_is_noticed_and_a_bad_one_is_refused_at_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = (authority(), authority());
    let (endpoint, shaken, _tasks) = tls(&ours.0).await;
    file(directory.path(), "ca.pem", &theirs.1);
    let flag = account(directory.path(), &endpoint, "ca_file: ca.pem");
    let mut command = exporter(&[&flag, "--web.enable-lifecycle"]);
    command.env("AK", "AKID").env("SK", "secret");
    let running = Running::start(command).await;
    let failed = "sms_exporter_poll_success{account=\"a\",collector=\"sources\"}";
    running.page_with(|page| value(page, failed) == Some(0.0)).await;
    assert_eq!(shaken.load(Ordering::Relaxed), 0, "another authority's");
    assert!(!running.log().contains("ERROR"), "only what we say ourselves:\n{}", running.log());
    replace(directory.path(), "ca.pem", &ours.1);
    let noticed = timeout(SOON, async {
        while shaken.load(Ordering::Relaxed) == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(noticed.await.is_ok(), "{}", running.log());
    replace(directory.path(), "ca.pem", "no certificate");
    let answer = running.ask("POST", "/-/reload", "").await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("ca.pem"), "{answer}");
    let before = shaken.load(Ordering::Relaxed);
    let goes_on = timeout(SOON, async {
        while shaken.load(Ordering::Relaxed) == before {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(goes_on.await.is_ok(), "what was read before still serves: {}", running.log());
}

#[tokio::test]
async fn authorities_are_needed_by_the_first_https_request_and_not_before() {
    let without = |mut command: Command| {
        command.env("SSL_CERT_FILE", "/nowhere/file").env("SSL_CERT_DIR", "/nowhere/directory");
        command
    };
    let demo = Running::start(without(exporter(&["demo", "--sources=3"]))).await;
    demo.page_with(|page| page.contains("huaweicloud_sms_source_info{")).await;
    let gateway =
        Gateway::start(|Passed { answer: (head, body), .. }| Some([head.into_bytes(), body].concat())).await;
    let ended = finish(without(gateway.command(&["once"]))).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let ended = finish(without(with_keys(&["--config.check"]))).await;
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.out.contains("note: account default: cannot set up TLS")
            && ended.out.contains("ca-certificates"),
        "{ended:?}"
    );
    let mut doctor = without(with_keys(&["doctor"]));
    doctor
        .env(SMS_ENDPOINT, "https://127.0.0.1:1")
        .env("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://127.0.0.1:1");
    let ended = finish(doctor).await;
    assert!(
        ended.out.contains("FAIL") && ended.out.contains("what to do: install the package ca-certificates"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn the_next_endpoint_of_the_vendors_list_is_used_where_the_first_has_no_address() {
    let gateway =
        Gateway::start(|Passed { answer: (head, body), .. }| Some([head.into_bytes(), body].concat())).await;
    let list = format!("https://sms.invalid, {}", gateway.origin);
    let mut once = gateway.command(&["once"]);
    once.env(SMS_ENDPOINT, &list);
    let ended = finish(once).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_eq!(ended.err.matches("cannot be reached; going on with the next").count(), 1, "{}", ended.err);
    let mut doctor = gateway.command(&["doctor"]);
    doctor.env(SMS_ENDPOINT, &list);
    let ended = finish(doctor).await;
    assert!(
        ended.out.contains("note  migration service: https://sms.invalid")
            && ended.out.contains("all is well"),
        "{ended:?}"
    );
}
