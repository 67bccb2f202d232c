//! Names that people and agents make up.

use std::collections::BTreeMap;

use huaweicloud_sms_exporter::config::{Config, Glob};
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

/// Every text of the lists that becomes a label, as long as `text`.
fn lists(text: &str) -> [(Operation, String); 3] {
    let (a, server) =
        (format!("\"{text}\""), format!("{{\"id\":\"s\",\"name\":\"{text}\",\"vm_id\":\"{text}\"}}"));
    let source = format!(
        r#"{{"id":"s","name":{a},"hostname":{a},"ip":{a},"os_type":{a},"os_version":{a},"enterprise_project_id":{a},
        "agent_version":{a},"firmware":{a},"state":{a},"migration_cycle":{a},"connected":true,
        "init_target_server":{{"disks":[{{"name":{a},"device_use":{a},"size":1,"used_size":1}}]}},
        "checks":[{{"name":{a},"result":"ERROR","error_code":{a}}}],
        "current_task":{{"id":"t","region_id":{a},"project_name":{a},"target_server":{server}}}}},
        {{"id":{a},"name":"unheard of"}}"#
    );
    let task = format!(
        r#"{{"id":"t","name":{a},"type":{a},"os_type":{a},"state":{a},"priority":1,"migration_ip":{a},
        "migrate_speed":1,"error_json":{a},"source_server":{server},"target_server":{server},
        "sub_tasks":[{{"name":{a},"progress":1}}]}},{{"id":{a},"name":"unheard of"}}"#
    );
    let error = format!(r#"{{"source_id":{a},"name":{a},"error_json":{a}}}"#);
    [
        (Operation::ListSources, format!(r#"{{"count":2,"source_servers":[{source}]}}"#)),
        (Operation::ListTasks, format!(r#"{{"count":2,"tasks":[{task}]}}"#)),
        (Operation::ListErrors, format!(r#"{{"count":1,"migration_errors":[{error}]}}"#)),
    ]
}

/// The longest label on the page, in characters, and the counts of malformed values.
async fn longest_label(text: &str) -> (usize, BTreeMap<String, f64>) {
    let mut rig = Rig::new(2).await;
    for (operation, body) in lists(text) {
        rig.simulator.inject(Fault::always(operation, What::RawBody(body.into_bytes())));
    }
    rig.poll().await;
    let series = rig.series();
    for collector in ["sources", "tasks", "errors"] {
        assert_eq!(series[&own("poll_success", collector)], 1.0, "{collector}");
    }
    assert!(!series.keys().any(|name| name.contains("unheard of")), "what has too long an id is not told");
    let labels = series.keys().flat_map(|name| name.split('"').skip(1).step_by(2));
    let longest = labels.map(|label| label.chars().count()).max();
    let malformed = series.into_iter().filter(|(name, _)| name.contains("malformed_values"));
    (longest.unwrap_or_default(), malformed.collect())
}

#[tokio::test]
async fn no_text_of_the_service_makes_a_label_longer_than_256_characters() {
    for letter in ["x", "云"] {
        let (longest, malformed) = longest_label(&letter.repeat(5000)).await;
        assert_eq!(longest, 256, "{letter}");
        let of = |field: &str| {
            malformed[&format!("sms_exporter_malformed_values_total{{account=\"test\",field=\"{field}\"}}")]
        };
        for field in [
            "sources.id",
            "sources.name",
            "sources.hostname",
            "sources.disks.name",
            "sources.current_task.target_server.name",
            "tasks.id",
            "tasks.name",
            "tasks.migration_ip",
            "tasks.target_server.vm_id",
            "errors.source_id",
            "errors.name",
        ] {
            assert_eq!(of(field), 1.0, "{field}");
        }
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_an_answer_is_no_part_of_it() {
    let mut rig = Rig::new(2).await;
    let lists = lists("x").into_iter();
    let sums = [(Operation::ShowOverview, r#"{"waiting":1}"#.to_owned())];
    for (operation, body) in lists.chain(sums) {
        let body = format!("\u{feff}{body}");
        rig.simulator.inject(Fault::always(operation, What::RawBody(body.into_bytes())));
    }
    rig.poll().await;
    for (collector, _) in super::COLLECTORS {
        assert_eq!(rig.value(&own("poll_success", collector)), 1.0, "{collector}");
    }
}

#[tokio::test]
async fn of_a_key_that_stands_twice_the_last_counts_and_the_object_is_kept() {
    let mut rig = Rig::new(2).await;
    let body = r#"{"count":1,"source_servers":[{"id":"a","name":"x","name":"y","cpu_quantity":4}]}"#;
    rig.simulator.inject(Fault::always(Operation::ListSources, What::RawBody(body.into())));
    rig.poll().await;
    let labels = "{account=\"test\",source_id=\"a\",source_name=\"y\"}";
    assert_eq!(rig.value(&format!("huaweicloud_sms_source_cpu_cores{labels}")), 4.0);
    assert_eq!(rig.value("sms_exporter_malformed_values_total{account=\"test\",field=\"sources\"}"), 1.0);
}

#[tokio::test]
async fn what_filters_leave_out_is_counted() {
    let include = |pattern: &str| {
        let pattern = Glob::new(pattern).expect("a pattern");
        move |config: &mut Config| config.accounts[0].names.include = vec![pattern]
    };
    for (pattern, left_out) in [("*", 0.0), ("nobody-*", 4.0)] {
        let mut rig = Rig::with(4, include(pattern)).await;
        rig.poll().await;
        assert_eq!(rig.value(&own("objects_filtered", "sources")), left_out, "{pattern}");
        assert_eq!(rig.value(&own("objects_exported", "sources")), 4.0 - left_out, "{pattern}");
    }
}
