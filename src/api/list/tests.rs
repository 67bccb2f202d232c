//! Lists out of pages that come whole, cut, doubled and shifted.

use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::super::wire::{Identity, Units};
use super::*;

/// An object that is nothing but an id.
#[derive(Debug)]
pub(in crate::api) struct Thing(pub(in crate::api) String);

impl FromWire for Thing {
    const LIST: &'static str = "things";
    const NAME: &'static str = "things";
    type Wire<'a> = IgnoredAny;

    fn from_wire(_wire: &IgnoredAny, _units: Units, _notes: &mut Notes) -> Option<Self> {
        None
    }

    fn identity(&self) -> Identity<'_> {
        Identity::Id(&self.0)
    }
}

/// What happens to the service's list between two requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// An object more, somewhere.
    Insert(usize),
    /// One less.
    Delete(usize),
    /// One goes elsewhere.
    Move(usize, usize),
}

/// A service with a list of numbers that changes between requests.
#[derive(Debug)]
pub(crate) struct Service {
    state: Mutex<State>,
    /// Nothing but this is counted, whatever there is.
    count: Option<Option<u64>>,
    limit: usize,
    /// How many objects each request loses at its page's end; beyond the last none is lost.
    lost: Vec<usize>,
    /// Each answer has the objects in another order within blocks of so many.
    shuffled: usize,
}

#[derive(Debug)]
struct State {
    list: Vec<u64>,
    next: u64,
    asked: Vec<u64>,
    changes: std::collections::VecDeque<Option<Change>>,
    chance: u64,
    /// What was ever there, and what has gone.
    ever: BTreeSet<u64>,
    gone: BTreeSet<u64>,
}

impl Service {
    pub(crate) fn new(list: impl IntoIterator<Item = u64>, limit: usize) -> Self {
        let list: Vec<u64> = list.into_iter().collect();
        let (next, ever) = (1_000_000, list.iter().copied().collect());
        let (asked, changes, gone) = (Vec::new(), [].into(), BTreeSet::new());
        let state = State { list, next, asked, changes, chance: 1, ever, gone };
        Self { state: Mutex::new(state), count: None, limit, lost: Vec::new(), shuffled: 1 }
    }

    pub(crate) fn changing(self, changes: impl IntoIterator<Item = Option<Change>>) -> Self {
        self.state.lock().unwrap().changes.extend(changes);
        self
    }

    async fn read(&self) -> Result<List<Thing>, ApiError> {
        self.read_with(Order::default()).await
    }

    /// The same, with answers that have their objects in another order within blocks of so many.
    pub(crate) fn shuffled(self, shuffled: usize) -> Self {
        Self { shuffled, ..self }
    }

    /// One poll: the ids that came and whether the list is whole; what was learnt of its order goes into `order`.
    pub(crate) async fn poll(&self, order: &mut Order) -> Option<(Vec<u64>, bool)> {
        let list = self.read_with(*order).await.ok()?;
        *order = order.after(&list);
        Some((ids(&list).into_iter().collect(), list.whole))
    }

    /// Whether an object has gone.
    pub(crate) fn is_gone(&self, id: u64) -> bool {
        self.state.lock().unwrap().gone.contains(&id)
    }

    /// Whether nothing will change any more.
    pub(crate) fn rests(&self) -> bool {
        self.state.lock().unwrap().changes.is_empty()
    }

    async fn read_with(&self, order: Order) -> Result<List<Thing>, ApiError> {
        whole(to_u64(self.limit), 2, order, self).await
    }

    /// The offsets that were asked for so far.
    fn asked(&self) -> Vec<u64> {
        self.state.lock().unwrap().asked.clone()
    }

    pub(crate) fn list(&self) -> BTreeSet<u64> {
        self.state.lock().unwrap().list.iter().copied().collect()
    }
}

impl State {
    fn change(&mut self) {
        match self.changes.pop_front().flatten() {
            Some(Change::Insert(at)) => {
                let at = at % (self.list.len() + 1);
                self.list.insert(at, self.next);
                self.ever.insert(self.next);
                self.next += 1;
            }
            Some(Change::Delete(at)) if !self.list.is_empty() => {
                let at = at % self.list.len();
                let gone = self.list.remove(at);
                self.gone.insert(gone);
            }
            Some(Change::Move(from, to)) if !self.list.is_empty() => {
                let from = from % self.list.len();
                let moved = self.list.remove(from);
                let to = to % (self.list.len() + 1);
                self.list.insert(to, moved);
            }
            Some(Change::Delete(_) | Change::Move(..)) | None => {}
        }
    }

