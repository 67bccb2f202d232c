//! The doctor, against services that lack one thing each.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use huaweicloud_sms_exporter::auth::Environment;
use huaweicloud_sms_exporter::config::{Config, Endpoint, Glob, SecretFrom};
use huaweicloud_sms_exporter::model::{Clock, Collector, Timestamp};
use huaweicloud_sms_exporter::run::{Surroundings, doctor};
use huaweicloud_sms_exporter::simulator::{Fault, Keys, Operation, Settings, Simulator, What};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue;
use crate::harness::{REGION, config, serve, wall_clock};

/// What the doctor says of the only account, with what differs from run to run replaced.
async fn told(simulator: &Simulator, change: impl FnOnce(&mut Config)) -> String {
    told_at(0, simulator, change).await
}

/// As [`told`], on a machine whose clock is ahead by so many seconds.
async fn told_at(ahead: i64, simulator: &Simulator, change: impl FnOnce(&mut Config)) -> String {
    let (origin, stop) = serve(simulator.clone()).await;
    let mut config = config(&origin, &simulator.keys());
    change(&mut config);
    let clock = Clock::new(move || Timestamp::from_millis(wall_clock() + ahead * 1000));
    let surroundings = Surroundings { clock, environment: Environment::new(|_| None) };
    let diagnosis = doctor::examine(&config.accounts[0], &config, &surroundings).await;
    stop.cancel();
    steady(&diagnosis.to_string(), &origin)
}

