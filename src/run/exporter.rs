//! The accounts at work, and the page that they publish to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::account::{AccountError, build};
use super::supervisor::Supervisor;
use crate::auth::Environment;
use crate::cli::BUILD;
use crate::config::{self, Config};
use crate::exposition::Published;
use crate::metrics::{Build, Own};
use crate::model::{AccountName, Clock};
use crate::poll::{self, Heartbeat, Publisher};
use crate::storage::Store;

/// What surrounds the exporter: the time, and where credentials are looked for.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The wall clock.
    pub clock: Clock,
    /// Variables and places of credentials.
    pub environment: Environment,
}

/// Polls accounts and publishes their page. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Exporter {
    surroundings: Surroundings,
    store: Option<Store>,
    published: Published,
    own: Own,
    publisher: Publisher,
    supervisor: Supervisor,
    stop: CancellationToken,
    running: Arc<Mutex<BTreeMap<AccountName, Running>>>,
}

/// An account that is polled.
#[derive(Debug)]
struct Running {
    account: config::Account,
    times: (Duration, Duration),
    stop: CancellationToken,
    polling: JoinHandle<()>,
    heartbeat: Heartbeat,
}

impl Exporter {
    /// An exporter without accounts; `stop` ends all that it will ever start.
    #[must_use]
    pub fn new(surroundings: Surroundings, stop: CancellationToken) -> Self {
        let (published, own) = (
            Published::default(),
            Own::new(Build { version: BUILD.version, revision: BUILD.revision, rustc: BUILD.rustc }),
        );
        let publisher = Publisher::new(published.clone(), own.clone());
        let (supervisor, running) = (Supervisor::new(stop.clone()), Arc::default());
        Self { surroundings, store: None, published, own, publisher, supervisor, stop, running }
    }

    /// Keeps in `store` what must survive a restart, and goes on from what is there.
    #[must_use]
    pub fn storing(self, store: Option<Store>) -> Self {
        Self { store, ..self }
    }

    /// Polls these accounts from now on: new ones are begun, changed ones begun anew, missing ones ended;
    /// one that did not change, but perhaps for its labels, keeps its snapshot and its counters.
    ///
    /// # Errors
    ///
    /// An account that cannot be set up; then nothing has changed.
    pub fn apply(&self, config: &Config) -> Result<(), AccountError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let times = (config.poll_interval, config.stale_after);
        let same = |account: &config::Account| {
            let known = running.get(&account.name);
            known.is_some_and(|known| known.account.is_polled_like(account) && known.times == times)
        };
        let mut begun = Vec::new();
        for account in config.accounts.iter().filter(|account| !same(account)) {
            // Set up before anything ends, so that a bad account leaves all as it was.
            begun.push((account.clone(), self.build(account, config)?));
        }
        for account in &config.accounts {
            self.own.relabel(&account.name, &account.labels);
        }
        let configured = |name: &AccountName| config.accounts.iter().any(|account| account.name == *name);
        let gone: Vec<AccountName> = running.keys().filter(|name| !configured(name)).cloned().collect();
        for name in gone {
            running.remove(&name).inspect(|account| account.stop.cancel());
            self.publisher.remove(&name);
        }
        for (account, at_work) in begun {
            let before = running.remove(&account.name).inspect(|account| account.stop.cancel());
            let (stop, heartbeat) = (self.stop.child_token(), at_work.heartbeat.clone());
            let polling =
                poll::run(at_work, self.publisher.clone(), self.surroundings.clock.clone(), stop.clone());
            let name = format!("the polling of account {:?}", account.name.as_str());
            let polling = self.supervisor.spawn(name, stop.clone(), async move {
                // What it remembered is on the disk before its successor looks there.
                if let Some(before) = before {
                    drop(before.polling.await);
                }
                polling.await;
            });
            running.insert(account.name.clone(), Running { account, times, stop, polling, heartbeat });
        }
        self.own.reloaded(Some(self.surroundings.clock.now()));
        Ok(())
    }

    /// The accounts as rounds of polls that the caller begins, one after the other.
    ///
    /// # Errors
    ///
    /// An account that cannot be set up.
    pub fn rounds(&self, config: &Config) -> Result<Rounds, AccountError> {
        let accounts = config.accounts.iter().map(|account| self.build(account, config));
        Ok(Rounds {
            accounts: accounts.collect::<Result<_, _>>()?,
            publisher: self.publisher.clone(),
            clock: self.surroundings.clock.clone(),
        })
    }

    fn build(&self, account: &config::Account, config: &Config) -> Result<poll::Account, AccountError> {
        let meters = self.own.account(&account.name, &account.labels);
        build(account, config, &self.surroundings, self.store.as_ref(), &meters)
    }

    /// A new configuration could not be used.
    pub fn reload_failed(&self) {
        self.own.reloaded(None);
    }

    /// The page that is published to.
    #[must_use]
    pub fn published(&self) -> &Published {
        &self.published
    }

    /// The exporter's own metrics.
    #[must_use]
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// Who puts the page together.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// What surrounds it.
    #[must_use]
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The accounts whose loop should have turned and has not, each with how late it is.
    #[must_use]
    pub fn late(&self) -> BTreeMap<AccountName, Duration> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let late =
            |(name, running): (&AccountName, &Running)| Some((name.clone(), running.heartbeat.late()?));
        running.iter().filter_map(late).collect()
    }

    /// Who sees to it that no task of this exporter ends in silence.
    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Waits for all polling to end, once `stop` is cancelled.
    pub async fn ended(&self) {
        self.supervisor.ended().await;
    }
}

/// Accounts that are polled when the caller says so: once for a cron job, step by step in tests.
#[derive(Debug)]
pub struct Rounds {
    accounts: Vec<poll::Account>,
    publisher: Publisher,
    clock: Clock,
}

impl Rounds {
    /// Polls every account once, and publishes each as it comes.
    pub async fn poll(&mut self) {
        let Self { accounts, publisher, clock } = self;
        let polls = accounts.iter_mut().map(|account| poll::once(account, publisher, clock));
        futures_util::future::join_all(polls).await;
    }

    /// Ends, once all that is remembered is kept.
    pub async fn finish(mut self) {
        let clock = &self.clock;
        let finishing = self.accounts.iter_mut().map(|account| poll::finish(account, clock));
        futures_util::future::join_all(finishing).await;
    }

    /// Publishes what is known, as far as it is still fresh.
    pub fn publish(&mut self) {
        for account in &mut self.accounts {
            self.publisher.publish(account.ledger.render(self.clock.instant()));
        }
    }
}
