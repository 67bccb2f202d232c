//! Whose password is checked next.
//!
//! One at a time, as with Prometheus' toolkit, so that guessing costs no more than one core. Those who wait are served
//! by how often their address has guessed wrong of late: one that guesses waits behind one that has not.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many may wait; at a usual cost the last of them waits for about a second.
const QUEUE: usize = 16;

/// How many addresses' wrong guesses are remembered.
const REMEMBERED: usize = 1024;

/// An address that has not guessed wrong for so long has a clean record.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);

/// Who checks, and who waits to.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<State>);

/// The right to check a password, until dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

#[derive(Debug, Default)]
struct State {
    taken: bool,
    waiting: Vec<Waiter>,
    guesses: BTreeMap<IpAddr, Guesses>,
}

#[derive(Debug)]
struct Waiter {
    peer: IpAddr,
    turn: oneshot::Sender<Turn>,
}

#[derive(Clone, Copy, Debug)]
struct Guesses {
    count: u32,
    last: Instant,
}

impl Turns {
    /// Waits for a turn; none where too many wait whose record is no worse, or when such a one comes later.
    pub(super) async fn turn(self: &Arc<Self>, peer: IpAddr) -> Option<Turn> {
        let (turn, came) = oneshot::channel();
        {
            let mut state = self.lock();
            if !state.taken {
                state.taken = true;
                return Some(Turn(Some(Arc::clone(self))));
            }
            // Those that hung up.
            state.waiting.retain(|waiter| !waiter.turn.is_closed());
            if state.waiting.len() >= QUEUE {
                let worst = state.worst_waiting().filter(|(_, record)| state.record(peer) < *record);
                state.waiting.remove(worst?.0);
            }
            state.waiting.push(Waiter { peer, turn });
        }
        came.await.ok()
    }

    /// A password was checked; a right one clears the record.
    pub(super) fn checked(&self, peer: IpAddr, right: bool) {
        let (now, mut state) = (Instant::now(), self.lock());
        if right {
            state.guesses.remove(&peer);
            return;
        }
        state.guesses.retain(|_, guesses| now.saturating_duration_since(guesses.last) < FORGOTTEN);
        let guesses = state.guesses.entry(peer).or_insert(Guesses { count: 0, last: now });
        *guesses = Guesses { count: guesses.count.saturating_add(1), last: now };
        if state.guesses.len() > REMEMBERED
            && let Some(oldest) = state.guesses.iter().min_by_key(|(_, guesses)| guesses.last)
        {
            let oldest = *oldest.0;
            state.guesses.remove(&oldest);
        }
    }

    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.lock();
        let next = (0..state.waiting.len()).min_by_key(|at| state.count(state.waiting[*at].peer));
        state.taken = next.is_some();
        next.map(|at| state.waiting.remove(at).turn)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How often an address has guessed wrong.
    fn count(&self, peer: IpAddr) -> u32 {
        self.guesses.get(&peer).map_or(0, |guesses| guesses.count)
    }

    /// The same, and how many of its checks wait.
    fn record(&self, peer: IpAddr) -> (u32, usize) {
        (self.count(peer), self.waiting.iter().filter(|waiter| waiter.peer == peer).count())
    }

    /// Where the one with the worst record waits, of several the last that came.
    fn worst_waiting(&self) -> Option<(usize, (u32, usize))> {
        let waiting = self.waiting.iter().enumerate().map(|(at, waiter)| (at, self.record(waiter.peer)));
        waiting.min_by_key(|(at, record)| Reverse((*record, *at)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        while let Some(next) = turns.next() {
            match next.send(Turn(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // It hung up, so the turn is another's.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::future::Future;
    use std::net::Ipv4Addr;
    use std::pin::Pin;
    use std::task::Poll;
    use tokio::time::advance;

    const GUESSER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    type Waiting<'a> = Pin<Box<dyn Future<Output = Option<Turn>> + 'a>>;

    /// So many that wait already.
    async fn wait(turns: &Arc<Turns>, peer: IpAddr, count: usize) -> Vec<Waiting<'_>> {
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        for _ in 0..count {
            let mut one: Waiting<'_> = Box::pin(turns.turn(peer));
            assert!(poll!(one.as_mut()).is_pending());
            waiting.push(one);
        }
        waiting
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_guesses_waits_behind_one_that_has_not() {
        let turns = Arc::<Turns>::default();
        let turn = turns.turn(GUESSER).await.unwrap();
        let mut guessers = wait(&turns, GUESSER, 2).await;
        let mut honest = wait(&turns, HONEST, 1).await;
        turns.checked(GUESSER, false);
        drop(turn);
        let Poll::Ready(Some(turn)) = poll!(honest[0].as_mut()) else { panic!("it is next") };
        assert!(poll!(guessers[0].as_mut()).is_pending());
        turns.checked(HONEST, true);
        drop(turn);
        assert!(poll!(guessers[0].as_mut()).is_ready(), "then those who guess, in their order");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_turns_away_the_worst_record() {
        let turns = Arc::<Turns>::default();
        let _turn = turns.turn(GUESSER).await.unwrap();
        let mut guessers = wait(&turns, GUESSER, QUEUE).await;
        assert!(turns.turn(GUESSER).await.is_none(), "its record is the same");
        let _honest = wait(&turns, HONEST, 1).await;
        assert!(matches!(poll!(guessers[QUEUE - 1].as_mut()), Poll::Ready(None)), "the last gives way");
        assert!(poll!(guessers[0].as_mut()).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_up_costs_no_turn() {
        let turns = Arc::<Turns>::default();
        let turn = turns.turn(GUESSER).await.unwrap();
        let gone = wait(&turns, HONEST, QUEUE).await;
        drop(gone);
        let mut next = wait(&turns, GUESSER, 1).await;
        let gone = wait(&turns, HONEST, 1).await;
        turns.checked(GUESSER, false);
        drop(gone);
        drop(turn);
        let Poll::Ready(Some(turn)) = poll!(next[0].as_mut()) else { panic!("it is next") };
        drop(turn);
        assert!(turns.turn(HONEST).await.is_some(), "nobody has the turn");
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_forgotten_after_a_while_and_by_a_right_password_and_are_bounded() {
        let turns = Arc::<Turns>::default();
        turns.checked(GUESSER, false);
        turns.checked(HONEST, false);
        assert_eq!(turns.lock().count(GUESSER), 1);
        turns.checked(GUESSER, true);
        assert_eq!(turns.lock().count(GUESSER), 0);
        advance(FORGOTTEN).await;
        for number in 0..2000 {
            turns.checked(IpAddr::V4(Ipv4Addr::from_bits(number)), false);
        }
        assert_eq!(turns.lock().count(HONEST), 0);
        assert_eq!(turns.lock().guesses.len(), REMEMBERED);
    }
}
