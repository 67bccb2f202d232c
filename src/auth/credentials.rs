//! Credentials as they are held: who asks, until when, and what is known of the account.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

use super::sign::Keys;
use crate::config::Endpoint;
use crate::model::Timestamp;

/// A lifetime for credentials whose end could not be read.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Temporary keys are renewed this long before their end, as the vendor's SDKs do.
const KEYS_MARGIN: Duration = Duration::from_secs(40 * 60);

/// Tokens are renewed this long before their end; they may die half an hour early.
const TOKEN_MARGIN: Duration = Duration::from_secs(30 * 60);

/// How a request shows who asks.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// By a signature.
    Keys(Keys),
    /// By a token from the identity service.
    Token(SecretString),
}

/// What is known of the account besides its keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The project's id.
    pub(super) project_id: Option<String>,
    /// The account's own id.
    pub(super) domain_id: Option<String>,
    /// Where the identity service answers, if the credentials' place says so.
    pub(super) iam_endpoint: Option<Endpoint>,
}

/// Credentials that were had, and how long they serve.
#[derive(Clone, Debug)]
pub(super) struct Obtained {
    pub(super) identity: Identity,
    /// When they end, by the clock of who gave them; `None` for permanent keys, or where it is not known.
    pub(super) expires: Option<Timestamp>,
    /// When they are to be renewed; `None` for what cannot be renewed.
    pub(super) renew: Option<Instant>,
    /// When they serve no longer.
    ends: Option<Instant>,
    /// Whether they had ended before they came: theirs is another time than this machine's.
    pub(super) ended_before: bool,
}

impl Obtained {
    /// Keys that stand as they are in a file or variable.
    pub(super) fn standing(keys: Keys) -> Self {
        let identity = Identity::Keys(keys);
        Self { identity, expires: None, renew: None, ends: None, ended_before: false }
    }

    /// Temporary keys: renewed 40 minutes before their end, or at half their life if that is later.
    pub(super) fn temporary(keys: Keys, expires: Option<Timestamp>, now: Timestamp) -> Self {
        Self::lasting(Identity::Keys(keys), expires, now, |life| KEYS_MARGIN.min(life / 2))
    }

    /// A token: renewed half an hour before its end, or at nine tenths of its life if that is later.
    pub(super) fn token(token: SecretString, expires: Option<Timestamp>, now: Timestamp) -> Self {
        Self::lasting(Identity::Token(token), expires, now, |life| TOKEN_MARGIN.min(life / 10))
    }

    /// What lasts from now on. Its life is measured on the monotonic clock, for the wall's may be set; whether it
    /// serves is for the service to say, and not for this machine's idea of the time.
    fn lasting(
        identity: Identity,
        expires: Option<Timestamp>,
        now: Timestamp,
        margin: impl Fn(Duration) -> Duration,
    ) -> Self {
        let life = expires.map(|expires| expires.since(now)).filter(|life| !life.is_zero());
        let (begin, ended_before) = (Instant::now(), expires.is_some() && life.is_none());
        let assumed = life.unwrap_or(ASSUMED_LIFETIME);
        let renew = begin.checked_add(assumed.saturating_sub(margin(assumed)));
        let ends = life.and_then(|life| begin.checked_add(life));
        Self { identity, expires, renew, ends, ended_before }
    }

    /// Whether it is time to renew them.
    pub(super) fn is_due(&self) -> bool {
        self.renew.is_some_and(|renew| renew <= Instant::now())
    }

    /// Whether they serve no longer.
    pub(super) fn has_ended(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

/// Reads an instant such as `2020-01-08T03:50:07.574000Z`, with or without fraction and zone.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let parsed = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse());
    parsed.ok().map(|instant| Timestamp::from_millis(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn keys() -> Keys {
        Keys { access_key: "AK".into(), secret_key: "SK".to_owned().into(), security_token: None }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * MINUTE)
    }

    /// Minutes until they are renewed.
    fn renewed(obtained: &Obtained) -> u64 {
        (obtained.renew.unwrap() - Instant::now()).as_secs() / 60
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_keys_are_renewed_forty_minutes_before_their_end_or_at_half_their_life() {
        let renew = |end| renewed(&Obtained::temporary(keys(), Some(at(end)), at(0)));
        assert_eq!((renew(360), renew(60)), (320, 30));
        assert_eq!(renewed(&Obtained::temporary(keys(), None, at(0))), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_half_an_hour_before_its_end_or_at_nine_tenths_of_its_life() {
        let renew = |end| renewed(&Obtained::token("t".to_owned().into(), Some(at(end)), at(0)));
        assert_eq!((renew(1440), renew(100)), (1410, 90));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_before_it_came_serves_until_the_service_says_otherwise() {
        for end in [-60, 0] {
            let token = Obtained::token("t".to_owned().into(), Some(at(end)), at(0));
            assert!(token.ended_before && !token.has_ended() && !token.is_due());
        }
        let token = Obtained::token("t".to_owned().into(), Some(at(10)), at(0));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(!token.ended_before && token.has_ended() && token.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_in_a_file_are_never_due() {
        let standing = Obtained::standing(keys());
        tokio::time::advance(Duration::from_secs(400 * 86_400)).await;
        assert!(!standing.is_due() && !standing.has_ended());
    }

    #[test]
    fn the_end_is_read_with_and_without_fraction_and_zone() {
        let expected = Some(Timestamp::from_millis(1_578_455_407_000));
        assert_eq!(instant("2020-01-08T03:50:07Z"), expected);
        assert_eq!(instant("2020-01-08T03:50:07.000000Z"), expected);
        assert_eq!(instant("2020-01-08T03:50:07"), expected);
        assert_eq!(instant("2020-01-08T11:50:07+08:00"), expected);
        assert_eq!(instant("soon"), None);
    }
}
