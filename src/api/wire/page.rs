//! One page of a list: cut into objects, each object read by itself.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::Field;
use super::{FromWire, Notes, Units};

/// The objects of the last poll by the hash of their bytes: what came again need not be read again.
pub(in crate::api) type Known<T> = HashMap<u64, Decoded<T>, std::hash::RandomState>;

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

/// One page as it was read.
#[derive(Debug)]
pub(in crate::api) struct DecodedPage<T> {
    /// `count`: how many objects the whole list has; `None` where the page does not say.
    pub(in crate::api) count: Option<u64>,
    /// The page's objects in their order.
    pub(in crate::api) objects: Vec<Decoded<T>>,
    /// What was odd about the page itself.
    pub(in crate::api) notes: Notes,
}

/// Why a body is not a page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not JSON, or not an object.
    #[error("the body is not the JSON object that the API documents")]
    Json(#[source] serde_json::Error),
    /// No list in it.
    #[error("the body has no list {0:?}")]
    NoList(&'static str),
}

#[derive(Deserialize)]
struct WirePage<'a> {
    #[serde(borrow, default)]
    count: Field<'a>,
    #[serde(borrow, default, alias = "source_servers", alias = "tasks", alias = "migration_errors")]
    list: Option<Vec<&'a RawValue>>,
}

/// Reads a page; objects that came before, byte for byte, are taken from `known`.
pub(in crate::api) fn page<T: FromWire>(
    body: &[u8],
    units: Units,
    known: &Known<T>,
) -> Result<DecodedPage<T>, PageError> {
    with_json(body, |text| {
        let page: WirePage<'_> = serde_json::from_str(text).map_err(PageError::Json)?;
        let mut notes = Notes::default();
        let count = page.count.unsigned("count", &mut notes);
        let list = match (page.list, count) {
            (Some(list), _) => list,
            (None, Some(0)) => Vec::new(),
            (None, _) => return Err(PageError::NoList(T::LIST)),
        };
        let objects = list.into_iter().map(|raw| decode(raw, units, known)).collect();
        Ok(DecodedPage { count, objects, notes })
    })
}

/// Reads a body that is one object, each of its values by itself.
pub(in crate::api) fn object<T>(
    body: &[u8],
    read: impl Fn(&RawValue) -> Result<T, serde_json::Error>,
) -> Result<T, PageError> {
    with_json(body, |text| {
        let raw: &RawValue = serde_json::from_str(text).map_err(PageError::Json)?;
        read(raw).map_err(PageError::Json)
    })
}

fn decode<T: FromWire>(raw: &RawValue, units: Units, known: &Known<T>) -> Decoded<T> {
    let bytes = raw.get().as_bytes();
    let mut hasher = known.hasher().build_hasher();
    hasher.write(bytes);
    let (hash, length) = (hasher.finish(), bytes.len());
    if let Some(same) = known.get(&hash).filter(|same| same.length == length) {
        return same.clone();
    }
    let mut notes = Notes::default();
    let object = T::from_wire(raw, units, &mut notes).map(Arc::new);
    Decoded { hash, length, object, notes: Arc::new(notes) }
}

/// Runs `read` on the body as text, and once more on what can be made of it where that fails.
///
/// Invalid UTF-8 becomes U+FFFD, so that it costs the names that it stands in and not the page. A bare
/// `NaN` or `Infinity`, which some writers of JSON emit, becomes `null`.
fn with_json<T>(body: &[u8], read: impl Fn(&str) -> Result<T, PageError>) -> Result<T, PageError> {
    let text = String::from_utf8_lossy(body);
    read(&text).or_else(|error| match without_bare_numbers(&text) {
        Some(repaired) => read(&repaired),
        None => Err(error),
    })
}

/// The text with `NaN` and `Infinity` outside strings as `null`; `None` where there are none.
fn without_bare_numbers(text: &str) -> Option<String> {
    let mut repaired = String::with_capacity(text.len());
    let (mut in_string, mut escaped, mut found) = (false, false, false);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let bare =
            ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = bare.map_or(character.len_utf8(), str::len);
        let (piece, tail) = rest.split_at(taken);
        repaired.push_str(if bare.is_some() { "null" } else { piece });
        found |= bare.is_some();
        in_string ^= character == '"' && !escaped;
        escaped = in_string && character == '\\' && !escaped;
        rest = tail;
    }
    found.then_some(repaired)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    fn ids(body: &[u8]) -> Result<(Option<u64>, Vec<Option<String>>), PageError> {
        let page = page::<Source>(body, Units::default(), &Known::default())?;
        let id = |decoded: Decoded<Source>| decoded.object.map(|source| source.id.to_string());
        Ok((page.count, page.objects.into_iter().map(id).collect()))
    }

    #[test]
    fn a_bad_object_costs_itself_and_not_its_page() {
        let body =
            br#"{"count":4,"source_servers":[{"id":"a"},17,{"id":null},{"id":"b","id":"c"},{"id":"d"}]}"#;
        let (count, ids) = ids(body).unwrap();
        assert_eq!((count, ids), (Some(4), vec![Some("a".into()), None, None, None, Some("d".into())]));
    }

    #[test]
    fn invalid_utf8_and_bare_nan_cost_a_value_and_not_the_page() {
        let body = b"{\"count\":1,\"source_servers\":[{\"id\":\"a\",\"name\":\"\xff NaN\",\"memory\":NaN,\"totalsize\":-Infinity}]}";
        let page = page::<Source>(body, Units::default(), &Known::default()).unwrap();
        let source = page.objects[0].object.clone().unwrap();
        assert_eq!(&*source.name, "\u{fffd} NaN");
        assert_eq!((source.memory, source.total), (None, None));
    }

    #[test]
    fn an_empty_list_may_be_null_but_a_missing_list_is_no_list() {
        assert_eq!(ids(br#"{"count":0,"source_servers":null}"#).unwrap(), (Some(0), vec![]));
        assert!(matches!(ids(b"{}"), Err(PageError::NoList("source_servers"))));
        assert!(matches!(ids(br#"{"count":3}"#), Err(PageError::NoList(_))));
        for body in [&b""[..], b"<html>", b"[]", b"\"x\"", b"{\"count\":1,\"source_servers\":[{\"id\":\"a\"}"]
        {
            assert!(ids(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn an_object_whose_bytes_did_not_change_is_not_read_again() {
        let body = br#"{"count":1,"source_servers":[{"id":"a","state":"new"}]}"#;
        let first = page::<Source>(body, Units::default(), &Known::default()).unwrap();
        let mut known = Known::default();
        let again = page::<Source>(body, Units::default(), &known).unwrap();
        known.insert(again.objects[0].hash, again.objects[0].clone());
        let second = page::<Source>(body, Units::default(), &known).unwrap();
        assert!(Arc::ptr_eq(
            second.objects[0].object.as_ref().unwrap(),
            again.objects[0].object.as_ref().unwrap()
        ));
        assert_eq!(second.objects[0].notes, first.objects[0].notes, "its oddities are counted again");
    }
}
