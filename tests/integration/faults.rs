//! What goes wrong, made to go wrong through real HTTP: what is still served, and what the counters say.

mod answers;
mod keys;
mod large;
mod lists;
mod names;
mod pace;
mod values;

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, MigrationError, Operation, What, World};

use crate::harness::{Rig, Series};

/// The pause between two polls.
const PERIOD: Duration = Duration::from_secs(30);

/// The lists and sums that are read on their own, with the operation that reads each.
const COLLECTORS: [(&str, Operation); 4] = [
    ("sources", Operation::ListSources),
    ("tasks", Operation::ListTasks),
    ("overview", Operation::ShowOverview),
    ("errors", Operation::ListErrors),
];

/// The `operation` label of a collector's requests.
fn label(collector: &str) -> &'static str {
    match collector {
        "sources" => "list_servers",
        "tasks" => "list_tasks",
        "overview" => "show_overview",
        _ => "list_error_servers",
    }
}

/// A series of the exporter's own about a collector of the account `test`.
fn own(family: &str, collector: &str) -> String {
    format!("sms_exporter_{family}{{account=\"test\",collector=\"{collector}\"}}")
}

/// How often a collector failed for a reason.
fn failures(series: &Series, collector: &str, reason: &str) -> f64 {
    let labels = format!("{{account=\"test\",collector=\"{collector}\",reason=\"{reason}\"}}");
    of(series, &format!("sms_exporter_poll_failures_total{labels}"))
}

/// A counter's value; one that never counted has no series.
fn of(series: &Series, name: &str) -> f64 {
    series.get(name).copied().unwrap_or_default()
}

/// The sum of a family's series that have all these labels.
fn sum(series: &Series, family: &str, labels: &[&str]) -> f64 {
    let matches = |name: &str| {
        name.split('{').next() == Some(family) && labels.iter().all(|label| name.contains(label))
    };
    series.iter().filter(|(name, _)| matches(name)).map(|(_, value)| value).sum()
}

/// How often an operation was asked for, as the service counts.
fn asked(rig: &Rig, operation: Operation) -> u64 {
    let tally = rig.simulator.tally();
    tally.requests.iter().filter(|((of, _), _)| *of == operation).map(|(_, count)| count).sum()
}

/// The part of a page that a collector's data makes.
fn part(series: &Series, collector: &str) -> Series {
    let belongs = |name: &str| {
        let family = name.split('{').next().unwrap_or(name).trim_start_matches("huaweicloud_sms_");
        let errors = matches!(family, "migration_errors" | "source_error_info");
        match collector {
            "errors" => errors,
            "overview" => family == "overview_sources",
            "tasks" => family.starts_with("task_") || family == "tasks",
            _ => (family.starts_with("source") && !errors) || matches!(family, "agents" | "checks"),
        }
    };
    let chosen = series.iter().filter(|(name, _)| name.starts_with("huaweicloud_sms_") && belongs(name));
    chosen.map(|(name, value)| (name.clone(), *value)).collect()
}

/// Asserts that two parts of pages are the same; only what differs is shown.
fn same(now: &Series, then: &Series, case: &str) {
    let other = |name: &str, value: f64, in_other: &Series| {
        let other = in_other.get(name).copied();
        (other != Some(value)).then(|| format!("{name} {value} and {other:?}"))
    };
    let differ = now.iter().filter_map(|(name, value)| other(name, *value, then));
    let gone =
        then.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(name, _)| format!("{name} is gone"));
    assert_eq!(differ.chain(gone).collect::<Vec<_>>(), [""; 0], "{case}");
}

/// A change of the world that no event tells: another figure in every source, task and error list.
fn nudge(world: &mut World) {
    for source in world.sources.values_mut() {
        source.cpu_quantity += 1;
    }
    for task in world.tasks.values_mut() {
        task.compress_rate += 1.0;
    }
    let error = MigrationError {
        error_json: r#"{"error_code":"SMS.1901","error_param":"[]"}"#.into(),
        source_id: format!("nudge-{}", world.errors.len()),
        ..MigrationError::default()
    };
    world.errors.insert(error.source_id.clone(), error);
}

