//! Accounts from the environment and from a file, against a simulated service that listens for them.

use huaweicloud_sms_exporter::simulator::{Keys, Operation, Settings, Simulator};
use jiff::Timestamp;
use tokio::process::Command;
use tokio_util::sync::DropGuard;

use super::process::{Ended, exporter, finish};
use crate::harness::{REGION, Series, parse, serve};

/// Keys unlike the demo's, so that nothing can know them by itself.
fn keys(security_token: Option<&str>) -> Keys {
    Keys {
        ak: "TESTACCESSKEY1234567".to_owned(),
        sk: "a-secret-key-of-the-test-0123456789abcdef".to_owned(),
        security_token: security_token.map(str::to_owned),
        project_id: "11112222333344445555666677778888".to_owned(),
        password: "a-password-of-the-test".to_owned(),
        ..Keys::default()
    }
}

/// A simulated service.
struct Service {
    simulator: Simulator,
    origin: String,
    _stop: DropGuard,
}

impl Service {
    async fn with(keys: Keys) -> Self {
        let settings = Settings { sources: 10, region: REGION.into(), ..Settings::default() };
        let simulator = Simulator::with_clock(settings, keys, Timestamp::now);
        let (origin, stop) = serve(simulator.clone()).await;
        Self { simulator, origin, _stop: stop.drop_guard() }
    }

    /// `once` with the endpoints in the environment, and nothing else.
    fn once(&self) -> Command {
        let mut once = exporter(&["once"]);
        once.env("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", &self.origin);
        once.env("HUAWEICLOUD_SDK_IAM_ENDPOINT", &self.origin);
        once
    }

    /// How often an operation was answered with 200.
    fn answered(&self, operation: Operation) -> u64 {
        self.simulator.tally().requests.get(&(operation, 200)).copied().unwrap_or_default()
    }
}

/// The page of a run that went well; its output holds no secret.
async fn page(command: Command, keys: &Keys) -> Series {
    let ended = finish(command).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_no_secret(&ended, keys);
    let page = parse(&ended.out);
    let infos = page.keys().filter(|series| series.starts_with("huaweicloud_sms_source_info{"));
    assert_eq!(infos.count(), 10);
    page
}

fn assert_no_secret(ended: &Ended, keys: &Keys) {
    let token = keys.security_token.as_deref().into_iter();
    for secret in [&*keys.sk, &*keys.password].into_iter().chain(token) {
        assert!(
            !ended.out.contains(secret) && !ended.err.contains(secret),
            "a secret was told: {}",
            ended.err
        );
    }
}

#[tokio::test]
async fn every_family_of_variables_is_enough_to_run() {
    let families = [
        ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"],
        ["HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"],
        ["CLOUD_SDK_AK", "CLOUD_SDK_SK", ""],
    ];
    for [access, secret, token] in families {
        let keys = keys((!token.is_empty()).then_some("a-token-of-the-test"));
        let service = Service::with(keys.clone()).await;
        let mut once = service.once();
        once.env("HW_REGION_NAME", REGION).env(access, &keys.ak).env(secret, &keys.sk);
        if let Some(value) = &keys.security_token {
            once.env(token, value);
        }
        page(once, &keys).await;
        assert_eq!(service.simulator.tally().refused, 0, "{access}");
        assert_eq!(service.answered(Operation::ListProjects), 1, "the project was looked for: {access}");
    }
}

#[tokio::test]
async fn a_project_that_is_named_is_not_looked_for() {
    for name in ["HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID"] {
        let keys = keys(None);
        let service = Service::with(keys.clone()).await;
        let mut once = service.once();
        once.args(["--region", REGION]).env(name, &keys.project_id);
        once.env("HUAWEICLOUD_SDK_AK", &keys.ak).env("HUAWEICLOUD_SDK_SK", &keys.sk);
        page(once, &keys).await;
        assert_eq!(service.answered(Operation::ListProjects), 0, "{name}");
    }
}

#[tokio::test]
async fn the_vendors_variables_come_before_the_others() {
    let keys = keys(None);
    let service = Service::with(keys.clone()).await;
    let mut once = service.once();
    once.env("HW_REGION_NAME", REGION);
    once.env("HUAWEICLOUD_SDK_AK", &keys.ak).env("HUAWEICLOUD_SDK_SK", &keys.sk);
    for (access, secret) in [("HW_ACCESS_KEY", "HW_SECRET_KEY"), ("CLOUD_SDK_AK", "CLOUD_SDK_SK")] {
        once.env(access, "ANOTHERKEY").env(secret, "another-secret");
    }
    page(once, &keys).await;
    assert_eq!(service.simulator.tally().refused, 0);
}

#[tokio::test]
async fn a_wrong_key_fails_the_run_without_telling_it_and_without_trying_again() {
    let keys = keys(None);
    let service = Service::with(keys.clone()).await;
    let wrong = Keys { sk: "a-wrong-secret-key-0123456789".to_owned(), ..keys };
    let mut once = service.once();
    once.env("HW_REGION_NAME", REGION).env("HW_PROJECT_ID", &wrong.project_id);
    once.env("HUAWEICLOUD_SDK_AK", &wrong.ak).env("HUAWEICLOUD_SDK_SK", &wrong.sk);
    let ended = finish(once).await;
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(ended.err.contains("collectors failed"), "{}", ended.err);
    assert_no_secret(&ended, &wrong);
    assert_eq!(service.simulator.tally().refused, 1, "a key locks after a few refusals");
}

#[tokio::test]
async fn a_file_holds_several_accounts_with_keys_from_variables_and_a_user_with_a_password() {
    let keys = keys(None);
    let service = Service::with(keys.clone()).await;
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("sms-exporter.yml");
    std::fs::write(home.path().join("password"), &keys.password).expect("the password is written");
    let endpoints = format!("    endpoint: {0}\n    iam_endpoint: {0}\n", service.origin);
    let yaml = format!(
        "defaults:\n  region: {REGION}\naccounts:\n  - name: keys\n{endpoints}    credentials:\n      \
         access_key_env: PROD_AK\n      secret_key_env: PROD_SK\n  - name: user\n{endpoints}    \
         credentials:\n      user: {}\n      account: {}\n      password_file: password\n",
        keys.user, keys.domain
    );
    std::fs::write(&file, yaml).expect("the configuration is written");
    let mut once = exporter(&["once", "--config.file"]);
    once.arg(&file).env("PROD_AK", &keys.ak).env("PROD_SK", &keys.sk);
    let ended = finish(once).await;
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert_no_secret(&ended, &keys);
    let page = parse(&ended.out);
    for account in ["keys", "user"] {
        let of_account = format!("huaweicloud_sms_source_info{{account=\"{account}\",");
        assert_eq!(page.keys().filter(|series| series.starts_with(&of_account)).count(), 10, "{account}");
    }
    let tally = service.simulator.tally();
    assert_eq!(tally.requests.get(&(Operation::CreateToken, 201)), Some(&1), "{:?}", tally.requests);
    assert_eq!(tally.refused, 0);
}
