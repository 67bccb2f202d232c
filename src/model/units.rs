//! Units: what the wire counts in milliseconds and megabits ends here.

/// An instant in milliseconds since the Unix epoch, as the service gives instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From epoch milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Epoch milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, for a metric.
    #[must_use]
    pub fn seconds(self) -> f64 {
        Millis(self.0).seconds()
    }

    /// How long ago `earlier` was, zero if it was not.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// This instant, later by `duration`.
    #[must_use]
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant, earlier by `duration`.
    #[must_use]
    pub fn minus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A span in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// The span in seconds, for a metric.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "epoch milliseconds fit 53 bits for 285,000 years")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// The unit of a rate on the wire, where the documents contradict each other.
///
/// `migrate_speed` was "MB/s" in the documents of 2022 and is "Mbit/s" in those of 2025;
/// `total_disk_io` likewise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateUnit {
    /// Megabits a second: 125,000 bytes a second.
    #[default]
    Mbit,
    /// Megabytes a second: 1,000,000 bytes a second, eight times the megabit.
    Mbyte,
}

impl RateUnit {
    /// Bytes a second of `rate` in this unit.
    #[must_use]
    pub fn bytes_per_second(self, rate: f64) -> f64 {
        match self {
            Self::Mbit => rate * 125_000.0,
            Self::Mbyte => rate * 1_000_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_becomes_bytes_per_second() {
        assert_eq!(RateUnit::Mbit.bytes_per_second(8.0), 1_000_000.0);
        assert_eq!(RateUnit::Mbyte.bytes_per_second(1.0), 1_000_000.0);
    }

    #[test]
    fn milliseconds_become_seconds_to_the_millisecond() {
        assert_eq!(Timestamp::from_millis(1_598_417_717_123).seconds(), 1_598_417_717.123);
    }
}
