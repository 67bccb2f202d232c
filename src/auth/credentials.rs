//! Credentials as they are held: who asks, until when, and what is known of the account.

use std::time::Duration;

use secrecy::SecretString;

use super::secret::reveal;
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
    /// When they end; `None` for permanent keys, or where the end is not known.
    pub(super) expires: Option<Timestamp>,
    /// When they are to be renewed; `None` for what cannot be renewed.
    pub(super) renew: Option<Timestamp>,
}

impl Obtained {
    /// Keys that stand as they are in a file or variable.
    pub(super) fn standing(keys: Keys) -> Self {
        Self { identity: Identity::Keys(keys), expires: None, renew: None }
    }

    /// Temporary keys: renewed 40 minutes before their end, or at half their life if that is later.
    pub(super) fn temporary(keys: Keys, expires: Option<Timestamp>, now: Timestamp) -> Self {
        let margin = |life: Duration| KEYS_MARGIN.min(life / 2);
        Self { identity: Identity::Keys(keys), expires, renew: Some(renewal(expires, now, margin)) }
    }

    /// A token: renewed half an hour before its end, or at nine tenths of its life if that is later.
    pub(super) fn token(token: SecretString, expires: Option<Timestamp>, now: Timestamp) -> Self {
        let margin = |life: Duration| TOKEN_MARGIN.min(life / 10);
        Self { identity: Identity::Token(token), expires, renew: Some(renewal(expires, now, margin)) }
    }

    /// Whether it is time to renew them.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.renew.is_some_and(|renew| renew <= now)
    }

    /// Whether they serve no longer.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The secrets, so that no message repeats them.
    pub(super) fn secrets(&self) -> Vec<&str> {
        match &self.identity {
            Identity::Keys(keys) => {
                let token = keys.security_token.as_ref().map(reveal);
                std::iter::once(reveal(&keys.secret_key)).chain(token).collect()
            }
            Identity::Token(token) => vec![reveal(token)],
        }
    }
}

fn renewal(expires: Option<Timestamp>, now: Timestamp, margin: impl Fn(Duration) -> Duration) -> Timestamp {
    let life = expires.map_or(ASSUMED_LIFETIME, |expires| expires.since(now));
    now.plus(life.saturating_sub(margin(life)))
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

    #[test]
    fn temporary_keys_are_renewed_forty_minutes_before_their_end_or_at_half_their_life() {
        let renew = |end| Obtained::temporary(keys(), Some(at(end)), at(0)).renew;
        assert_eq!(renew(360), Some(at(320)));
        assert_eq!(renew(60), Some(at(30)));
        assert_eq!(renew(0), Some(at(0)));
        assert_eq!(Obtained::temporary(keys(), None, at(0)).renew, Some(at(30)));
    }

    #[test]
    fn a_token_is_renewed_half_an_hour_before_its_end_or_at_nine_tenths_of_its_life() {
        let renew = |end| Obtained::token("t".to_owned().into(), Some(at(end)), at(0)).renew;
        assert_eq!(renew(1440), Some(at(1410)));
        assert_eq!(renew(100), Some(at(90)));
    }

    #[test]
    fn keys_in_a_file_are_never_due() {
        let standing = Obtained::standing(keys());
        assert!(!standing.is_due(at(i64::MAX / MINUTE)) && !standing.has_ended(at(i64::MAX / MINUTE)));
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
