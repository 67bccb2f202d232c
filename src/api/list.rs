//! A whole list out of its pages, with the proof that it is whole.
//!
//! Pages are read at once, within the governor's bounds. Because a list shifts while it is read, what
//! came is held against the service's `count`; where they do not fit, the list is read once more, page
//! by page, and if they still do not fit there is no list but an error.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::ApiError;
use super::wire::{Decoded, DecodedPage, FromWire, Identity, Notes};

/// The highest `offset` that the service accepts.
pub(super) const LAST_OFFSET: u64 = 65_535;

/// A complete list.
#[derive(Debug)]
pub struct List<T> {
    /// The objects, ordered by id, each id once.
    pub objects: Vec<Arc<T>>,
    /// `count`, where the service said it.
    pub expected: Option<u64>,
    /// Objects that came more than once and were dropped.
    pub duplicates: u64,
    /// What was odd.
    pub notes: Notes,
    pub(super) decoded: Vec<Decoded<T>>,
}

/// What pages amount to, before it is proven.
#[derive(Debug)]
struct Reading<T> {
    kept: Vec<Decoded<T>>,
    count: Option<u64>,
    /// Objects that came, those without an identity included.
    received: u64,
    /// Duplicates within a page: the service's own, because a page is one answer.
    repeated: u64,
    /// Duplicates across pages: perhaps the list shifted while it was read.
    shifted: u64,
    notes: Notes,
}

impl<T: FromWire> Reading<T> {
    fn new(pages: Vec<DecodedPage<T>>) -> Self {
        let mut reading = Self {
            kept: Vec::new(),
            count: None,
            received: 0,
            repeated: 0,
            shifted: 0,
            notes: Notes::default(),
        };
        // In which page each object came last.
        let mut seen: HashMap<Key<'_>, usize> =
            HashMap::with_capacity(pages.iter().map(|page| page.objects.len()).sum());
        let mut is_new = Vec::with_capacity(seen.capacity());
        for (at, page) in pages.iter().enumerate() {
            for decoded in &page.objects {
                let before = seen.insert(Key::of(decoded), at);
                reading.repeated += u64::from(before == Some(at));
                reading.shifted += u64::from(before.is_some_and(|before| before != at));
                is_new.push(before.is_none());
            }
        }
        drop(seen);
        reading.received = to_u64(is_new.len());
        let mut is_new = is_new.into_iter();
        for page in pages {
            reading.count = page.count.or(reading.count);
            reading.notes.add(&page.notes);
            for decoded in page.objects {
                if is_new.next() == Some(true) {
                    reading.notes.add(&decoded.notes);
                    reading.kept.push(decoded);
                }
            }
        }
        reading
    }

    /// Whether all that the service counts has come. Without a count, the empty page at the end is the proof.
    fn is_whole(&self, earlier: Option<&Self>) -> bool {
        let Some(count) = self.count else { return true };
        let distinct = self.received - self.shifted;
        // A service that repeats an object within a page may count it once or as often as it comes.
        let counted_once = distinct - self.repeated == count;
        // The same duplicates twice, and the count covers them: they are the service's own.
        let steady = earlier
            .is_some_and(|earlier| (earlier.received, earlier.shifted) == (self.received, self.shifted));
        distinct == count || counted_once || (steady && self.received == count)
    }

    fn into_list(self) -> List<T> {
        let mut objects: Vec<Arc<T>> =
            self.kept.iter().filter_map(|decoded| decoded.object.clone()).collect();
        // By id; what has none keeps the service's order (the sort is stable).
        objects.sort_by(|a, b| a.identity().cmp(&b.identity()));
        List {
            objects,
            expected: self.count,
            duplicates: self.repeated + self.shifted,
            notes: self.notes,
            decoded: self.kept,
        }
    }
}

/// By what an object is known to be a duplicate.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Id(&'a str),
    Bytes(u64),
}

impl<'a> Key<'a> {
    fn of<T: FromWire>(decoded: &'a Decoded<T>) -> Self {
        match decoded.object.as_deref().map(FromWire::identity) {
            Some(Identity::Id(id)) => Self::Id(id),
            Some(Identity::Bytes) | None => Self::Bytes(decoded.hash),
        }
    }
}