    /// The list in the order of one answer.
    fn answer(&mut self, block: usize) -> Vec<u64> {
        let mut list = self.list.clone();
        for block in list.chunks_mut(block) {
            for at in (1..block.len()).rev() {
                // A linear congruential generator is chance enough, and the same in each run.
                self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                block.swap(at, usize::try_from(self.chance >> 33).unwrap() % (at + 1));
            }
        }
        list
    }
}

impl Pages<Thing> for Service {
    async fn page(&self, offset: u64, limit: u64) -> Result<DecodedPage<Thing>, ApiError> {
        let mut state = self.state.lock().unwrap();
        state.change();
        let lost = self.lost.get(state.asked.len()).copied().unwrap_or_default();
        state.asked.push(offset);
        let list = state.answer(self.shuffled);
        let limit = usize::try_from(limit).unwrap().min(self.limit);
        let from = usize::try_from(offset).unwrap().min(list.len());
        let page: Vec<u64> = list[from..].iter().copied().take(limit).collect();
        let kept = page.len().saturating_sub(lost);
        let decoded = |id: &u64| Decoded {
            hash: *id,
            length: 1,
            object: Some(Arc::new(Thing(format!("{id:07}")))),
            notes: Arc::default(),
        };
        let objects = page[..kept].iter().map(decoded).collect();
        let count = self.count.unwrap_or(Some(to_u64(list.len())));
        Ok(DecodedPage { count, objects, notes: Notes::default() })
    }
}

