use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use crate::config::{
    ApiLimits, Collectors, Config, ConfigErrors, CredentialSource, Detail, Overrides, Region, Scope,
    SecretFrom,
};
use crate::metrics::label_names;
use crate::model::{Collector, RateUnit};

/// Stands wherever a secret could: no error may show it.
const MARK: &str = "MaRkEd7SeCrEt";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config")
}

fn parse_with(yaml: &str, variables: &[(&str, &str)], overrides: &Overrides) -> Result<Config, ConfigErrors> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    Config::parse(yaml, &fixtures().join("test.yml"), &environment, overrides, &label_names())
}

fn parse(yaml: &str) -> Result<Config, ConfigErrors> {
    parse_with(yaml, &[], &Overrides::default())
}

/// The errors, with the directory of the file taken off.
fn errors_of(result: Result<Config, ConfigErrors>) -> String {
    let directory = format!("{}/", fixtures().display());
    result.expect_err("this configuration is wrong").to_string().replace(&directory, "")
}

fn errors(yaml: &str) -> String {
    errors_of(parse(yaml))
}

fn full() -> Config {
    let environment = |name: &str| match name {
        "PROD_PROXY" => Some("http://user:word@proxy:3128".to_owned()),
        _ => name.starts_with("PROD_").then(|| "set".to_owned()),
    };
    let path = fixtures().join("full.yml");
    Config::load(&path, &environment, &Overrides::default(), &label_names()).unwrap()
}

#[test]
fn the_full_example_is_read_key_by_key() {
    let Config { accounts, poll_interval, stale_after } = full();
    assert_eq!((poll_interval, stale_after), (Duration::from_secs(60), Duration::from_secs(600)));
    let prod = &accounts[0];
    assert_eq!(prod.name.as_str(), "prod");
    assert_eq!(prod.region.as_str(), "ap-southeast-3", "from the defaults");
    let labels: Vec<_> = prod.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["env=prod", "team=migration"], "the latter from the defaults");
    assert_eq!(prod.endpoint.origin(), "https://sms.ap-southeast-3.myhuaweicloud.com");
    assert_eq!(prod.iam_endpoint.origin(), "https://iam.ap-southeast-3.myhuaweicloud.com");
    assert_eq!(prod.project_id.as_deref(), Some("07b0c5f2a6d84e2f9c3d1e0f5a6b7c8d"));
    assert_eq!(prod.enterprise_project_id.as_deref(), Some("2f4b6c8d-0000-4000-8000-123456789abc"));
    assert_eq!(prod.migproject.as_deref(), Some("6a1d0c9e-0000-4000-8000-abcdef012345"));
    assert_eq!(
        prod.credentials,
        CredentialSource::Keys {
            access_key: SecretFrom::Env("PROD_AK".into()),
            secret_key: SecretFrom::Env("PROD_SK".into()),
            security_token: Some(SecretFrom::Env("PROD_TOKEN".into())),
        }
    );
    assert!(!prod.collectors.has(Collector::Consistency));
    assert_eq!((prod.speed_unit, prod.disk_io_unit), (RateUnit::Mbit, RateUnit::Mbit));
    assert_eq!(prod.clock_offset, 28_800);
    assert_eq!(prod.detail, Detail::Full);
    assert_eq!(prod.finished_retention, Some(Duration::from_secs(7 * 86_400)));
    assert!(prod.names.passes("web-1") && prod.names.passes("db-2") && !prod.names.passes("web-test"));
    assert!(prod.families.names.passes("huaweicloud_sms_sources"));
    assert!(!prod.families.names.passes("huaweicloud_sms_task_subtask_progress_ratio"));
    assert_eq!(prod.families.max_series.map(std::num::NonZero::get), Some(10_000));
    assert_eq!(
        prod.limits,
        ApiLimits {
            requests_per_second: 2.5,
            details_requests_per_second: Some(1.0),
            ..ApiLimits::default()
        }
    );
}

