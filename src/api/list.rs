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

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::ApiError;
use super::wire::{Decoded, DecodedPage, FromWire, Identity, Notes};

/// The highest `offset` that the service accepts.
pub(super) const LAST_OFFSET: u64 = 65_535;

/// How often a list that moved is read again within a poll.
const REREADS: usize = 3;

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

/// A page and where it begins.
type Placed<T> = (u64, DecodedPage<T>);

/// What the pages of one reading amount to.
#[derive(Debug)]
struct Reading<T> {
    kept: Vec<Decoded<T>>,
    /// The smallest and the largest `count` of its pages.
    counts: Option<(u64, u64)>,
    count: Option<u64>,
    /// Duplicates within a page: the service's own, because a page is one answer.
    repeated: u64,
    /// Duplicates across pages that do not stand where the pages overlap.
    elsewhere: u64,
    /// The first seam that did not hold, or that the count changed.
    fault: Option<Reread>,
    /// Whether each page has an object of the page before it: then nothing that stayed slipped through between.
    anchored: bool,
    /// Whether objects that stand in two pages changed places.
    reordered: bool,
    notes: Notes,
}

/// How a page goes on from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seam {
    /// As it should: so many of its objects are those that the page before ended with.
    Holds(usize),
    /// It has an object of the page before elsewhere.
    Displaced {
        /// How many of its objects stand up to there.
        overlap: usize,
        /// Whether they are in one piece what the page before ends with.
        in_one_piece: bool,
        /// Whether two objects of both pages stand in another order.
        inverted: bool,
    },
    /// It has none.
    Broken,
}

impl Seam {
    /// The seam of two neighbouring pages.
    fn between<T: FromWire>(pair: &[Placed<T>]) -> Self {
        match pair {
            [(offset, page), (next_offset, next)] => Self::of((*offset, page), (*next_offset, next)),
            _ => Self::Broken,
        }
    }

    fn of<T: FromWire>(
        (offset, page): (u64, &DecodedPage<T>),
        (next_offset, next): (u64, &DecodedPage<T>),
    ) -> Self {
        let (before, after) = (&page.objects, &next.objects);
        let Some(last) = before.last() else { return Self::Broken };
        let end = offset + to_u64(before.len());
        let overlap = usize::try_from(end.saturating_sub(next_offset)).unwrap_or(usize::MAX);
        // A page of a single object has nothing to overlap with.
        if overlap == 0 && before.len() == 1 && end == next_offset {
            return Self::Holds(0);
        }
        let at_head = overlap.checked_sub(1).and_then(|at| after.get(at));
        if at_head.is_some_and(|object| Key::of(object) == Key::of(last)) {
            return Self::Holds(overlap);
        }
        let places: HashMap<Key<'_>, usize> =
            after.iter().enumerate().map(|(place, object)| (Key::of(object), place)).collect();
        let common: Vec<(usize, usize)> = before
            .iter()
            .enumerate()
            .filter_map(|(at, object)| Some((at, *places.get(&Key::of(object))?)))
            .collect();
        let Some((at, place)) = common.last().copied() else { return Self::Broken };
        // What was inserted or deleted before the seam moves it as one piece.
        let in_one_piece = (0..=at.min(place)).all(|back| {
            let (before, after) = (before.get(at - back), after.get(place - back));
            before.map(Key::of) == after.map(Key::of)
        });
        let inverted = common.windows(2).any(|pair| pair[0].1 > pair[1].1);
        Self::Displaced { overlap: place + 1, in_one_piece, inverted }
    }
}

