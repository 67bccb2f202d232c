//! Simulated instants as the clock on the wall tells them.
//!
//! A world that moves sixty times as fast as the clock on the wall runs ahead of it, and a dashboard
//! would show its last minute as the next hour. So an answer can be told at the wall's pace: what
//! happened a simulated minute ago happened a second ago, and what takes an hour is a minute away.

use serde_json::{Number, Value};

/// The keys whose values are instants, in milliseconds since 1970.
const INSTANTS: [&str; 11] = [
    "add_date",
    "create_date",
    "start_date",
    "end_date",
    "finish_date",
    "estimate_complete_time",
    "finished_time",
    "state_action_time",
    "stage_action_time",
    "last_visit_time",
    "log_upload_time",
];

/// From simulated time to the wall's: both clocks agree at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    pub(super) start_ms: i64,
    pub(super) speed: f64,
}

impl Pace {
    /// Tells every instant of an answer at the wall's pace.
    pub(super) fn tell(self, json: &mut Value) {
        match json {
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.tell(element)),
            Value::Object(members) => {
                members.iter_mut().for_each(|(key, value)| self.tell_member(key, value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn tell_member(self, key: &str, value: &mut Value) {
        let Value::Number(number) = value else { return self.tell(value) };
        if INSTANTS.contains(&key) {
            self.instant(number);
        } else if key == "remain_seconds" {
            self.span(number);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "milliseconds fit 53 bits"
    )]
    fn instant(self, number: &mut Number) {
        let Some(millis) = number.as_i64().filter(|millis| *millis > 0) else { return };
        let passed = (millis - self.start_ms) as f64 / self.speed;
        *number = (self.start_ms + passed.round() as i64).into();
    }

    #[expect(clippy::cast_possible_truncation, reason = "a remaining time in seconds")]
    fn span(self, number: &mut Number) {
        let Some(seconds) = number.as_f64() else { return };
        *number = ((seconds / self.speed).round() as i64).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instants_are_told_at_the_walls_pace_and_nothing_else_is_touched() {
        let mut answer = json!({"count": 120_000, "tasks": [{
            "create_date": 940_000, "estimate_complete_time": 1_600_000, "remain_seconds": 600,
            "start_date": null, "sub_tasks": [{"end_date": 0, "progress": 60}],
        }]});
        Pace { start_ms: 1_000_000, speed: 60.0 }.tell(&mut answer);
        let expected = json!({"count": 120_000, "tasks": [{
            "create_date": 999_000, "estimate_complete_time": 1_010_000, "remain_seconds": 10,
            "start_date": null, "sub_tasks": [{"end_date": 0, "progress": 60}],
        }]});
        assert_eq!(answer, expected);
    }
}
