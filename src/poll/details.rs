//! What is asked for object by object: a trickle beside the lists, the oldest first.
//!
//! Pure: [`RefreshQueue`] says which object is due and holds the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{TaskId, Timestamp};

/// A request that failed is made again so much later; others go before it.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// After so many objects that copy, one that rests: it may be late, but not for ever.
const COPYING_IN_A_ROW: u32 = 4;

/// One kind of detail: the answers by task, and when each is to be asked for again.
#[derive(Clone, Debug)]
pub(super) struct RefreshQueue<T> {
    refresh: Duration,
    entries: BTreeMap<TaskId, Entry<T>>,
    /// What is to be asked for, by when it is due; what copies apart from what rests.
    copying: BTreeSet<(Instant, TaskId)>,
    resting: BTreeSet<(Instant, TaskId)>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    due: Instant,
    copies: bool,
    asking: bool,
    answer: Option<Answer<T>>,
}

/// An answer, and when it came.
#[derive(Clone, Debug)]
struct Answer<T> {
    value: T,
    came: Instant,
    read_at: Timestamp,
}

/// What is to be asked for next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// Since when.
    pub(super) since: Instant,
    /// Whose.
    pub(super) task: TaskId,
}

impl<T> RefreshQueue<T> {
    /// Answers that are asked for again after `refresh`.
    pub(super) fn new(refresh: Duration) -> Self {
        Self { refresh, entries: BTreeMap::new(), copying: BTreeSet::new(), resting: BTreeSet::new() }
    }

    /// Holds these tasks and forgets all others, and answers that are twice as old as they should get. What is new
    /// is due at once. Each comes with whether it copies.
    pub(super) fn want(&mut self, wanted: &BTreeMap<TaskId, bool>, now: Instant) {
        let oldest = self.refresh * 2;
        self.entries.retain(|task, _| wanted.contains_key(task));
        for (task, copies) in wanted {
            let new = || Entry { due: now, copies: *copies, asking: false, answer: None };
            let entry = self.entries.entry(task.clone()).or_insert_with(new);
            entry.copies = *copies;
            entry.answer.take_if(|answer| now.saturating_duration_since(answer.came) > oldest);
        }
        self.schedule();
    }

    /// Makes these tasks due at once: what is known of them is of another state.
    pub(super) fn hurry<'a>(&mut self, tasks: impl IntoIterator<Item = &'a TaskId>, now: Instant) {
        for task in tasks {
            if let Some(entry) = self.entries.get_mut(task) {
                entry.due = entry.due.min(now);
            }
        }
        self.schedule();
    }

    fn schedule(&mut self) {
        let of = |copies| {
            let is_queued = move |entry: &Entry<T>| entry.copies == copies && !entry.asking;
            self.entries.iter().filter(move |(_, entry)| is_queued(entry))
        };
        self.copying = of(true).map(|(task, entry)| (entry.due, task.clone())).collect();
        self.resting = of(false).map(|(task, entry)| (entry.due, task.clone())).collect();
    }

    /// What comes next among what copies, or among what rests, whether it is due yet or not.
    pub(super) fn next(&self, copies: bool) -> Option<Due> {
        let queue = if copies { &self.copying } else { &self.resting };
        queue.first().map(|(since, task)| Due { since: *since, task: task.clone() })
    }

    /// A task is being asked for.
    pub(super) fn ask(&mut self, task: &TaskId) {
        if let Some(entry) = self.entries.get_mut(task) {
            entry.asking = true;
            let key = (entry.due, task.clone());
            self.copying.remove(&key);
            self.resting.remove(&key);
        }
    }

    /// What came of asking: an answer, or none.
    pub(super) fn answered(&mut self, task: &TaskId, value: Option<T>, now: Instant, read_at: Timestamp) {
        let Some(entry) = self.entries.get_mut(task) else { return };
        entry.asking = false;
        entry.due = now + if value.is_some() { self.refresh } else { AGAIN_AFTER.min(self.refresh) };
        let key = (entry.due, task.clone());
        if let Some(value) = value {
            entry.answer = Some(Answer { value, came: now, read_at });
        }
        if entry.copies {
            self.copying.insert(key)
        } else {
            self.resting.insert(key)
        };
    }

    /// Whether what is due now should have come before: its answer is older than it should get.
    pub(super) fn is_overdue(&self, due: &Due, now: Instant) -> bool {
        now.saturating_duration_since(due.since) >= self.refresh
            || self.entries.get(&due.task).is_some_and(|entry| entry.answer.is_none())
    }

    /// What is held.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&TaskId, &T)> {
        self.entries.iter().filter_map(|(task, entry)| Some((task, &entry.answer.as_ref()?.value)))
    }

    /// How many tasks are wanted.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are due or were never answered.
    pub(super) fn pending(&self, now: Instant) -> usize {
        self.entries.values().filter(|entry| entry.answer.is_none() || entry.due <= now).count()
    }

    /// When the oldest answer came.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.entries.values().filter_map(|entry| Some(entry.answer.as_ref()?.read_at)).min()
    }
}

