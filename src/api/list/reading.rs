//! What the pages of a reading amount to: whether they go on from one another, and whether all has come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::wire::{Decoded, DecodedPage, FromWire, Identity, Notes};
use super::{List, Reread, to_u64};

/// A page and where it begins.
pub(super) type Placed<T> = (u64, DecodedPage<T>);

/// What the pages of one reading amount to.
#[derive(Debug)]
pub(super) struct Reading<T> {
    pub(super) kept: Vec<Decoded<T>>,
    /// The smallest and the largest `count` of its pages.
    pub(super) counts: Option<(u64, u64)>,
    pub(super) count: Option<u64>,
    /// Duplicates within a page: the service's own, because a page is one answer.
    pub(super) repeated: u64,
    /// Duplicates across pages that do not stand where the pages overlap.
    elsewhere: u64,
    /// The first seam that did not hold, or that the count changed.
    pub(super) fault: Option<Reread>,
    /// Whether each page has an object of the page before it: then nothing that stayed slipped through between.
    anchored: bool,
    /// Whether objects that stand in two pages changed places.
    pub(super) reordered: bool,
    notes: Notes,
}

/// How a page goes on from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seam {
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

    pub(super) fn of<T: FromWire>(
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
        let is_at_head = |overlap: usize, object: &Decoded<T>| {
            let head = overlap.checked_sub(1).and_then(|at| after.get(at));
            head.is_some_and(|head| Key::of(head) == Key::of(object))
        };
        if is_at_head(overlap, last) {
            return Self::Holds(overlap);
        }
        // Where the page repeats one of its own objects at its end, it is the last of the others that comes again.
        let mut firsts = HashSet::new();
        let last = before.iter().enumerate().filter(|(_, object)| firsts.insert(Key::of(object))).last();
        if let Some((at, last)) = last
            && let Some(overlap) = overlap.checked_sub(before.len() - at - 1)
            && is_at_head(overlap, last)
        {
            return Self::Holds(overlap);
        }
        let mut places: HashMap<Key<'_>, usize> = HashMap::with_capacity(after.len());
        for (place, object) in after.iter().enumerate() {
            places.entry(Key::of(object)).or_insert(place);
        }
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
    pub(super) fn new(pages: Vec<Placed<T>>) -> Self {
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
    pub(super) fn holds(&self, earlier: Option<&Self>) -> bool {
        let fits = |count| self.is_counted_as(count) || (self.is_steady(earlier) && self.all() == count);
        self.fault.is_none() && self.count.is_none_or(fits)
    }

    /// A service that repeats an object within a page may count it once or as often as it comes.
    fn is_counted_as(&self, count: u64) -> bool {
        let distinct = to_u64(self.kept.len());
        distinct == count || distinct + self.repeated == count
    }

    /// The same objects and as many duplicates twice, neither time moved and with the edges of pages elsewhere, and
    /// the count covers them: they are the service's own.
    fn is_steady(&self, earlier: Option<&Self>) -> bool {
        earlier.is_some_and(|earlier| {
            earlier.fault.is_none() && earlier.all() == self.all() && earlier.keys() == self.keys()
        })
    }

    fn keys(&self) -> HashSet<Key<'_>> {
        self.kept.iter().map(Key::of).collect()
    }

    fn all(&self) -> u64 {
        to_u64(self.kept.len()) + self.repeated + self.elsewhere
    }

    /// Whether a list that moved while it was read page by page is whole nevertheless: each page is anchored in
    /// the one before, nothing changed places, and what came lies within what was counted meanwhile.
    pub(super) fn is_whole_though_moved(&self) -> bool {
        let Some((least, most)) = self.counts.filter(|_| self.anchored && !self.reordered) else {
            return false;
        };
        self.is_counted_as(least) || (least..=most).contains(&to_u64(self.kept.len()))
    }

    pub(super) fn into_list(self, rereads: Vec<Reread>) -> List<T> {
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
    pub(super) fn of<T: FromWire>(decoded: &'a Decoded<T>) -> Self {
        match decoded.object.as_deref().map(FromWire::identity) {
            Some(Identity::Id(id)) => Self::Id(id),
            Some(Identity::Bytes) | None => Self::Bytes(decoded.hash),
        }
    }
}

/// Several readings of a list, none of which holds by itself, taken together.
pub(super) struct Union<'a, T> {
    readings: &'a [Reading<T>],
    kept: Vec<&'a Decoded<T>>,
}

impl<'a, T: FromWire> Union<'a, T> {
    /// The newest reading first: what it says of an object holds.
    pub(super) fn of(readings: &'a [Reading<T>]) -> Self {
        let mut seen = HashSet::new();
        let all = readings.iter().rev().flat_map(|reading| &reading.kept);
        Self { readings, kept: all.filter(|decoded| seen.insert(Key::of(decoded))).collect() }
    }

    /// Whether as much came as was ever counted. More may have come where objects went meanwhile.
    pub(super) fn has_all(&self) -> bool {
        let most = self.readings.iter().filter_map(|reading| reading.counts).map(|(_, most)| most).max();
        most.is_some_and(|most| to_u64(self.kept.len()) >= most)
    }

    /// Whether the service counted the same all the time.
    pub(super) fn counts_are_one(&self) -> bool {
        let first = self.readings.first().and_then(|reading| reading.counts);
        first.is_some_and(|(least, most)| least == most)
            && self.readings.iter().all(|reading| reading.counts == first)
    }

    pub(super) fn into_list(self, whole: bool, order_unstable: bool) -> List<T> {
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
