//! The door: who may ask. Keys with their locks, tokens with their ends.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::Keys;
use super::answer::Answer;
use super::operation::Operation;
use super::signature::{Claim, Received, signature};

/// A signature older or younger than this is refused.
const SKEW: SignedDuration = SignedDuration::from_mins(15);
/// More failures than these in a row lock the key.
const FAILURES: u32 = 5;
/// A lock's length.
const LOCK: SignedDuration = SignedDuration::from_mins(5);

const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// What the door has let in and refused.
#[derive(Debug, Default)]
pub(super) struct Gate {
    keys: BTreeMap<String, Key>,
    /// Tokens and when they end.
    tokens: BTreeMap<String, Timestamp>,
    issued: u64,
    pub(super) check_skew: bool,
    /// Requests refused because the key was locked.
    pub(super) locked: u64,
    /// Requests refused for any other reason of who asks.
    pub(super) refused: u64,
}

#[derive(Clone, Debug)]
struct Key {
    secret: String,
    security_token: Option<String>,
    ends: Option<Timestamp>,
    failures: u32,
    locked_until: Option<Timestamp>,
}

/// Keys made for a while, as agencies give them.
#[derive(Clone, Debug)]
pub(super) struct Temporary {
    pub(super) access: String,
    pub(super) secret: String,
    pub(super) security_token: String,
    pub(super) ends: Timestamp,
}

impl Gate {
    pub(super) fn new(keys: &Keys) -> Self {
        let mut gate = Self { check_skew: true, ..Self::default() };
        gate.accept(&keys.ak, &keys.sk, keys.security_token.clone(), None);
        gate
    }

    fn accept(
        &mut self,
        access: &str,
        secret: &str,
        security_token: Option<String>,
        ends: Option<Timestamp>,
    ) {
        let key = Key { secret: secret.to_owned(), security_token, ends, failures: 0, locked_until: None };
        self.keys.insert(access.to_owned(), key);
    }

    /// Makes keys that are good until `ends`.
    pub(super) fn issue_keys(&mut self, ends: Timestamp) -> Temporary {
        self.issued += 1;
        let keys = Temporary {
            access: format!("TEMPORARYKEY{:08}", self.issued),
            secret: format!("temporary-secret-{}", self.issued),
            security_token: format!("temporary-token-{}", self.issued),
            ends,
        };
        self.accept(&keys.access, &keys.secret, Some(keys.security_token.clone()), Some(ends));
        keys
    }

    /// Makes a token that is good until `ends`.
    pub(super) fn issue_token(&mut self, ends: Timestamp) -> String {
        self.issued += 1;
        let token = format!("MIID-pretended-token-{:08}", self.issued);
        self.tokens.insert(token.clone(), ends);
        token
    }

    pub(super) fn is_token(&self, token: &str, now: Timestamp) -> bool {
        self.tokens.get(token).is_some_and(|ends| now < *ends)
    }

    pub(super) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    pub(super) fn lock_keys(&mut self, now: Timestamp) {
        for key in self.keys.values_mut() {
            key.locked_until = Some(now + LOCK);
        }
    }

    /// Lets a request in, or says why not.
    pub(super) fn admit(
        &mut self,
        received: Received<'_>,
        operation: Operation,
        account: &Keys,
        now: Timestamp,
    ) -> Result<(), Answer> {
        let admitted = match received.header("X-Auth-Token") {
            Some(token) if self.is_token(token, now) => return Ok(()),
            Some(_) => Err(Answer::unauthorised("decrypt token fail")),
            None => self.admit_signed(received, now),
        };
        let admitted =
            admitted.and_then(|()| if operation.is_of_sms() { in_scope(received, account) } else { Ok(()) });
        self.refused += u64::from(admitted.is_err());
        admitted
    }

