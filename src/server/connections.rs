//! The connections that are open, and which of them is closed when there is no place for another.
//!
//! A newcomer is always let in. Where all places are taken, the connection that has been idle longest is closed for
//! it: first one of the peer that holds the most places, and never one of a peer that holds fewer than the newcomer's.
//! So one peer cannot keep another out, however many connections it opens, and a probe is always answered.

use super::Hooks;
use super::guard::Activity;
use super::stream::Stream;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) peer: IpAddr,
    pub(super) activity: Arc<Activity>,
    /// Cancelled when the connection must close to make room.
    pub(super) closing: CancellationToken,
    number: u64,
}

/// Who sent a request, and on what.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    client: Arc<Client>,
    /// The stream of HTTP/2; in HTTP/1 the connection has one request at a time.
    stream: Option<Arc<Stream>>,
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    hooks: Hooks,
    open: Mutex<Open>,
}

/// An open connection's place, until dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) client: Arc<Client>,
    connections: Arc<Connections>,
}

/// A state that is logged when it begins and when it ends, and once an hour in between.
#[derive(Debug, Default)]
pub(super) struct Shortage(Option<Instant>);

#[derive(Debug, Default)]
struct Open {
    begun: u64,
    clients: BTreeMap<u64, Arc<Client>>,
    by_peer: BTreeMap<IpAddr, usize>,
    places: Shortage,
    descriptors: Shortage,
}

/// How often a lasting shortage is logged.
const REMINDER: Duration = Duration::from_secs(60 * 60);

/// A shortage that comes and goes faster than this is logged as one.
const SETTLED: Duration = Duration::from_secs(60);

impl Shortage {
    /// It is there; whether to log that.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        let log = self.0.is_none_or(|logged| now.saturating_duration_since(logged) >= REMINDER);
        if log {
            self.0 = Some(now);
        }
        log
    }

    /// It is not there; whether to log that.
    pub(super) fn ends(&mut self, now: Instant) -> bool {
        let log = self.0.is_some_and(|logged| now.saturating_duration_since(logged) >= SETTLED);
        if log {
            self.0 = None;
        }
        log
    }
}

impl Client {
    fn new(peer: IpAddr, number: u64) -> Arc<Self> {
        // An IPv4 peer is the same on a socket of IPv6.
        let peer = peer.to_canonical();
        Arc::new(Self { peer, activity: Activity::new(), closing: CancellationToken::new(), number })
    }
}

impl Caller {
    pub(super) fn new(client: Arc<Client>, stream: Option<Arc<Stream>>) -> Self {
        Self { client, stream }
    }

