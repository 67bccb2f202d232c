//! Rate limiters that accounts share: the service counts requests by key, and so do we.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::throttle::RateLimiter;
use crate::auth::Identity;
use crate::config::ApiLimits;

/// The rate limiters of a process, one for each key. Clones are handles to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Governors(Arc<Mutex<HashMap<Identity, (ApiLimits, RateLimiter)>>>);

impl Governors {
    /// The limiter of a key; with other limits, a new one.
    pub(super) fn of(&self, identity: Identity, limits: &ApiLimits) -> RateLimiter {
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.retain(|known, (_, limiter)| *known == identity || limiter.is_in_use());
        match limiters.get(&identity) {
            Some((same, limiter)) if is_same_rate(same, limits) => limiter.clone(),
            _ => {
                let limiter = RateLimiter::new(limits);
                limiters.insert(identity, (*limits, limiter.clone()));
                limiter
            }
        }
    }
}

fn is_same_rate(one: &ApiLimits, other: &ApiLimits) -> bool {
    let rate = |limits: &ApiLimits| {
        let details = limits.details_requests_per_second();
        (limits.requests_per_second.to_bits(), details.to_bits(), limits.burst, limits.concurrency)
    };
    rate(one) == rate(other)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::api::throttle::Priority;
    use crate::auth::http::Unobserved;
    use crate::config::{Account, CredentialSource, Region, SecretFrom};
    use crate::model::AccountName;

    fn identity(access_key: &str) -> Identity {
        let value = |text: &str| SecretFrom::Value(text.to_owned().into());
        let credentials = CredentialSource::Keys {
            access_key: value(access_key),
            secret_key: value("secret"),
            security_token: None,
        };
        let region = Region::new("cn-north-4").unwrap();
        let account = Account::new(AccountName::new("test"), region, credentials);
        crate::auth::identity(&account, &crate::auth::Environment::new(|_| None)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_of_one_key_share_its_rate_and_others_have_their_own() {
        let (governors, begin) = (Governors::default(), Instant::now());
        let limits = ApiLimits { requests_per_second: 1.0, burst: 1, ..ApiLimits::default() };
        let turn = async |key: &str, limits: &ApiLimits| {
            let limiter = governors.of(identity(key), limits);
            let begin = Instant::now();
            let permit = limiter
                .acquire("list_servers", Priority::List, begin + Duration::from_secs(9), &Unobserved)
                .await;
            (begin.elapsed().as_secs(), permit.expect("its turn comes in time"))
        };
        let (waits, first) = turn("one", &limits).await;
        assert_eq!(waits, 0);
        assert_eq!(turn("one", &limits).await.0, 1, "the second account of the key waits for the first");
        assert_eq!(turn("other", &limits).await.0, 0);
        first.refused(Some(Duration::from_secs(5)), "");
        assert!(turn("one", &limits).await.0 >= 5, "what one is refused, all of the key heed");
        assert!(begin.elapsed() >= Duration::from_secs(6));
    }
}