/// Polls while a collector's requests go wrong, and asserts the whole state: the collector fails for that
/// reason after so many requests, its part of the page stays as it was, the other parts are new, no event is
/// counted; and the next poll without the fault puts all of it right.
async fn fails(rig: &mut Rig, collector: &'static str, fault: Fault, reason: &str, requests: u64) {
    let case = format!("{collector} {fault:?}");
    let operation = fault.operation.expect("one operation goes wrong");
    // What is reset on a kept connection is sent once more over a new one, which is no attempt of its own.
    let most = if matches!(fault.what, What::ConnectionReset) { 2 * requests } else { requests };
    rig.poll().await;
    let before = rig.series();
    assert_eq!(before[&own("poll_success", collector)], 1.0, "{case}: all is well before");
    let asked_before = asked(rig, operation);
    rig.simulator.edit(nudge);
    rig.simulator.inject(fault);
    rig.later(PERIOD);
    rig.poll().await;
    let after = rig.series();
    let sent = asked(rig, operation) - asked_before;
    assert!((requests..=most).contains(&sent), "{case}: {sent} requests");
    failed(&before, &after, collector, reason, &case);
    counted(&before, &after, collector, requests, &case);
    rig.simulator.clear_faults();
    rig.later(PERIOD);
    rig.poll().await;
    healed(rig, &before, collector, &case);
}

fn failed(before: &Series, after: &Series, collector: &str, reason: &str, case: &str) {
    same(&part(after, collector), &part(before, collector), &format!("{case}: the last good part stays"));
    for (other, _) in COLLECTORS.iter().filter(|(other, _)| *other != collector) {
        assert_eq!(after[&own("poll_success", other)], 1.0, "{case}: {other} is untouched");
        assert_eq!(after[&own("poll_consecutive_failures", other)], 0.0, "{case}: {other}");
        if *other != "overview" {
            assert!(part(after, other) != part(before, other), "{case}: {other} is new");
        }
    }
    let expected = [("poll_success", 0.0), ("poll_consecutive_failures", 1.0)];
    for (family, value) in expected {
        assert_eq!(after[&own(family, collector)], value, "{case}: {family}");
    }
    for family in ["poll_last_success_timestamp_seconds", "objects_exported"] {
        let name = own(family, collector);
        assert_eq!(after[&name], before[&name], "{case}: {family} stays");
    }
    let last_attempt = own("poll_last_attempt_timestamp_seconds", collector);
    assert_eq!(after[&last_attempt] - before[&last_attempt], PERIOD.as_secs_f64(), "{case}");
    assert_eq!(
        failures(after, collector, reason) - failures(before, collector, reason),
        1.0,
        "{case}: reason"
    );
    for family in ["source_registrations_total", "source_removals_total", "source_state_transitions_total"] {
        let events = |series| sum(series, &format!("huaweicloud_sms_{family}"), &[]);
        assert_eq!(events(after), events(before), "{case}: {family} counts nothing");
    }
}

/// What the exporter counts of its requests is what the service counts.
fn counted(before: &Series, after: &Series, collector: &str, requests: u64, case: &str) {
    let operation = format!("operation=\"{}\"", label(collector));
    let since = |family: &str| {
        let family = format!("sms_exporter_{family}");
        sum(after, &family, &[&operation]) - sum(before, &family, &[&operation])
    };
    assert_eq!(since("api_requests_total"), requests as f64, "{case}: api_requests_total");
    assert_eq!(since("api_request_duration_seconds_count"), requests as f64, "{case}: histogram");
}

fn healed(rig: &Rig, before: &Series, collector: &str, case: &str) {
    let now = rig.series();
    assert_eq!(now[&own("poll_success", collector)], 1.0, "{case}: it heals");
    assert_eq!(now[&own("poll_consecutive_failures", collector)], 0.0, "{case}: it heals");
    if collector != "overview" {
        assert!(part(&now, collector) != part(before, collector), "{case}: what had changed is told now");
    }
    let last_success = own("poll_last_success_timestamp_seconds", collector);
    assert_eq!(now[&last_success] - before[&last_success], 2.0 * PERIOD.as_secs_f64(), "{case}");
}
