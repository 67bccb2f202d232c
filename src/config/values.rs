//! From texts to values: pure functions, each of which says what it expected.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::endpoint::is_proxy_url;
use super::error::Problem;
use super::nearest::Meant;

/// The most of a wrong value that an error repeats, in characters.
const SHOWN: usize = 60;

/// The farthest that a clock can be from UTC: hours in use go from -12 to +14.
const MAX_OFFSET: i32 = 18 * 3600;

/// The longest name of an account or a user, in characters.
const MAX_NAME: usize = 64;

/// The longest name of a label, in characters.
const MAX_LABEL_NAME: usize = 64;

/// The longest value of a label, in characters.
const MAX_LABEL_VALUE: usize = 256;

/// The value is not what was expected; repeats it.
pub(super) fn invalid(found: &str, expected: impl Into<Cow<'static, str>>) -> Problem {
    Problem::Invalid {
        found: found.chars().take(SHOWN).collect(),
        meant: Meant::default(),
        expected: expected.into(),
    }
}

/// The word is none of those that are known; repeats it.
pub(super) fn unknown_word<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
    expected: impl Into<Cow<'static, str>>,
) -> Problem {
    Problem::Invalid {
        found: found.chars().take(SHOWN).collect(),
        meant: Meant::near(found, known),
        expected: expected.into(),
    }
}

/// A duration within bounds, such as `30s`, `15m` or `1h 30m`.
pub(super) fn duration(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, Problem> {
    let human = |duration: &Duration| humantime::format_duration(*duration).to_string();
    humantime::parse_duration(text).ok().filter(|duration| bounds.contains(duration)).ok_or_else(|| {
        let (least, most) = (human(bounds.start()), human(bounds.end()));
        invalid(text, format!("a duration from {least} to {most}, such as 30s, 15m or 7d"))
    })
}

/// A number of some `kind` (a noun) within bounds; not a NaN, which no range contains.
pub(super) fn number<T>(text: &str, kind: &str, bounds: RangeInclusive<T>) -> Result<T, Problem>
where
    T: FromStr + PartialOrd + Display,
{
    text.parse()
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| invalid(text, format!("a {kind} from {} to {}", bounds.start(), bounds.end())))
}

/// A size in bytes within bounds, plain or with KiB, MiB or GiB.
pub(super) fn bytes(text: &str, bounds: RangeInclusive<usize>) -> Result<usize, Problem> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (digits, shift) = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), shift)))
        .unwrap_or((text, 0));
    let size = digits.parse::<usize>().ok().and_then(|count| count.checked_mul(1 << shift));
    size.filter(|size| bounds.contains(size)).ok_or_else(|| {
        let expected = format!("a size from {} to {} bytes, such as 32MiB", bounds.start(), bounds.end());
        invalid(text, expected)
    })
}

/// Seconds ahead of UTC, from `+08:00`, `-03:30`, `Z` or `UTC`.
pub(super) fn offset(text: &str) -> Result<i32, Problem> {
    let seconds = match text {
        "Z" | "UTC" => Some(0),
        _ => signed_offset(text),
    };
    seconds
        .filter(|seconds| seconds.abs() <= MAX_OFFSET)
        .ok_or_else(|| invalid(text, "an offset from UTC such as +08:00, at most 18 hours"))
}

fn signed_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two_digits = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i32>().ok().filter(|_| plain)
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes).filter(|minutes| *minutes < 60)?);
    Some(sign * (hours * 3600 + minutes * 60))
}

/// One of a closed set of words.
pub(super) fn choice<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, Problem> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        unknown_word(text, known.iter().copied(), known.join(" or "))
    })
}

/// An id of the service's: it goes into headers, paths and queries.
pub(super) fn id(text: &str) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err(invalid(text, "an id of at most 64 letters, digits, dashes and underscores"));
    }
    Ok(text.to_owned())
}

/// A name for people.
pub(super) fn name(text: &str) -> Result<String, Problem> {
    name_rule(text).map_or_else(|| Ok(text.to_owned()), |rule| Err(invalid(text, rule)))
}

/// The rule for names that a text breaks.
pub(super) fn name_rule(text: &str) -> Option<Cow<'static, str>> {
    let length = text.chars().count();
    if text.is_empty() {
        Some("a name, which has at least one character".into())
    } else if length > MAX_NAME {
        Some(format!("a name of at most {MAX_NAME} characters; this one has {length}").into())
    } else if text.chars().any(char::is_control) {
        Some("a name without control characters such as tabs and ends of lines".into())
    } else if text.trim() != text {
        Some("a name without spaces around it".into())
    } else {
        None
    }
}

