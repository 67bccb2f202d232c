//! What is asked for task by task: a few in each poll, each again when it is old.
//!
//! Pure: which tasks are due, and what is still held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{TaskId, Timestamp};

/// Answers by task, each with the instant at which it was read.
#[derive(Clone, Debug)]
pub(super) struct Rotation<T> {
    held: BTreeMap<TaskId, (T, Timestamp)>,
    refresh: Duration,
}

impl<T: Clone> Rotation<T> {
    /// Answers that are asked for again after `refresh`.
    pub(super) fn new(refresh: Duration) -> Self {
        Self { held: BTreeMap::new(), refresh }
    }

    /// Forgets the tasks that are no longer wanted, and answers that are twice as old as they should get.
    pub(super) fn keep(&mut self, wanted: &BTreeSet<TaskId>, now: Timestamp) {
        let oldest = self.refresh * 2;
        self.held.retain(|task, (_, read_at)| wanted.contains(task) && now.since(*read_at) <= oldest);
    }

    /// At most `most` of the wanted tasks: those never asked for first, then the oldest answers that are due.
    pub(super) fn due(&self, wanted: &BTreeSet<TaskId>, now: Timestamp, most: usize) -> Vec<TaskId> {
        let age = |task: &TaskId| self.held.get(task).map(|(_, read_at)| *read_at);
        let is_due =
            |read_at: Option<Timestamp>| read_at.is_none_or(|read_at| now.since(read_at) >= self.refresh);
        let mut due: Vec<(Option<Timestamp>, &TaskId)> =
            wanted.iter().map(|task| (age(task), task)).filter(|(read_at, _)| is_due(*read_at)).collect();
        due.sort();
        due.into_iter().take(most).map(|(_, task)| task.clone()).collect()
    }

    /// Holds an answer.
    pub(super) fn insert(&mut self, task: TaskId, answer: T, now: Timestamp) {
        self.held.insert(task, (answer, now));
    }

    /// What is held.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&TaskId, &T)> {
        self.held.iter().map(|(task, (answer, _))| (task, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(names: &[&str]) -> BTreeSet<TaskId> {
        names.iter().map(|name| TaskId::new(*name)).collect()
    }

    fn names(due: &[TaskId]) -> Vec<&str> {
        due.iter().map(TaskId::as_str).collect()
    }

    #[test]
    fn new_tasks_come_first_and_old_answers_are_asked_for_again() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let mut rotation = Rotation::new(Duration::from_secs(600));
        let wanted = tasks(&["a", "b", "c"]);
        assert_eq!(names(&rotation.due(&wanted, at(0), 2)), ["a", "b"]);
        rotation.insert(TaskId::new("b"), 1, at(0));
        rotation.insert(TaskId::new("a"), 2, at(5));
        assert_eq!(names(&rotation.due(&wanted, at(10), 9)), ["c"]);
        assert_eq!(names(&rotation.due(&wanted, at(600), 9)), ["c", "b"]);
        assert_eq!(names(&rotation.due(&wanted, at(605), 9)), ["c", "b", "a"]);
        rotation.keep(&tasks(&["a"]), at(605));
        assert_eq!(
            rotation.answers().map(|(task, answer)| (task.as_str(), *answer)).collect::<Vec<_>>(),
            [("a", 2)]
        );
        rotation.keep(&tasks(&["a"]), at(5 + 1201));
        assert_eq!(rotation.answers().count(), 0, "twice as old as it should get");
    }
}
