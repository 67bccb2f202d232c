//! Basic authentication against bcrypt hashes.
//!
//! Checking a password costs tens of milliseconds by design, so a right one is remembered, by a salted hash of
//! user, hash and password together, never by itself. What an attacker can make it cost is bounded: one check at a
//! time, few in the queue ([`Turns`]), and a wrong password that comes again is remembered, too. Every check does the
//! work of the dearest hash that there is, whoever the user is, so that time tells nothing.

use super::turns::Turns;
use super::webconfig::Users;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    Stranger,
    /// Too many passwords are being checked already.
    Overloaded,
}

/// Checks passwords and remembers the outcome.
pub(super) struct Verifier {
    salt: [u8; 32],
    verified: Mutex<Memory>,
    refused: Mutex<Memory>,
    turns: Arc<Turns>,
}

/// The last so many outcomes.
#[derive(Debug, Default)]
struct Memory {
    keys: HashSet<Key>,
    order: VecDeque<Key>,
}

type Key = [u8; 32];

/// How many outcomes are remembered; more than there are users of a scraper.
const REMEMBERED: usize = 128;

/// The salt and digest of a hash that nothing is known to fit; only the time it takes counts.
const DECOY: &str = "abcdefghijklmnopqrstuu5Fr7JUVEZ1OLKW4R2fYDGDmkCpDWZ9K";

/// The cost when there is no user to take it from; it is bcrypt's usual one.
const USUAL_COST: u32 = 10;

impl Verifier {
    /// Whether the request's credentials are those of a user. Without users everyone is welcome.
    pub(super) async fn verify(&self, users: &Users, headers: &HeaderMap, peer: IpAddr) -> Verdict {
        if users.0.is_empty() {
            return Verdict::Welcome;
        }
        let Some((user, password)) = credentials(headers) else { return Verdict::Stranger };
        let (known, dearest) = (users.0.get(&user), dearest(users));
        let hash = known.cloned().unwrap_or_else(|| decoy(dearest));
        let key = self.key(&user, &hash, &password);
        if recalls(&self.verified, &key) && known.is_some() {
            return Verdict::Welcome;
        }
        if recalls(&self.refused, &key) {
            return Verdict::Stranger;
        }
        let Some(fits) = self.check(password, hash, dearest, peer).await else { return Verdict::Overloaded };
        let welcome = fits && known.is_some();
        self.turns.checked(peer, welcome);
        remember(if welcome { &self.verified } else { &self.refused }, key);
        if welcome { Verdict::Welcome } else { Verdict::Stranger }
    }

    /// None when the queue is full.
    async fn check(&self, password: String, hash: String, dearest: u32, peer: IpAddr) -> Option<bool> {
        let turn = self.turns.turn(peer).await?;
        let checking = tokio::task::spawn_blocking(move || {
            let checks = work(&hash, dearest);
            let fits = checks.iter().map(|hash| bcrypt::verify(&password, hash).unwrap_or(false));
            // All of it is done before the first says whether it fits.
            let fits = fits.collect::<Vec<_>>().first() == Some(&true);
            // Held here, not by the request: a client that hangs up does not free a turn that is in use.
            drop(turn);
            fits
        });
        checking.await.ok()
    }

