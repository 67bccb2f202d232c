//! The decoding of answers, for fuzzing.

use super::wire::{self, DecodedPage, FromWire, Known, Units};
use crate::model::{MigrationError, Source, SpeedRule, Task, TimeOfDay, limit_in_force};

/// An answer; the first byte says of which operation.
pub(crate) fn answer(data: &[u8]) {
    let Some((operation, body)) = data.split_first() else { return };
    match operation % 6 {
        0 => page::<Source>(body),
        1 => page::<Task>(body),
        2 => page::<MigrationError>(body),
        3 => drop(super::read(body, "overview", wire::overview)),
        4 => drop(super::read(body, "speed_limit", wire::speed_rules)),
        _ => drop(super::read(body, "consistency", wire::consistency_result)),
    }
}

fn page<T: FromWire + PartialEq + std::fmt::Debug>(body: &[u8]) {
    let known = Known::default();
    let Ok(first) = wire::page::<T>(body, Units::default(), &known) else { return };
    let again =
        wire::page::<T>(body, Units::default(), &known).expect("what was read once can be read again");
    let texts =
        |page: &DecodedPage<T>| format!("{:?}", page.objects.iter().map(|it| &it.object).collect::<Vec<_>>());
    assert_eq!(texts(&first), texts(&again), "decoding is a function");
}

/// A migration error with this `error_json`: as a string, and as raw JSON.
pub(crate) fn error_json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let string = serde_json::Value::from(&*text).to_string();
    for value in [&*string, &*text] {
        let body = format!("{{\"count\":1,\"migration_errors\":[{{\"error_json\":{value}}}]}}");
        let page = wire::page::<MigrationError>(body.as_bytes(), Units::default(), &Known::default());
        let errors = page.map(|page| page.objects).unwrap_or_default();
        for code in errors.iter().filter_map(|error| error.object.as_ref()?.error_code.clone()) {
            assert!(code.as_str().len() <= 32, "a code is short: {code}");
            assert!(!code.as_str().contains(char::is_whitespace), "prose is no code: {code}");
        }
    }
}

/// Speed rules at every minute of a day.
pub(crate) fn speed_windows(data: &[u8]) {
    let read = super::read(data, "speed_limit", wire::speed_rules);
    let Ok((rules, _)) = read else { return };
    for minute in 0..=1440 {
        let now = TimeOfDay::from_minutes(minute).expect("a minute of a day");
        check_limit(&rules, now);
    }
}

fn check_limit(rules: &[SpeedRule], now: TimeOfDay) {
    const OWN: Option<f64> = Some(7.0);
    let limit = limit_in_force(rules, OWN, now).limit;
    let holding: Vec<&SpeedRule> = rules.iter().filter(|rule| rule.holds(now)).collect();
    if holding.is_empty() {
        assert_eq!(limit, OWN, "without a rule, the task's own limit holds");
    }
    for rule in holding {
        let (strictest, its) = (limit.unwrap_or(f64::INFINITY), rule.limit.unwrap_or(f64::INFINITY));
        assert!(its > 0.0 && strictest <= its, "{rule:?} is stricter than {limit:?}");
    }
}
