use super::*;
use crate::exposition::own::text004;
use crate::metrics::{Subject, all};

fn filled() -> Own {
    filled_of(&[])
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn filled_of(given: &[(&str, &str)]) -> Own {
    let own = Own::new(Build { version: "1", revision: "r", rustc: "c" });
    let meters = own.account(&AccountName::new("a"), &labels(given));
    let at = Timestamp::from_millis(1000);
    let outcome = CollectorOutcome {
        at,
        took: Duration::from_secs(1),
        last_success: Some(at),
        failures: 2,
        reason: Some("timeout"),
        expected: Some(3),
        exported: 2,
        duplicates: 1,
    };
    meters.polled(Collector::Sources, &outcome);
    meters.listed(Collector::Sources, 1, ["shifted"].into_iter(), true, true);
    meters.details(Collector::SpeedLimits, 3, Some(at));
    meters.interval(Duration::from_secs(30));
    meters.odd([(&"sources.memory", &2)], [(&"sources.state", &1)]);
    meters.requested("list_servers", Some(200), Duration::from_millis(30));
    meters.requested("list_servers", None, Duration::from_secs(10));
    meters.retried("list_servers", "connect");
    meters.throttled("list_servers");
    meters.waited(Duration::from_millis(500));
    meters.rate(5.0);
    meters.refused();
    meters.expiry(Some(at));
    meters.stores();
    meters.stored(Some(at));
    own.published(
        [("huaweicloud_sms_sources", 24)].into_iter(),
        [("x", 1)].into_iter(),
        [("identity", 9), ("gzip", 3)],
    );
    own.reloaded(Some(at));
    own.served("/metrics", 200);
    own
}

#[test]
fn every_own_family_of_the_catalogue_is_served_with_its_help_and_type_and_no_other() {
    let text = text004(&filled().text());
    let helps: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")).map(str::to_owned).collect();
    let expected: Vec<String> = all()
        .iter()
        .filter(|entry| entry.subject == Subject::Exporter)
        .map(|entry| format!("{} {}", entry.desc.name, entry.desc.help))
        .collect();
    assert_eq!(helps, expected);
}

#[test]
fn the_text_of_accounts_has_every_family_with_an_account_and_no_series_without() {
    let text = text004(&filled().text_of_accounts());
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ").and_then(|help| help.split(' ').next()))
        .collect();
    let with_account = |entry: &&crate::metrics::Entry| {
        entry.subject == Subject::Exporter && entry.labels.contains(&"account")
    };
    let expected: Vec<&str> = all().iter().filter(with_account).map(|entry| entry.desc.name).collect();
    assert_eq!(names, expected);
    let mut samples = text.lines().filter(|line| !line.starts_with('#'));
    assert!(samples.all(|line| line.contains("account=\"a\"")), "{text}");
}

#[test]
fn an_account_that_is_forgotten_leaves_no_series() {
    let own = filled();
    own.forget(&AccountName::new("a"));
    assert!(!own.text().contains("account=\"a\""), "{}", own.text());
}

#[test]
fn every_series_of_an_account_has_its_labels_and_they_change_without_a_new_series() {
    let plain = filled().text();
    let with = |labels: &str| plain.replace("account=\"a\"", &format!("account=\"a\"{labels}"));
    // What the process uses is not the same twice.
    let own =
        |text: &str| text.lines().filter(|line| !line.contains("process_")).collect::<Vec<_>>().join("\n");
    let labelled = filled_of(&[("team", "x"), ("env", "q\" b\\ n\n")]);
    let given = ",env=\"q\\\" b\\\\ n\\n\",team=\"x\"";
    assert_eq!(own(&labelled.text()), own(&with(given)));
    let name = AccountName::new("a");
    labelled.relabel(&name, &labels(&[("team", "y")]));
    labelled.account(&name, &labels(&[("not", "yet")])).refused();
    let changed = with(",team=\"y\"");
    let refused = "sms_exporter_auth_failures_total{account=\"a\",team=\"y\"}";
    assert_eq!(
        own(&labelled.text()),
        own(&changed.replace(&format!("{refused} 1"), &format!("{refused} 2")))
    );
}

#[test]
fn permanent_credentials_have_no_expiry() {
    let own = filled();
    own.account(&AccountName::new("a"), &BTreeMap::new()).expiry(None);
    assert!(!own.text().contains("credentials_expiry_timestamp_seconds{"));
}
