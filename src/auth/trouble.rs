//! When to speak of a state that lasts: at its begin, then once an hour, and at its end.

use std::time::Duration;

use tokio::time::Instant;

/// How long a state that lasts is not spoken of again.
const REMINDER: Duration = Duration::from_secs(60 * 60);

/// A state that lasts, and when it was spoken of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble(Option<Instant>);

impl Trouble {
    /// The state begins or goes on; whether to say so.
    pub(super) fn goes_on(&mut self, now: Instant) -> bool {
        let due = self.0.is_none_or(|told| now.saturating_duration_since(told) >= REMINDER);
        if due {
            self.0 = Some(now);
        }
        due
    }

    /// The state is over; whether that is news.
    pub(super) fn ends(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_state_is_told_at_its_begin_once_an_hour_and_at_its_end() {
        let (begin, mut trouble) = (Instant::now(), Trouble::default());
        let told: Vec<u64> =
            (0..7200).filter(|at| trouble.goes_on(begin + Duration::from_secs(*at))).collect();
        assert_eq!(told, [0, 3600]);
        assert!(trouble.ends() && !trouble.ends());
        assert!(trouble.goes_on(begin));
    }
}
