//! One page of a list: its objects one after another, each read once and by itself.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::{Error, IgnoredAny};
use serde_json::value::RawValue;

use super::cursor::{Broken, Cursor};
use super::field::Field;
use super::known::{Decoded, Known};
use super::mend::{mended, read_last_of_each_key};
use super::{FromWire, Notes, Units};

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

/// Reads a page; objects that came before, byte for byte, are taken from `known`.
pub(in crate::api) fn page<T: FromWire>(
    body: &[u8],
    units: Units,
    known: &Known<T>,
) -> Result<DecodedPage<T>, PageError> {
    let reader = Reader { units, known };
    with_json(body, |text| {
        let members = reader.page(&mut Cursor::new(text)).map_err(|Broken| PageError::Json(why(text)))?;
        let mut notes = members.notes;
        let count = members.count.unsigned("count", &mut notes);
        let objects = match (members.list, count) {
            (Some(list), _) => list,
            (None, Some(0)) => Vec::new(),
            (None, _) => return Err(PageError::NoList(T::LIST)),
        };
        Ok(DecodedPage { count, objects, notes })
    })
}

/// Reads a body that is one object, each of its values by itself; `name` is what it is known by.
pub(in crate::api) fn object<T>(
    body: &[u8],
    name: &'static str,
    read: impl Fn(&str, &mut Notes) -> Result<T, serde_json::Error>,
) -> Result<(T, Notes), PageError> {
    with_json(body, |text| read_last_of_each_key(text, name, &read).map_err(PageError::Json))
}

/// The members of a page that matter; the list may be `null`.
#[derive(Debug)]
struct Members<'a, T> {
    count: Field<'a>,
    list: Option<Vec<Decoded<T>>>,
    notes: Notes,
}

/// Reads the pages of a list.
#[derive(Debug)]
struct Reader<'a, T> {
    units: Units,
    known: &'a Known<T>,
}

impl<T: FromWire> Reader<'_, T> {
    fn page<'a>(&self, cursor: &mut Cursor<'a>) -> Result<Members<'a, T>, Broken> {
        let mut members = Members { count: Field::Absent, list: None, notes: Notes::default() };
        cursor.expect('{')?;
        let mut more = !cursor.takes('}');
        while more {
            let key: Cow<'_, str> = cursor.value()?;
            cursor.expect(':')?;
            match &*key {
                "count" => {
                    let before = std::mem::replace(&mut members.count, cursor.value()?);
                    members.notes.malformed_times("count", (before != Field::Absent).into());
                }
                key if key == T::LIST => {
                    let before = std::mem::replace(&mut members.list, self.list(cursor)?);
                    members.notes.malformed_times(T::NAME, before.is_some().into());
                }
                _ => drop(cursor.value::<IgnoredAny>()?),
            }
            more = cursor.another('}')?;
        }
        if cursor.ahead().is_empty() { Ok(members) } else { Err(Broken) }
    }

    fn list(&self, cursor: &mut Cursor<'_>) -> Result<Option<Vec<Decoded<T>>>, Broken> {
        if !cursor.takes('[') {
            return cursor.value::<()>().map(|()| None);
        }
        let mut objects = Vec::new();
        // Where the object that comes next is known from, if lists come as they came before.
        let mut place = None;
        let mut more = !cursor.takes(']');
        while more {
            objects.push(self.element(cursor, &mut place)?);
            more = cursor.another(']')?;
        }
        Ok(Some(objects))
    }

    /// The next element of the list.
    fn element(&self, cursor: &mut Cursor<'_>, place: &mut Option<usize>) -> Result<Decoded<T>, Broken> {
        let ahead = cursor.ahead();
        if let Some(same) = place.and_then(|place| self.known.begins(ahead, place)) {
            cursor.step(same.length);
            *place = place.map(|place| place + 1);
            return Ok(same.clone());
        }
        let mut notes = Notes::default();
        let begin = cursor.position();
        let object = self.read(cursor, &mut notes)?;
        let length = cursor.position() - begin;
        let hash = self.known.hash(&ahead.as_bytes()[..length]);
        let decoded = Decoded { hash, length, object: object.map(Arc::new), notes: Arc::new(notes) };
        let Some(at) = self.known.place(&decoded) else { return Ok(decoded) };
        *place = Some(at + 1);
        Ok(self.known.same(&decoded, at).cloned().unwrap_or(decoded))
    }

    /// Reads an element; `None`, and noted, where it is none that can be told by anything.
    fn read(&self, cursor: &mut Cursor<'_>, notes: &mut Notes) -> Result<Option<T>, Broken> {
        // Serde would fill a struct from an array.
        if cursor.ahead().starts_with('{')
            && let Ok(wire) = cursor.value::<T::Wire<'_>>()
        {
            return Ok(T::from_wire(&wire, self.units, notes));
        }
        let raw: &RawValue = cursor.value()?;
        let mended = mended(raw.get()).map_or(Cow::Borrowed(raw.get()), Cow::Owned);
        let read = |text: &str, notes: &mut Notes| {
            let wire = serde_json::from_str::<T::Wire<'_>>(text).map_err(|_| Broken)?;
            Ok::<_, Broken>(T::from_wire(&wire, self.units, notes))
        };
        match read_last_of_each_key(&mended, T::NAME, read) {
            Ok((object, odd)) if mended.starts_with('{') => {
                notes.add(&odd);
                Ok(object)
            }
            _ => {
                notes.malformed(T::NAME);
                Ok(None)
            }
        }
    }
}