/// Where pages come from.
pub(super) trait Pages<T>: Sync {
    /// The page of up to so many objects at an offset.
    fn page(&self, offset: u64) -> impl Future<Output = Result<DecodedPage<T>, ApiError>> + Send;
}

/// Reads a list whole, from pages of up to `limit` objects.
///
/// # Errors
///
/// A page that fails; [`ApiError::Incomplete`] where count and objects do not fit, twice;
/// [`ApiError::TooLong`] where the list is longer than offsets reach.
pub(super) async fn whole<T: FromWire>(
    limit: u64,
    concurrency: usize,
    pages: &impl Pages<T>,
) -> Result<List<T>, ApiError> {
    let first = Reading::new(at_once(limit, concurrency, pages).await?);
    if first.is_whole(None) {
        return Ok(first.into_list());
    }
    let second = Reading::new(one_by_one(limit, pages).await?);
    if second.is_whole(Some(&first)) {
        return Ok(second.into_list());
    }
    let expected = second.count.unwrap_or_default();
    Err(ApiError::Incomplete { expected, received: second.received - second.shifted })
}

async fn at_once<T>(
    limit: u64,
    concurrency: usize,
    source: &impl Pages<T>,
) -> Result<Vec<DecodedPage<T>>, ApiError> {
    let first = source.page(0).await?;
    let count = first.count;
    let Some(count) = count else { return rest_one_by_one(vec![first], limit, source).await };
    check_reach(count, limit)?;
    if first.objects.is_empty() {
        return Ok(vec![first]);
    }
    // The last page may begin at the last offset and overlap the one before: duplicates are dropped anyway.
    // Where the count ends with a page, one more page proves that the list ends there too.
    let is_wanted = |offset: &u64| *offset < count || (*offset == count && count <= LAST_OFFSET);
    let offsets = (1..).map(|page| page * limit).take_while(is_wanted);
    let offsets = offsets.map(|offset| offset.min(LAST_OFFSET));
    // An empty page is the end, whatever the count says: a wrong count is not asked for again and again.
    let rest: Vec<_> = offsets.map(|offset| source.page(offset)).collect();
    let rest = stream::iter(rest)
        .buffered(concurrency.max(1))
        .try_take_while(|page| std::future::ready(Ok(!page.objects.is_empty())));
    let mut pages: Vec<DecodedPage<T>> = rest.try_collect().await?;
    pages.insert(0, first);
    Ok(pages)
}

async fn one_by_one<T>(limit: u64, source: &impl Pages<T>) -> Result<Vec<DecodedPage<T>>, ApiError> {
    let first = source.page(0).await?;
    rest_one_by_one(vec![first], limit, source).await
}

/// Goes on by what came, not by what was asked for, until the count is reached or a page is empty.
///
/// A full page is not the end, whatever the count says: an empty one behind it is.
async fn rest_one_by_one<T>(
    mut pages: Vec<DecodedPage<T>>,
    limit: u64,
    source: &impl Pages<T>,
) -> Result<Vec<DecodedPage<T>>, ApiError> {
    let mut offset = pages.iter().map(|page| to_u64(page.objects.len())).sum::<u64>();
    let mut last = pages.last().and_then(|page| page.count);
    let (mut ended, mut full) = (offset == 0, offset >= limit);
    while !ended && (full || last.is_none_or(|count| offset < count)) {
        let at = offset.min(LAST_OFFSET);
        let page = source.page(at).await?;
        offset = at + to_u64(page.objects.len());
        full = to_u64(page.objects.len()) >= limit;
        last = page.count.or(last);
        ended = page.objects.is_empty() || at == LAST_OFFSET;
        if last.is_none() && at == LAST_OFFSET && !page.objects.is_empty() {
            return Err(ApiError::TooLong { what: "the list".into(), count: offset, reach: LAST_OFFSET });
        }
        pages.push(page);
    }
    Ok(pages)
}

/// How many objects offsets reach with pages of `limit`.
pub(super) const fn reach(limit: u64) -> u64 {
    LAST_OFFSET + limit
}

fn check_reach(count: u64, limit: u64) -> Result<(), ApiError> {
    let reach = reach(limit);
    if count > reach {
        return Err(ApiError::TooLong { what: "the list".into(), count, reach });
    }
    Ok(())
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