/// The name of a label that is not `taken`.
pub(super) fn label_name(text: &str, taken: &BTreeSet<&str>) -> Result<String, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if !starts || text.len() > MAX_LABEL_NAME || !text.bytes().all(plain) || text.starts_with("__") {
        let expected = format!(
            "a label of at most {MAX_LABEL_NAME} letters, digits and underscores, not beginning with a digit or __"
        );
        return Err(invalid(text, expected));
    }
    if taken.contains(text) {
        return Err(invalid(text, "a label that neither the exporter nor Prometheus gives by itself"));
    }
    Ok(text.to_owned())
}

/// The value of a label: any text. Prometheus takes NUL for the end of the page.
pub(super) fn label_value(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.chars().count() > MAX_LABEL_VALUE || text.contains('\0') {
        return Err(invalid(text, format!("a text of 1 to {MAX_LABEL_VALUE} characters without NUL")));
    }
    Ok(text.to_owned())
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Problem> {
    choice(text, &[("true", true), ("false", false)])
}

/// A URL of a proxy. The problem does not repeat it: it may hold a password.
pub(super) fn proxy(text: &str) -> Result<(), Problem> {
    let wrong = || Problem::InvalidSecret("a URL such as http://proxy.example.com:3128".into());
    if is_proxy_url(text) { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_has_a_unit_and_keeps_within_its_bounds() {
        let bounds = || Duration::from_secs(1)..=Duration::from_secs(86_400);
        assert_eq!(duration("1h 30m", bounds()), Ok(Duration::from_secs(5400)));
        for wrong in ["30", "-5s", "0s", "999ms", "2d", "5 ly", "", "99999999999999999999y"] {
            let problem = duration(wrong, bounds()).unwrap_err().to_string();
            assert!(
                problem.ends_with("expected a duration from 1s to 1day, such as 30s, 15m or 7d"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_number_is_finite_and_within_its_bounds() {
        assert_eq!(number("0.5", "number", 0.01..=1000.0), Ok(0.5));
        for wrong in ["NaN", "inf", "-1", "0", "1e9", "five"] {
            assert!(number::<f64>(wrong, "number", 0.01..=1000.0).is_err(), "{wrong}");
        }
        let problem = number::<u32>("-4", "whole number", 1..=10).unwrap_err().to_string();
        assert_eq!(problem, "\"-4\" is not valid; expected a whole number from 1 to 10");
    }

    #[test]
    fn a_size_has_a_binary_unit_or_none() {
        assert_eq!(bytes("1MiB", 1..=1 << 30), Ok(1 << 20));
        assert_eq!(bytes("64 KiB", 1..=1 << 30), Ok(64 << 10));
        assert_eq!(bytes("4096", 1..=1 << 30), Ok(4096));
        for wrong in ["1MB", "-1", "99999999999999999999GiB", "18446744073709551615GiB", "MiB", "2GiB"] {
            assert!(bytes(wrong, 1..=1 << 30).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_offset_has_a_sign_hours_and_minutes() {
        assert_eq!(offset("+08:00"), Ok(28_800));
        assert_eq!(offset("-03:30"), Ok(-12_600));
        assert_eq!(offset("Z"), Ok(0));
        for wrong in ["8", "08:00", "+8:00", "+08:60", "+19:00", "Asia/Shanghai", "", "+", "é8:00", "++8:00"]
        {
            assert!(offset(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_is_refused_is_told_which_rule_it_breaks() {
        let told = |text: &str| name(text).unwrap_err().to_string();
        for (text, rule) in [
            ("", "at least one character"),
            (&*"é".repeat(65), "at most 64 characters; this one has 65"),
            ("a\tb", "without control characters"),
            ("a\u{7f}", "without control characters"),
            (" a", "without spaces around it"),
        ] {
            assert!(told(text).contains(rule), "{}", told(text));
        }
        assert_eq!(name(&"é".repeat(64)), Ok("é".repeat(64)));
    }

    #[test]
    fn a_proxy_is_a_bare_http_url_and_is_never_repeated() {
        assert_eq!(proxy("http://proxy:3128"), Ok(()));
        assert_eq!(proxy("https://user:marked@proxy:3128/"), Ok(()));
        for wrong in [
            "proxy:3128",
            "ftp://proxy",
            "http://user:12#marked@proxy",
            "http://user:marked@proxy/x",
            "http://",
            "marked secret",
        ] {
            let problem = proxy(wrong).unwrap_err().to_string();
            assert!(!problem.contains("marked"), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_a_problem(text in "\\PC{0,40}") {
            drop((label_name(&text, &BTreeSet::new()), label_value(&text)));
            drop((offset(&text), bytes(&text, 0..=usize::MAX), id(&text), name(&text), proxy(&text)));
            drop((duration(&text, Duration::ZERO..=Duration::MAX), number::<f64>(&text, "number", 0.0..=1.0)));
        }
    }
}
