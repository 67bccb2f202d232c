//! What a page says of each collector, held against worlds: the service's own truth.

use std::collections::{BTreeMap, BTreeSet};

use huaweicloud_sms_exporter::simulator::World;

use crate::expected::{expected, is_expected};
use crate::harness::Series;

/// What is read on its own and may fail on its own.
pub(super) const COLLECTORS: [&str; 6] =
    ["sources", "tasks", "overview", "errors", "speed_limits", "consistency"];

/// The facts that a page tells of objects, by collector: each a family with the labels that tell the object, and its
/// value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts(BTreeMap<&'static str, BTreeMap<String, f64>>);

/// Which collector's data makes a family of objects; `None` for sums, for which see [`differences`], and for events.
fn collector(family: &str) -> Option<&'static str> {
    let family = family.strip_prefix("huaweicloud_sms_").filter(|family| !family.ends_with("_total"))?;
    match family {
        "source_error_info" => Some("errors"),
        "overview_sources" => Some("overview"),
        "task_speed_limit_bytes_per_second" => Some("speed_limits"),
        "task_consistency_checked_timestamp_seconds" => Some("consistency"),
        // They hang on the limits too, or on tables of codes.
        "source_info" | "task_info" | "task_error_info" | "task_overspeed" => None,
        "task_overspeed_threshold_ratio" | "task_consistency_files" | "task_remaining_seconds" => None,
        _ if family.starts_with("source_") => Some("sources"),
        _ if family.starts_with("task_") => Some("tasks"),
        _ => None,
    }
}

/// A series without what the other lists know of the object: the source of a task, the code of an error.
fn object(series: &str) -> String {
    let (family, labels) = series.split_once('{').unwrap_or((series, ""));
    let is_told_by_others = |label: &str| match () {
        () if family.starts_with("huaweicloud_sms_task_") => {
            label.starts_with("source_id=") || label.starts_with("source_name=")
        }
        () if family == "huaweicloud_sms_source_error_info" => !label.starts_with("source_id="),
        () => false,
    };
    let labels = labels.trim_end_matches('}').split(',').filter(|label| !is_told_by_others(label));
    format!("{family}{{{}}}", labels.collect::<Vec<_>>().join(","))
}

impl Facts {
    /// What a page tells.
    pub(super) fn of_page(page: &Series) -> Self {
        let mut facts = Self::default();
        for (series, value) in page {
            facts.add(series, *value);
        }
        facts
    }

    /// What a page tells that knows this world and all of it.
    pub(super) fn of_world(world: &World) -> Self {
        let mut facts = Self::of_page(&expected(world));
        for id in world.errors.keys() {
            facts.add(&format!("huaweicloud_sms_source_error_info{{source_id=\"{id}\"}}"), 1.0);
        }
        for (id, task) in &world.tasks {
            let has_result =
                world.sources.get(&task.source_id).is_some_and(|s| s.is_consistency_result_exist);
            if let Some(result) = task.consistency.as_ref().filter(|_| has_result) {
                let series = "huaweicloud_sms_task_consistency_checked_timestamp_seconds";
                let labels = format!("account=\"test\",task_id=\"{id}\"");
                facts.add(&format!("{series}{{{labels}}}"), result.finished_time as f64 / 1000.0);
            }
        }
        facts
    }

    fn add(&mut self, series: &str, value: f64) {
        if let Some(collector) = collector(series.split('{').next().unwrap_or(series)) {
            self.0.entry(collector).or_default().insert(object(series), value);
        }
    }

    fn part(&self, collector: &str) -> Option<&BTreeMap<String, f64>> {
        self.0.get(collector).filter(|part| !part.is_empty())
    }

    pub(super) fn has(&self, collector: &str) -> bool {
        self.part(collector).is_some()
    }

    /// Whether a collector's part says all that the other does, and perhaps more.
    pub(super) fn covers(&self, other: &Self, collector: &str) -> bool {
        let empty = BTreeMap::new();
        let (mine, theirs) =
            (self.part(collector).unwrap_or(&empty), other.part(collector).unwrap_or(&empty));
        theirs.iter().all(|(fact, value)| mine.get(fact).is_some_and(|mine| near(*mine, *value)))
    }

    /// The ids that a collector's part tells of.
    pub(super) fn ids(&self, collector: &str) -> BTreeSet<&str> {
        let label = if collector == "tasks" { "task_id=\"" } else { "source_id=\"" };
        let id = |fact: &'_ String| -> Option<(usize, usize)> {
            let begin = fact.find(label)? + label.len();
            Some((begin, begin + fact[begin..].find('"')?))
        };
        let part = self.part(collector).into_iter().flatten();
        part.filter_map(|(fact, _)| id(fact).map(|(begin, end)| &fact[begin..end])).collect()
    }
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= other.abs() * 1e-12
}

/// In what a whole page differs from what it should say of the world, sums included; at most a few lines.
pub(super) fn differences(page: &Series, world: &World) -> Vec<String> {
    let expected = expected(world);
    let said = |name: &String, value: f64| match expected.get(name) {
        Some(truth) if near(value, *truth) => None,
        truth => Some(format!("{name} is {value} and should be {truth:?}")),
    };
    let wrong =
        page.iter().filter(|(name, _)| is_expected(name)).filter_map(|(name, value)| said(name, *value));
    let missing = expected.keys().filter(|name| !page.contains_key(*name));
    let objects = (Facts::of_page(page), Facts::of_world(world));
    let parts =
        ["errors", "consistency"].into_iter().filter(|part| objects.0.part(part) != objects.1.part(part));
    let parts =
        parts.map(|part| format!("{part}: {:?} and not {:?}", objects.0.part(part), objects.1.part(part)));
    wrong.chain(missing.map(|name| format!("{name} is missing"))).chain(parts).take(3).collect()
}

/// A world without what is no longer in another, later one.
pub(super) fn still_there(mut world: World, later: &World) -> World {
    world.sources.retain(|id, _| later.sources.contains_key(id));
    world.tasks.retain(|id, _| later.tasks.contains_key(id));
    world.errors.retain(|id, _| later.errors.contains_key(id));
    world
}