#[test]
fn every_form_of_credentials_is_read_and_paths_are_relative_to_the_file() {
    let accounts = full().accounts;
    let sources: Vec<_> = accounts.iter().map(|account| account.credentials.label()).collect();
    assert_eq!(sources, ["keys", "keys", "password", "ecs_agency", "profile", "chain"]);
    let beside = |name: &str| fixtures().join("secrets").join(name);
    let files = CredentialSource::Keys {
        access_key: SecretFrom::File(beside("access-key")),
        secret_key: SecretFrom::File(beside("secret-key")),
        security_token: None,
    };
    assert_eq!(accounts[1].credentials, files);
    assert_eq!(accounts[1].ca_file, Some(beside("ca.pem")));
    assert_eq!(accounts[1].proxy, Some(SecretFrom::Value("http://proxy.example.com:3128".into())));
    let on = [Collector::Sources, Collector::Tasks, Collector::Overview, Collector::SpeedLimits];
    assert_eq!(accounts[1].collectors, Collectors::new(on));
    let password = SecretFrom::File(beside("password"));
    let (user, domain) = ("sms-reader".to_owned(), "example-corp".to_owned());
    assert_eq!(accounts[2].credentials, CredentialSource::Password { user, domain, password });
    assert_eq!((accounts[2].scope, accounts[2].detail), (Scope::Domain, Detail::Aggregate));
    assert_eq!(accounts[2].proxy, Some(SecretFrom::Env("PROD_PROXY".into())));
    assert_eq!(accounts[2].endpoint.origin(), "https://sms.eu-west-101.myhuaweicloud.eu");
    assert_eq!(accounts[4].credentials, CredentialSource::Profile(Some(beside("profile"))));
}

