//! The accounts' samples, put together into one page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::ledger::{Readiness, Rendered};
use crate::exposition::{Block, Encoding, Page, Published, Sealer};
use crate::metrics::{Own, all};
use crate::model::AccountName;

/// Publishes pages. Clones publish to the same place.
#[derive(Clone, Debug)]
pub struct Publisher {
    accounts: Arc<Mutex<BTreeMap<AccountName, Sealed>>>,
    published: Published,
    own: Own,
    ready: Arc<AtomicBool>,
}

/// What a person wants to know of an account at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// Source servers by state; only states that occur.
    pub sources: BTreeMap<&'static str, u64>,
    /// Tasks.
    pub tasks: u64,
    /// Collectors whose last poll failed.
    pub failing: Vec<&'static str>,
    /// Whether there is data yet.
    pub readiness: Readiness,
}

/// An account's blocks, one for each family of the catalogue.
#[derive(Debug, Default)]
struct Sealed {
    blocks: Vec<Option<Arc<Block>>>,
    dropped: Vec<usize>,
    facts: AccountFacts,
}

impl Publisher {
    /// A publisher to `published`; `own` tells how large the page is.
    #[must_use]
    pub fn new(published: Published, own: Own) -> Self {
        Self { accounts: Arc::default(), published, own, ready: Arc::default() }
    }

    /// Replaces an account's part of the page. A family whose bytes did not change keeps its block.
    pub fn publish(&self, rendered: Rendered) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(&mut accounts, rendered);
    }

    /// The same with what `render` makes, unless `ended`; see [`Self::unless`].
    pub fn publish_unless(&self, ended: &CancellationToken, render: impl FnOnce() -> Rendered) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if !ended.is_cancelled() {
            self.replace(&mut accounts, render());
        }
    }

    /// Does what leaves traces of an account in the metrics, unless `ended`.
    ///
    /// A poll may be over in the very moment in which its account is taken from the configuration: whoever
    /// takes it cancels first and then comes here by [`Self::remove`], so that nothing is left of it after.
    pub fn unless<T>(&self, ended: &CancellationToken, act: impl FnOnce() -> T) -> Option<T> {
        let _accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        (!ended.is_cancelled()).then(act)
    }

    fn replace(&self, accounts: &mut BTreeMap<AccountName, Sealed>, rendered: Rendered) {
        let last = accounts.remove(&rendered.account).unwrap_or_default();
        accounts.insert(rendered.account.clone(), seal(rendered, &last));
        self.assemble(accounts);
    }

    /// Takes an account from the page.
    pub fn remove(&self, account: &AccountName) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.remove(account);
        self.assemble(&accounts);
        self.own.forget(account);
    }

    /// What there is to say of each account.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<AccountName, AccountFacts> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.iter().map(|(account, sealed)| (account.clone(), sealed.facts.clone())).collect()
    }

    /// Whether every account made its first attempt and at least one has data; what each waits for where not.
    ///
    /// Ready once, ready for ever: what the cloud does later shows in the metrics.
    ///
    /// # Errors
    ///
    /// A line for each account that is waited for.
    pub fn ready(&self) -> Result<(), Vec<String>> {
        if self.ready.load(Ordering::Relaxed) {
            return Ok(());
        }
        let accounts = self.facts();
        let has_data = accounts.values().any(|facts| facts.readiness.has_data);
        if has_data && accounts.values().all(|facts| facts.readiness.attempted) {
            self.ready.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let is_waited_for = |facts: &AccountFacts| !facts.readiness.attempted || !facts.readiness.has_data;
        let waiting = accounts.iter().filter(|(_, facts)| is_waited_for(facts));
        Err(waiting.map(|(account, facts)| format!("{account}: {}", facts.readiness.waiting)).collect())
    }

    fn assemble(&self, accounts: &BTreeMap<AccountName, Sealed>) {
        let of = |at: usize| {
            accounts.values().filter_map(|sealed| sealed.blocks.get(at).cloned().flatten()).collect()
        };
        let page = Page::new(all().iter().enumerate().map(|(at, entry)| (&entry.desc, of(at))).collect());
        let dropped =
            |at: usize| accounts.values().filter_map(|sealed| sealed.dropped.get(at)).sum::<usize>();
        let dropped = all().iter().enumerate().map(|(at, entry)| (entry.desc.name, dropped(at)));
        let bytes = [("identity", Encoding::Identity), ("gzip", Encoding::Gzip)];
        self.own.published(
            page.series().map(|(desc, series)| (desc.name, series)),
            dropped.filter(|(_, dropped)| *dropped > 0),
            bytes.map(|(name, encoding)| (name, page.length(encoding))),
        );
        self.published.publish(page);
    }
}

fn seal(rendered: Rendered, last: &Sealed) -> Sealed {
    let Rendered { account: _, sheet, sources, tasks, failing, readiness } = rendered;
    let facts = AccountFacts { sources, tasks, failing, readiness };
    let mut sealed = Sealed { facts, ..Sealed::default() };
    let mut sealer = Sealer::default();
    for (at, (_, samples, dropped)) in sheet.into_families().enumerate() {
        let previous = last.blocks.get(at).and_then(Option::as_ref);
        let block = (!samples.is_empty()).then(|| sealer.seal(samples, previous));
        sealed.blocks.push(block);
        sealed.dropped.push(dropped);
    }
    sealed
}
