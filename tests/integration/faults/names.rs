//! Names that people and agents make up.

use huaweicloud_sms_exporter::simulator::{Fault, Operation, What};

use super::{of, own};
use crate::harness::Rig;

/// A name, and how it must stand on the page.
fn names() -> Vec<(String, String)> {
    let long = "x".repeat(255);
    let plain = [
        "",
        " ",
        "日本 🚀 é",
        "tab\tand\rreturn",
        "bell\u{7} escape\u{1b} delete\u{7f}",
        "line\u{2028}paragraph",
        "a=b,c{d}",
    ];
    let mut names: Vec<(String, String)> = plain.map(|name| (name.to_owned(), name.to_owned())).to_vec();
    let escaped = [
        ("say \"hi\"", r#"say \"hi\""#),
        ("C:\\temp\\new", r"C:\\temp\\new"),
        ("two\nlines", r"two\nlines"),
        ("\\\"\n", "\\\\\\\"\\n"),
        ("\"} 1\n# TYPE evil counter\nevil 1", "\\\"} 1\\n# TYPE evil counter\\nevil 1"),
        ("nul\0", "nul\u{FFFD}"),
    ];
    names.extend(escaped.map(|(name, shown)| (name.to_owned(), shown.to_owned())));
    names.push((long.clone(), long));
    names
}

#[tokio::test]
async fn any_name_is_one_label_and_costs_nothing() {
    let mut rig = Rig::new(4).await;
    rig.poll().await;
    let clean = rig.series();
    let id = rig.simulator.truth().sources.into_keys().next().expect("there are four");
    for (name, shown) in names() {
        rig.simulator.edit(|world| {
            world.sources.get_mut(&id).expect("it stays").name.clone_from(&name);
            for error in world.errors.values_mut() {
                error.name.clone_from(&name);
            }
        });
        rig.poll().await;
        let series = rig.series();
        let labels = format!("{{account=\"test\",source_id=\"{id}\",source_name=\"{shown}\"}}");
        assert!(series.contains_key(&format!("huaweicloud_sms_source_cpu_cores{labels}")), "{name:?}");
        assert_eq!(series.len(), clean.len(), "{name:?}: every series is there");
        assert_eq!(series[&own("poll_success", "sources")], 1.0, "{name:?}");
        assert!(
            !series.keys().any(|name| name.contains("malformed") || name.starts_with("evil")),
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn invalid_utf_8_costs_the_letters_and_half_a_surrogate_the_name() {
    let mut rig = Rig::new(4).await;
    let mut body = br#"{"count":2,"source_servers":[{"id":"a","name":"caf"#.to_vec();
    body.extend_from_slice(b"\xe9 \xff\",\"state\":\"waiting\",\"cpu_quantity\":4},");
    body.extend_from_slice(br#"{"id":"b","name":"x\ud800","cpu_quantity":2}]}"#);
    rig.simulator.inject(Fault::always(Operation::ListSources, What::RawBody(body)));
    rig.poll().await;
    let cores = |id: &str, name: &str| {
        let labels = format!("{{account=\"test\",source_id=\"{id}\",source_name=\"{name}\"}}");
        rig.value(&format!("huaweicloud_sms_source_cpu_cores{labels}"))
    };
    assert_eq!(cores("a", "caf\u{FFFD} \u{FFFD}"), 4.0);
    assert_eq!(cores("b", ""), 2.0);
    let malformed = "sms_exporter_malformed_values_total{account=\"test\",field=\"sources.name\"}";
    assert_eq!(of(&rig.series(), malformed), 1.0);
    assert_eq!(rig.value(&own("objects_exported", "sources")), 2.0);
}
