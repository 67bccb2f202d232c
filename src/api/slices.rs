//! Lists beyond the reach of offsets, read state by state.

use super::ApiError;
use super::list::{List, Reread};
use super::wire::{FromWire, Notes};
use crate::model::{SourceState, TaskState};

/// The states of source servers that the service filters by: all but those that only tasks and messages know.
pub(super) fn source_states() -> Vec<&'static str> {
    let elsewhere = [SourceState::Available, SourceState::Unconnected, SourceState::Unknown];
    SourceState::ALL.iter().filter(|state| !elsewhere.contains(state)).map(|state| state.label()).collect()
}

/// The states of tasks that the service filters by.
pub(super) fn task_states() -> Vec<&'static str> {
    TaskState::ALL.iter().filter(|state| **state != TaskState::Unknown).map(|state| state.label()).collect()
}

/// Where slices come from.
pub(super) trait Slices<T>: Sync {
    /// The whole slice of a state.
    fn slice(&self, state: &'static str) -> impl Future<Output = Result<List<T>, ApiError>> + Send;
}

/// Reads a list of `count` objects slice by slice. An object that changes its state meanwhile is in two slices and
/// kept once, or in none: where the slices do not add up to the count, twice, the list is not whole.
///
/// # Errors
///
/// A slice that fails or is itself too long.
pub(super) async fn all<T: FromWire>(
    states: &[&'static str],
    count: u64,
    slices: &impl Slices<T>,
) -> Result<List<T>, ApiError> {
    let (list, received) = once(states, count, slices).await?;
    if list.whole && received == count {
        return Ok(list);
    }
    let (again, received) = once(states, count, slices).await?;
    let rereads = list.rereads.into_iter().chain([Reread::Shifted]).chain(again.rereads).collect();
    Ok(List { whole: again.whole && received == count, rereads, ..again })
}

/// All slices as one list, and how many objects the service counts in them: its own duplicates included,
/// those that changed their state from one slice to the next once.
async fn once<T: FromWire>(
    states: &[&'static str],
    count: u64,
    slices: &impl Slices<T>,
) -> Result<(List<T>, u64), ApiError> {
    let mut all = List {
        objects: Vec::new(),
        expected: Some(count),
        duplicates: 0,
        notes: Notes::default(),
        whole: true,
        rereads: Vec::new(),
        order_unstable: false,
        decoded: Vec::new(),
    };
    let mut received = 0;
    for state in states {
        let slice = slices.slice(state).await.map_err(|error| name(error, state))?;
        let came = u64::try_from(slice.decoded.len()).unwrap_or(u64::MAX);
        received += slice.expected.unwrap_or(came);
        // What was read later stands before what was read earlier, and is kept where both are the same object.
        all.objects.splice(0..0, slice.objects);
        all.decoded.splice(0..0, slice.decoded);
        all.whole &= slice.whole;
        all.rereads.extend(slice.rereads);
        all.order_unstable |= slice.order_unstable;
        all.duplicates += slice.duplicates;
        all.notes.add(&slice.notes);
    }
    all.objects.sort_by(|a, b| a.identity().cmp(&b.identity()));
    let before = all.objects.len();
    all.objects.dedup_by(|a, b| a.identity() == b.identity());
    let moved = u64::try_from(before - all.objects.len()).unwrap_or(u64::MAX);
    all.duplicates += moved;
    let mut seen = std::collections::HashSet::new();
    all.decoded.retain(|decoded| {
        decoded.object.as_ref().is_none_or(|object| match object.identity() {
            super::wire::Identity::Id(id) => seen.insert(id.to_owned()),
            super::wire::Identity::Bytes => true,
        })
    });
    Ok((all, received.saturating_sub(moved)))
}

/// Says which slice was too long.
fn name(error: ApiError, state: &str) -> ApiError {
    match error {
        ApiError::TooLong { count, reach, .. } => {
            ApiError::TooLong { what: format!("the slice of state {state}"), count, reach }
        }
        ApiError::Auth(_)
        | ApiError::Transport(_)
        | ApiError::Refused(_)
        | ApiError::Malformed(_)
        | ApiError::Incomplete { .. }
        | ApiError::Implausible { .. }
        | ApiError::Panicked(_)
        | ApiError::Deadline => error,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::list::reach;
    use super::super::list::tests::Thing;
    use super::super::wire::Decoded;
    use super::*;

    /// Slices by state: the ids in each, and how many the service counts there.
    struct Fleet(BTreeMap<&'static str, (&'static [&'static str], u64)>);

    impl Slices<Thing> for Fleet {
        async fn slice(&self, state: &'static str) -> Result<List<Thing>, ApiError> {
            let (ids, count) = self.0.get(state).copied().unwrap_or_default();
            let objects: Vec<_> = ids.iter().map(|id| Arc::new(Thing(id.to_string()))).collect();
            let decoded = |thing: &Arc<Thing>| Decoded {
                hash: 0,
                length: 0,
                object: Some(Arc::clone(thing)),
                notes: Arc::default(),
            };
            let decoded = objects.iter().map(decoded).collect();
            Ok(List {
                objects,
                expected: Some(count),
                duplicates: 0,
                notes: Notes::default(),
                whole: true,
                rereads: Vec::new(),
                order_unstable: false,
                decoded,
            })
        }
    }

    async fn read(
        count: u64,
        slices: &[(&'static str, &'static [&'static str], u64)],
    ) -> Result<String, String> {
        let fleet = Fleet(slices.iter().map(|(state, ids, count)| (*state, (*ids, *count))).collect());
        let list = all(&["waiting", "error"], count, &fleet).await.map_err(|error| error.to_string())?;
        let ids = list.objects.iter().map(|thing| &*thing.0).collect::<Vec<_>>().join(" ");
        Ok(if list.whole { ids } else { format!("{ids}, not whole") })
    }

    #[tokio::test]
    async fn slices_must_add_up_and_what_moved_between_them_is_one() {
        let whole = read(3, &[("waiting", &["b", "c"], 2), ("error", &["a"], 1)]).await;
        assert_eq!(whole.as_deref(), Ok("a b c"));
        let moved = read(2, &[("waiting", &["a", "b"], 2), ("error", &["a"], 1)]).await;
        assert_eq!(moved.as_deref(), Ok("a b"));
        let doubled = read(3, &[("waiting", &["a", "b"], 3)]).await;
        assert_eq!(doubled.as_deref(), Ok("a b"), "a duplicate of the service's own, which it counts");
        let elsewhere = read(3, &[("waiting", &["a"], 1), ("error", &["b"], 1)]).await;
        assert_eq!(elsewhere.as_deref(), Ok("a b, not whole"));
    }

    #[test]
    fn the_slices_are_the_states_that_lists_can_be_filtered_by() {
        // 21 and 14 are what the documents' editions together give as states of these lists.
        assert_eq!((source_states().len(), task_states().len()), (21, 14));
        for elsewhere in ["available", "unconnected", "unknown"] {
            assert!(!source_states().contains(&elsewhere), "{elsewhere}");
        }
        assert!(!task_states().contains(&"unknown"));
        assert_eq!(reach(200), 65_735);
    }
}