/// Runs `read` on the body as text, and once more on what can be made of it where that fails.
///
/// Invalid UTF-8 becomes U+FFFD, so that it costs the names that it stands in and not the page.
fn with_json<T>(body: &[u8], read: impl Fn(&str) -> Result<T, PageError>) -> Result<T, PageError> {
    // Looking for what is invalid takes several times as long as seeing that nothing is.
    let text = str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    read(&text).or_else(|error| match mended(&text) {
        Some(mended) => read(&mended),
        None => Err(error),
    })
}

/// What is wrong with a text that is no page, and where.
fn why(text: &str) -> serde_json::Error {
    let not_json = serde_json::from_str::<IgnoredAny>(text).err();
    not_json.unwrap_or_else(|| Error::custom("an object with a list was expected"))
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
        let body = br#"{"count":4,"source_servers":[{"id":"a"},17,{"id":null},["id"],{"id":"d"}]}"#;
        let (count, ids) = ids(body).unwrap();
        assert_eq!((count, ids), (Some(4), vec![Some("a".into()), None, None, None, Some("d".into())]));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_counts_and_the_others_are_noted() {
        let body = br#"{"count":7,"source_servers":[{"id":"x"}],"count":2,"source_servers":[
            {"id":"a","name":"b","memory":1,"name":"c","\u006eame":"d"},
            {"id":"b","checks":[{"name":"X","name":"Y","result":"OK"}],"init_target_server":{"disks":[],
             "disks":[{"name":"/dev/a","size":1,"size":NaN,"size":2}]},"unknown":1,"unknown":2}]}"#;
        let page = page::<Source>(body, Units::default(), &Known::default()).unwrap();
        assert_eq!((page.count, page.objects.len()), (Some(2), 2));
        assert_eq!((page.notes.malformed["count"], page.notes.malformed["sources"]), (1, 1));
        let [a, b] = [0, 1].map(|at| page.objects[at].object.clone().unwrap());
        assert_eq!((&*a.name, a.memory), ("d", Some(1 << 20)));
        assert_eq!(page.objects[0].notes.malformed["sources"], 2);
        assert_eq!((&*b.checks[0].name, b.disks[0].size), ("Y", Some(2)));
        assert_eq!(page.objects[1].notes.malformed["sources"], 5);
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
        let known = Known::default();
        let again = page::<Source>(body, Units::default(), &known).unwrap();
        let known = known.renewed(again.objects.clone());
        let second = page::<Source>(body, Units::default(), &known).unwrap();
        assert!(Arc::ptr_eq(
            second.objects[0].object.as_ref().unwrap(),
            again.objects[0].object.as_ref().unwrap()
        ));
        assert_eq!(second.objects[0].notes, first.objects[0].notes, "its oddities are counted again");
    }

    #[test]
    fn what_is_known_is_found_again_wherever_it_stands() {
        let ids = |page: &DecodedPage<Source>| -> Vec<Option<String>> {
            let id = |decoded: &Decoded<Source>| decoded.object.as_ref().map(|source| source.id.to_string());
            page.objects.iter().map(id).collect()
        };
        let text = |objects: &str| format!("{{\"count\":9,\"source_servers\":[{objects}]}}");
        let [a, b, c] = ["a", "b", "c"].map(|id| format!("{{\"id\":\"{id}\"}}"));
        let changed = "{\"id\":\"b\",\"name\":\"x\"}";
        let first = text(&format!("{a}, 17, {b},{c}"));
        let before = page::<Source>(first.as_bytes(), Units::default(), &Known::default()).unwrap();
        let known = Known::default();
        let before_in = page::<Source>(first.as_bytes(), Units::default(), &known).unwrap();
        assert_eq!(ids(&before), ids(&before_in));
        let known = known.renewed(before_in.objects);
        // The same, less, more, elsewhere, changed, and what only begins like something known.
        for objects in [
            format!("{a}, 17, {b},{c}"),
            format!("{a},{c}"),
            format!("{a},{{\"id\":\"new\"}},{b},{c}"),
            format!("{c},{b},{a}"),
            format!("{a}, 17, {changed} ,{c}"),
            format!("{a}, 178, {b},{c}"),
            format!("{a},{a},{a}"),
            String::new(),
        ] {
            let body = text(&objects);
            let unaided = page::<Source>(body.as_bytes(), Units::default(), &Known::default()).unwrap();
            let aided = page::<Source>(body.as_bytes(), Units::default(), &known).unwrap();
            let objects = |page: &DecodedPage<Source>| -> Vec<_> {
                page.objects.iter().map(|decoded| (decoded.object.clone(), decoded.notes.clone())).collect()
            };
            assert_eq!(objects(&unaided), objects(&aided), "{body}");
        }
    }
}
