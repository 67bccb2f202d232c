//! What the last poll read, so that what came again need not be read again.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::{FromWire, Identity, Notes};

/// One object as it was read.
#[derive(Debug)]
pub(in crate::api) struct Decoded<T> {
    /// Hash of its bytes, by the hasher of the [`Known`] that it was looked up in.
    pub(in crate::api) hash: u64,
    /// How long its bytes are.
    pub(in crate::api) length: usize,
    /// The object; `None` where it has no identity.
    pub(in crate::api) object: Option<Arc<T>>,
    /// What was odd about it.
    pub(in crate::api) notes: Arc<Notes>,
}

impl<T> Clone for Decoded<T> {
    fn clone(&self) -> Self {
        let Self { hash, length, object, notes } = self;
        Self { hash: *hash, length: *length, object: object.clone(), notes: notes.clone() }
    }
}

/// The objects of the last poll in the service's order.
///
/// Lists come in nearly the same order again. So an object is first taken for the successor of the one before it:
/// where as many bytes have the same hash, they are the same object, and it is known where it ends without looking
/// for its end.
#[derive(Debug)]
pub(in crate::api) struct Known<T> {
    objects: Vec<Decoded<T>>,
    /// Where an object is, by the hash of its identity. Two that share a hash cost a reading, no more.
    places: HashMap<u64, usize, RandomState>,
    hasher: RandomState,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { objects: Vec::new(), places: HashMap::default(), hasher: RandomState::default() }
    }
}

impl<T: FromWire> Known<T> {
    /// The same memory with other objects, which were looked up in it.
    pub(in crate::api) fn renewed(&self, objects: Vec<Decoded<T>>) -> Self {
        let hasher = self.hasher.clone();
        let mut places = HashMap::with_capacity_and_hasher(objects.len(), hasher.clone());
        places.extend(objects.iter().enumerate().map(|(place, decoded)| (key(decoded, &hasher), place)));
        Self { objects, places, hasher }
    }

    /// The hash of an object's bytes.
    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// The object at a place, if `text` begins with its bytes. What is no object is never known by them: 17 also
    /// begins 178.
    pub(super) fn begins(&self, text: &str, place: usize) -> Option<&Decoded<T>> {
        let known = self.objects.get(place).filter(|_| text.starts_with('{'))?;
        let bytes = text.as_bytes().get(..known.length)?;
        (self.hash(bytes) == known.hash).then_some(known)
    }

    /// Where the object with this identity was.
    pub(super) fn place(&self, decoded: &Decoded<T>) -> Option<usize> {
        self.places.get(&key(decoded, &self.hasher)).copied()
    }

    /// The object at a place, if its bytes are the same.
    pub(super) fn same(&self, decoded: &Decoded<T>, place: usize) -> Option<&Decoded<T>> {
        let known = self.objects.get(place)?;
        ((known.hash, known.length) == (decoded.hash, decoded.length)).then_some(known)
    }
}

/// By what an object is found again.
fn key<T: FromWire>(decoded: &Decoded<T>, hasher: &RandomState) -> u64 {
    match decoded.object.as_deref().map(FromWire::identity) {
        Some(Identity::Id(id)) => hasher.hash_one(id),
        Some(Identity::Bytes) | None => decoded.hash,
    }
}
