//! The loop that reads the service and publishes pages.
//!
//! One account is one task: [`run`] lets its [`Reader`] read every collector, lets the [`Ledger`] tell what
//! changed, and hands the rendered page to the [`Publisher`]. A poll that takes longer than the interval
//! delays the next; a part that gets too old meanwhile is taken from the page at its time.

mod attempt;
mod journal;
mod ledger;
mod observer;
mod publisher;
mod reader;
mod rotation;

pub use ledger::Ledger;
pub use observer::Meter;
pub use publisher::{AccountFacts, Publisher};
pub use reader::Reader;

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::model::Clock;

/// An account at work.
#[derive(Debug)]
pub struct Account {
    /// Reads the service.
    pub reader: Reader,
    /// Remembers what was read.
    pub ledger: Ledger,
    /// How often it is polled.
    pub interval: Duration,
}

/// Polls an account until `stop`; a poll under way is given up then.
pub async fn run(account: Account, publisher: Publisher, clock: Clock, stop: CancellationToken) {
    let Account { mut reader, mut ledger, interval: period } = account;
    let mut ticks = interval(period);
    // A slow poll delays the next; polls never pile up.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let fleet = ledger.fleet().clone();
        let mut reading = std::pin::pin!(reader.read(&fleet));
        let readings = loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                readings = &mut reading => break readings,
                () = sleep(ledger.stale_in(clock.now())) => {
                    publisher.publish_unless(&stop, || ledger.render(clock.now()));
                }
            }
        };
        publisher.publish_unless(&stop, || {
            ledger.take(readings);
            ledger.render(clock.now())
        });
    }
}

/// Polls an account once and publishes what came.
pub async fn once(account: &mut Account, publisher: &Publisher, clock: &Clock) {
    let fleet = account.ledger.fleet().clone();
    let readings = account.reader.read(&fleet).await;
    account.ledger.take(readings);
    publisher.publish(account.ledger.render(clock.now()));
}

/// When a poll must be over at the latest.
fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout
}
