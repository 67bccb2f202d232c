//! What a reading lacks, and when that is believed.
//!
//! An object is removed when two whole readings in a row lack it; until then it keeps its last values. A list that
//! lost most of itself at once is a fault of the service more often than the truth: it is believed after
//! [`BELIEVED_AFTER`] of readings that agree. One that was removed and soon comes back goes on from where it was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::diff::Event;
use crate::model::{Fleet, Part, Source, SourceId, Task, TaskId};

/// How long whole readings must agree before a list that lost most of itself is believed.
pub(super) const BELIEVED_AFTER: Duration = Duration::from_secs(600);

/// Of fewer objects, most may well go at once.
const FEW: usize = 10;

/// What is remembered of one list: what the last whole reading lacked, and since when it lacks most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Removals<K: Ord> {
    /// How many objects of a key were absent; more than one only where keys are not unique.
    absent: BTreeMap<K, usize>,
    implausible_since: Option<Instant>,
}

impl<K: Ord> Default for Removals<K> {
    fn default() -> Self {
        Self { absent: BTreeMap::new(), implausible_since: None }
    }
}

/// What a reading comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged<T> {
    /// The list to go on with, and how many of its objects were absent from the reading.
    List(Vec<T>, u64),
    /// Too much is gone: the last list stays. How many objects it has, and how many of them were absent.
    Implausible(u64, u64),
}

impl<K: Ord + Clone> Removals<K> {
    /// What to go on with after a reading. Both lists are ordered by `key`.
    pub(super) fn judge<T: Clone>(
        &mut self,
        last: &[T],
        read: Vec<T>,
        whole: bool,
        key: impl Fn(&T) -> &K,
        now: Instant,
    ) -> Judged<T> {
        let missing = missing(last, &read, &key);
        let lost_most = last.len() >= FEW && missing.len() * 2 > last.len();
        if lost_most && (whole || self.implausible_since.is_some()) {
            let since = *self.implausible_since.get_or_insert(now);
            if !whole || now.saturating_duration_since(since) < BELIEVED_AFTER {
                if whole {
                    self.remember(missing.iter().map(|at| key(&last[*at])));
                }
                return Judged::Implausible(to_u64(last.len()), to_u64(missing.len()));
            }
        }
        self.implausible_since = None;
        let mut confirmed = if whole { std::mem::take(&mut self.absent) } else { BTreeMap::new() };
        let is_confirmed =
            |key: &K| confirmed.get_mut(key).filter(|count| **count > 0).map(|count| *count -= 1).is_some();
        let kept = missing.into_iter().map(|at| &last[at]);
        let mut is_confirmed = is_confirmed;
        let kept: Vec<&T> = kept.filter(|object| !is_confirmed(key(object))).collect();
        if whole {
            self.remember(kept.iter().map(|object| key(object)));
        } else {
            let mut still = BTreeMap::new();
            kept.iter().for_each(|object| *still.entry(key(object)).or_insert(0) += 1);
            self.absent.retain(|key, count| {
                *count = still.get(key).copied().unwrap_or_default().min(*count);
                *count > 0
            });
        }
        let unconfirmed = to_u64(kept.len());
        let mut list = read;
        if unconfirmed > 0 {
            list.extend(kept.into_iter().cloned());
            list.sort_by(|a, b| key(a).cmp(key(b)));
        }
        Judged::List(list, unconfirmed)
    }

    fn remember<'a>(&mut self, absent: impl Iterator<Item = &'a K>)
    where
        K: 'a,
    {
        self.absent.clear();
        absent.for_each(|key| *self.absent.entry(key.clone()).or_default() += 1);
    }

    /// What the last whole reading lacked, for the next run.
    pub(super) fn absent(&self) -> impl Iterator<Item = &K> {
        self.absent.keys()
    }

    /// Since when the list lacks most of itself.
    pub(super) fn implausible_since(&self) -> Option<Instant> {
        self.implausible_since
    }

    /// Goes on from what an earlier run remembered.
    pub(super) fn resume(absent: impl IntoIterator<Item = K>, implausible_since: Option<Instant>) -> Self {
        Self { absent: absent.into_iter().map(|key| (key, 1)).collect(), implausible_since }
    }
}

/// The places in `last` of what `read` does not have.
fn missing<T, K: Ord>(last: &[T], read: &[T], key: impl Fn(&T) -> &K) -> Vec<usize> {
    let mut read = read.iter().map(&key).peekable();
    let is_missing = |object: &T| {
        let wanted = key(object);
        while read.next_if(|key| *key < wanted).is_some() {}
        read.next_if(|key| *key == wanted).is_none()
    };
    let mut is_missing = is_missing;
    last.iter().enumerate().filter(|(_, object)| is_missing(object)).map(|(at, _)| at).collect()
}

