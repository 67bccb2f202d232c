//! Lists that do not come whole.

use huaweicloud_sms_exporter::simulator::{Fault, Operation, What, When};

use super::answers::status;
use super::{PERIOD, asked, fails, failures, of, own, part, same, sum};
use crate::harness::Rig;

const SOURCES: Operation = Operation::ListSources;

/// Three pages of source servers.
const THREE_PAGES: usize = 401;

fn always(what: What) -> Fault {
    Fault::always(SOURCES, what)
}

/// Only the sources: nothing else is of interest where pages are many.
async fn rig(sources: usize) -> Rig {
    use huaweicloud_sms_exporter::config::Collectors;
    use huaweicloud_sms_exporter::model::Collector;
    Rig::with(sources, |config| config.accounts[0].collectors = Collectors::new([Collector::Sources])).await
}

#[tokio::test]
async fn a_page_that_fails_midway_costs_the_poll_and_not_what_was_known() {
    let mut rig = rig(THREE_PAGES).await;
    rig.poll().await;
    let before = rig.series();
    for nth in 1..=3 {
        let when = When::Nth(nth);
        rig.simulator.inject(Fault { operation: Some(SOURCES), when, what: status(400, "") });
        rig.later(PERIOD);
        rig.poll().await;
        let after = rig.series();
        same(&part(&after, "sources"), &part(&before, "sources"), &format!("page {nth}"));
        assert_eq!(after[&own("poll_success", "sources")], 0.0);
        assert_eq!(after[&own("poll_consecutive_failures", "sources")], f64::from(nth));
        assert_eq!(after[&own("objects_exported", "sources")], THREE_PAGES as f64);
        rig.simulator.clear_faults();
    }
    assert_eq!(failures(&rig.series(), "sources", "client_error"), 3.0);
    assert_eq!(sum(&rig.series(), "huaweicloud_sms_source_removals_total", &[]), 0.0);
}

