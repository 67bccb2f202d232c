//! What cannot be run ends at once, with one line that says what to do.

use std::net::TcpListener;

use super::process::{Ended, exporter, finish};

/// Runs without an account in the environment.
async fn run(arguments: &[&str]) -> Ended {
    finish(exporter(arguments)).await
}

/// One line on standard error, nothing on standard output, and nothing of the program's inside.
fn assert_one_line(ended: &Ended, status: i32, parts: &[&str]) {
    assert_eq!(ended.status, Some(status), "{}", ended.err);
    assert_eq!((ended.out.as_str(), ended.err.lines().count()), ("", 1), "{}", ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "no {part:?} in {}", ended.err);
    }
    for inside in ["panicked", "backtrace", ".rs:", "Os {", "Error("] {
        assert!(!ended.err.contains(inside), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_line_with_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound port").to_string();
    let mut command = exporter(&["--region=cn-north-4", "--web.listen-address", &address]);
    // The port is looked at first: this endpoint is never asked.
    command.env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", "http://127.0.0.1:9");
    command.env("HUAWEICLOUD_SDK_AK", "AK").env("HUAWEICLOUD_SDK_SK", "SK").env("HW_PROJECT_ID", "p1");
    let ended = finish(command).await;
    assert_one_line(&ended, 1, &[&address, "in use", "--web.listen-address"]);
    assert_eq!(ended.err.matches("in use").count(), 1, "its cause stands once: {}", ended.err);
}

#[tokio::test]
async fn a_demo_that_finds_its_port_in_use_ends_as_well() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound port").to_string();
    let ended = run(&["demo", "--log.level=error", "--web.listen-address", &address]).await;
    assert_eq!((ended.status, ended.err.lines().count()), (Some(1), 1), "{}", ended.err);
    assert!(ended.err.contains(&address) && ended.err.contains("in use"), "{}", ended.err);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_one_line_with_status_2() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let missing = home.path().join("missing.yml");
    let missing = missing.to_str().expect("a path that is text");
    assert_one_line(&run(&["--config.file", missing]).await, 2, &[missing, "no such file"]);
    let directory = home.path().to_str().expect("a path that is text");
    assert_one_line(&run(&["--config.file", directory]).await, 2, &[directory]);
    assert_one_line(&run(&["--config.check", "--config.file", missing]).await, 2, &[missing]);
    assert_one_line(&run(&["once", "--config.file", missing]).await, 2, &[missing]);
}

#[tokio::test]
async fn missing_keys_are_one_line_with_status_2() {
    assert_one_line(&run(&["--region=cn-north-4"]).await, 2, &["HUAWEICLOUD_SDK_AK"]);
    let mut half = exporter(&["--region=cn-north-4"]);
    half.env("HW_ACCESS_KEY", "AK");
    assert_one_line(&finish(half).await, 2, &["HW_SECRET_KEY", "HW_ACCESS_KEY"]);
    let mut nowhere = exporter(&[]);
    nowhere.env("HUAWEICLOUD_SDK_AK", "AK").env("HUAWEICLOUD_SDK_SK", "SK");
    assert_one_line(&finish(nowhere).await, 2, &["HW_REGION_NAME", "--region"]);
}

#[tokio::test]
async fn a_flag_that_is_not_known_or_not_good_is_one_line_with_status_2() {
    assert_one_line(&run(&["--web.listen-adress=:1"]).await, 2, &["--web.listen-address", "--help"]);
    assert_one_line(&run(&["--poll.interval=soon"]).await, 2, &["30s"]);
    let missing = run(&["demo", "--log.level=error", "--web.config.file=/does/not/exist"]).await;
    assert_eq!((missing.status, missing.err.lines().count()), (Some(2), 1), "{}", missing.err);
    assert!(missing.err.contains("/does/not/exist"), "{}", missing.err);
}

#[tokio::test]
async fn a_check_says_ok_or_what_is_wrong_in_which_line() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("sms-exporter.yml");
    let path = file.to_str().expect("a path that is text");
    let good = "accounts:\n  - name: prod\n    region: cn-north-4\n    credentials:\n      \
                access_key_env: A\n      secret_key_env: B\n";
    std::fs::write(&file, good).expect("the configuration is written");
    let check = || {
        let mut check = exporter(&["--config.check", "--config.file", path]);
        check.env("A", "an-access-key").env("B", "a-secret-key");
        check
    };
    let ended = finish(check()).await;
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.out.starts_with("ok\n"), "{}", ended.out);
    std::fs::write(&file, good.replace("region:", "regoin:")).expect("the configuration is written");
    let ended = finish(check()).await;
    assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.err.contains(&format!("{path}:3")) && ended.err.contains("regoin"), "{}", ended.err);
    assert!(!ended.err.contains("a-secret-key"), "{}", ended.err);
}

#[tokio::test]
async fn version_and_help_are_asked_for_and_so_go_to_standard_output() {
    let version = run(&["--version"]).await;
    let first = format!("sms-exporter, version {} (revision: ", env!("CARGO_PKG_VERSION"));
    assert_eq!((version.status, version.err.as_str()), (Some(0), ""));
    assert!(version.out.starts_with(&first), "{}", version.out);
    let help = run(&["--help"]).await;
    assert_eq!((help.status, help.err.as_str()), (Some(0), ""));
    for part in ["demo", "--config.file", "--web.listen-address", "HUAWEICLOUD_SDK_AK", "Examples:"] {
        assert!(help.out.contains(part), "no {part} in {}", help.out);
    }
}
