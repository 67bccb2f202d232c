//! The slots for scrapes, `--web.max-requests` of them, and which scrape is cut for another.
//!
//! Whoever reads slowly holds a slot for as long as that takes. So a peer has at most half of the slots and a connection
//! at most [`PER_CONNECTION`]; slow scrapes have at most half of the slots together, and where a slot is wanted, a slow
//! scrape of the peer with the most slow ones is cut first.

use super::Hooks;
use super::connections::{Caller, Shortage};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// Scrapes at once on one connection; in HTTP/1 there is never more than one.
pub(super) const PER_CONNECTION: usize = 4;

/// A scrape of which nothing was taken for so long is slow.
const STALLED: Duration = Duration::from_millis(500);

/// A scrape that takes so long is slow, however steadily it is read.
const LONG: Duration = Duration::from_secs(5);

/// The slots for scrapes.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    hooks: Hooks,
    held: Mutex<Held>,
}

/// A scrape's slot, until dropped.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    slots: Arc<Slots>,
}

/// Why a scrape has no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// So many are under way in all.
    All(usize),
    /// So many are under way from this peer.
    Peer(usize),
    /// So many are under way on this connection.
    Connection(usize),
}

#[derive(Debug, Default)]
struct Held {
    begun: u64,
    scrapes: BTreeMap<u64, Scrape>,
    shortage: Shortage,
}

#[derive(Debug)]
struct Scrape {
    caller: Caller,
    begun: Instant,
}

impl Scrape {
    fn progress(&self) -> Instant {
        self.caller.progress().max(self.begun)
    }

    fn is_slow(&self, now: Instant) -> bool {
        let since = |instant| now.saturating_duration_since(instant);
        since(self.progress()) >= STALLED || since(self.begun) >= LONG
    }
}

impl Slots {
    /// So many at once; 0 is no limit.
    pub(super) fn new(limit: usize, hooks: Hooks) -> Arc<Self> {
        Arc::new(Self { limit, hooks, held: Mutex::default() })
    }

    /// A slot for a scrape of this caller; a slow scrape may be cut for it.
    ///
    /// # Errors
    ///
    /// What there is too much of.
    pub(super) fn take(self: &Arc<Self>, caller: &Caller) -> Result<Slot, Full> {
        let (now, mut held) = (Instant::now(), self.lock());
        if self.limit != 0 {
            self.make_room(&mut held, caller, now)?;
        }
        let number = held.begun;
        held.begun += 1;
        held.scrapes.insert(number, Scrape { caller: caller.clone(), begun: now });
        Ok(Slot { number, slots: Arc::clone(self) })
    }

    fn make_room(&self, held: &mut Held, caller: &Caller, now: Instant) -> Result<(), Full> {
        let half = self.limit.div_ceil(2);
        if held.on_connection(caller.connection()) >= PER_CONNECTION {
            return Err(Full::Connection(PER_CONNECTION));
        }
        if held.slow(now).count() > half {
            let slowest = held.slowest(now, |_, _| true);
            self.cut(held, slowest, now);
        }
        let peer = caller.peer();
        if held.of_peer(peer) >= half {
            let slowest = held.slowest(now, |other, _| other == peer);
            if !self.cut(held, slowest, now) {
                return Err(Full::Peer(half));
            }
        }
        if held.scrapes.len() >= self.limit {
            let second = held.slowest(now, |_, slow| slow > 1);
            let victim = second.or_else(|| held.crowded(held.of_peer(peer) + 2));
            if !self.cut(held, victim, now) {
                return Err(Full::All(self.limit));
            }
        }
        Ok(())
    }