#[tokio::test]
async fn a_list_that_does_not_fit_once_is_read_again_and_whole() {
    let mut rig = rig(THREE_PAGES).await;
    rig.poll().await;
    let once = [
        (What::CountOff(1), 3),
        (What::CountOff(-1), 3),
        (What::DropPage(1), 1),
        (What::DropPage(0), 1),
        (What::ShiftWhilePaging(1), 2),
        (What::ShiftWhilePaging(5), 2),
    ];
    for (what, pages) in once {
        let before = asked(&rig, SOURCES);
        let when = When::Times(pages);
        rig.simulator.inject(Fault { operation: Some(SOURCES), when, what: what.clone() });
        rig.poll().await;
        rig.simulator.clear_faults();
        assert!(asked(&rig, SOURCES) - before > 3, "{what:?}: read again");
        assert_eq!(rig.value(&own("poll_success", "sources")), 1.0, "{what:?}");
        assert_eq!(rig.value(&own("objects_exported", "sources")), THREE_PAGES as f64, "{what:?}");
        assert_eq!(rig.value(&own("objects_expected", "sources")), THREE_PAGES as f64, "{what:?}");
        assert_eq!(rig.count("huaweicloud_sms_source_info"), THREE_PAGES, "{what:?}");
    }
    assert_eq!(sum(&rig.series(), "sms_exporter_poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn a_list_that_never_fits_is_a_failure_that_says_what_was_expected() {
    let mut rig = rig(THREE_PAGES).await;
    rig.poll().await;
    let whole = THREE_PAGES as f64;
    let cases = [
        (What::CountOff(1), whole + 1.0),
        (What::CountOff(-1), whole - 1.0),
        (What::CountOff(1000), whole + 1000.0),
        (What::DropPage(1), whole),
        (What::EmptyPage, whole),
    ];
    for (nth, (what, expected)) in cases.into_iter().enumerate() {
        rig.simulator.inject(always(what.clone()));
        rig.poll().await;
        rig.simulator.clear_faults();
        assert_eq!(rig.value(&own("poll_success", "sources")), 0.0, "{what:?}");
        assert_eq!(rig.value(&own("objects_expected", "sources")), expected, "{what:?}");
        assert_eq!(rig.value(&own("objects_exported", "sources")), whole, "{what:?}");
        assert_eq!(rig.count("huaweicloud_sms_source_info"), THREE_PAGES, "{what:?}");
        assert_eq!(failures(&rig.series(), "sources", "incomplete"), nth as f64 + 1.0, "{what:?}");
    }
}

#[tokio::test]
async fn a_list_of_which_no_reading_holds_shows_what_came_and_removes_nothing() {
    let mut rig = rig(THREE_PAGES).await;
    rig.poll().await;
    let whole = THREE_PAGES as f64;
    for what in [What::DropPage(2), What::ShiftWhilePaging(1)] {
        rig.simulator.inject(always(what.clone()));
        rig.simulator.edit(super::nudge);
        for _ in 0..3 {
            rig.poll().await;
            assert_eq!(rig.value(&own("poll_success", "sources")), 1.0, "{what:?}");
            assert_eq!(rig.value(&own("objects_exported", "sources")), whole, "{what:?}");
            assert_eq!(rig.count("huaweicloud_sms_source_info"), THREE_PAGES, "{what:?}");
        }
        rig.simulator.clear_faults();
    }
    assert!(sum(&rig.series(), "sms_exporter_list_rereads_total", &["collector=\"sources\""]) > 0.0);
    for event in ["removals", "registrations"] {
        assert_eq!(sum(&rig.series(), &format!("huaweicloud_sms_source_{event}_total"), &[]), 0.0, "{event}");
    }
}

#[tokio::test]
async fn a_list_that_is_suddenly_empty_is_believed_after_ten_minutes() {
    let mut rig = rig(20).await;
    rig.poll().await;
    let before = part(&rig.series(), "sources");
    rig.simulator.inject(always(What::RawBody(br#"{"count":0,"source_servers":[]}"#.to_vec())));
    for minute in 0..10 {
        rig.poll().await;
        same(&part(&rig.series(), "sources"), &before, &format!("minute {minute}"));
        assert_eq!(rig.value(&own("list_implausible", "sources")), 1.0);
        assert_eq!(rig.value(&own("poll_success", "sources")), 0.0);
        assert_eq!(
            (rig.value(&own("objects_expected", "sources")), rig.value(&own("objects_exported", "sources"))),
            (0.0, 20.0)
        );
        rig.later(2 * PERIOD);
    }
    assert_eq!(failures(&rig.series(), "sources", "implausible"), 10.0);
    rig.poll().await;
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 0);
    assert_eq!(rig.value(&own("list_implausible", "sources")), 0.0);
    assert_eq!(rig.value("huaweicloud_sms_source_removals_total{account=\"test\"}"), 20.0);
}

#[tokio::test]
async fn a_list_that_is_back_after_a_fault_lost_nothing_and_makes_no_event() {
    let mut rig = rig(20).await;
    rig.poll().await;
    let before = part(&rig.series(), "sources");
    rig.simulator.inject(always(What::RawBody(br#"{"count":0,"source_servers":[]}"#.to_vec())));
    for _ in 0..8 {
        rig.later(2 * PERIOD);
        rig.poll().await;
    }
    rig.simulator.clear_faults();
    rig.poll().await;
    same(&part(&rig.series(), "sources"), &before, "as if nothing had been");
    assert_eq!(rig.value(&own("poll_success", "sources")), 1.0);
}

/// What the page says of one source: whether it is there, and what it gained so far.
fn source(rig: &Rig, id: &str) -> (bool, f64) {
    let of = |family: &str| -> Option<f64> {
        let id = format!("source_id=\"{id}\"");
        let series = rig.series();
        series
            .iter()
            .find(|(name, _)| name.starts_with(family) && name.contains(&id))
            .map(|(_, value)| *value)
    };
    let gained = of("huaweicloud_sms_source_replicated_bytes_total{").unwrap_or_default();
    (of("huaweicloud_sms_source_info{").is_some(), gained)
}

#[tokio::test]
async fn a_server_that_comes_back_soon_goes_on_with_its_counters_and_registers_nothing() {
    let mut rig = rig(12).await;
    rig.poll().await;
    let id = rig.simulator.truth().sources.into_keys().next().expect("there are twelve");
    rig.simulator.edit(|world| world.sources.values_mut().for_each(|source| source.replicatesize += 1000));
    rig.poll().await;
    assert_eq!(source(&rig, &id), (true, 1000.0));
    // Away for one reading: nothing has happened. For two: it was removed, and comes back as it was.
    for (readings, removals) in [(1, 0.0), (2, 1.0)] {
        let gone = std::cell::RefCell::new(None);
        rig.simulator.edit(|world| *gone.borrow_mut() = world.sources.remove(&id));
        for _ in 0..readings {
            rig.later(PERIOD);
            rig.poll().await;
        }
        assert_eq!(source(&rig, &id).0, readings == 1, "{readings}");
        let mut back = gone.into_inner().expect("it was there");
        back.replicatesize += 500;
        rig.simulator.edit(|world| drop(world.sources.insert(id.clone(), back.clone())));
        rig.later(PERIOD);
        rig.poll().await;
        assert_eq!(source(&rig, &id), (true, 1000.0 + 500.0 * f64::from(readings)), "{readings}");
        let series = rig.series();
        assert_eq!(sum(&series, "huaweicloud_sms_source_removals_total", &[]), removals, "{readings}");
        assert_eq!(sum(&series, "huaweicloud_sms_source_registrations_total", &[]), 0.0, "{readings}");
    }
}

#[tokio::test]
async fn an_incomplete_list_leaves_the_other_collectors_alone() {
    let mut rig = Rig::new(6).await;
    for (collector, operation) in
        super::COLLECTORS.into_iter().filter(|(collector, _)| *collector != "overview")
    {
        // The errors' count grows with each nudge, so that they have some.
        rig.simulator.edit(super::nudge);
        let fault = Fault::always(operation, What::CountOff(1));
        fails(&mut rig, collector, fault, "incomplete", 4).await;
        fails(&mut rig, collector, Fault::always(operation, What::EmptyPage), "incomplete", 2).await;
    }
}

#[tokio::test]
async fn duplicates_cost_themselves_and_are_counted() {
    let mut rig = rig(THREE_PAGES).await;
    rig.poll().await;
    let clean = part(&rig.series(), "sources");
    let cases = [
        (What::DuplicateWithinPage, 3.0),
        // Pages overlap anyway: what stands there twice is no duplicate.
        (What::DuplicateAcrossPages, 0.0),
        (What::ShiftWhilePaging(-1), 0.0),
    ];
    let mut dropped = 0.0;
    for (what, duplicates) in cases {
        rig.simulator.inject(always(what.clone()));
        rig.poll().await;
        rig.simulator.clear_faults();
        dropped += duplicates;
        let series = rig.series();
        assert_eq!(series[&own("poll_success", "sources")], 1.0, "{what:?}");
        assert_eq!(of(&series, &own("duplicates_dropped_total", "sources")), dropped, "{what:?}");
        same(&part(&series, "sources"), &clean, &format!("{what:?}"));
    }
}

#[tokio::test]
async fn a_list_without_a_count_is_read_until_a_page_is_empty() {
    let mut rig = rig(THREE_PAGES).await;
    rig.poll().await;
    assert_eq!(rig.value(&own("objects_expected", "sources")), THREE_PAGES as f64);
    let malformed = "sms_exporter_malformed_values_total{account=\"test\",field=\"count\"}";
    for (json, odd) in [("null", 0.0), ("-1", 4.0), ("\"many\"", 4.0), ("{}", 4.0)] {
        let before = of(&rig.series(), malformed);
        rig.simulator.inject(always(What::ReplaceField { path: "count".into(), json: json.into() }));
        rig.poll().await;
        rig.simulator.clear_faults();
        let series = rig.series();
        assert_eq!(series[&own("poll_success", "sources")], 1.0, "{json}");
        assert_eq!(rig.count("huaweicloud_sms_source_info"), THREE_PAGES, "{json}");
        assert_eq!(of(&series, malformed) - before, odd, "{json}");
        assert!(!series.contains_key(&own("objects_expected", "sources")), "{json}: nobody counted");
    }
}

#[tokio::test]
async fn a_fleet_that_is_empty_is_told_as_empty() {
    let mut rig = Rig::new(6).await;
    rig.poll().await;
    rig.simulator.edit(|world| {
        world.sources.clear();
        world.tasks.clear();
        world.errors.clear();
    });
    rig.poll().await;
    for collector in ["sources", "tasks", "overview", "errors", "speed_limits", "consistency"] {
        assert_eq!(rig.value(&own("poll_success", collector)), 1.0, "{collector}");
    }
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 6, "a second reading has to confirm it");
    assert_eq!(rig.value(&own("objects_unconfirmed", "sources")), 6.0);
    assert_eq!(rig.value(&own("objects_expected", "sources")), 0.0);
    assert_eq!(rig.value("huaweicloud_sms_source_removals_total{account=\"test\"}"), 0.0);
    rig.poll().await;
    assert_eq!(rig.value(&own("objects_unconfirmed", "sources")), 0.0);
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 0);
    assert_eq!(rig.count("huaweicloud_sms_task_info"), 0);
    assert_eq!(sum(&rig.series(), "huaweicloud_sms_sources", &[]), 0.0);
    assert_eq!(rig.value("huaweicloud_sms_source_removals_total{account=\"test\"}"), 6.0);
}

#[tokio::test]
async fn a_part_that_gets_too_old_goes_and_comes_back() {
    let mut rig = Rig::new(6).await;
    rig.poll().await;
    let fresh = rig.series();
    rig.simulator.inject(always(status(500, "")));
    for minute in 1..=15 {
        rig.later(2 * PERIOD);
        rig.poll().await;
        same(&part(&rig.series(), "sources"), &part(&fresh, "sources"), &format!("minute {minute}"));
        assert_eq!(rig.value(&own("objects_exported", "sources")), 6.0);
    }
    rig.later(PERIOD);
    rig.poll().await;
    let stale = rig.series();
    let counters = part(&stale, "sources").into_keys().all(|name| name.contains("_total{"));
    assert!(counters, "only events are left: {:#?}", part(&stale, "sources"));
    assert_eq!(stale[&own("objects_exported", "sources")], 0.0);
    assert_eq!(stale[&own("poll_consecutive_failures", "sources")], 16.0);
    same(&part(&stale, "overview"), &part(&fresh, "overview"), "the others are fresh and stay");
    assert_eq!(rig.count("huaweicloud_sms_task_state"), rig.simulator.truth().tasks.len());
    rig.simulator.clear_faults();
    rig.poll().await;
    same(&part(&rig.series(), "sources"), &part(&fresh, "sources"), "they come back");
    assert_eq!(sum(&rig.series(), "huaweicloud_sms_source_registrations_total", &[]), 0.0);
}