/// Which of two kinds of detail comes next: what copies before what rests, within each what is due longest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    copying_in_a_row: u32,
}

impl Turns {
    /// The place among `queues` of what is to be asked for now, and what it is; else when the next is due.
    ///
    /// Each of `queues` says what comes next in it, among what copies or among what rests.
    pub(super) fn next(
        &mut self,
        queues: &[&dyn Fn(bool) -> Option<Due>],
        now: Instant,
    ) -> Result<(usize, Due), Option<Instant>> {
        let first = |copies: bool| {
            let next = queues.iter().enumerate().filter_map(|(place, next)| Some((next(copies)?, place)));
            next.min()
        };
        let (copying, resting) = (first(true), first(false));
        let is_due = |next: &Option<(Due, usize)>| next.as_ref().is_some_and(|(due, _)| due.since <= now);
        let rests = is_due(&resting) && (!is_due(&copying) || self.copying_in_a_row >= COPYING_IN_A_ROW);
        let earliest = copying.iter().chain(&resting).map(|(due, _)| due.since).min();
        match if rests { resting } else { copying } {
            Some((due, place)) if due.since <= now => {
                self.copying_in_a_row = if rests { 0 } else { self.copying_in_a_row + 1 };
                Ok((place, due))
            }
            _ => Err(earliest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(600);

    fn wanted(tasks: &[(&str, bool)]) -> BTreeMap<TaskId, bool> {
        tasks.iter().map(|(task, copies)| (TaskId::new(*task), *copies)).collect()
    }

    /// Asks for all that is due, and answers at once.
    fn drain(queue: &mut RefreshQueue<u64>, turns: &mut Turns, now: Instant, second: u64) -> Vec<String> {
        let mut asked = Vec::new();
        while let Ok((_, due)) = turns.next(&[&|copies| queue.next(copies)], now) {
            queue.ask(&due.task);
            let read_at = Timestamp::from_millis(i64::try_from(second * 1000).unwrap());
            queue.answered(&due.task, Some(second), now, read_at);
            asked.push(due.task.to_string());
        }
        asked
    }

    #[test]
    fn what_copies_comes_first_then_what_is_due_longest() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let (mut queue, mut turns) = (RefreshQueue::new(REFRESH), Turns::default());
        queue.want(&wanted(&[("a", false), ("b", true), ("c", true)]), at(0));
        assert_eq!(queue.pending(at(0)), 3);
        assert_eq!(drain(&mut queue, &mut turns, at(0), 0), ["b", "c", "a"]);
        assert_eq!((queue.pending(at(1)), queue.oldest()), (0, Some(Timestamp::from_millis(0))));
        queue.want(&wanted(&[("a", false), ("b", true), ("c", true), ("d", false)]), at(10));
        assert_eq!(drain(&mut queue, &mut turns, at(10), 10), ["d"], "only what is new is due");
        assert_eq!(turns.next(&[&|copies| queue.next(copies)], at(10)), Err(Some(at(600))));
        queue.hurry([&TaskId::new("c")], at(20));
        assert_eq!(drain(&mut queue, &mut turns, at(20), 20), ["c"], "its state changed");
        assert_eq!(drain(&mut queue, &mut turns, at(640), 640), ["b", "c", "a", "d"]);
    }

    #[test]
    fn what_rests_is_not_held_back_for_ever() {
        let now = Instant::now();
        let (mut queue, mut turns) = (RefreshQueue::new(REFRESH), Turns::default());
        let names: Vec<String> = (0..9).map(|number| format!("c{number}")).collect();
        let mut tasks: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
        tasks.push(("rests", false));
        queue.want(&wanted(&tasks), now);
        let asked = drain(&mut queue, &mut turns, now, 0);
        assert_eq!(asked.iter().position(|task| task == "rests"), Some(4), "{asked:?}");
    }

    #[test]
    fn a_failure_lets_others_go_first_and_costs_no_answer() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let (mut queue, mut turns) = (RefreshQueue::new(REFRESH), Turns::default());
        queue.want(&wanted(&[("a", true), ("b", true)]), at(0));
        queue.ask(&TaskId::new("a"));
        queue.answered(&TaskId::new("a"), None, at(0), Timestamp::from_millis(0));
        assert_eq!(drain(&mut queue, &mut turns, at(0), 0), ["b"]);
        assert_eq!(drain(&mut queue, &mut turns, at(30), 30), ["a"]);
        queue.ask(&TaskId::new("a"));
        queue.answered(&TaskId::new("a"), None, at(700), Timestamp::from_millis(0));
        assert_eq!(queue.answers().count(), 2, "the last answer stands");
        queue.want(&wanted(&[("a", true), ("b", true)]), at(1201));
        assert_eq!(queue.answers().count(), 1, "until it is twice as old as it should get");
        queue.want(&wanted(&[("b", true)]), at(1201));
        assert_eq!((queue.len(), queue.answers().count()), (1, 0));
    }
}