#[test]
fn a_name_and_a_region_are_enough() {
    let config = parse("accounts: [{name: a, region: cn-north-4}]").unwrap();
    assert_eq!(config.poll_interval, Duration::from_secs(30));
    assert_eq!(config.stale_after, Duration::from_secs(900));
    let account = &config.accounts[0];
    assert_eq!(account.credentials, CredentialSource::Chain);
    assert_eq!(account.collectors, Collectors::default());
    assert_eq!(account.limits, ApiLimits::default());
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line_and_key() {
    let yaml = r#"
poll_interval: 500ms
stale_after: soon
defaults:
  disk_io_unit: megabyte
  limits: {burst: -1}
accounts:
  - name: one
    region: CN North
    endpoint: http://sms.example.com
    iam_endpoint: ftp://iam.example.com
    project_id: "../x"
    scope: galaxy
    collectors: [sources, disks]
    limits: {requests_per_second: 0, concurrency: many, max_body: 1TB, poll_timeout: 0s}
    source_clock_offset: "8"
    detail: some
    finished_retention: 7
    name_include: [""]
    metrics: {allow: ["a-b"], max_series_per_family: 0}
    ca_file: missing.pem
  - name: one
    region: cn-north-4
    collectors: {sources: maybe, discs: false}
    disk_io_unit: mbit
    limits: {burst: 3}
  - region: cn-north-4
"#;
    insta::assert_snapshot!(errors(yaml));
}

#[test]
fn labels_are_any_text_and_those_of_the_defaults_stand_behind_an_accounts_own() {
    let yaml = r#"
defaults: {region: cn-north-4, labels: {team: migration, env: prod}}
accounts:
  - {name: a, labels: {env: "q\" b\\ n\n 云", _x1: 007, on: no}}
  - {name: b}
"#;
    let told: Vec<_> = parse(yaml).unwrap().accounts.into_iter().map(|account| account.labels).collect();
    let labels = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let a = [("team", "migration"), ("env", "q\" b\\ n\n 云"), ("_x1", "007"), ("on", "no")];
    assert_eq!(told, [labels(&a), labels(&[("team", "migration"), ("env", "prod")])]);
}

#[test]
fn a_wrong_label_is_told_with_its_line_and_key() {
    let yaml = r#"
defaults: {region: cn-north-4}
accounts:
  - name: a
    labels:
      source_id: x
      account: x
      __name__: x
      le: x
      job: x
      team-a: x
      1st: x
      "": x
      empty: ""
      nul: "a\0b"
  - {name: b, labels: {l1: x, l2: x, l3: x, l4: x, l5: x, l6: x, l7: x, l8: x, l9: x, l10: x, l11: x, l12: x,
      l13: x, l14: x, l15: x, l16: x, l17: x}}
"#;
    insta::assert_snapshot!(errors(yaml));
    let long = |name: usize, value: usize| {
        let (name, value) = ("n".repeat(name), "é".repeat(value));
        parse(&format!("accounts: [{{name: a, region: cn-north-4, labels: {{{name}: {value}}}}}]"))
    };
    assert!(long(64, 256).is_ok() && long(65, 1).is_err() && long(1, 257).is_err());
}

#[test]
fn no_account_can_give_a_label_that_a_family_of_the_catalogue_has() {
    for name in label_names() {
        let told = errors(&format!("accounts: [{{name: a, region: cn-north-4, labels: {{{name}: x}}}}]"));
        assert!(told.starts_with("test.yml:1:51: labels: ") && told.contains(name), "{told}");
    }
}

#[test]
fn every_wrong_form_of_credentials_is_told() {
    let yaml = r#"
defaults: {region: cn-north-4}
accounts:
  - name: inline
    credentials: {access_key: MaRkEd7SeCrEt, secret_key: MaRkEd7SeCrEt}
  - name: inline password
    credentials: {user: u, account: a, password: MaRkEd7SeCrEt}
  - name: both
    credentials: {access_key_env: SET, secret_key_env: SET, user: u, account: a, password_env: SET}
  - name: unset
    credentials: {access_key_env: MaRkEd7SeCrEt, secret_key_file: MaRkEd7SeCrEt}
  - name: half
    credentials: {secret_key_env: SET}
  - name: twice
    credentials: {access_key_env: SET, access_key_file: secrets/access-key, secret_key_env: SET}
  - name: nobody
    credentials: {password_env: SET}
  - name: empty
    credentials: {}
  - name: source
    credentials: {source: MaRkEd7SeCrEt}
  - name: file
    credentials: {source: chain, profile_file: secrets/profile}
  - name: lost
    credentials: {profile_file: MaRkEd7SeCrEt}
  - name: directory
    credentials: {access_key_file: secrets, secret_key_env: SET}
  - name: proxy
    proxy: http://user:MaRkEd7SeCrEt@proxy:3128
  - name: proxies
    proxy: http://proxy:3128
    proxy_env: SET
  - name: proxy variable
    proxy_env: WRONG
  - name: no proxy
    proxy: MaRkEd7SeCrEt
"#;
    let variables = [("SET", MARK), ("WRONG", MARK)];
    let errors = errors_of(parse_with(yaml, &variables, &Overrides::default()));
    assert!(!errors.contains(MARK), "{errors}");
    insta::assert_snapshot!(errors);
}

#[test]
fn what_is_not_the_documented_shape_is_told_with_its_place() {
    let cases = [
        "accounts: 5",
        "accounts: [MaRkEd7SeCrEt]",
        "accounts:\n  - nam: x",
        "accounts:\n  - name: x\n    credentials: MaRkEd7SeCrEt",
        "accounts:\n  - name: x\n    credentials: {secret_key:MaRkEd7SeCrEt}",
        "accounts:\n  - name: x\n    credentials:\n      secret_key_evn: X",
        "accounts:\n  - name: x\n    name: y",
        "accounts:\n  - name: x\n    credentials: {account: a, domain: b}",
        "accounts:\n  - name: x\n    limits: [1]",
        "accounts:\n  - name: x\n    labels: [a]",
        "accounts:\n  - name: x\n    labels: {team: [a]}",
        "accounts:\n  - name: x\n    labels:\n      team:",
        "accounts:\n  - name: x\n    labels:\n      team: a\n      team: b",
        "accounts:\n  - name: [x]",
        "accounts:\n  - name: x\n   region: y",
        "accounts:\n  - name: \"MaRkEd7SeCrEt",
        "accounts: *MaRkEd7SeCrEt",
        "MaRkEd7SeCrEt",
        "accounts:\n  - name: x\n---\naccounts: []",
        "accounts:\n  - collectors: MaRkEd7SeCrEt",
        "accounts: []",
        "",
    ];
    let told: Vec<_> = cases.iter().map(|yaml| errors(yaml)).collect();
    assert!(told.iter().all(|error| !error.contains(MARK) && error.lines().count() == 1), "{told:#?}");
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn an_alias_and_a_merge_are_told_at_the_place_that_uses_them() {
    let yaml = "defaults: &d\n  region: cn-north-4\naccounts:\n  - <<: *d\n    name: a\n    detail: some\n";
    assert_eq!(errors(yaml), "test.yml:6:13: detail: \"some\" is not valid; expected full or aggregate");
}

#[test]
fn stale_data_must_outlive_two_polls_and_does_by_default() {
    let told = errors("poll_interval: 10m\nstale_after: 15m\naccounts: [{name: a, region: cn-north-4}]");
    assert_eq!(
        told,
        "test.yml:2:14: stale_after: 15m is too short; expected at least two poll intervals, 20m"
    );
    let config = parse("poll_interval: 10m\naccounts: [{name: a, region: cn-north-4}]").unwrap();
    assert_eq!(config.stale_after, Duration::from_secs(1800));
}

#[test]
fn flags_count_more_than_the_file() {
    let overrides = Overrides {
        region: Some(Region::new("eu-west-101").unwrap()),
        poll_interval: Some(Duration::from_secs(5)),
        stale_after: Some(Duration::from_secs(11)),
        collectors: vec![(Collector::Errors, false), (Collector::Tasks, true)],
        credentials: None,
    };
    let yaml = "poll_interval: 1m\naccounts:\n- {name: a, collectors: [sources, errors]}\n- {name: b, region: cn-north-4}";
    let config = parse_with(yaml, &[], &overrides).unwrap();
    assert_eq!(config.poll_interval, Duration::from_secs(5));
    assert_eq!(config.stale_after, Duration::from_secs(11));
    assert_eq!(config.accounts[0].collectors, Collectors::new([Collector::Sources, Collector::Tasks]));
    let regions: Vec<_> = config.accounts.iter().map(|account| account.region.as_str()).collect();
    assert_eq!(regions, ["eu-west-101", "cn-north-4"], "a file that names a region means it");
    let short = Overrides { stale_after: Some(Duration::from_secs(1)), ..overrides };
    assert_eq!(
        errors_of(parse_with(yaml, &[], &short)),
        "command line: --poll.stale-after: 1s is too short; expected at least two poll intervals, 10s"
    );
}

#[test]
fn the_environment_fills_in_what_the_file_leaves_out_of_accounts_that_use_the_chain() {
    let variables = [
        ("HW_REGION_NAME", "ap-southeast-3"),
        ("HUAWEICLOUD_SDK_REGION_SMS_AP_SOUTHEAST_3", "https://a.example.com, https://b.example.com"),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://iam.example.com"),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "p1"),
        ("HUAWEICLOUD_SDK_DOMAIN_ID", "d1"),
    ];
    let yaml = "accounts:\n- {name: a}\n- {name: b, endpoint: https://own.example.com, project_id: own}\n- {name: c, credentials: {source: ecs_agency}}";
    let accounts = parse_with(yaml, &variables, &Overrides::default()).unwrap().accounts;
    let told: Vec<_> = accounts
        .iter()
        .map(|a| (a.endpoint.origin(), a.project_id.as_deref().unwrap_or("-"), a.domain_id.is_some()))
        .collect();
    assert_eq!(told[0], ("https://a.example.com".to_owned(), "p1", true));
    assert_eq!(told[1], ("https://own.example.com".to_owned(), "own", true));
    assert_eq!(told[2], ("https://sms.ap-southeast-3.myhuaweicloud.com".to_owned(), "-", false));
}

#[test]
fn the_environments_project_is_not_given_to_accounts_in_two_regions() {
    let yaml = "accounts: [{name: a, region: cn-north-4}, {name: b, region: ap-southeast-3}]";
    let accounts = parse_with(yaml, &[("HW_PROJECT_ID", "p1")], &Overrides::default()).unwrap().accounts;
    assert!(accounts.iter().all(|account| account.project_id.is_none()));
}

#[test]
fn a_file_that_is_missing_or_too_long_or_no_text_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let load = |content: Option<&[u8]>| {
        let path = directory.path().join("c.yml");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error =
            Config::load(&path, &|_| None, &Overrides::default(), &label_names()).unwrap_err().to_string();
        error.replace(&format!("{}/", directory.path().display()), "")
    };
    assert_eq!(load(None), "c.yml: the file: cannot be read (no such file); expected a configuration file");
    assert_eq!(load(Some(&[0xff])), "c.yml: the file: not valid YAML: the file is not UTF-8 text");
    let long = "# x\n".repeat(300_000);
    assert_eq!(
        load(Some(long.as_bytes())),
        "c.yml: the file: is larger than 1048576 bytes; expected a configuration file"
    );
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut yaml = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        yaml.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    yaml.push_str("accounts: *a11\n");
    assert!(parse(&yaml).is_err());
    let deep = format!("accounts: {}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(yaml in "[ -~\n]{0,200}") {
        drop(parse(&yaml));
    }

    /// The full example with a piece cut out and marked secrets put in: whatever comes of it, no
    /// error shows the mark.
    #[test]
    fn no_damage_to_the_file_makes_an_error_show_a_secret(from in 0usize..3400, length in 0usize..12, glue in "[ :{}\\[\\],&*!|>'\"\n-]{0,3}") {
        let yaml = std::fs::read_to_string(fixtures().join("full.yml")).unwrap();
        let yaml = yaml.replace("PROD_SK", MARK).replace("secrets/secret-key", MARK).replace("PROD_PROXY", MARK);
        let mut chars: Vec<char> = yaml.chars().collect();
        let end = (from + length).min(chars.len());
        chars.splice(from.min(end)..end, glue.chars());
        let yaml: String = chars.into_iter().collect();
        if let Err(errors) = parse(&yaml) {
            prop_assert!(!errors.to_string().contains(MARK), "{errors}");
        }
    }
}