    fn cut(&self, held: &mut Held, victim: Option<u64>, now: Instant) -> bool {
        let Some(victim) = victim.and_then(|number| held.scrapes.remove(&number)) else { return false };
        victim.caller.cut();
        (self.hooks.evicted)("scrape");
        if held.shortage.begins(now) {
            let peer = victim.caller.peer();
            warn!(limit = self.limit, %peer, "Scrapes that are read slowly are cut to make room for others");
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn on_connection(&self, connection: u64) -> usize {
        self.scrapes.values().filter(|scrape| scrape.caller.connection() == connection).count()
    }

    fn of_peer(&self, peer: IpAddr) -> usize {
        self.scrapes.values().filter(|scrape| scrape.caller.peer() == peer).count()
    }

    fn slow(&self, now: Instant) -> impl Iterator<Item = (&u64, &Scrape)> {
        self.scrapes.iter().filter(move |(_, scrape)| scrape.is_slow(now))
    }

    /// Among the slow ones that are wanted, by their peer and how many slow ones it has, the one without progress
    /// longest of the peer with the most.
    fn slowest(&self, now: Instant, wanted: impl Fn(IpAddr, usize) -> bool) -> Option<u64> {
        let mut by_peer = BTreeMap::<IpAddr, usize>::new();
        for (_, scrape) in self.slow(now) {
            *by_peer.entry(scrape.caller.peer()).or_default() += 1;
        }
        let of_peer = |scrape: &Scrape| by_peer.get(&scrape.caller.peer()).copied().unwrap_or(0);
        let wanted = self.slow(now).filter(|(_, scrape)| wanted(scrape.caller.peer(), of_peer(scrape)));
        wanted
            .min_by_key(|(_, scrape)| (Reverse(of_peer(scrape)), scrape.progress()))
            .map(|(number, _)| *number)
    }

    /// The scrape without progress longest among those of the peer with the most, if it has at least so many.
    fn crowded(&self, least: usize) -> Option<u64> {
        let of_peer = |scrape: &Scrape| self.of_peer(scrape.caller.peer());
        let crowd = self.scrapes.iter().filter(|(_, scrape)| of_peer(scrape) >= least);
        crowd
            .min_by_key(|(_, scrape)| (Reverse(of_peer(scrape)), scrape.progress()))
            .map(|(number, _)| *number)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().scrapes.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::advance;

    /// A scrape of a peer, on a connection of its own.
    struct Client {
        caller: Caller,
        slot: Result<Slot, Full>,
    }

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    fn slots(limit: usize) -> Arc<Slots> {
        Slots::new(limit, Hooks::none())
    }

    fn scrapes(slots: &Arc<Slots>, of: u8, count: u64) -> Vec<Client> {
        let client = |number| {
            let caller = Caller::alone(peer(of), u64::from(of) << 32 | number);
            let slot = slots.take(&caller);
            Client { caller, slot }
        };
        (0..count).map(client).collect()
    }

    fn refusals(clients: &[Client]) -> usize {
        clients.iter().filter(|client| client.slot.is_err()).count()
    }

    fn cut(clients: &[Client]) -> usize {
        clients.iter().filter(|client| client.caller.is_cut()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_has_at_most_half_of_the_slots() {
        let slots = slots(8);
        let crowd = scrapes(&slots, 1, 9);
        assert_eq!((refusals(&crowd), cut(&crowd)), (5, 0));
        assert_eq!(crowd[8].slot.as_ref().err(), Some(&Full::Peer(4)));
        assert_eq!(refusals(&scrapes(&slots, 2, 1)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_scrape_makes_room_for_another_of_its_peer() {
        let slots = slots(8);
        let crowd = scrapes(&slots, 1, 4);
        advance(STALLED).await;
        assert_eq!((refusals(&scrapes(&slots, 1, 1)), cut(&crowd)), (0, 1));
        assert!(crowd[0].caller.is_cut(), "the one without progress longest");
    }

    #[tokio::test(start_paused = true)]
    async fn steady_progress_is_not_slow_for_five_seconds() {
        let slots = slots(2);
        let first = scrapes(&slots, 1, 1);
        for (seconds, refused) in [(4, 1), (1, 0)] {
            advance(Duration::from_secs(seconds) - Duration::from_millis(100)).await;
            first[0].caller.advance();
            advance(Duration::from_millis(100)).await;
            assert_eq!(refusals(&scrapes(&slots, 1, 1)), refused, "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_scrapes_have_at_most_half_of_the_slots_and_a_peers_second_one_goes_first() {
        let slots = slots(8);
        let single = (10..14).flat_map(|of| scrapes(&slots, of, 1)).collect::<Vec<_>>();
        let pair = scrapes(&slots, 1, 2);
        advance(STALLED).await;
        let honest = scrapes(&slots, 2, 1);
        assert_eq!((refusals(&honest), cut(&single), cut(&pair)), (0, 0, 1));
        let honest = scrapes(&slots, 3, 1);
        assert_eq!((refusals(&honest), cut(&single), cut(&pair)), (0, 1, 1), "five of eight were slow");
        let honest = scrapes(&slots, 3, 1);
        assert_eq!((refusals(&honest), cut(&single), cut(&pair)), (0, 1, 1), "four are left alone");
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_slots_are_taken_the_peer_with_the_most_makes_room() {
        let slots = slots(8);
        let (one, other) = (scrapes(&slots, 1, 4), scrapes(&slots, 2, 4));
        let honest = scrapes(&slots, 3, 3);
        assert_eq!((refusals(&honest), cut(&one), cut(&other)), (1, 1, 1));
        assert_eq!(honest[2].slot.as_ref().err(), Some(&Full::All(8)), "all have about as many");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_four_slots_and_a_slot_is_free_again_when_it_is_dropped() {
        let slots = slots(40);
        let caller = Caller::alone(peer(1), 0);
        let mut held = (0..PER_CONNECTION).map(|_| slots.take(&caller).unwrap()).collect::<Vec<_>>();
        assert_eq!(slots.take(&caller).err(), Some(Full::Connection(PER_CONNECTION)));
        held.pop();
        assert!(slots.take(&caller).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_is_refused_or_cut() {
        let slots = slots(0);
        let crowd = scrapes(&slots, 1, 1000);
        advance(LONG).await;
        let more = scrapes(&slots, 1, 1000);
        assert_eq!((refusals(&crowd) + refusals(&more), cut(&crowd)), (0, 0));
    }
}
