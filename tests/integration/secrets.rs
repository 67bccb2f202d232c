//! No secret comes out, whatever happens and however closely one looks; and nothing foreign comes in.

use huaweicloud_sms_exporter::api::Client;
use huaweicloud_sms_exporter::auth::http::Unobserved;
use huaweicloud_sms_exporter::auth::{self, Authenticator, Environment};
use huaweicloud_sms_exporter::config::{CredentialSource, SecretFrom};
use huaweicloud_sms_exporter::model::{Clock, Timestamp};
use huaweicloud_sms_exporter::run::{Exporter, Surroundings};
use huaweicloud_sms_exporter::server::webconfig::WebConfig;
use huaweicloud_sms_exporter::simulator::{Fault, Keys, Operation, Settings, Simulator, What};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

use crate::binary::{Running, file};
use crate::harness::{REGION, Rig, config, serve, wall_clock};
use crate::outside::process::exporter;

/// What every secret of these tests contains.
const MARK: &str = "marked";

/// The password of the web side, in Base64 with its user `scraper`.
const WEB_PASSWORD: (&str, &str) = ("marked-web-password", "c2NyYXBlcjptYXJrZWQtd2ViLXBhc3N3b3Jk");

fn keys() -> Keys {
    Keys {
        sk: "marked-secret-key".into(),
        security_token: Some("marked-security-token".into()),
        password: "marked-password".into(),
        ..Keys::default()
    }
}

/// A service that accepts marked secrets only, repeats what it gets, and fails in every way but silence.
fn service() -> Simulator {
    let simulator = Simulator::new(Settings { sources: 5, region: REGION.into(), ..Settings::default() });
    simulator.replace_keys(keys());
    let echo = "{\"error_code\":\"APIGW.0301\",\"error_msg\":\"verify aksk signature fail, canonicalRequest:GET|/\
                |x-auth-token:marked-token|x-security-token:marked-security-token|\"}";
    let refusal = What::Status {
        code: 401,
        body: echo.into(),
        content_type: "application/json".into(),
        headers: Vec::new(),
    };
    simulator.inject(Fault::once(Operation::ListErrors, refusal));
    simulator.inject(Fault::once(Operation::ShowOverview, What::Html502));
    simulator
}

/// Accounts with a secret of every kind, good ones and bad ones, in every place that secrets may stand.
fn accounts(directory: &TempDir, origin: &str) -> String {
    let at = directory.path();
    file(at, "wrong-key", "marked-wrong-secret-key\n");
    file(at, "password", "marked-password\n");
    let profile = "[basic]\nak = DEMOACCESSKEY0000000\nsk = marked-secret-key\nsecurity_token = marked-security-token\n";
    file(at, "profile", profile);
    let common = format!("region: {REGION}, endpoint: {origin}, iam_endpoint: {origin}");
    let token = "security_token_env: TOKEN";
    format!(
        "poll_interval: 1s\naccounts:\n\
         - {{name: good, {common}, credentials: {{access_key_env: AK, secret_key_env: SK, {token}}}}}\n\
         - {{name: wrong, {common}, credentials: {{access_key_env: AK, secret_key_file: wrong-key, {token}}}}}\n\
         - {{name: stranger, {common}, project_id: p, credentials: {{access_key_env: AK, secret_key_file: wrong-key, {token}}}}}\n\
         - {{name: user, {common}, credentials: {{user: demo-user, account: demo-account, password_file: password}}}}\n\
         - {{name: nobody, {common}, credentials: {{user: demo-user, account: demo-account, password_file: wrong-key}}}}\n\
         - {{name: profile, {common}, credentials: {{source: profile, profile_file: profile}}}}\n\
         - {{name: proxied, {common}, proxy_env: PROXY, credentials: {{access_key_env: AK, secret_key_env: SK, {token}}}}}\n"
    )
}

fn with_secrets(mut command: Command) -> Command {
    let keys = keys();
    command
        .env("AK", keys.ak)
        .env("SK", keys.sk)
        .env("TOKEN", keys.security_token.unwrap_or_default())
        // Nothing listens on port 1.
        .env("PROXY", "http://user:marked-proxy-password@127.0.0.1:1");
    command
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let lower = text.to_ascii_lowercase();
    let found = lower.lines().find(|line| line.contains(MARK) || line.contains(WEB_PASSWORD.1));
    assert_eq!(found, None, "in {what}");
}

