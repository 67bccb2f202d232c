//! A state that lasts: told when it begins, once an hour while it lasts, and when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Between two lines about the same state.
const REMINDER: Duration = Duration::from_secs(3600);

/// When a state began, and when which of its forms was last told.
#[derive(Clone, Debug, Default)]
pub struct Episode {
    begun: Option<Instant>,
    told: BTreeMap<&'static str, Instant>,
}

impl Episode {
    /// The state holds, in one of its forms, such as the reason of a failure. Where that is to be told, it is for
    /// how long the state has lasted: the form is new in this episode, or was not told for an hour.
    pub fn holds(&mut self, form: &'static str) -> Option<Duration> {
        let now = Instant::now();
        let begun = *self.begun.get_or_insert(now);
        if self.told.get(form).is_some_and(|told| now.duration_since(*told) < REMINDER) {
            return None;
        }
        self.told.insert(form, now);
        Some(now.duration_since(begun))
    }

    /// The state holds no more; how long it lasted, where it did.
    pub fn ends(&mut self) -> Option<Duration> {
        let begun = std::mem::take(self).begun?;
        Some(begun.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_state_is_told_when_it_begins_every_hour_and_when_it_ends() {
        let mut episode = Episode::default();
        let mut told = Vec::new();
        for minute in 0..150_u32 {
            if let Some(lasted) = episode.holds("timeout") {
                told.push((minute, lasted));
            }
            advance(MINUTE).await;
        }
        assert_eq!(told, [(0, Duration::ZERO), (60, 60 * MINUTE), (120, 120 * MINUTE)]);
        assert_eq!((episode.ends(), episode.ends()), (Some(150 * MINUTE), None));
        assert_eq!(episode.holds("timeout"), Some(Duration::ZERO), "another one begins");
    }

    #[tokio::test(start_paused = true)]
    async fn forms_that_take_turns_are_told_once_each() {
        let mut episode = Episode::default();
        let told = ["timeout", "broken", "timeout", "broken"].map(|form| episode.holds(form).is_some());
        assert_eq!(told, [true, true, false, false]);
    }
}
