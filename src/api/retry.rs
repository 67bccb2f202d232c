//! When to ask again: how long to wait, with jitter, and no longer than the service says.

use std::time::Duration;

use http::HeaderMap;

/// Requests made for one answer, the first included.
pub(super) const ATTEMPTS: u32 = 4;

/// The longest wait that a `Retry-After` header is obeyed for; beyond it the next poll asks again.
const LONGEST: Duration = Duration::from_secs(300);

/// The wait before attempt number `attempt` (the first retry is 1), for a random `dice` in 0..1.
///
/// Exponential from `base`, half of it by chance, so that many exporters do not come back at once.
pub(super) fn backoff(base: Duration, attempt: u32, dice: f64) -> Duration {
    let full = base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
    full.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

/// The wait that a `Retry-After` header asks for, in seconds or as a date.
///
/// A date is the clock's of whoever wrote it, so it is taken from theirs where the answer tells it: this machine's
/// may be hours off. `now` serves where it does not.
pub(super) fn retry_after(headers: &HeaderMap, now: crate::model::Timestamp) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    let wait = seconds.or_else(|| {
        let theirs = headers.get(http::header::DATE).and_then(|date| instant(date.to_str().ok()?));
        Some(instant(text)?.since(theirs.unwrap_or(now)))
    })?;
    Some(wait.min(LONGEST))
}

/// The instant of a header's date.
fn instant(text: &str) -> Option<crate::model::Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(crate::model::Timestamp::from_millis(date.as_millisecond()))
}

/// A source of chance that needs no seed: only the jitter hangs on it.
pub(super) fn dice() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::hash::RandomState::new().build_hasher().finish();
    let high = u32::try_from(random >> 32).expect("the upper half of 64 bits");
    f64::from(high) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use proptest::prelude::*;

    fn header(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = Timestamp::from_millis(1_445_412_420_000);
        assert_eq!(retry_after(&header("7"), now), Some(Duration::from_secs(7)));
        let date = retry_after(&header("Wed, 21 Oct 2015 07:28:00 GMT"), now);
        assert_eq!(date, Some(Duration::from_secs(60)));
        for hours in [-2, 2] {
            let (mut told, off) = (header("Wed, 21 Oct 2015 07:28:00 GMT"), hours * 3_600_000);
            told.insert(http::header::DATE, "Wed, 21 Oct 2015 07:27:30 GMT".parse().unwrap());
            let wait = retry_after(&told, Timestamp::from_millis(now.millis() + off));
            assert_eq!(wait, Some(Duration::from_secs(30)), "a clock that is {hours} hours off");
        }
        assert_eq!(retry_after(&header("99999999"), now), Some(LONGEST));
        assert_eq!(retry_after(&header("soon"), now), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    proptest! {
        #[test]
        fn a_wait_lies_between_half_and_all_of_its_step(attempt in 0u32..99, dice in 0.0..1.0) {
            let base = Duration::from_secs(1);
            let wait = backoff(base, attempt, dice);
            let step = base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
            prop_assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
    }
}
