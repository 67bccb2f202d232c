//! Lists out of pages that come whole, cut, doubled and shifted.

use std::collections::HashSet;
use std::sync::Mutex;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::super::wire::Units;
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

/// A service with a list of numbers that loses objects, by the order of requests.
#[derive(Debug)]
struct Service {
    list: Vec<u64>,
    count: Option<u64>,
    limit: usize,
    /// How many objects each request loses at its page's end; beyond the last none is lost.
    lost: Vec<usize>,
    asked: Mutex<Vec<u64>>,
}

impl Service {
    fn new(list: impl IntoIterator<Item = u64>, limit: usize) -> Self {
        let list: Vec<u64> = list.into_iter().collect();
        Self { count: Some(to_u64(list.len())), list, limit, lost: Vec::new(), asked: Mutex::default() }
    }

    async fn read(&self) -> Result<List<Thing>, ApiError> {
        whole(to_u64(self.limit), 2, self).await
    }

    /// The offsets that were asked for so far.
    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }
}

impl Pages<Thing> for Service {
    async fn page(&self, offset: u64) -> Result<DecodedPage<Thing>, ApiError> {
        let mut asked = self.asked.lock().unwrap();
        let lost = self.lost.get(asked.len()).copied().unwrap_or_default();
        asked.push(offset);
        let from = usize::try_from(offset).unwrap().min(self.list.len());
        let page: Vec<u64> = self.list[from..].iter().copied().take(self.limit).collect();
        let kept = page.len().saturating_sub(lost);
        let decoded = |id: &u64| Decoded {
            hash: *id,
            length: 1,
            object: Some(Arc::new(Thing(format!("{id:06}")))),
            notes: Arc::default(),
        };
        let objects = page[..kept].iter().map(decoded).collect();
        Ok(DecodedPage { count: self.count, objects, notes: Notes::default() })
    }
}

#[tokio::test]
async fn a_list_is_asked_for_page_by_page_and_no_more_often_than_needed() {
    for (length, offsets) in [(0, vec![0]), (4, vec![0]), (5, vec![0, 5]), (12, vec![0, 5, 10])] {
        let service = Service::new(0..length, 5);
        let list = service.read().await.unwrap();
        assert_eq!((to_u64(list.objects.len()), list.expected), (length, Some(length)));
        assert_eq!(service.asked(), offsets, "{length} objects");
    }
}

#[tokio::test]
async fn a_list_without_a_count_ends_with_an_empty_page() {
    let service = Service { count: None, ..Service::new(0..12, 5) };
    let list = service.read().await.unwrap();
    assert_eq!((list.objects.len(), list.expected), (12, None));
    assert_eq!(service.asked(), [0, 5, 10, 12]);
}

#[tokio::test]
async fn a_count_that_is_too_small_or_too_large_is_never_believed() {
    for length in 1..13 {
        for count in (0..15).filter(|count| *count != length) {
            let service = Service { count: Some(count), ..Service::new(0..length, 5) };
            let error = service.read().await.unwrap_err();
            assert!(
                matches!(error, ApiError::Incomplete { expected, .. } if expected == count),
                "{length} {count}"
            );
        }
    }
}

#[tokio::test]
async fn a_services_own_duplicates_are_dropped_whether_it_counts_them_or_not() {
    for list in [vec![1, 1, 2, 3], vec![1, 2, 3, 4, 5, 1, 6]] {
        let distinct = list.iter().collect::<HashSet<_>>().len();
        for count in [list.len(), distinct] {
            let service = Service { count: Some(to_u64(count)), ..Service::new(list.clone(), 5) };
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

proptest! {
    #[test]
    fn what_is_lost_on_the_way_is_noticed(
        length in 0..23_u64,
        lost in proptest::collection::vec(prop_oneof![3 => Just(0), 1 => 1..6_usize], 0..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let service = Service { lost, ..Service::new(0..length, 5) };
        match runtime.block_on(service.read()) {
            Ok(list) => prop_assert_eq!(to_u64(list.objects.len()), length),
            Err(ApiError::Incomplete { expected, received }) => prop_assert!(received < expected),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
