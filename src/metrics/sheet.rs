//! The samples of an account while they are rendered, family by family.

use std::collections::BTreeSet;

use super::catalogue::{Entry, Family, all};
use crate::exposition::{Labels, Number, Samples};

/// What of a fleet becomes series.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Leave out every series of a single source or task.
    pub aggregate: bool,
    /// Leave out tasks that have been over for longer than this.
    pub finished_retention: Option<std::time::Duration>,
    /// Families, by their full name, that are left out.
    pub left_out: BTreeSet<&'static str>,
    /// The most series that one family of this account may have.
    pub most_series: Option<usize>,
}

/// The samples of an account, one list a family, in the catalogue's order.
#[derive(Debug)]
pub struct Sheet {
    families: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    samples: Samples,
    room: usize,
    dropped: usize,
}

impl Sheet {
    /// An empty sheet.
    #[must_use]
    pub fn new(choice: &Choice) -> Self {
        let column = |entry: &'static Entry| Column {
            samples: Samples::new(&entry.desc),
            room: if choice.left_out.contains(entry.desc.name) {
                0
            } else {
                choice.most_series.unwrap_or(usize::MAX)
            },
            dropped: 0,
        };
        Self { families: all().iter().map(column).collect() }
    }

    /// Adds a sample, or counts it as dropped where the family is full.
    pub fn push(
        &mut self,
        family: Family,
        labels: &Labels,
        further: &[(&str, &str)],
        value: impl Into<Number>,
    ) {
        let column = &mut self.families[family as usize];
        if column.samples.len() < column.room {
            column.samples.push(labels, further, value);
        } else {
            column.dropped += 1;
        }
    }

    /// Adds a sample where there is a value: unknown is absent, not zero.
    pub fn some(
        &mut self,
        family: Family,
        labels: &Labels,
        further: &[(&str, &str)],
        value: Option<impl Into<Number>>,
    ) {
        if let Some(value) = value {
            self.push(family, labels, further, value);
        }
    }

    /// The families with their samples and how many samples were dropped, in the catalogue's order.
    pub fn into_families(self) -> impl Iterator<Item = (&'static Entry, Samples, usize)> {
        all().iter().zip(self.families).map(|(entry, column)| (entry, column.samples, column.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_family_counts_what_it_drops() {
        let left_out = BTreeSet::from([Family::Tasks.desc().name]);
        let choice = Choice { most_series: Some(2), left_out, ..Choice::default() };
        let mut sheet = Sheet::new(&choice);
        for state in ["a", "b", "c"] {
            sheet.push(Family::Sources, &Labels::default(), &[("state", state)], 1_u32);
            sheet.push(Family::Tasks, &Labels::default(), &[("state", state)], 1_u32);
        }
        let told: Vec<(&str, usize, usize)> = sheet
            .into_families()
            .filter(|(_, samples, dropped)| !samples.is_empty() || *dropped > 0)
            .map(|(entry, samples, dropped)| (entry.desc.name, samples.len(), dropped))
            .collect();
        assert_eq!(told, [("huaweicloud_sms_sources", 2, 1), ("huaweicloud_sms_tasks", 0, 3)]);
    }
}