fn ids(list: &List<Thing>) -> BTreeSet<u64> {
    list.objects.iter().map(|thing| thing.0.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_asked_for_in_overlapping_pages_and_no_more_often_than_needed() {
    for (length, offsets) in
        [(0, vec![0]), (4, vec![0]), (5, vec![0, 4]), (9, vec![0, 4, 8]), (12, vec![0, 4, 8])]
    {
        let service = Service::new(0..length, 5);
        let list = service.read().await.unwrap();
        assert_eq!((to_u64(list.objects.len()), list.expected), (length, Some(length)));
        assert_eq!((service.asked(), list.duplicates), (offsets, 0), "{length} objects");
    }
}

#[tokio::test]
async fn a_service_with_shorter_pages_than_asked_for_is_read_by_what_it_gives() {
    let service = Service::new(0..23, 5);
    let list = whole(200, 2, Order::default(), &service).await.unwrap();
    assert_eq!((list.objects.len(), service.asked()), (23, vec![0, 4, 8, 12, 16, 20]));
}

#[tokio::test]
async fn a_list_without_a_count_ends_with_a_page_that_brings_nothing() {
    let service = Service { count: Some(None), ..Service::new(0..12, 5) };
    let list = service.read().await.unwrap();
    assert_eq!((list.objects.len(), list.expected), (12, None));
    assert_eq!(service.asked(), [0, 4, 8, 11]);
}

#[tokio::test]
async fn a_count_that_is_too_small_or_too_large_is_never_believed() {
    for length in 1..13 {
        for count in (0..15).filter(|count| *count != length) {
            let service = Service { count: Some(Some(count)), ..Service::new(0..length, 5) };
            let error = service.read().await.unwrap_err();
            assert!(
                matches!(error, ApiError::Incomplete { expected, .. } if expected == count),
                "{length} {count}"
            );
            assert!(service.asked().len() < 12, "and not asked for again and again: {:?}", service.asked());
        }
    }
}

#[tokio::test]
async fn a_services_own_duplicates_are_dropped_whether_it_counts_them_or_not() {
    for list in [vec![1, 1, 2, 3], vec![1, 2, 3, 4, 5, 1, 6]] {
        let distinct = list.iter().collect::<HashSet<_>>().len();
        for count in [list.len(), distinct] {
            let service = Service { count: Some(Some(to_u64(count))), ..Service::new(list.clone(), 5) };
            let read = service.read().await.unwrap();
            assert_eq!((read.objects.len(), read.duplicates), (distinct, 1), "{list:?} counted as {count}");
        }
    }
}

#[tokio::test]
async fn the_longest_list_that_offsets_reach_is_read_whole_and_a_longer_one_told() {
    let service = Service::new(0..reach(200), 200);
    let list = service.read().await.unwrap();
    assert_eq!(list.objects.len(), 65_735);
    assert_eq!(service.asked().last(), Some(&LAST_OFFSET));
    let error = Service::new(0..=reach(200), 200).read().await.unwrap_err();
    assert!(matches!(error, ApiError::TooLong { count: 65_736, reach: 65_735, .. }), "{error}");
}

#[tokio::test]
async fn an_object_that_slips_over_the_edge_of_a_page_is_found() {
    // The first object goes behind the first page; object 4, or what stands there, is at no place that is asked for.
    let service = Service::new(0..12, 5).changing([None, Some(Change::Delete(0))]);
    let list = service.read().await.unwrap();
    assert_eq!(ids(&list), service.list());
    assert_eq!(list.rereads, [Reread::CountChanged]);
}

#[tokio::test]
async fn a_list_that_moves_at_each_request_is_read_page_by_page_and_nothing_that_stays_is_missing() {
    let service = Service::new(0..100, 10).changing((0..60).map(|_| Some(Change::Delete(0))));
    let list = service.read().await.unwrap();
    assert!(list.whole && ids(&list).is_superset(&service.list()));
}

#[tokio::test]
async fn an_order_that_is_not_stable_is_noticed_and_the_list_is_the_union_of_readings() {
    let service = Service::new(0..1000, 200).shuffled(7);
    let list = service.read().await.unwrap();
    assert!(list.order_unstable && list.whole && !list.rereads.contains(&Reread::CountChanged));
    assert_eq!(ids(&list), service.list());
    let order = Order::default().after(&list);
    let asked = service.asked().len();
    let list = service.read_with(order).await.unwrap();
    assert_eq!((list.whole, ids(&list)), (true, service.list()));
    assert!(service.asked().len() - asked <= 14, "two readings: {}", service.asked().len() - asked);
    // Once it is stable again, that is noticed too.
    let service = Service::new(0..1000, 200);
    let mut order = order;
    for _ in 0..HELD_AGAIN {
        assert!(order.unstable);
        order = order.after(&service.read_with(order).await.unwrap());
    }
    assert!(!order.unstable);
}

proptest! {
    #[test]
    fn what_is_lost_on_the_way_is_noticed(
        length in 0..23_u64,
        lost in proptest::collection::vec(prop_oneof![3 => Just(0), 1 => 1..6_usize], 0..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let service = Service { lost, ..Service::new(0..length, 5) };
        match runtime.block_on(service.read()) {
            Ok(list) if list.whole => prop_assert_eq!(to_u64(list.objects.len()), length),
            Ok(list) => prop_assert!(to_u64(list.objects.len()) < length),
            Err(ApiError::Incomplete { expected, received }) => prop_assert!(received < expected),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// Whatever happens between any two requests, a whole reading has all that stood in the list throughout.
    #[test]
    fn nothing_that_stays_is_missing_from_a_whole_list(
        length in 0..120_u64,
        changes in proptest::collection::vec(proptest::option::weighted(0.4, insert_or_delete()), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let service = Service::new(0..length, 10).changing(changes);
        match runtime.block_on(service.read()) {
            Ok(list) => {
                let (read, state) = (ids(&list), service.state.lock().unwrap());
                let stayed = (0..length).filter(|id| !state.gone.contains(id));
                prop_assert!(!list.whole || stayed.clone().all(|id| read.contains(&id)));
                prop_assert!(read.is_subset(&state.ever));
            }
            Err(ApiError::Incomplete { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => (0..1000_usize).prop_map(Change::Insert),
        2 => (0..1000_usize).prop_map(Change::Delete),
        1 => (0..1000_usize, 0..1000_usize).prop_map(|(from, to)| Change::Move(from, to)),
    ]
}

fn insert_or_delete() -> impl Strategy<Value = Change> {
    prop_oneof![(0..1000_usize).prop_map(Change::Insert), (0..1000_usize).prop_map(Change::Delete)]
}