impl<T: FromWire> Reading<T> {
    fn new(pages: Vec<Placed<T>>) -> Self {
        let counts: Vec<u64> = pages.iter().filter_map(|(_, page)| page.count).collect();
        let counts = counts.iter().min().copied().zip(counts.iter().max().copied());
        let seams: Vec<Seam> = pages.windows(2).map(Seam::between).collect();
        let changed = counts.is_some_and(|(least, most)| least != most);
        let is_reordered = |seam: &Seam| match seam {
            Seam::Displaced { in_one_piece, inverted, .. } => *inverted || (!in_one_piece && !changed),
            Seam::Holds(_) | Seam::Broken => false,
        };
        let reordered = seams.iter().any(is_reordered);
        let moved = seams.iter().any(|seam| !matches!(seam, Seam::Holds(_)));
        let fault = match (changed, reordered, moved) {
            (true, ..) => Some(Reread::CountChanged),
            (_, true, _) => Some(Reread::Reordered),
            (.., true) => Some(Reread::Shifted),
            _ => None,
        };
        let mut reading = Self {
            kept: Vec::new(),
            counts,
            count: pages.iter().rev().find_map(|(_, page)| page.count),
            repeated: 0,
            elsewhere: 0,
            fault,
            anchored: !seams.contains(&Seam::Broken),
            reordered,
            notes: Notes::default(),
        };
        let is_new = reading.count_duplicates(&pages, &seams);
        reading.keep(pages, is_new);
        reading
    }

    /// Says of each object whether it came for the first time.
    fn count_duplicates(&mut self, pages: &[Placed<T>], seams: &[Seam]) -> Vec<bool> {
        let length = pages.iter().map(|(_, page)| page.objects.len()).sum();
        // In which page each object came last.
        let mut seen: HashMap<Key<'_>, usize> = HashMap::with_capacity(length);
        let mut is_new = Vec::with_capacity(length);
        for (at, (_, page)) in pages.iter().enumerate() {
            let overlap = match at.checked_sub(1).and_then(|seam| seams.get(seam)) {
                Some(Seam::Holds(overlap) | Seam::Displaced { overlap, .. }) => *overlap,
                Some(Seam::Broken) | None => 0,
            };
            for (place, decoded) in page.objects.iter().enumerate() {
                let before = seen.insert(Key::of(decoded), at);
                self.repeated += u64::from(before == Some(at));
                let elsewhere = before.is_some_and(|before| before != at) && place >= overlap;
                self.elsewhere += u64::from(elsewhere);
                is_new.push(before.is_none());
            }
        }
        is_new
    }

    fn keep(&mut self, pages: Vec<Placed<T>>, is_new: Vec<bool>) {
        let mut is_new = is_new.into_iter();
        for (_, page) in pages {
            self.notes.add(&page.notes);
            for decoded in page.objects {
                if is_new.next() == Some(true) {
                    self.notes.add(&decoded.notes);
                    self.kept.push(decoded);
                }
            }
        }
    }

    /// Whether all that the service counts has come, and pages go on from one another. Without a count, the page
    /// at the end that brings nothing is the proof.
    fn holds(&self, earlier: Option<&Self>) -> bool {
        let fits = |count| self.is_counted_as(count) || (self.is_steady(earlier) && self.all() == count);
        self.fault.is_none() && self.count.is_none_or(fits)
    }

    /// A service that repeats an object within a page may count it once or as often as it comes.
    fn is_counted_as(&self, count: u64) -> bool {
        let distinct = to_u64(self.kept.len());
        distinct == count || distinct + self.repeated == count
    }

    /// The same objects and the same duplicates twice, and the count covers them: they are the service's own.
    fn is_steady(&self, earlier: Option<&Self>) -> bool {
        earlier.is_some_and(|earlier| earlier.all() == self.all() && earlier.keys() == self.keys())
    }

