//! `/v3/tasks/{id}/speed-limit`: rules with time windows.

use serde::Deserialize;
use serde::de::Error;

use super::Notes;
use super::field::Field;
use super::shape::List;
use crate::model::{RateUnit, SpeedRule, TimeOfDay};

#[derive(Deserialize)]
struct WireRules<'a> {
    #[serde(borrow)]
    speed_limit: List<WireRule<'a>>,
}

#[derive(Deserialize)]
struct WireRule<'a> {
    #[serde(borrow, default)]
    start: Field<'a>,
    #[serde(borrow, default)]
    end: Field<'a>,
    #[serde(borrow, default)]
    speed: Field<'a>,
    #[serde(borrow, default)]
    over_speed_threshold: Field<'a>,
}

/// Reads a task's rules; one that cannot be read is noted and left out.
///
/// # Errors
///
/// Not an object with `speed_limit`.
pub(in crate::api) fn speed_rules(
    json: &str,
    notes: &mut Notes,
) -> Result<Vec<SpeedRule>, serde_json::Error> {
    let wire: WireRules<'_> = serde_json::from_str(json)?;
    if wire.speed_limit.is_absent() {
        return Err(serde_json::Error::missing_field("speed_limit"));
    }
    let rules = wire.speed_limit.objects("speed_limit", notes);
    Ok(rules.filter_map(|rule| read(rule, notes)).collect())
}

fn read(rule: &WireRule<'_>, notes: &mut Notes) -> Option<SpeedRule> {
    let WireRule { start, end, speed, over_speed_threshold } = rule;
    let start = time(start, TimeOfDay::START, "speed_limit.start", notes)?;
    let end = time(end, TimeOfDay::END, "speed_limit.end", notes)?;
    let speed = speed.positive("speed_limit.speed", notes)?;
    let threshold = over_speed_threshold.ratio(f64::INFINITY, "speed_limit.over_speed_threshold", notes);
    let limit = (speed > 0.0).then(|| RateUnit::Mbit.bytes_per_second(speed));
    Some(SpeedRule { start, end, limit, threshold })
}

/// A window's edge; an absent one is the day's.
fn time(field: &Field<'_>, absent: TimeOfDay, name: &'static str, notes: &mut Notes) -> Option<TimeOfDay> {
    let Some(text) = field.text(name, notes) else {
        let is_absent = match field {
            Field::Absent => true,
            Field::Text(text) => text.is_empty(),
            Field::Whole(_) | Field::Number(_) | Field::Boolean(_) | Field::Neither => false,
        };
        return is_absent.then_some(absent);
    };
    let time = TimeOfDay::parse(&text);
    if time.is_none() {
        notes.malformed(name);
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<Vec<SpeedRule>>, Notes) {
        let mut notes = Notes::default();
        (speed_rules(json, &mut notes).ok(), notes)
    }

    #[test]
    fn the_documents_rules_are_read_in_bytes_a_second() {
        let (rules, notes) = read(
            r#"{"speed_limit":[{"start":"00:00","end":"23:59","speed":1000,"over_speed_threshold":50.0},
                {"start":"0:00","end":"8:00","speed":20},{"start":"15:00","end":"24:00","speed":"0"},{"speed":8}]}"#,
        );
        let shown: Vec<_> = rules.unwrap().iter().map(|rule| (rule.limit, rule.threshold)).collect();
        assert_eq!(shown, [(Some(125e6), Some(0.5)), (Some(2.5e6), None), (None, None), (Some(1e6), None)]);
        assert!(notes.is_empty());
    }

    #[test]
    fn a_key_that_stands_twice_counts_with_its_last_value() {
        let body = br#"{"speed_limit":[],"speed_limit":[{"speed":8,"speed":16}]}"#;
        let (rules, notes) = super::super::object(body, "speed_limit", speed_rules).unwrap();
        assert_eq!((rules[0].limit, notes.malformed["speed_limit"]), (Some(2e6), 2));
    }

    #[test]
    fn a_bad_rule_costs_itself() {
        let (rules, notes) = read(
            r#"{"speed_limit":[{"start":"25:00","speed":1},{"start":7,"speed":1},{"end":"1:00"},{"speed":-1},5,{"speed":16}]}"#,
        );
        assert_eq!(rules.unwrap().len(), 1);
        assert_eq!(notes.malformed["speed_limit.start"], 2);
        assert_eq!(notes.malformed["speed_limit.speed"], 1);
        assert_eq!(notes.malformed["speed_limit"], 1);
        assert_eq!(read("{}").0, None);
        assert_eq!(read(r#"{"speed_limit":[]}"#).0, Some(vec![]));
    }
}
