//! A whole list out of its pages, with the proof that it is whole.
//!
//! The service has neither snapshots nor cursors: an object that is deleted between two requests moves all behind
//! it to the left, and the one that slips over the edge of a page is in none. So pages overlap: each begins on the
//! last object of the page before it, and that object must come again at its head, while `count` stays the same.
//! What stood in the list throughout is then in some page, whatever came and went.
//!
//! Pages are read at once, within the limits of the rate. A list that moved meanwhile is read again page by page,
//! up to [`REREADS`] times: there, a seam that does not hold is looked for where it went. Where no reading holds,
//! their union is the list, but what it lacks may still exist.
//!
//! A service whose order is not stable is known by seams that never hold although the counts fit, or by objects that
//! changed places. Its list is the union of readings whose pages begin elsewhere each time, and whole when it has as
//! many objects as the service counts.

mod reading;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::ApiError;
use super::wire::{Decoded, DecodedPage, FromWire, Notes};
use reading::{Placed, Reading, Seam, Union};

/// The highest `offset` that the service accepts.
pub(super) const LAST_OFFSET: u64 = 65_535;

/// How often a list that moved is read again within a poll.
const REREADS: usize = 3;

/// After so many pages that came no further than those before them, a reading page by page is over.
const IDLE: u32 = 3;

/// After so many readings in a row that held, the order of a list counts as stable again.
const HELD_AGAIN: u32 = 10;

/// A list as it was read.
#[derive(Debug)]
pub struct List<T> {
    /// The objects, ordered by id, each id once.
    pub objects: Vec<Arc<T>>,
    /// `count`, where the service said it.
    pub expected: Option<u64>,
    /// Objects that came more than once and were dropped, those by which pages overlap left out.
    pub duplicates: u64,
    /// What was odd.
    pub notes: Notes,
    /// Whether it is proven that whatever existed throughout is in it. If not, an object that is not in it may
    /// still exist.
    pub whole: bool,
    /// Why it was read again, once for each reading that did not hold.
    pub rereads: Vec<Reread>,
    /// Whether the order of the service's answers is known not to be stable.
    pub order_unstable: bool,
    pub(super) decoded: Vec<Decoded<T>>,
}

/// Why a reading of a list did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reread {
    /// An object that should have come again at the head of a page was not there.
    Shifted,
    /// `count` was not the same on every page.
    CountChanged,
    /// Objects of neighbouring pages changed places.
    Reordered,
}

impl Reread {
    /// Every member.
    pub const ALL: [Self; 3] = [Self::Shifted, Self::CountChanged, Self::Reordered];

    /// The `reason` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Shifted => "shifted",
            Self::CountChanged => "count_changed",
            Self::Reordered => "reordered",
        }
    }
}

/// What is remembered of a list's order from one poll to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    unstable: bool,
    held: u32,
}

impl Order {
    /// What a list tells of the order, after what was known before it.
    pub(crate) fn after<T>(self, list: &List<T>) -> Self {
        let held = if list.order_unstable && list.rereads.is_empty() { self.held + 1 } else { 0 };
        Self { unstable: list.order_unstable && held < HELD_AGAIN, held }
    }
}

/// Where pages come from.
pub(super) trait Pages<T>: Sync {
    /// The page of up to `limit` objects at an offset.
    fn page(&self, offset: u64, limit: u64) -> impl Future<Output = Result<DecodedPage<T>, ApiError>> + Send;
}

/// Reads a list, from pages of up to `limit` objects, until it is whole or was read often enough.
///
/// # Errors
///
/// A page that fails; [`ApiError::Incomplete`] where count and objects do not fit although the list did not move;
/// [`ApiError::TooLong`] where the list is longer than offsets reach.
pub(super) async fn whole<T: FromWire>(
    limit: u64,
    concurrency: usize,
    order: Order,
    pages: &impl Pages<T>,
) -> Result<List<T>, ApiError> {
    let mut readings: Vec<Reading<T>> = Vec::new();
    for attempt in 0..=REREADS {
        let read = match attempt {
            0 => at_once(limit, limit, concurrency, pages).await?,
            // What did not move and does not fit is looked at with the edges of pages elsewhere.
            _ if order.unstable || readings.last().is_some_and(|last| last.fault.is_none()) => {
                at_once(limit, begin(limit, attempt), concurrency, pages).await?
            }
            _ => one_by_one(limit, pages).await?,
        };
        let reading = Reading::new(read);
        if reading.holds(readings.last()) {
            let rereads = readings.iter().filter_map(|reading| reading.fault).collect();
            return Ok(List { order_unstable: order.unstable, ..reading.into_list(rereads) });
        }
        // Only what the counts tell of: seams that break while they stay the same are another matter.
        let explained = readings.iter().all(|reading| reading.fault == Some(Reread::CountChanged));
        let moved = attempt > 0 && !order.unstable && explained && reading.is_whole_though_moved();
        // A list that did not move and does not fit its count will not fit it the next time.
        let settled = attempt > 0 && reading.fault.is_none();
        readings.push(reading);
        if moved {
            // A list that moves hides an order that is not stable. What slipped over the edges of pages for that
            // stands in the midst of those whose edges are elsewhere.
            readings.push(Reading::new(at_once(limit, begin(limit, 1), concurrency, pages).await?));
            return Ok(Union::of(&readings).into_list(true, false));
        }
        if settled || (order.unstable && attempt > 0 && Union::of(&readings).has_all()) {
            break;
        }
    }
    if let Some(last) = readings.last().filter(|_| readings.iter().all(|reading| reading.fault.is_none())) {
        let (expected, received) = (last.count.unwrap_or_default(), to_u64(last.kept.len()) + last.repeated);
        return Err(ApiError::Incomplete { expected, received });
    }
    // The edges of pages were at the same places in most readings; what slips through there does not elsewhere.
    for attempt in 1..=if order.unstable { 0 } else { 2 } {
        if !Union::of(&readings).has_all() {
            readings.push(Reading::new(at_once(limit, begin(limit, attempt), concurrency, pages).await?));
        }
    }
    let unstable = order.unstable || is_unstable(&readings);
    let union = Union::of(&readings);
    let whole = union.has_all() && (unstable || union.counts_are_one());
    Ok(union.into_list(whole, unstable))
}

