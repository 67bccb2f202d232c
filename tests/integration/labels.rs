//! Labels that an account gives all of its series.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use huaweicloud_sms_exporter::config::Account;
use huaweicloud_sms_exporter::model::AccountName;

use crate::binary::file;
use crate::catalogue::{family, labels};
use crate::harness::Rig;
use crate::outside::process::exporter;

type Given = &'static [(&'static str, &'static str)];

/// Three accounts at one service; the last gives no labels.
const ACCOUNTS: [(&str, Given); 3] = [
    ("a", &[("env", "prod"), ("note", "q\" b\\ bn\\n n\n c, }e=\"é\" 云"), ("team", "migration")]),
    ("b", &[("env", "test"), ("owner", "somebody else")]),
    ("c", &[]),
];

fn owned(given: Given) -> BTreeMap<String, String> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The account of a series, and the series without the account and the labels that it has to have behind it.
fn told_apart(series: &str) -> Option<(String, String)> {
    let labels = labels(series);
    let (first, account) = labels.first().filter(|(name, _)| name == "account")?;
    let (_, given) = ACCOUNTS.into_iter().find(|(name, _)| name == account).expect("it is configured");
    let given: Vec<(String, String)> = owned(given).into_iter().collect();
    let rest = labels[1..].strip_prefix(given.as_slice());
    let rest = rest.unwrap_or_else(|| panic!("{series} lacks a label behind {first}"));
    Some((account.clone(), format!("{}{rest:?}", family(series))))
}

#[tokio::test]
async fn every_series_of_an_account_has_its_labels_and_no_other_account_has_them() {
    let mut rig = Rig::with(12, |config| {
        let template = config.accounts.remove(0);
        let account = |(name, given)| Account {
            name: AccountName::new(name),
            labels: owned(given),
            ..template.clone()
        };
        config.accounts = ACCOUNTS.map(account).to_vec();
    })
    .await;
    rig.poll().await;
    rig.advance(Duration::from_secs(600));
    rig.poll().await;
    let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (account, series) in rig.series().keys().filter_map(|series| told_apart(series)) {
        of.entry(account).or_default().insert(series);
    }
    assert!(
        of["c"].len() > 500 && of["c"].iter().any(|series| series.starts_with("sms_exporter_poll_success"))
    );
    assert!(of["a"] == of["c"] && of["b"] == of["c"], "they differ by the labels alone");
}

#[tokio::test]
async fn a_label_that_series_have_anyway_is_refused_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["source_id", "account", "__name__"] {
        let yaml = format!("accounts:\n- name: a\n  region: cn-north-4\n  labels:\n    {name}: x\n");
        let flag = format!("--config.file={}", file(directory.path(), "exporter.yml", &yaml));
        let keys = [("HUAWEICLOUD_SDK_AK", "ak"), ("HUAWEICLOUD_SDK_SK", "sk")];
        let ended = exporter(&[&flag, "--config.check"]).envs(keys).output().await.expect("the binary runs");
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(
            told.contains(&format!("exporter.yml:5:5: labels: \"{name}\" is not valid; expected ")),
            "{told}"
        );
    }
}