    fn admit_signed(&mut self, received: Received<'_>, now: Timestamp) -> Result<(), Answer> {
        let authorization = received.header("Authorization");
        let Some(claim) = authorization.and_then(Claim::parse) else {
            return Err(Answer::unauthorised("x-auth-token not found"));
        };
        let check_skew = self.check_skew;
        let Some(key) = self.keys.get_mut(&claim.access) else {
            return Err(Answer::unauthorised(&format!("ak {} not exist", claim.access)));
        };
        if key.locked_until.is_some_and(|until| now < until) {
            self.locked += 1;
            return Err(Answer::unauthorised(&format!(
                "ak {} is locked, try again in 5 minutes",
                claim.access
            )));
        }
        let verified = key.verify(received, &claim, now, check_skew);
        key.failures = if verified.is_ok() { 0 } else { key.failures + 1 };
        if key.failures > FAILURES {
            key.failures = 0;
            key.locked_until = Some(now + LOCK);
        }
        verified
    }
}

impl Key {
    fn verify(
        &self,
        received: Received<'_>,
        claim: &Claim,
        now: Timestamp,
        check_skew: bool,
    ) -> Result<(), Answer> {
        let date = received.header("X-Sdk-Date").unwrap_or_default();
        let signed =
            parse_date(date).filter(|_| claim.signed_headers.iter().any(|name| name == "x-sdk-date"));
        let Some(signed) = signed else {
            return Err(Answer::unauthorised(
                "verify aksk signature fail, x-sdk-date is missing or malformed",
            ));
        };
        if check_skew && now.duration_since(signed).abs() > SKEW {
            let now = now.strftime(DATE_FORMAT);
            return Err(Answer::unauthorised(&format!(
                "calc aksk signature fail:signature expired, signature time:{date},server time:{now}"
            )));
        }
        let canonical = received.canonical(&claim.signed_headers);
        if signature(&self.secret, date, &canonical) != claim.signature {
            let shown = canonical.replace('\n', "|");
            return Err(Answer::unauthorised(&format!(
                "verify aksk signature fail, canonicalRequest:{shown}"
            )));
        }
        if self.ends.is_some_and(|ends| ends <= now) {
            return Err(Answer::unauthorised("security token expired"));
        }
        if received.header("X-Security-Token") != self.security_token.as_deref() {
            return Err(Answer::unauthorised("security token is missing or does not belong to the ak"));
        }
        Ok(())
    }
}