/// Without what differs from run to run or with every change of a family: places, times and counts of series.
fn steady(text: &str, origin: &str) -> String {
    let text = text.replace(origin.trim_start_matches("http://"), "HOST");
    let lines = text.lines().map(|line| {
        if let Some((before, after)) = line.split_once("took ") {
            let of = after.split_once(" of ").map_or(after, |(_, of)| of);
            return format!("{before}took TIME of {of}");
        }
        let is_count = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_digit());
        let words =
            line.split(' ').map(|word| if is_count(word) && line.contains("series") { "N" } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    without_date(&lines.collect::<Vec<_>>().join("\n"))
}

/// Replaces the date that the gateway repeats of a signature.
fn without_date(text: &str) -> String {
    const HEADER: &str = "x-sdk-date:";
    match text.split_once(HEADER) {
        Some((before, after)) => {
            let rest = after.split_once('|').map_or("", |(_, rest)| rest);
            format!("{before}{HEADER}DATE|{rest}")
        }
        None => text.to_owned(),
    }
}

fn fleet() -> Simulator {
    Simulator::new(Settings { sources: 30, region: REGION.into(), ..Settings::default() })
}

fn refusal(code: u16, body: &str) -> What {
    let (body, content_type) = (body.as_bytes().to_vec(), "application/json".to_owned());
    What::Status { code, body, content_type, headers: Vec::new() }
}

#[tokio::test]
async fn a_sound_account_is_told_from_its_names_to_its_series() {
    let simulator = fleet();
    insta::assert_snapshot!(told(&simulator, |_| {}).await);
    assert_eq!(simulator.tally().forbidden_calls, 0);
}

#[tokio::test]
async fn filters_that_leave_nothing_are_told_with_their_numbers() {
    let filter = |pattern: &str| {
        let pattern = Glob::new(pattern).expect("a pattern");
        move |config: &mut Config| config.accounts[0].names.include = vec![pattern]
    };
    let text = told(&fleet(), filter("web.*")).await;
    assert!(text.contains("note  filters: 0 of 30 source servers pass name_include"), "{text}");
    assert!(text.contains("note  configuration: \"web.*\" in name_include asks for a dot"), "{text}");
    let text = told(&fleet(), filter("*")).await;
    assert!(text.contains("ok    filters: 30 of 30 source servers pass"), "{text}");
}

#[test]
fn a_directory_that_cannot_keep_anything_is_a_failure_with_advice() {
    let told = |path: &str| doctor::storage(Path::new(path)).to_string();
    assert!(told("/proc").starts_with("  FAIL  storage: nothing can be kept in /proc"), "{}", told("/proc"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = told(directory.path().to_str().expect("a path that is text"));
    assert!(text.starts_with("  ok    storage: "), "{text}");
}

#[tokio::test]
async fn the_quota_is_told_where_the_gateway_tells_it() {
    let simulator = fleet();
    let (body, content_type) = (br#"{"waiting":30}"#.to_vec(), "application/json".to_owned());
    let headers = vec![("X-Apig-RateLimit-user".to_owned(), "remain:9,limit:10,time:10 second".to_owned())];
    let what = What::Status { code: 200, body, content_type, headers };
    simulator.inject(Fault::always(Operation::ShowOverview, what));
    let text = told(&simulator, |_| {}).await;
    assert!(text.contains("ok    quota: user remain:9,limit:10,time:10 second"), "{text}");
}

#[tokio::test]
async fn a_wrong_secret_key_is_tried_once() {
    let simulator = fleet();
    let wrong = |config: &mut Config| {
        let keys = Keys { sk: "not-the-secret-key".into(), ..Keys::default() };
        config.accounts[0].credentials =
            crate::harness::config("http://[::1]:1", &keys).accounts[0].credentials.clone();
    };
    insta::assert_snapshot!(told(&simulator, wrong).await);
    assert_eq!(simulator.tally().refused, 1);
}

#[tokio::test]
async fn an_unknown_key_is_told_with_a_project_given() {
    let simulator = fleet();
    let wrong = |config: &mut Config| {
        let keys = Keys { ak: "NOBODYSKEY".into(), ..Keys::default() };
        config.accounts[0].credentials =
            crate::harness::config("http://[::1]:1", &keys).accounts[0].credentials.clone();
        config.accounts[0].project_id = Some(Keys::default().project_id);
    };
    insta::assert_snapshot!(told(&simulator, wrong).await);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_before_any_key_is_tried() {
    let simulator = fleet();
    let text = told_at(3600, &simulator, |_| {}).await;
    assert!(text.contains("FAIL  clock: this machine is 1h"), "{text}");
    assert!(text.contains("ahead of the service; signatures are refused beyond 15 minutes"), "{text}");
    assert_eq!(simulator.tally().refused, 0);
    let text = told_at(-300, &simulator, |_| {}).await;
    assert!(text.contains("note  clock: this machine is ") && text.contains("all is well"), "{text}");
}

#[tokio::test]
async fn an_operation_that_is_not_permitted_is_told_with_its_action() {
    let simulator = fleet();
    let body = r#"{"error_code":"SMS.9004","error_msg":"no permission"}"#;
    for operation in [Operation::ListTasks, Operation::ListErrors] {
        simulator.inject(Fault::always(operation, refusal(403, body)));
    }
    insta::assert_snapshot!(told(&simulator, |_| {}).await);
}

#[tokio::test]
async fn a_region_without_a_project_is_told() {
    let simulator = fleet();
    let body = r#"{"projects":[]}"#;
    simulator.inject(Fault::always(Operation::ListProjects, refusal(200, body)));
    insta::assert_snapshot!(told(&simulator, |_| {}).await);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_told_and_no_key_is_sent() {
    let simulator = fleet();
    let nowhere = |config: &mut Config| {
        // A port that was free a moment ago, and a name that is reserved never to exist.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let gone = format!("http://{}", listener.local_addr().expect("a bound port"));
        config.accounts[0].endpoint = Endpoint::parse(&gone).expect("an endpoint");
        config.accounts[0].iam_endpoint = Endpoint::parse("https://iam.invalid").expect("an endpoint");
    };
    let text = told(&simulator, nowhere).await;
    assert!(text.contains("FAIL  migration service: http://127.0.0.1:"), "{text}");
    assert!(text.contains("Connection refused") && text.contains("nothing listens there"), "{text}");
    assert!(text.contains("FAIL  identity service: iam.invalid does not resolve"), "{text}");
    assert!(!text.contains("credentials"), "{text}");
}

#[tokio::test]
async fn credentials_that_are_nowhere_are_told() {
    let simulator = fleet();
    let text = told(&simulator, |config| {
        config.accounts[0].credentials = huaweicloud_sms_exporter::config::CredentialSource::Password {
            user: "u".into(),
            domain: "d".into(),
            password: SecretFrom::File("/nowhere/password".into()),
        };
    })
    .await;
    assert!(text.contains("FAIL  credentials: ") && text.contains("/nowhere/password"), "{text}");
}

/// Runs the binary with nothing in its environment but the simulator's address and these keys.
async fn binary(origin: &str, sk: &str) -> Output {
    let keys = Keys::default();
    Command::new(env!("CARGO_BIN_EXE_sms-exporter"))
        .arg("doctor")
        .env_clear()
        .env("HW_REGION_NAME", REGION)
        .env("HUAWEICLOUD_SDK_AK", keys.ak)
        .env("HUAWEICLOUD_SDK_SK", sk)
        .env("HUAWEICLOUD_SDK_IAM_ENDPOINT", origin)
        .env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", origin)
        .output()
        .await
        .expect("the binary runs")
}

#[tokio::test]
async fn the_exit_status_is_0_when_all_is_well_and_else_1() {
    let (origin, _stop) = serve(fleet()).await;
    let output = binary(&origin, &Keys::default().sk).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("all is well"), "{text}");
    let output = binary(&origin, "not-the-secret-key").await;
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAIL") && log.contains("something is wrong with these: default"), "{log}");
}

/// The actions of a policy of deploy/.
fn actions(policy: &str) -> BTreeSet<String> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/iam").join(policy);
    let text = std::fs::read_to_string(at).expect("the policy is there");
    let policy: serde_json::Value = serde_json::from_str(&text).expect("a policy is JSON");
    let actions = policy["Statement"][0]["Action"].as_array().expect("a policy has actions");
    actions.iter().filter_map(|action| Some(action.as_str()?.to_owned())).collect()
}

#[test]
fn the_policy_the_doctor_and_the_alert_name_the_same_actions() {
    let needed = Collector::ALL.iter().map(|&collector| doctor::action(collector).to_owned());
    assert_eq!(actions("identity-policy.json"), needed.collect());
    let rules = include_str!("../../alerts/huaweicloud-sms.rules.yml");
    for &collector in Collector::ALL.iter() {
        let told =
            format!("eq $labels.collector \"{}\" }}}}{}\n", collector.label(), doctor::action(collector));
        assert!(rules.contains(&told), "HuaweiSmsCollectorForbidden does not say {told}");
    }
}

/// What the doctor says behind a proxy that answers every connection so, or that does not listen.
async fn told_behind(answer: Option<&'static str>) -> String {
    let proxy = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", proxy.local_addr().expect("a bound port"));
    let proxies = TaskTracker::new();
    let end = CancellationToken::new();
    if let Some(answer) = answer {
        let answering = async move {
            loop {
                let (mut socket, _) = proxy.accept().await.expect("a connection");
                let mut asked = [0; 1000];
                drop(socket.read(&mut asked).await);
                drop(socket.write_all(answer.as_bytes()).await);
            }
        };
        proxies.spawn(end.clone().run_until_cancelled_owned(answering));
    } else {
        drop(proxy);
    }
    let simulator = fleet();
    let told = told(&simulator, |config| {
        let account = &mut config.accounts[0];
        account.endpoint = Endpoint::parse("https://sms.invalid").expect("an endpoint");
        account.iam_endpoint = account.endpoint.clone();
        account.proxy = Some(SecretFrom::Value(url.into()));
    });
    let told = told.await;
    end.cancel();
    told
}

#[tokio::test]
async fn what_a_proxy_refuses_is_the_proxys_and_not_the_endpoints() {
    let silent = told_behind(None).await;
    assert!(silent.contains("what to do: the proxy does not let it through, or is not there"), "{silent}");
    let closed = told_behind(Some("HTTP/1.1 403 Forbidden\r\n\r\n")).await;
    assert!(closed.contains("what to do: the proxy does not let it through"), "{closed}");
    let strange = told_behind(Some("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).await;
    assert!(strange.contains("what to do: the proxy asks for a user and a password"), "{strange}");
    for told in [silent, closed, strange] {
        assert!(!told.contains("check the endpoint and its port"), "{told}");
    }
}

#[tokio::test]
async fn the_policy_allows_the_operations_that_are_called_and_no_others() {
    let operations = [
        ("list_servers", "sms:server:list"),
        ("list_tasks", "sms:server:listTask"),
        ("list_error_servers", "sms:server:listErrors"),
        ("show_overview", "sms:server:overview"),
        ("show_speed_limits", "sms:server:getTaskSpeedLimit"),
        ("show_consistency_result", "sms:server:getConsistencyCheckResult"),
    ];
    let called = catalogue::every_series().await.into_iter().filter_map(|series| {
        let requests = catalogue::family(&series) == "sms_exporter_api_requests_total";
        requests.then(|| catalogue::labels(&series).into_iter().find(|(name, _)| name == "operation"))?
    });
    // Asked of the identity service, which its own policies let everybody ask.
    let identity = "list_projects";
    let called: BTreeSet<String> =
        called.map(|(_, operation)| operation).filter(|operation| operation != identity).collect();
    assert_eq!(called, operations.iter().map(|(operation, _)| (*operation).to_owned()).collect());
    let allowed = operations.iter().map(|(_, action)| (*action).to_owned());
    assert_eq!(actions("identity-policy.json"), allowed.collect());
}