    fn keys(&self) -> HashSet<Key<'_>> {
        self.kept.iter().map(Key::of).collect()
    }

    fn all(&self) -> u64 {
        to_u64(self.kept.len()) + self.repeated + self.elsewhere
    }

    /// Whether a list that moved while it was read page by page is whole nevertheless: each page is anchored in
    /// the one before, nothing changed places, and what came lies within what was counted meanwhile.
    fn is_whole_though_moved(&self) -> bool {
        let Some((least, most)) = self.counts.filter(|_| self.anchored && !self.reordered) else {
            return false;
        };
        self.is_counted_as(least) || (least..=most).contains(&to_u64(self.kept.len()))
    }

    fn into_list(self, rereads: Vec<Reread>) -> List<T> {
        let mut objects: Vec<Arc<T>> =
            self.kept.iter().filter_map(|decoded| decoded.object.clone()).collect();
        // By id; what has none keeps the service's order (the sort is stable).
        objects.sort_by(|a, b| a.identity().cmp(&b.identity()));
        List {
            objects,
            expected: self.count,
            duplicates: self.repeated + self.elsewhere,
            notes: self.notes,
            whole: true,
            rereads,
            order_unstable: false,
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
            _ if order.unstable => at_once(limit, begin(limit, attempt), concurrency, pages).await?,
            _ => one_by_one(limit, pages).await?,
        };
        let reading = Reading::new(read);
        if reading.holds(readings.last()) {
            let rereads = readings.iter().filter_map(|reading| reading.fault).collect();
            return Ok(List { order_unstable: order.unstable, ..reading.into_list(rereads) });
        }
        let moved = attempt > 0 && !order.unstable && reading.is_whole_though_moved();
        // A list that did not move and does not fit its count will not fit it the next time.
        let settled = attempt > 0 && reading.fault.is_none();
        readings.push(reading);
        if moved {
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
    let unstable = order.unstable || is_unstable(&readings);
    // The readings that told so all had their pages' edges at the same places.
    for attempt in 1..=if unstable && !order.unstable { 2 } else { 0 } {
        if !Union::of(&readings).has_all() {
            readings.push(Reading::new(at_once(limit, begin(limit, attempt), concurrency, pages).await?));
        }
    }
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
    let count = readings.first().and_then(|reading| reading.counts);
    let moved = |reading: &Reading<T>| matches!(reading.fault, Some(Reread::Shifted | Reread::Reordered));
    let never_held = readings.iter().all(|reading| moved(reading) && reading.counts == count);
    (count.is_some() && never_held) || readings.iter().filter(|reading| reading.reordered).count() > 1
}

/// Several readings of a list, none of which holds by itself, taken together.
struct Union<'a, T> {
    readings: &'a [Reading<T>],
    kept: Vec<&'a Decoded<T>>,
}

impl<'a, T: FromWire> Union<'a, T> {
    /// The newest reading first: what it says of an object holds.
    fn of(readings: &'a [Reading<T>]) -> Self {
        let mut seen = HashSet::new();
        let all = readings.iter().rev().flat_map(|reading| &reading.kept);
        Self { readings, kept: all.filter(|decoded| seen.insert(Key::of(decoded))).collect() }
    }

    /// Whether as much came as was ever counted. More may have come where objects went meanwhile.
    fn has_all(&self) -> bool {
        let most = self.readings.iter().filter_map(|reading| reading.counts).map(|(_, most)| most).max();
        most.is_some_and(|most| to_u64(self.kept.len()) >= most)
    }

    /// Whether the service counted the same all the time.
    fn counts_are_one(&self) -> bool {
        let first = self.readings.first().and_then(|reading| reading.counts);
        first.is_some_and(|(least, most)| least == most)
            && self.readings.iter().all(|reading| reading.counts == first)
    }

    fn into_list(self, whole: bool, order_unstable: bool) -> List<T> {
        let rereads = self.readings.iter().filter_map(|reading| reading.fault).collect();
        let last = self.readings.last().expect("a union of at least one reading");
        let mut notes = Notes::default();
        self.kept.iter().for_each(|decoded| notes.add(&decoded.notes));
        let decoded: Vec<Decoded<T>> = self.kept.into_iter().cloned().collect();
        let mut objects: Vec<Arc<T>> = decoded.iter().filter_map(|decoded| decoded.object.clone()).collect();
        objects.sort_by(|a, b| a.identity().cmp(&b.identity()));
        List {
            objects,
            expected: last.count,
            duplicates: last.repeated,
            notes,
            whole,
            rereads,
            order_unstable,
            decoded,
        }
    }
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
        // A list that others fill as fast as it is read has no end.
        let endless = to_u64(pages.len()) > 2 * reach(limit) / limit.max(1) + 16;
        if is_end || endless {
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
