//! Durations as Go writes them: `1h30m`, `1.5s`, `100ms`.

use std::time::Duration;

/// Nanoseconds of each unit, longer names first where one begins another.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration; a number alone is nanoseconds, as it is to Go's YAML. None for anything else, and for
/// negative ones.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(nanoseconds) = text.parse() {
        return Some(Duration::from_nanos(nanoseconds));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (part, further) = component(rest)?;
        total = total.checked_add(part)?;
        rest = further;
    }
    (!text.is_empty()).then_some(total)
}

/// The first number with its unit, and what comes behind.
fn component(text: &str) -> Option<(Duration, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let (unit, nanoseconds) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
    // "m" begins "ms", which stands before it in the table.
    let rest = rest.strip_prefix(unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((
        Duration::from_nanos(whole.checked_mul(*nanoseconds)?.checked_add(part(fraction, *nanoseconds)?)?),
        rest,
    ))
}

/// That fraction of a unit, in nanoseconds, rounded down.
fn part(fraction: &str, nanoseconds: u64) -> Option<u64> {
    let mut unit = nanoseconds;
    let mut total = 0;
    for digit in fraction.chars() {
        unit /= 10;
        total += u64::from(digit.to_digit(10)?) * unit;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let table = [
            ("1s", 1_000),
            ("100ms", 100),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("2m0.25s", 120_250),
            ("0", 0),
            ("+1s", 1_000),
            ("5000000", 5),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "s", "1", "1d", "1 s", "-1s", ".s", "1s2", "1..5s", "99999999999h"] {
            let expected = if wrong == "1" { Some(Duration::from_nanos(1)) } else { None };
            assert_eq!(parse(wrong), expected, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "[0-9.hmsnuµ+ -]{0,20}") {
            parse(&text);
        }
    }
}
