//! What the counters of events must say, reckoned from the truths that were there to be seen.

use huaweicloud_sms_exporter::simulator::{Changes, World};

use crate::expected::known;
use crate::harness::Series;

/// Events since the first poll, by the series that counts them.
#[derive(Default)]
pub(crate) struct Counts(Series);

impl Counts {
    fn add(&mut self, family: &str, labels: &str, by: f64) {
        let name = format!("huaweicloud_sms_{family}{{account=\"test\"{labels}}}");
        *self.0.entry(name).or_default() += by;
    }

    /// Adds what somebody sees of the sources who sees these two moments.
    pub(crate) fn sources(&mut self, before: &World, after: &World) {
        let changes = Changes::between(before, after);
        for ((from, to), count) in &changes.source_transitions {
            let labels = format!(",from=\"{}\",to=\"{}\"", known(from), known(to));
            self.add("source_state_transitions_total", &labels, *count as f64);
        }
        self.add("agent_disconnects_total", "", changes.disconnects as f64);
        self.add("agent_reconnects_total", "", changes.reconnects as f64);
        self.add("source_registrations_total", "", changes.registrations as f64);
        self.add("source_removals_total", "", changes.removals as f64);
        self.add("replicated_bytes_total", "", changes.gained_total() as f64);
    }

    /// Adds what somebody sees of the tasks who sees these two moments.
    pub(crate) fn tasks(&mut self, before: &World, after: &World) {
        let changes = Changes::between(before, after);
        for ((from, to), count) in &changes.task_transitions {
            let labels = format!(",from=\"{}\",to=\"{}\"", known(from), known(to));
            self.add("task_state_transitions_total", &labels, *count as f64);
        }
        // A task that came and failed between two looks is a failure too, and no transition.
        let came = after.tasks.iter().filter(|(id, _)| !before.tasks.contains_key(*id));
        let failed = came.filter(|(_, task)| ["MIGRATE_FAIL", "SYNC_FAIL"].contains(&&*task.state)).count();
        let failures: u64 = changes.failures.values().sum();
        self.add("task_failures_total", "", failures as f64 + failed as f64);
    }

    /// Adds the crossings of speed limits.
    pub(crate) fn overspeed(&mut self, before: &World, after: &World) {
        let crossings: u64 = Changes::between(before, after).overspeed.values().sum();
        self.add("overspeed_events_total", "", crossings as f64);
    }

    /// Asserts that a page counts just this.
    pub(crate) fn check(&self, page: &Series) {
        assert_eq!(self.differences(page), [""; 0]);
    }

    /// In what a page does not count just this.
    pub(crate) fn differences(&self, page: &Series) -> Vec<String> {
        let families = [
            "source_state_transitions_total",
            "task_state_transitions_total",
            "agent_disconnects_total",
            "agent_reconnects_total",
            "source_registrations_total",
            "source_removals_total",
            "replicated_bytes_total",
            "overspeed_events_total",
            "task_failures_total",
        ];
        let families = families.map(|family| format!("huaweicloud_sms_{family}")).into_iter();
        let is_of = |name: &String, family: &str| name.split('{').next() == Some(family);
        let mut wrong = Vec::new();
        for family in families.filter(|family| self.0.keys().any(|name| is_of(name, family))) {
            let of = |series: &Series| -> Series {
                let mine = series.iter().filter(|(name, value)| is_of(name, &family) && **value > 0.0);
                mine.map(|(name, value)| (name.clone(), *value)).collect()
            };
            let (counted, truth) = (of(page), of(&self.0));
            // Failures are told by code there; the sum is what the truth tells without a table of codes.
            let sums = family.ends_with("task_failures_total");
            let same = if sums {
                counted.values().sum::<f64>() == truth.values().sum::<f64>()
            } else {
                counted == truth
            };
            if !same {
                wrong.push(format!("{family} counts {counted:?} and the truth is {truth:?}"));
            }
        }
        wrong
    }
}

/// The counters of a page by their types, as the page itself declares them.
pub(crate) fn counters(page: &str) -> Series {
    let declared = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"));
    let families: std::collections::BTreeSet<&str> = declared.collect();
    let series = crate::harness::parse(page).into_iter();
    series.filter(|(name, _)| families.contains(name.split('{').next().unwrap_or(name))).collect()
}

/// Asserts that no counter fell from one page to the next.
pub(crate) fn never_fall(before: &Series, after: &Series) {
    for (name, value) in after {
        let earlier = before.get(name).copied().unwrap_or_default();
        assert!(earlier <= *value, "{name} fell from {earlier} to {value}");
    }
}
