//! The catalogue, held against a page: every family lives, and has the labels that the catalogue says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use huaweicloud_sms_exporter::metrics::{Entry, Subject, all};

use crate::harness::Rig;

/// The families that speak of the fleet.
fn families() -> impl Iterator<Item = &'static Entry> {
    all().iter().filter(|entry| entry.subject != Subject::Exporter)
}

/// The names of a series' labels, in their order.
fn label_names(series: &str) -> Vec<String> {
    let Some((_, labels)) = series.split_once('{') else { return Vec::new() };
    let (mut names, mut name, mut in_value, mut escaped) = (Vec::new(), String::new(), false, false);
    for character in labels.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_value => escaped = true,
            '"' => in_value = !in_value,
            _ if in_value => {}
            '=' => names.push(std::mem::take(&mut name)),
            ',' | '}' => {}
            other => name.push(other),
        }
    }
    names
}

#[tokio::test]
async fn every_family_appears_in_a_fleet_that_lives_long_enough() {
    let mut rig = Rig::new(40).await;
    let mut seen: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    let missing = |seen: &BTreeMap<String, BTreeSet<Vec<String>>>| -> Vec<&str> {
        families().map(|entry| entry.desc.name).filter(|name| !seen.contains_key(*name)).collect()
    };
    for round in 0..60 {
        rig.poll().await;
        if round == 0 {
            // The simulated service checks once, before the first poll: a check that fails later is made by hand.
            rig.simulator.edit(|world| {
                let check = world
                    .sources
                    .values_mut()
                    .flat_map(|source| &mut source.checks)
                    .find(|check| check.result == "OK");
                let check = check.expect("a source was checked");
                (check.result, check.error_code) = ("ERROR".into(), Some("SMS.6504".into()));
            });
        }
        for series in rig.series().keys() {
            let name = series.split('{').next().unwrap_or(series);
            seen.entry(name.to_owned()).or_default().insert(label_names(series));
        }
        if missing(&seen).is_empty() {
            break;
        }
        rig.simulator.advance(Duration::from_secs(600));
        rig.later(Duration::from_secs(1));
    }
    assert_eq!(missing(&seen), Vec::<&str>::new(), "dead families");
    for entry in families() {
        let labels: Vec<String> =
            entry.labels.iter().chain(entry.further).map(|label| (*label).to_owned()).collect();
        assert_eq!(seen[entry.desc.name], BTreeSet::from([labels]), "{}", entry.desc.name);
    }
}