async fn said(arguments: &[&str]) -> String {
    let output = with_secrets(exporter(arguments)).output().await.expect("the binary runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn no_log_line_and_no_page_of_the_binary_holds_a_secret() {
    let (origin, _stop) = serve(service()).await;
    let directory = tempfile::tempdir().expect("a directory");
    let config_file = file(directory.path(), "exporter.yml", &accounts(&directory, &origin));
    let hash = bcrypt::hash(WEB_PASSWORD.0, 4).expect("a hash");
    let web = file(directory.path(), "web.yml", &format!("basic_auth_users:\n  scraper: {hash}\n"));
    for format in ["text", "json"] {
        let (format, config_flag, web) = (
            format!("--log.format={format}"),
            format!("--config.file={config_file}"),
            format!("--web.config.file={web}"),
        );
        let flags = ["--log.level=debug", "--web.enable-lifecycle", &format, &config_flag, &web];
        let running = Running::start(with_secrets(exporter(&flags))).await;
        let password = format!("Authorization: Basic {}\r\n", WEB_PASSWORD.1);
        let mut page = String::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        let done = |page: &str| {
            page.contains("sources\"} 1\n")
                && ["good", "wrong", "stranger", "user", "nobody", "profile", "proxied"].iter().all(
                    |account| {
                        page.contains(&format!(
                            "sms_exporter_polls_total{{account=\"{account}\",collector=\"errors\"}}"
                        ))
                    },
                )
        };
        while !done(&page) && Instant::now() < deadline {
            page = running.ask("GET", "/metrics", &password).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(done(&page), "{page}\n{}", running.log());
        file(
            directory.path(),
            "exporter.yml",
            "accounts: [{name: a, secret_key: marked-inline, region: marked}]",
        );
        let refused = running.ask("POST", "/-/reload", &password).await;
        assert!(refused.starts_with("HTTP/1.1 500"), "{refused}");
        let landing = running.ask("GET", "/", &password).await;
        let stranger = running.ask("GET", "/metrics", "Authorization: Basic bWFya2VkOm1hcmtlZA==\r\n").await;
        assert!(stranger.starts_with("HTTP/1.1 401") && landing.contains("good"), "{landing}");
        for (what, text) in [
            ("the page", page),
            ("the landing page", landing),
            ("the log", running.log()),
            ("a 401", stranger),
        ] {
            assert_clean(what, &text);
        }
        // The region is no secret and may be repeated; what stands where a secret could stand may not.
        assert!(!refused.contains("marked-inline"), "{refused}");
        file(directory.path(), "exporter.yml", &accounts(&directory, &origin));
    }
}

#[tokio::test]
async fn no_command_says_a_secret() {
    let (origin, _stop) = serve(service()).await;
    let directory = tempfile::tempdir().expect("a directory");
    let config_file = file(directory.path(), "exporter.yml", &accounts(&directory, &origin));
    let config_flag = format!("--config.file={config_file}");
    for arguments in [["--config.check"].as_slice(), &["doctor"], &["once", "--log.level=debug"]] {
        let text = said(&[arguments, &[&config_flag]].concat()).await;
        assert!(!text.is_empty());
        assert_clean(&format!("{arguments:?}"), &text);
    }
    for bad in [
        "accounts: [{name: a, region: cn-north-4, credentials: {secret_key: marked-inline}}]",
        "accounts: [{name: a, region: cn-north-4, proxy: 'http://u:marked-inline@p:1'}]",
        "accounts: [{name: a, region: cn-north-4, endpoint: 'https://u:marked-inline@p'}]",
        "accounts: [{name: a, region: cn-north-4, credentials: marked-inline}]",
        "password: marked-inline\naccounts: [",
    ] {
        let flag = format!("--config.file={}", file(directory.path(), "bad.yml", bad));
        let text = said(&["--config.check", &flag]).await;
        assert!(text.contains("bad.yml:"), "{text}");
        assert_clean(bad, &text);
    }
}

#[tokio::test]
async fn no_debug_form_holds_a_secret() {
    let simulator = service();
    let (origin, stop) = serve(simulator.clone()).await;
    let mut config = config(&origin, &keys());
    config.accounts[0].proxy = Some(SecretFrom::Value("http://u:marked-proxy@p:1".into()));
    let shown = format!("{config:?}");
    assert_clean("Config", &shown);
    config.accounts[0].proxy = None;
    let now = || Timestamp::from_millis(wall_clock());
    let sources = [
        config.accounts[0].credentials.clone(),
        CredentialSource::Password {
            user: keys().user,
            domain: keys().domain,
            password: SecretFrom::Value(keys().password.as_str().into()),
        },
    ];
    for credentials in sources {
        let account = &mut config.accounts[0];
        account.credentials = credentials;
        let environment = Environment::new(|_| Some("marked-variable".into()));
        let nothing = Environment::new(|_| None);
        let transport = auth::transport(account, &nothing, Arc::new(Unobserved)).expect("a transport");
        let authenticator = Authenticator::new(account, transport.clone(), environment.clone());
        let request = authenticator.get("/v3/sources", &[], now()).await.expect("credentials serve");
        assert_clean("a request", &format!("{request:?}"));
        // Its ticket would keep others waiting for its verdict.
        drop(request);
        assert_clean("Authenticator", &format!("{authenticator:?} {:#?}", authenticator.describe()));
        let client = Client::new(account, authenticator, transport, Clock::new(now));
        let answer = client.sources(Instant::now() + Duration::from_secs(60)).await;
        assert!(answer.is_ok(), "{answer:?}");
        assert_clean("Client", &format!("{client:?}"));
        let surroundings = Surroundings { clock: Clock::new(now), environment: nothing };
        let exporter = Exporter::new(surroundings, stop.clone());
        let mut rounds = exporter.rounds(&config).expect("the account can be set up");
        rounds.poll().await;
        assert_clean("Exporter", &format!("{exporter:?} {rounds:?}"));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let hash = bcrypt::hash(WEB_PASSWORD.0, 4).expect("a hash");
    let web = file(directory.path(), "web.yml", &format!("basic_auth_users:\n  scraper: {hash}\n"));
    let web = WebConfig::load(web.as_ref()).expect("a good file");
    assert!(!format!("{web:?}").contains(&hash));
}

#[tokio::test]
async fn names_from_outside_are_escaped_on_every_page() {
    let simulator = Simulator::new(Settings { sources: 3, region: REGION.into(), ..Settings::default() });
    simulator.edit(|world| {
        for source in world.sources.values_mut() {
            source.name = "<script>alert(1)</script>\"\n# HELP x".into();
        }
    });
    let (origin, _stop) = serve(simulator).await;
    let directory = tempfile::tempdir().expect("a directory");
    let config = format!(
        "poll_interval: 1s\naccounts: [{{name: '<script>', region: {REGION}, endpoint: {origin}, iam_endpoint: {origin}, \
         credentials: {{access_key_env: AK, secret_key_env: SK}}}}]"
    );
    let flag = format!("--config.file={}", file(directory.path(), "exporter.yml", &config));
    let mut command = exporter(&[&flag]);
    command.env("AK", Keys::default().ak).env("SK", Keys::default().sk);
    let running = Running::start(command).await;
    let page = running.page_with(|page| page.contains("huaweicloud_sms_source_info{")).await;
    assert!(page.contains(r#"source_name="<script>alert(1)</script>\"\n# HELP x""#), "{page}");
    let landing = running.get("/").await;
    assert!(landing.contains("&lt;script&gt;") && !landing.contains("<script>"), "{landing}");
}

#[tokio::test]
async fn requests_that_mean_two_things_are_refused() {
    let running = Running::start(exporter(&["demo", "--sources=1"])).await;
    let inner = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    for request in [
        format!(
            "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n{inner}"
        ),
        format!("GET /none HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n{inner}"),
        "GET /metrics HTTP/1.1\r\nHost: x\r\nX: a\u{0}b\r\n\r\n".into(),
        "GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n".into(),
        "GET /metrics HTTP/3.7\r\nHost: x\r\n\r\n".into(),
    ] {
        let answer = running.send(&request).await;
        assert!(!answer.contains("sms_exporter_build_info"), "{request:?}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 200"), "{request:?}: {answer}");
    }
    for path in [
        "/../metrics",
        "/%2e%2e/metrics",
        "//metrics",
        "/metrics/",
        "/metrics%00",
        "/-/../metrics",
        "/METRICS",
    ] {
        let answer = running.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_id_from_the_service_leads_to_no_other_path() {
    let mut rig = Rig::new(20).await;
    rig.simulator.edit(|world| {
        let evil = [
            "..",
            "../sources/x/passphrase?",
            "x/../../sources/y/command",
            "%2e%2e/certkey",
            "a\r\nX-Evil: 1",
        ];
        let copying: Vec<String> = world.tasks.keys().cloned().collect();
        for (id, evil) in copying.iter().zip(evil) {
            let mut task = world.tasks.remove(id).expect("it was there");
            task.id = evil.into();
            world.tasks.insert(evil.into(), task);
        }
    });
    rig.poll().await;
    assert_eq!(rig.simulator.tally().forbidden_calls, 0);
    assert_eq!(rig.count("huaweicloud_sms_task_info"), rig.simulator.truth().tasks.len());
}
