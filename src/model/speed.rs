//! Speed rules with their time windows, and the limit that is in force at an instant.
//!
//! The service evaluates windows in the source server's local clock, which no field tells; so
//! the offset of that clock is a setting and comes in as an argument.

use super::Timestamp;

/// Minutes in a day.
const DAY: u16 = 24 * 60;

/// A time of day in minutes, 0 to 1440: `24:00` is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Midnight at the start of the day.
    pub const START: Self = Self(0);
    /// Midnight at the end of the day.
    pub const END: Self = Self(DAY);

    /// Reads `8:00`, `08:00`, `24:00` or `08:00:00`; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(':');
        let hours = Self::number(parts.next()?)?;
        let minutes = Self::number(parts.next()?)?;
        let seconds = parts.next().map_or(Some(0), Self::number)?;
        let total = hours.checked_mul(60)?.checked_add(minutes)?;
        let fits = minutes < 60 && seconds < 60 && total <= DAY && parts.next().is_none();
        fits.then_some(Self(total))
    }

    /// So many minutes after midnight; `None` beyond the day's end.
    #[must_use]
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        (minutes <= DAY).then_some(Self(minutes))
    }

    /// Minutes after midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }

    fn number(text: &str) -> Option<u16> {
        let plain = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    }

    /// The time of day at `at` in a clock that is `offset` seconds ahead of UTC.
    #[must_use]
    pub fn at(at: Timestamp, offset: i32) -> Self {
        let seconds = at.millis().div_euclid(1000).saturating_add(i64::from(offset));
        let minute = seconds.rem_euclid(86_400) / 60;
        Self(u16::try_from(minute).expect("a day has 1440 minutes"))
    }
}

/// One rule of `/v3/tasks/{id}/speed-limit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpeedRule {
    /// Start of the window, inclusive.
    pub start: TimeOfDay,
    /// End of the window, exclusive, except that 23:59 lasts until midnight.
    pub end: TimeOfDay,
    /// Limit in bytes a second; `None` is unlimited (0 on the wire).
    pub limit: Option<f64>,
    /// By how much the limit may be exceeded before the service stops the task, as a ratio.
    pub threshold: Option<f64>,
}

impl SpeedRule {
    /// Whether the window holds at `now`; a window may run over midnight.
    #[must_use]
    pub fn holds(&self, now: TimeOfDay) -> bool {
        let end = if self.end.0 == DAY - 1 { TimeOfDay::END } else { self.end };
        // A window that ends where it starts is the whole day: nobody writes down an empty one.
        match self.start.cmp(&end) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => self.start <= now && now < end,
            std::cmp::Ordering::Greater => self.start <= now || now < end,
        }
    }
}

/// The limit in force at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpeedLimit {
    /// Bytes a second; `None` is unlimited.
    pub limit: Option<f64>,
    /// The threshold of the rule that holds, as a ratio.
    pub threshold: Option<f64>,
}

impl SpeedLimit {
    /// Whether `speed`, in bytes a second, is above the limit; `None` without a limit or a speed.
    #[must_use]
    pub fn exceeded_by(&self, speed: Option<f64>) -> Option<bool> {
        Some(speed? > self.limit?)
    }

    /// The speed beyond which the service stops the task.
    #[must_use]
    pub fn stop_above(&self) -> Option<f64> {
        Some(self.limit? * (1.0 + self.threshold?))
    }
}

