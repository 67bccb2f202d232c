//! What was odd about what came in, counted by field.

use std::collections::BTreeMap;

/// Counts of odd values by field; a field is a path such as `sources.memory`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Values that could not be read as what they should be.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Values outside a closed set.
    pub unknown: BTreeMap<&'static str, u64>,
}

impl Notes {
    /// Counts a value that could not be read.
    pub(super) fn malformed(&mut self, field: &'static str) {
        self.malformed_times(field, 1);
    }

    /// Counts several values that could not be read.
    pub(super) fn malformed_times(&mut self, field: &'static str, times: u64) {
        if times > 0 {
            *self.malformed.entry(field).or_default() += times;
        }
    }

    /// Counts a value outside its closed set.
    pub(super) fn unknown(&mut self, field: &'static str) {
        *self.unknown.entry(field).or_default() += 1;
    }

    /// Adds another object's counts.
    pub fn add(&mut self, other: &Self) {
        for (field, count) in &other.malformed {
            *self.malformed.entry(field).or_default() += count;
        }
        for (field, count) in &other.unknown {
            *self.unknown.entry(field).or_default() += count;
        }
    }

    /// Whether there was nothing odd.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.malformed.is_empty() && self.unknown.is_empty()
    }
}
