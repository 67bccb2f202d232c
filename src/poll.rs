//! The loop that reads the service and publishes pages.
//!
//! One account is one task: [`run`] lets its [`Reader`] read every collector, lets the [`Ledger`] tell what
//! changed, and hands the rendered page to the [`Publisher`]. A poll that takes longer than the interval
//! delays the next; a part that gets too old meanwhile is taken from the page at its time.

mod attempt;
mod journal;
mod keeper;
mod ledger;
mod observer;
mod publisher;
mod reader;
mod rotation;

pub use keeper::Keeper;
pub use ledger::Ledger;
pub use observer::Meter;
pub use publisher::{AccountFacts, Publisher};
pub use reader::{Filtered, Reader};

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::model::Clock;
use reader::Readings;

/// An account at work.
#[derive(Debug)]
pub struct Account {
    /// Reads the service.
    pub reader: Reader,
    /// Remembers what was read.
    pub ledger: Ledger,
    /// How often it is polled.
    pub interval: Duration,
    /// Keeps what it remembers, where that shall survive a restart.
    pub keeper: Option<Keeper>,
}

impl Account {
    /// Goes on from what an earlier run kept; does so once.
    async fn resume(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        if let Some(memory) = keeper.load().await {
            self.ledger.resume(memory);
        }
    }

    /// Keeps what is remembered now.
    async fn keep(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(|| self.ledger.memory()).await;
        }
    }

    /// Keeps what is remembered at the end.
    async fn finish(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.finish(|| self.ledger.memory()).await;
        }
    }
}

/// Polls an account until `stop`; a poll under way is given up then.
pub async fn run(mut account: Account, publisher: Publisher, clock: Clock, stop: CancellationToken) {
    account.resume().await;
    let mut ticks = interval(account.interval);
    // A slow poll delays the next; polls never pile up.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let Some(readings) = read(&mut account, &publisher, &clock, &stop).await else { break };
        publisher.unless(&stop, || account.ledger.take(readings));
        account.keep().await;
        publisher.publish_unless(&stop, || account.ledger.render(clock.now()));
    }
    account.finish().await;
}

/// One poll, during which parts that get too old are taken from the page; `None` where `stop` came first.
async fn read(
    account: &mut Account,
    publisher: &Publisher,
    clock: &Clock,
    stop: &CancellationToken,
) -> Option<Readings> {
    let Account { reader, ledger, .. } = account;
    let mut reading = std::pin::pin!(reader.read(ledger.fleet()));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            readings = &mut reading => return Some(readings),
            () = sleep(ledger.stale_in(clock.now())) => {
                publisher.publish_unless(stop, || ledger.render(clock.now()));
            }
        }
    }
}

/// Polls an account once and publishes what came.
pub async fn once(account: &mut Account, publisher: &Publisher, clock: &Clock) {
    account.resume().await;
    let readings = account.reader.read(account.ledger.fleet()).await;
    account.ledger.take(readings);
    account.keep().await;
    publisher.publish(account.ledger.render(clock.now()));
}

/// Sees to it that what an account remembers is kept, before it is dropped.
pub async fn finish(account: &mut Account) {
    account.finish().await;
}

/// When a poll must be over at the latest.
fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout
}