/// A project or account in the headers must be the one that the keys belong to.
fn in_scope(received: Received<'_>, account: &Keys) -> Result<(), Answer> {
    for (header, own) in [("X-Project-Id", &account.project_id), ("X-Domain-Id", &account.domain_id)] {
        if let Some(foreign) = received.header(header).filter(|id| id != own) {
            return Err(Answer::forbidden(&format!("{header} {foreign}")));
        }
    }
    Ok(())
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime(DATE_FORMAT, text).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-15T08:00:00Z";
    const DATE: &str = "20260115T080000Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    /// Signs a list of sources with the given secret and asks the gate.
    fn ask(gate: &mut Gate, secret: &str, extra: &[(&str, &str)], at: Timestamp) -> Result<(), String> {
        let keys = Keys::default();
        ask_as(gate, (&keys.ak, secret), extra, at)
    }

    fn ask_as(
        gate: &mut Gate,
        (ak, sk): (&str, &str),
        extra: &[(&str, &str)],
        at: Timestamp,
    ) -> Result<(), String> {
        let mut headers =
            vec![("Host".to_owned(), "h".to_owned()), ("X-Sdk-Date".to_owned(), DATE.to_owned())];
        headers.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let names = vec!["host".to_owned(), "x-sdk-date".to_owned()];
        let unsigned =
            Received { method: "GET", target: "/v3/sources?limit=1", headers: &headers, body: b"" };
        let signature = signature(sk, DATE, &unsigned.canonical(&names));
        let value =
            format!("SDK-HMAC-SHA256 Access={ak}, SignedHeaders=host;x-sdk-date, Signature={signature}");
        headers.push(("Authorization".to_owned(), value));
        let received =
            Received { method: "GET", target: "/v3/sources?limit=1", headers: &headers, body: b"" };
        let admitted = gate.admit(received, Operation::ListSources, &Keys::default(), at);
        admitted.map_err(|refusal| refusal.json().unwrap()["error_msg"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_right_signature_is_let_in_and_a_wrong_one_shown_what_the_gateway_saw() {
        let keys = Keys::default();
        let mut gate = Gate::new(&keys);
        assert_eq!(ask(&mut gate, &keys.sk, &[("X-Project-Id", &keys.project_id)], now()), Ok(()));
        let refusal = ask(&mut gate, "wrong", &[], now()).unwrap_err();
        assert!(
            refusal.contains("canonicalRequest:GET|/v3/sources/|limit=1|host:h|x-sdk-date:"),
            "{refusal}"
        );
        assert!(ask_as(&mut gate, ("NOBODY", "x"), &[], now()).unwrap_err().ends_with("ak NOBODY not exist"));
        assert!(
            ask(&mut gate, &keys.sk, &[("X-Project-Id", "foreign")], now()).unwrap_err().contains("foreign")
        );
    }

    #[test]
    fn a_clock_off_by_more_than_a_quarter_of_an_hour_is_refused_unless_switched_off() {
        let keys = Keys::default();
        let mut gate = Gate::new(&keys);
        let later = now() + SignedDuration::from_secs(901);
        let refusal = ask(&mut gate, &keys.sk, &[], later).unwrap_err();
        assert!(
            refusal.ends_with("signature time:20260115T080000Z,server time:20260115T081501Z"),
            "{refusal}"
        );
        gate.check_skew = false;
        assert_eq!(ask(&mut gate, &keys.sk, &[], later), Ok(()));
    }

    #[test]
    fn the_sixth_failure_in_a_row_locks_the_key_for_five_minutes() {
        let keys = Keys::default();
        let mut gate = Gate::new(&keys);
        for _ in 0..5 {
            ask(&mut gate, "wrong", &[], now()).unwrap_err();
        }
        assert_eq!(ask(&mut gate, &keys.sk, &[], now()), Ok(()), "five are forgiven");
        for _ in 0..6 {
            ask(&mut gate, "wrong", &[], now()).unwrap_err();
        }
        let almost = now() + SignedDuration::from_secs(299);
        assert!(ask(&mut gate, &keys.sk, &[], almost).unwrap_err().contains("locked"));
        assert_eq!(gate.locked, 1);
        assert_eq!(ask(&mut gate, &keys.sk, &[], now() + SignedDuration::from_secs(300)), Ok(()));
    }

    #[test]
    fn temporary_keys_need_their_token_and_end() {
        let mut gate = Gate::new(&Keys::default());
        let keys = gate.issue_keys(now() + SignedDuration::from_secs(60));
        let pair = (keys.access.as_str(), keys.secret.as_str());
        let token = [("X-Security-Token", keys.security_token.as_str())];
        assert_eq!(ask_as(&mut gate, pair, &token, now()), Ok(()));
        assert!(ask_as(&mut gate, pair, &[], now()).is_err());
        let end = now() + SignedDuration::from_secs(60);
        assert!(ask_as(&mut gate, pair, &token, end).unwrap_err().contains("expired"));
    }

    #[test]
    fn a_token_is_good_until_it_ends_or_is_revoked() {
        let mut gate = Gate::new(&Keys::default());
        let end = now() + SignedDuration::from_secs(60);
        let token = gate.issue_token(end);
        assert!(
            gate.is_token(&token, now()) && !gate.is_token(&token, end) && !gate.is_token("other", now())
        );
        gate.revoke_tokens();
        assert!(!gate.is_token(&token, now()));
    }
}