/// The limit in force: the rule whose window holds, the strictest of several, else the task's own.
#[must_use]
pub fn limit_in_force(rules: &[SpeedRule], own: Option<f64>, now: TimeOfDay) -> SpeedLimit {
    let strictness = |rule: &&SpeedRule| rule.limit.unwrap_or(f64::INFINITY);
    let holding = rules.iter().filter(|rule| rule.holds(now));
    match holding.min_by(|a, b| strictness(a).total_cmp(&strictness(b))) {
        Some(rule) => SpeedLimit { limit: rule.limit, threshold: rule.threshold },
        None => SpeedLimit { limit: own, threshold: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(start: &str, end: &str, limit: f64) -> SpeedRule {
        let limit = (limit > 0.0).then_some(limit);
        let time = |text| TimeOfDay::parse(text).unwrap();
        SpeedRule { start: time(start), end: time(end), limit, threshold: Some(0.5) }
    }

    fn at(rules: &[SpeedRule], time: &str) -> Option<f64> {
        limit_in_force(rules, Some(7.0), TimeOfDay::parse(time).unwrap()).limit
    }

    #[test]
    fn times_are_read_with_and_without_a_leading_zero_up_to_the_end_of_the_day() {
        let minutes = |text| TimeOfDay::parse(text).map(|time| time.0);
        assert_eq!(minutes("0:00"), Some(0));
        assert_eq!(minutes("00:00"), Some(0));
        assert_eq!(minutes("8:05"), Some(485));
        assert_eq!(minutes("24:00"), Some(1440));
        assert_eq!(minutes(" 23:59 "), Some(1439));
        assert_eq!(minutes("08:00:59"), Some(480));
        for wrong in ["", "8", "24:01", "25:00", "8:60", "-1:00", "a:b", "8:00:61", "1:2:3:4", "٨:٠٠"] {
            assert_eq!(minutes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_three_windows_of_the_documents_cover_the_day() {
        let rules = [rule("0:00", "8:00", 20.0), rule("8:00", "15:00", 50.0), rule("15:00", "24:00", 25.0)];
        assert_eq!(at(&rules, "0:00"), Some(20.0));
        assert_eq!(at(&rules, "7:59"), Some(20.0));
        assert_eq!(at(&rules, "8:00"), Some(50.0));
        assert_eq!(at(&rules, "15:00"), Some(25.0));
        assert_eq!(at(&rules, "23:59"), Some(25.0));
    }

    #[test]
    fn a_window_that_ends_at_2359_lasts_until_midnight() {
        assert_eq!(at(&[rule("00:00", "23:59", 1000.0)], "23:59"), Some(1000.0));
    }

    #[test]
    fn a_window_over_midnight_holds_on_both_sides_of_it() {
        let rules = [rule("22:00", "6:00", 100.0)];
        assert_eq!(at(&rules, "23:00"), Some(100.0));
        assert_eq!(at(&rules, "0:00"), Some(100.0));
        assert_eq!(at(&rules, "5:59"), Some(100.0));
        assert_eq!(at(&rules, "6:00"), Some(7.0), "outside, the task's own limit");
        assert_eq!(at(&rules, "12:00"), Some(7.0));
    }

    #[test]
    fn zero_is_unlimited_and_no_rule_leaves_the_tasks_own_limit() {
        assert_eq!(at(&[rule("0:00", "24:00", 0.0)], "12:00"), None);
        assert_eq!(at(&[], "12:00"), Some(7.0));
        assert_eq!(limit_in_force(&[], None, TimeOfDay::START), SpeedLimit::default());
    }

    #[test]
    fn of_two_windows_that_hold_the_stricter_is_in_force() {
        let rules = [rule("0:00", "24:00", 0.0), rule("8:00", "20:00", 30.0), rule("9:00", "10:00", 40.0)];
        assert_eq!(at(&rules, "9:30"), Some(30.0));
        assert_eq!(at(&rules, "21:00"), None);
    }

    #[test]
    fn the_time_of_day_follows_the_offset_of_the_sources_clock() {
        let noon = Timestamp::from_millis(12 * 3_600_000);
        assert_eq!(TimeOfDay::at(noon, 8 * 3600), TimeOfDay::parse("20:00").unwrap());
        assert_eq!(TimeOfDay::at(noon, -13 * 3600), TimeOfDay::parse("23:00").unwrap());
        assert_eq!(TimeOfDay::at(Timestamp::from_millis(-1), 0), TimeOfDay::parse("23:59").unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,12}") {
            if let Some(time) = TimeOfDay::parse(&text) {
                prop_assert!(time <= TimeOfDay::END);
            }
        }

        #[test]
        fn a_window_and_its_complement_never_hold_at_once(a in 0u16..1440, b in 0u16..1439, now in 0u16..1440) {
            prop_assume!(a != b && a != 1439);
            let window = |start, end| SpeedRule {
                start: TimeOfDay(start), end: TimeOfDay(end), limit: None, threshold: None,
            };
            let now = TimeOfDay(now);
            prop_assert_ne!(window(a, b).holds(now), window(b, a).holds(now));
        }
    }
}
