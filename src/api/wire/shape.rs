//! What is inside an object: objects of a known shape, lists of them, and text that is kept as it came.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Notes;

/// What some writers begin a text with; it is no part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// An object of a known shape, if it is one. An array is none, although serde would fill a struct from one.
#[derive(Clone, Debug, Default)]
pub(super) enum Nested<T> {
    /// Missing, or `null`.
    #[default]
    Absent,
    /// An object.
    Object(T),
    /// Something else.
    Neither,
}

/// A list of objects of a known shape, if it is one.
#[derive(Clone, Debug, Default)]
pub(super) enum List<T> {
    /// Missing, or `null`.
    #[default]
    Absent,
    /// A list.
    Elements(Vec<Nested<T>>),
    /// Something else.
    Neither,
}

/// A value as it came, for what is JSON in one answer and prose in the next.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Raw<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl<T> Nested<T> {
    /// The object; what is none is noted.
    pub(super) fn object(&self, name: &'static str, notes: &mut Notes) -> Option<&T> {
        match self {
            Self::Absent => None,
            Self::Object(object) => Some(object),
            Self::Neither => {
                notes.malformed(name);
                None
            }
        }
    }
}

impl<T> List<T> {
    /// Whether the key is missing or `null`.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The objects of the list; each element that is none is noted, and so is what is no list.
    pub(super) fn objects<'a>(
        &'a self,
        name: &'static str,
        notes: &mut Notes,
    ) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let elements = if let Self::Elements(elements) = self { elements.as_slice() } else { &[] };
        let object =
            |element: &'a Nested<T>| if let Nested::Object(object) = element { Some(object) } else { None };
        // An element that is null is no object either.
        let others = elements.iter().filter(|element| object(element).is_none()).count();
        for _ in 0..others + usize::from(matches!(self, Self::Neither)) {
            notes.malformed(name);
        }
        elements.iter().filter_map(object)
    }
}

impl<'a> Raw<'a> {
    /// The JSON, or `None` where absent.
    pub(super) fn json(self) -> Option<&'a str> {
        self.0.map(RawValue::get)
    }

    /// What is in the string, without a byte order mark; `None` where it is no string, or one that cannot be read.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        let json = self.json()?;
        let inner = json.strip_prefix('"')?.strip_suffix('"')?;
        if inner.bytes().all(|byte| byte != b'\\') {
            return Some(Cow::Borrowed(inner.trim_start_matches(BYTE_ORDER_MARK)));
        }
        let inner: String = serde_json::from_str(json).ok()?;
        Some(Cow::Owned(inner.trim_start_matches(BYTE_ORDER_MARK).to_owned()))
    }

    /// The elements of a list; nothing where it is not a list.
    pub(super) fn list(self, name: &'static str, notes: &mut Notes) -> Vec<Raw<'a>> {
        let Some(json) = self.json() else { return Vec::new() };
        serde_json::from_str(json).unwrap_or_else(|_| {
            notes.malformed(name);
            Vec::new()
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NestedVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Takes an object, and what else there may be for what it is.
struct NestedVisitor<T>(PhantomData<T>);

/// Takes a list, and what else there may be for what it is.
struct ListVisitor<T>(PhantomData<T>);

/// The visits that say "nothing" or "something else", whatever was looked for.
macro_rules! scalars_are_neither {
    () => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::Absent)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::Neither)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::Neither)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::Neither)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::Neither)
        }

        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::Neither)
        }
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for NestedVisitor<T> {
    type Value = Nested<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars_are_neither!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Nested::Neither)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Nested::Object)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars_are_neither!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(List::Elements(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List::Neither)
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;

    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        name: Field<'a>,
    }

    #[test]
    fn a_list_gives_its_objects_and_counts_what_is_none() {
        let names = |json| {
            let list: List<Named<'_>> = serde_json::from_str(json).unwrap();
            let mut notes = Notes::default();
            let names = list.objects("f", &mut notes);
            let names = names.map(|object| object.name.quiet_text().unwrap_or("-".into()));
            (names.collect::<Vec<_>>().join(" "), notes.malformed.get("f").copied().unwrap_or(0))
        };
        assert_eq!(names(r#"[{"name":1},{"x":2},{"name":null}]"#), ("1 - -".into(), 0));
        assert_eq!(names("[]"), (String::new(), 0));
        assert_eq!(names("null"), (String::new(), 0));
        // Serde would fill the struct from an array.
        assert_eq!(names(r#"[{"name":1},["2"],{"name":3},null,4,"5",-6,true,7.5]"#), ("1 3".into(), 7));
        for neither in [r#"{"name":1}"#, "1", "-1", "1.5", "true", r#""x""#] {
            assert_eq!(names(neither), (String::new(), 1), "{neither}");
        }
    }

    #[test]
    fn a_raw_value_is_its_text_where_it_is_text() {
        let text = |json: &'static str| {
            let raw: Raw<'_> = serde_json::from_str(json).unwrap();
            (raw.json(), raw.text().map(String::from))
        };
        assert_eq!(text("null"), (None, None));
        assert_eq!(text(r#""a\nb""#).1, Some("a\nb".into()));
        assert_eq!(text(r#"{"a":1}"#), (Some(r#"{"a":1}"#), None));
        assert_eq!(text(r#""\ud800""#), (Some(r#""\ud800""#), None));
    }
}