/// How long the first page is, so that the edges of pages are elsewhere in each reading.
const fn begin(limit: u64, attempt: usize) -> u64 {
    match attempt % 4 {
        1 => limit.div_ceil(2),
        2 => limit.div_ceil(4),
        3 => (limit * 3).div_ceil(4),
        _ => limit,
    }
}

/// Whether readings tell that the order is not stable: no seam ever held while the service counted the same all the
/// time, or objects changed places again and again.
fn is_unstable<T>(readings: &[Reading<T>]) -> bool {
    let counted = readings.iter().filter_map(|reading| Some((reading, reading.counts?)));
    let steady: Vec<_> = counted.filter(|(_, (least, most))| least == most).collect();
    let never_held = steady.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let never_held = never_held && steady.iter().all(|(reading, _)| reading.fault.is_some());
    (steady.len() > 2 && never_held) || readings.iter().filter(|reading| reading.reordered).count() > 1
}

/// Reads all pages side by side; the first of them has up to `begin` objects.
async fn at_once<T: FromWire>(
    limit: u64,
    begin: u64,
    concurrency: usize,
    source: &impl Pages<T>,
) -> Result<Vec<Placed<T>>, ApiError> {
    let first = source.page(0, begin).await?;
    let came = to_u64(first.objects.len());
    let Some(count) = first.count else { return rest_one_by_one(vec![(0, first)], limit, source).await };
    check_reach(count, limit)?;
    if came == 0 {
        return Ok(vec![(0, first)]);
    }
    // A service that gives shorter pages than were asked for goes on giving them.
    let size = if came < begin && came < count { came } else { limit };
    let next = if came == begin { begin } else { size };
    let offsets = (0..).map(|page| overlapping(next) + page * overlapping(size));
    let offsets: BTreeSet<u64> =
        offsets.take_while(|offset| *offset < count).map(|offset| offset.min(LAST_OFFSET)).collect();
    // An empty page is the end, whatever the count says: a wrong count is not asked for again and again.
    let rest: Vec<_> = offsets
        .into_iter()
        .map(|offset| async move { source.page(offset, limit).await.map(|page| (offset, page)) })
        .collect();
    let rest = stream::iter(rest)
        .buffered(concurrency.max(1))
        .try_take_while(|(_, page)| std::future::ready(Ok(!page.objects.is_empty())));
    let mut pages: Vec<Placed<T>> = rest.try_collect().await?;
    pages.insert(0, (0, first));
    Ok(pages)
}

/// How far the page behind one of so many objects begins: on its last.
fn overlapping(length: u64) -> u64 {
    length.saturating_sub(1).max(1)
}

async fn one_by_one<T: FromWire>(limit: u64, source: &impl Pages<T>) -> Result<Vec<Placed<T>>, ApiError> {
    let first = source.page(0, limit).await?;
    rest_one_by_one(vec![(0, first)], limit, source).await
}

/// Goes on by what came, not by what was asked for, until the count is reached or a page brings nothing more.
///
/// A full page is not the end, whatever the count says: one that has nothing but the seam is. Where the list moved
/// to the left, the seam is looked for further back.
async fn rest_one_by_one<T: FromWire>(
    mut pages: Vec<Placed<T>>,
    limit: u64,
    source: &impl Pages<T>,
) -> Result<Vec<Placed<T>>, ApiError> {
    // How far the pages reach, and how often they came no further.
    let (mut reached, mut idle) = (0, 0);
    while let Some((offset, last)) = pages.last()
        && let Some(next) = behind(*offset, last, pages.len() == 1, limit)
    {
        let mut at = next;
        let mut page = source.page(at, limit).await?;
        while at > *offset && Seam::of((*offset, last), (at, &page)) == Seam::Broken {
            at = at.saturating_sub(limit.div_ceil(2)).max(*offset);
            page = source.page(at, limit).await?;
        }
        let came = to_u64(page.objects.len());
        let is_end = came == 0 || at == LAST_OFFSET;
        if is_end && came > 0 && page.count.is_none() {
            let (what, reach) = ("the list".into(), LAST_OFFSET);
            return Err(ApiError::TooLong { what, count: at + came, reach });
        }
        if came > 0 {
            pages.push((at, page));
        }
        idle = if at + came > reached { 0 } else { idle + 1 };
        reached = reached.max(at + came);
        // A list that others fill as fast as it is read has no end.
        let endless = to_u64(pages.len()) > 2 * reach(limit) / limit.max(1) + 16;
        if is_end || endless || idle == IDLE {
            break;
        }
    }
    Ok(pages)
}

/// Where the page behind one begins; `None` where there is none.
fn behind<T>(offset: u64, page: &DecodedPage<T>, is_first: bool, limit: u64) -> Option<u64> {
    let came = to_u64(page.objects.len());
    let has_more = page.count.map_or(came > 1 || is_first, |count| came >= limit || offset + came < count);
    let brought = came > 1 || (is_first && came == 1);
    (has_more && brought).then(|| (offset + overlapping(came)).min(LAST_OFFSET))
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
pub(crate) mod tests;
