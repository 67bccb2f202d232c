//! The catalogue, held against a page: every family lives, and has the labels that the catalogue says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use huaweicloud_sms_exporter::metrics::{Entry, Subject, all};

use crate::harness::Rig;

/// The families that speak of the fleet.
fn families() -> impl Iterator<Item = &'static Entry> {
    all().iter().filter(|entry| entry.subject != Subject::Exporter)
}

/// A series' labels and their values, in their order.
pub(crate) fn labels(series: &str) -> Vec<(String, String)> {
    let Some((_, labels)) = series.split_once('{') else { return Vec::new() };
    let (mut pairs, mut name, mut value) = (Vec::new(), String::new(), String::new());
    let (mut in_value, mut escaped) = (false, false);
    for character in labels.chars() {
        match character {
            _ if escaped => {
                escaped = false;
                value.push(if character == 'n' { '\n' } else { character });
            }
            '\\' if in_value => escaped = true,
            '"' => {
                in_value = !in_value;
                if !in_value {
                    pairs.push((std::mem::take(&mut name), std::mem::take(&mut value)));
                }
            }
            other if in_value => value.push(other),
            '=' | ',' | '}' => {}
            other => name.push(other),
        }
    }
    pairs
}

/// The family of a series.
pub(crate) fn family(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

/// The families of the fleet that no series is of.
fn missing(seen: &BTreeSet<String>) -> Vec<&'static str> {
    let seen: BTreeSet<&str> = seen.iter().map(|series| family(series)).collect();
    families().map(|entry| entry.desc.name).filter(|name| !seen.contains(name)).collect()
}

/// Every series of a fleet that lives until all families were on the page, or for ten hours.
pub(crate) async fn every_series() -> BTreeSet<String> {
    let mut rig = Rig::new(40).await;
    let mut seen = BTreeSet::new();
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
        seen.extend(rig.series().into_keys());
        if missing(&seen).is_empty() {
            break;
        }
        rig.simulator.advance(Duration::from_secs(600));
        rig.later(Duration::from_secs(1));
    }
    seen
}

#[tokio::test]
async fn every_family_appears_in_a_fleet_that_lives_long_enough() {
    let seen = every_series().await;
    assert_eq!(missing(&seen), Vec::<&str>::new(), "dead families");
    let mut names: BTreeMap<&str, BTreeSet<Vec<String>>> = BTreeMap::new();
    for series in &seen {
        let labels = labels(series).into_iter().map(|(name, _)| name).collect();
        names.entry(family(series)).or_default().insert(labels);
    }
    for entry in families() {
        let labels: Vec<String> =
            entry.labels.iter().chain(entry.further).map(|label| (*label).to_owned()).collect();
        assert_eq!(names[entry.desc.name], BTreeSet::from([labels]), "{}", entry.desc.name);
    }
}