/// Objects whose removal was told, for as long as they may come back as if nothing had been.
#[derive(Debug, Default)]
pub(super) struct Departed {
    sources: BTreeMap<SourceId, (Instant, Arc<Source>)>,
    tasks: BTreeMap<TaskId, (Instant, Arc<Task>)>,
}

impl Departed {
    pub(super) fn has_source(&self, id: &SourceId) -> bool {
        self.sources.contains_key(id)
    }

    pub(super) fn has_task(&self, id: &TaskId) -> bool {
        self.tasks.contains_key(id)
    }

    /// The last fleet with those that are back in the next: they go on from where they were.
    pub(super) fn join(&mut self, last: &Fleet, next: &Fleet) -> Fleet {
        let mut joined = last.clone();
        if let Some(next) = &next.sources {
            let is_back = |id: &SourceId| next.data.binary_search_by(|source| source.id.cmp(id)).is_ok();
            rejoin(&mut joined.sources, &mut self.sources, is_back, |source| &source.id);
        }
        if let Some(next) = &next.tasks {
            let is_back = |id: &TaskId| next.data.binary_search_by(|task| task.id.cmp(id)).is_ok();
            rejoin(&mut joined.tasks, &mut self.tasks, is_back, |task| &task.id);
        }
        joined
    }

    /// Remembers what was removed.
    pub(super) fn remember(&mut self, last: &Fleet, events: &[Event], now: Instant) {
        for event in events {
            if let Event::SourceRemoved { source, .. } = event
                && let Some(removed) = last.source(&source.id)
            {
                self.sources.insert(source.id.clone(), (now, Arc::clone(removed)));
            }
            if let Event::TaskRemoved { task, .. } = event
                && let Some(removed) = last.task(&task.id)
            {
                self.tasks.insert(task.id.clone(), (now, Arc::clone(removed)));
            }
        }
    }

    pub(super) fn forget(&mut self, is_over: impl Fn(Instant) -> bool) {
        self.sources.retain(|_, (since, _)| !is_over(*since));
        self.tasks.retain(|_, (since, _)| !is_over(*since));
    }
}