    fn key(&self, user: &str, hash: &str, password: &str) -> Key {
        let mut digest = Sha256::new();
        digest.update(self.salt);
        for part in [user, hash, password] {
            // The lengths keep ("ab", "c") and ("a", "bc") apart.
            digest.update(part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().into()
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self { salt: salt(), verified: Mutex::default(), refused: Mutex::default(), turns: Arc::default() }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Random enough for keys that live in this process alone: the standard library's hasher has random keys.
fn salt() -> [u8; 32] {
    let mut salt = [0; 32];
    for (at, chunk) in salt.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&RandomState::new().hash_one(at).to_be_bytes());
    }
    salt
}

/// User and password of `Authorization: Basic`.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The cost of the dearest of the users' hashes.
fn dearest(users: &Users) -> u32 {
    users.0.values().filter_map(|hash| cost(hash)).max().unwrap_or(USUAL_COST)
}

fn cost(hash: &str) -> Option<u32> {
    bcrypt::HashParts::from_str(hash).ok().map(|parts| parts.get_cost())
}

/// A hash of this cost that no password is known to fit.
fn decoy(cost: u32) -> String {
    format!("$2b${cost:02}${DECOY}")
}

/// What to check a password against: the hash, and as much besides as makes the work that of the dearest cost. Each
/// cost is twice the work of the one below it, so one each of its own and of all between make up the difference.
fn work(hash: &str, dearest: u32) -> Vec<String> {
    let between = cost(hash).unwrap_or(dearest)..dearest;
    std::iter::once(hash.to_owned()).chain(between.map(decoy)).collect()
}

fn recalls(memory: &Mutex<Memory>, key: &Key) -> bool {
    memory.lock().unwrap_or_else(PoisonError::into_inner).keys.contains(key)
}

fn remember(memory: &Mutex<Memory>, key: Key) {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if !memory.keys.insert(key) {
        return;
    }
    memory.order.push_back(key);
    if memory.order.len() > REMEMBERED
        && let Some(oldest) = memory.order.pop_front()
    {
        memory.keys.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn users() -> Users {
        let hash = bcrypt::hash("sesame", 4).expect("a valid cost");
        Users(BTreeMap::from([("alice".to_owned(), hash)]))
    }

    fn basic(credentials: &str) -> HeaderMap {
        let value = format!("Basic {}", STANDARD.encode(credentials));
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(&value).expect("base64"))])
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_welcome() {
        let (users, verifier) = (users(), Verifier::default());
        for _ in 0..2 {
            assert_eq!(verifier.verify(&users, &basic("alice:sesame"), PEER).await, Verdict::Welcome);
            for wrong in ["alice:Sesame", "alice:", "bob:sesame", ":", "alice", "", "alice:sesame:"] {
                assert_eq!(verifier.verify(&users, &basic(wrong), PEER).await, Verdict::Stranger, "{wrong}");
            }
        }
        assert_eq!(verifier.verify(&users, &HeaderMap::new(), PEER).await, Verdict::Stranger);
        assert_eq!(verifier.verify(&Users::default(), &HeaderMap::new(), PEER).await, Verdict::Welcome);
    }

    #[tokio::test]
    async fn a_password_is_forgotten_when_the_users_hash_changes() {
        let verifier = Verifier::default();
        assert_eq!(verifier.verify(&users(), &basic("alice:sesame"), PEER).await, Verdict::Welcome);
        let changed = Users(BTreeMap::from([("alice".to_owned(), bcrypt::hash("other", 4).unwrap())]));
        assert_eq!(verifier.verify(&changed, &basic("alice:sesame"), PEER).await, Verdict::Stranger);
    }

    #[tokio::test]
    async fn further_passwords_are_turned_away_while_the_queue_is_full_but_a_known_one_passes() {
        let (users, verifier) = (users(), Verifier::default());
        assert_eq!(verifier.verify(&users, &basic("alice:sesame"), PEER).await, Verdict::Welcome);
        let _turn = verifier.turns.turn(PEER).await.unwrap();
        let mut waiting: Vec<_> = (0..16).map(|_| Box::pin(verifier.turns.turn(PEER))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert_eq!(verifier.verify(&users, &basic("alice:guess"), PEER).await, Verdict::Overloaded);
        assert_eq!(verifier.verify(&users, &basic("alice:sesame"), PEER).await, Verdict::Welcome);
    }

    #[test]
    fn every_user_costs_the_work_of_the_dearest_known_or_not() {
        let hashes = [4, 7, 5].map(|cost| (cost.to_string(), bcrypt::hash("x", cost).unwrap()));
        let users = Users(BTreeMap::from(hashes));
        let dearest = dearest(&users);
        assert_eq!(dearest, 7);
        for hash in users.0.values().chain([&decoy(dearest)]) {
            let work = work(hash, dearest);
            assert_eq!(work.iter().map(|hash| 1 << cost(hash).unwrap()).sum::<u64>(), 1 << 7, "{hash}");
            assert_eq!(work[0], *hash, "the first is the one that counts");
            assert!(work[1..].iter().all(|decoy| !bcrypt::verify("x", decoy).unwrap()));
        }
    }

    #[tokio::test]
    async fn a_users_password_is_right_whatever_others_cost() {
        let hashes = [4, 6].map(|cost| (cost.to_string(), bcrypt::hash("x", cost).unwrap()));
        let (users, verifier) = (Users(BTreeMap::from(hashes)), Verifier::default());
        for (credentials, verdict) in [
            ("4:x", Verdict::Welcome),
            ("6:x", Verdict::Welcome),
            ("4:y", Verdict::Stranger),
            ("6:y", Verdict::Stranger),
            ("5:x", Verdict::Stranger),
        ] {
            assert_eq!(verifier.verify(&users, &basic(credentials), PEER).await, verdict, "{credentials}");
        }
    }

    #[test]
    fn guesses_push_out_guesses_and_nothing_else() {
        let memory = Mutex::default();
        for n in 0..=REMEMBERED {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            remember(&memory, key);
        }
        assert!(!recalls(&memory, &[0; 32]));
        assert_eq!(memory.into_inner().unwrap().keys.len(), REMEMBERED);
    }

    #[test]
    fn nothing_of_the_verifier_is_shown() {
        assert_eq!(format!("{:?} {:?}", Verifier::default(), users()), "Verifier { .. } Users(1)");
    }
}
