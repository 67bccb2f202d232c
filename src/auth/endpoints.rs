//! The endpoints of an account's service, of which one is in use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::trouble::Trouble;
use crate::config::{Account, Endpoint};

/// Where the service answers: the first, and others for when it cannot be reached.
#[derive(Debug)]
pub(super) struct Endpoints {
    first: Endpoint,
    others: Vec<Endpoint>,
    /// Which is in use: 0 is the first.
    chosen: AtomicUsize,
    trouble: Mutex<Trouble>,
}

impl Endpoints {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            first: account.endpoint.clone(),
            others: account.other_endpoints.clone(),
            chosen: AtomicUsize::new(0),
            trouble: Mutex::default(),
        }
    }

    /// The one that is in use, with its number.
    pub(super) fn chosen(&self) -> (usize, &Endpoint) {
        let number = self.chosen.load(Ordering::Relaxed);
        (number, self.numbered(number))
    }

    fn numbered(&self, number: usize) -> &Endpoint {
        number.checked_sub(1).and_then(|number| self.others.get(number)).unwrap_or(&self.first)
    }

    /// No connection to an endpoint could be made: goes on to the next, if there is another.
    pub(super) fn leave(&self, number: usize, account: &str, why: &str) -> bool {
        if self.others.is_empty() {
            return false;
        }
        let next = if number < self.others.len() { number + 1 } else { 0 };
        // Where another request has gone on already, that one's choice is as good.
        if self.chosen.compare_exchange(number, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if trouble.goes_on(Instant::now()) {
                let (endpoint, next) = (self.numbered(number), self.numbered(next));
                tracing::warn!(account, %endpoint, %next, error = why, "The endpoint cannot be reached; going on with the next");
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CredentialSource, Region};
    use crate::model::AccountName;

    #[test]
    fn the_next_endpoint_is_chosen_once_for_all_requests_that_failed_and_after_the_last_the_first() {
        let endpoint = |text| Endpoint::parse(text).unwrap();
        let account = Account::new(
            AccountName::new("test"),
            Region::new("cn-north-4").unwrap(),
            CredentialSource::Chain,
        );
        let alone = Endpoints::of(&account);
        assert!(!alone.leave(0, "test", "no such name"));
        let account = Account {
            endpoint: endpoint("https://a"),
            other_endpoints: vec![endpoint("https://b"), endpoint("https://c")],
            ..account
        };
        let endpoints = Endpoints::of(&account);
        let chosen = || endpoints.chosen().1.origin();
        assert_eq!(chosen(), "https://a");
        assert!(endpoints.leave(0, "test", "") && endpoints.leave(0, "test", ""));
        assert_eq!(chosen(), "https://b");
        assert!(endpoints.leave(1, "test", ""));
        assert_eq!(chosen(), "https://c");
        assert!(endpoints.leave(2, "test", ""));
        assert_eq!(chosen(), "https://a");
    }
}