/// Takes those that are back from the departed into the list.
fn rejoin<K: Ord, T>(
    part: &mut Option<Arc<Part<Vec<Arc<T>>>>>,
    departed: &mut BTreeMap<K, (Instant, Arc<T>)>,
    is_back: impl Fn(&K) -> bool,
    key: impl Fn(&T) -> &K,
) {
    let Some(last) = part.as_ref().filter(|_| !departed.is_empty()) else { return };
    let mut back = Vec::new();
    departed.retain(|id, (_, object)| {
        let is_back = is_back(id);
        back.extend(is_back.then(|| Arc::clone(object)));
        !is_back
    });
    if back.is_empty() {
        return;
    }
    let mut data: Vec<Arc<T>> = last.data.iter().cloned().chain(back).collect();
    data.sort_by(|a, b| key(a).cmp(key(b)));
    *part = Some(Arc::new(Part { data, read_at: last.read_at }));
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::api::{ListOrder, list_tests};

    fn judge(removals: &mut Removals<u32>, last: &[u32], read: &[u32], whole: bool, at: u64) -> Judged<u32> {
        let now = Instant::now() + Duration::from_secs(at);
        removals.judge(last, read.to_vec(), whole, |key| key, now)
    }

    fn list(list: &[u32], unconfirmed: u64) -> Judged<u32> {
        Judged::List(list.to_vec(), unconfirmed)
    }

    #[test]
    fn a_removal_is_believed_when_two_whole_readings_in_a_row_lack_it() {
        let mut removals = Removals::default();
        assert_eq!(judge(&mut removals, &[1, 2, 3], &[1, 3], true, 0), list(&[1, 2, 3], 1));
        assert_eq!(judge(&mut removals, &[1, 2, 3], &[1, 3], true, 0), list(&[1, 3], 0));
        assert_eq!(judge(&mut removals, &[1, 3], &[1, 3], true, 0), list(&[1, 3], 0));
    }

    #[test]
    fn an_object_that_comes_back_in_between_is_absent_for_the_first_time_again() {
        let mut removals = Removals::default();
        assert_eq!(judge(&mut removals, &[1, 2], &[1], true, 0), list(&[1, 2], 1));
        assert_eq!(judge(&mut removals, &[1, 2], &[1, 2], true, 0), list(&[1, 2], 0));
        assert_eq!(judge(&mut removals, &[1, 2], &[1], true, 0), list(&[1, 2], 1));
    }

    #[test]
    fn a_reading_that_is_not_whole_removes_nothing_and_confirms_nothing() {
        let mut removals = Removals::default();
        for _ in 0..3 {
            assert_eq!(judge(&mut removals, &[1, 2], &[2, 5], false, 0), list(&[1, 2, 5], 1));
        }
        assert_eq!(judge(&mut removals, &[1, 2, 5], &[2, 5], true, 0), list(&[1, 2, 5], 1));
        assert_eq!(
            judge(&mut removals, &[1, 2, 5], &[2, 5], false, 0),
            list(&[1, 2, 5], 1),
            "it is no second"
        );
        assert_eq!(judge(&mut removals, &[1, 2, 5], &[2, 5], true, 0), list(&[2, 5], 0));
    }

    #[test]
    fn of_equal_objects_as_many_are_removed_as_went() {
        let mut removals = Removals::default();
        assert_eq!(judge(&mut removals, &[1, 1, 1, 2], &[1, 2], true, 0), list(&[1, 1, 1, 2], 2));
        assert_eq!(judge(&mut removals, &[1, 1, 1, 2], &[1, 1, 2], true, 0), list(&[1, 1, 2], 0));
    }

    #[test]
    fn a_list_that_lost_most_of_itself_is_believed_after_ten_minutes() {
        let all: Vec<u32> = (0..20).collect();
        let mut removals = Removals::default();
        for at in [0, 30, 599] {
            assert_eq!(judge(&mut removals, &all, &[], true, at), Judged::Implausible(20, 20), "{at}");
        }
        assert_eq!(
            judge(&mut removals, &all, &all[..9], false, 650),
            Judged::Implausible(20, 11),
            "not whole"
        );
        assert_eq!(judge(&mut removals, &all, &[3], true, 601), list(&[3], 0));
        assert_eq!(removals, Removals::default());
    }

    #[test]
    fn a_list_that_is_back_within_ten_minutes_lost_nothing() {
        let all: Vec<u32> = (0..20).collect();
        let mut removals = Removals::default();
        assert_eq!(judge(&mut removals, &all, &[], true, 0), Judged::Implausible(20, 20));
        assert_eq!(judge(&mut removals, &all, &all, true, 300), list(&all, 0));
        assert_eq!(judge(&mut removals, &all, &[], true, 900), Judged::Implausible(20, 20), "anew");
    }

    #[test]
    fn half_of_many_and_all_of_few_may_go_at_once() {
        let many: Vec<u32> = (0..20).collect();
        let mut removals = Removals::default();
        assert_eq!(judge(&mut removals, &many, &many[..10], true, 0), list(&many, 10));
        assert_eq!(judge(&mut removals, &many, &many[..10], true, 0), list(&many[..10], 0));
        assert_eq!(judge(&mut removals, &many[..9], &[], true, 0), list(&many[..9], 9));
        assert_eq!(judge(&mut removals, &many[..9], &[], true, 0), list(&[], 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        /// A list that changes between any two requests, polled until it has rested for two polls.
        #[test]
        fn no_removal_or_registration_is_told_that_did_not_happen(
            length in 60..120_u64,
            shuffled in prop_oneof![Just(1_usize), Just(7_usize)],
            changes in proptest::collection::vec(proptest::option::weighted(0.3, list_tests::change()), 0..90),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let service = list_tests::Service::new(0..length, 40).changing(changes).shuffled(shuffled);
            let (mut order, mut removals) = (ListOrder::default(), Removals::default());
            let (mut page, mut registered) = (None::<Vec<u64>>, BTreeSet::new());
            let mut rested = 0;
            for _ in 0..60 {
                let rests = service.rests();
                let Some((read, whole)) = runtime.block_on(service.poll(&mut order)) else { continue };
                let last = page.take().unwrap_or_default();
                let judged = removals.judge(&last, read, whole, |id| id, Instant::now());
                let Judged::List(now, _) = judged else { return Err(TestCaseError::fail("implausible")) };
                for id in last.iter().filter(|id| !now.contains(id)) {
                    prop_assert!(service.is_gone(*id), "{id} was removed and is there");
                }
                for id in now.iter().filter(|id| !last.contains(id)) {
                    prop_assert!(registered.insert(*id), "{id} was registered twice");
                    prop_assert!(last.is_empty() || *id >= length, "{id} was there from the beginning");
                }
                for id in (0..length).filter(|id| !service.is_gone(*id)) {
                    prop_assert!(now.contains(&id), "{id} is missing");
                }
                page = Some(now);
                rested += u32::from(rests);
                if rested == 2 {
                    break;
                }
            }
            let page: BTreeSet<u64> = page.unwrap_or_default().into_iter().collect();
            prop_assert_eq!(page, service.list());
        }
    }
}