    /// One on a connection of its own that nobody else knows of.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn alone(peer: IpAddr, number: u64) -> Self {
        Self::new(Client::new(peer, number), None)
    }

    pub(super) fn peer(&self) -> IpAddr {
        self.client.peer
    }

    /// The connection's number.
    pub(super) fn connection(&self) -> u64 {
        self.client.number
    }

    /// When the client last took something of the response.
    pub(super) fn progress(&self) -> Instant {
        self.stream.as_ref().map_or_else(|| self.client.activity.moved(), |stream| stream.progress())
    }

    /// Ends the response: the stream where there are several, else the connection.
    pub(super) fn cut(&self) {
        match &self.stream {
            Some(stream) => stream.cut(),
            None => self.client.closing.cancel(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        self.client.closing.is_cancelled()
    }

    #[cfg(test)]
    pub(super) fn advance(&self) {
        self.client.activity.wrote();
    }

    pub(super) fn stream(&self) -> Option<Arc<Stream>> {
        self.stream.clone()
    }
}

impl Connections {
    pub(super) fn new(limit: usize, hooks: Hooks) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), hooks, open: Mutex::default() })
    }

    /// A place for a connection from `peer`; others are closed for it where there is none.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Admitted {
        let now = Instant::now();
        let mut open = self.lock();
        if open.descriptors.ends(now) {
            info!("Connections are accepted again");
        }
        self.look_for_the_end(&mut open, now);
        let client = Client::new(peer, open.begun);
        open.begun += 1;
        while open.clients.len() >= self.limit {
            if open.places.begins(now) {
                let most = open.by_peer.iter().max_by_key(|(_, held)| **held);
                let (peer, held) = most.map_or((client.peer, 0), |(peer, held)| (*peer, *held));
                warn!(limit = self.limit, %peer, held, "All places for connections are taken; closing those idle longest");
            }
            self.close(&mut open, Some(client.peer));
        }
        *open.by_peer.entry(client.peer).or_default() += 1;
        open.clients.insert(client.number, Arc::clone(&client));
        (self.hooks.connections)(open.clients.len());
        Admitted { client, connections: Arc::clone(self) }
    }

    /// Closes a connection because the system refuses another one; whether there was one to close.
    pub(super) fn make_room(&self, error: &io::Error) -> bool {
        let mut open = self.lock();
        if open.descriptors.begins(Instant::now()) {
            warn!(%error, open = open.clients.len(), "Failed to accept a connection; closing those idle longest");
        }
        self.close(&mut open, None)
    }

    fn close(&self, open: &mut Open, newcomer: Option<IpAddr>) -> bool {
        let victim = open.victim(newcomer).and_then(|number| open.remove(number));
        if let Some(victim) = &victim {
            victim.closing.cancel();
            (self.hooks.evicted)("connection");
        }
        victim.is_some()
    }

    fn look_for_the_end(&self, open: &mut Open, now: Instant) {
        if open.clients.len() <= self.limit / 2 && open.places.ends(now) {
            info!(open = open.clients.len(), "There are places for connections again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Which connection makes room for one from `newcomer`.
    fn victim(&self, newcomer: Option<IpAddr>) -> Option<u64> {
        let held = |peer: &IpAddr| self.by_peer.get(peer).copied().unwrap_or(0);
        let least = newcomer.map_or(0, |peer| held(&peer));
        let others = self.clients.values().filter(|client| held(&client.peer) >= least);
        let rank = |client: &&Arc<Client>| {
            let (busy, since) = client.activity.standing();
            (busy, Reverse(held(&client.peer)), since)
        };
        others.min_by_key(rank).map(|client| client.number)
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Client>> {
        let client = self.clients.remove(&number)?;
        if let Some(held) = self.by_peer.get_mut(&client.peer) {
            *held -= 1;
            if *held == 0 {
                self.by_peer.remove(&client.peer);
            }
        }
        Some(client)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.remove(self.client.number);
        self.connections.look_for_the_end(&mut open, Instant::now());
        (self.connections.hooks.connections)(open.clients.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use tokio::time::advance;

    const CROWD: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn connections(limit: usize) -> Arc<Connections> {
        Connections::new(limit, Hooks::none())
    }

    fn closed(admitted: &[Admitted]) -> Vec<usize> {
        let closed = admitted.iter().enumerate().filter(|(_, one)| one.client.closing.is_cancelled());
        closed.map(|(at, _)| at).collect()
    }

    async fn crowd(connections: &Arc<Connections>, peer: IpAddr, count: usize) -> Vec<Admitted> {
        let mut crowd = Vec::new();
        for _ in 0..count {
            advance(Duration::from_secs(1)).await;
            crowd.push(connections.admit(peer));
        }
        crowd
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_idle_longest_makes_room() {
        let connections = connections(4);
        let first = crowd(&connections, CROWD, 4).await;
        advance(Duration::from_secs(1)).await;
        drop(first[0].client.activity.begin());
        let _busy = first[1].client.activity.begin();
        let _more = crowd(&connections, CROWD, 2).await;
        assert_eq!(closed(&first), [2, 3], "the first was just used and the second is at work");
        let _more = crowd(&connections, CROWD, 1).await;
        assert_eq!(closed(&first), [0, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_with_fewer_places_loses_none_to_one_with_more() {
        let connections = connections(4);
        let other = crowd(&connections, OTHER, 1).await;
        let crowd = crowd(&connections, CROWD, 100).await;
        assert_eq!(closed(&other), Vec::<usize>::new());
        assert_eq!(closed(&crowd).len(), 97);
        assert!(!connections.admit(OTHER).client.closing.is_cancelled());
        assert_eq!(closed(&other), Vec::<usize>::new(), "the place comes from the peer that holds the most");
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_at_work_the_one_without_progress_longest_makes_room() {
        let connections = connections(2);
        let crowd = crowd(&connections, CROWD, 2).await;
        let _busy = crowd.iter().map(|one| one.client.activity.begin()).collect::<Vec<_>>();
        advance(Duration::from_secs(1)).await;
        crowd[0].client.activity.wrote();
        let _newcomer = connections.admit(OTHER);
        assert_eq!(closed(&crowd), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_free_again_when_its_connection_ends() {
        let connections = connections(2);
        let mut first = crowd(&connections, CROWD, 2).await;
        first.pop();
        let _second = connections.admit(OTHER);
        assert_eq!(closed(&first), Vec::<usize>::new());
        drop(first);
        assert_eq!(connections.lock().by_peer, BTreeMap::from([(OTHER, 1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exhausted_system_is_given_room_as_long_as_there_is_a_connection() {
        let connections = connections(9);
        let first = crowd(&connections, CROWD, 2).await;
        let error = io::Error::from_raw_os_error(24);
        let made: Vec<bool> = (0..3).map(|_| connections.make_room(&error)).collect();
        assert_eq!((made, closed(&first)), (vec![true, true, false], vec![0, 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv4_peer_is_one_peer_on_sockets_of_both_kinds() {
        let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        assert_eq!(connections(1).admit(mapped).client.peer, CROWD);
        let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(connections(1).admit(six).client.peer, six);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shortage_is_logged_when_it_begins_each_hour_and_when_it_ends() {
        let (mut shortage, begin) = (Shortage::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert!(!shortage.ends(at(0)), "none has begun");
        let logged = (0..7200).filter(|second| shortage.begins(at(*second)));
        assert_eq!(logged.collect::<Vec<_>>(), [0, 3600]);
        assert!(!shortage.ends(at(3659)));
        assert!(shortage.ends(at(3660)));
        assert!(shortage.begins(at(3661)));
    }
}
