//! One field, whatever its type turns out to be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Notes;
use crate::model::Timestamp;

/// The raw text of one field; absent where the key is missing or `null`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Field<'a>(#[serde(borrow)] Option<&'a RawValue>);

/// The last millisecond of the year 9999: what is beyond it is not a date.
const LAST_MILLI: f64 = 253_402_300_799_999.0;

/// No quantity of the service reaches this, and below it no unit's factor makes it infinite.
const MOST: f64 = 1e18;

/// Numbers up to here are whole in an `f64`.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl<'a> Field<'a> {
    /// The raw JSON, or `None` where absent.
    pub(super) fn raw(self) -> Option<&'a str> {
        self.0.map(RawValue::get)
    }

    /// Text; `""` is absent, a number is its own text (ids come as either).
    pub(super) fn text(self, name: &'static str, notes: &mut Notes) -> Option<Cow<'a, str>> {
        let raw = self.raw()?;
        let text = match raw.as_bytes().first() {
            Some(b'"') => string(raw),
            Some(b'0'..=b'9' | b'-') => Some(Cow::Borrowed(raw)),
            _ => None,
        };
        let Some(text) = text else {
            notes.malformed(name);
            return None;
        };
        (!text.is_empty()).then_some(text)
    }

    /// Text that the model keeps.
    pub(super) fn boxed(self, name: &'static str, notes: &mut Notes) -> Option<Box<str>> {
        self.text(name, notes).map(|text| text.into_owned().into_boxed_str())
    }

    /// Text without a note where it is not text: for what is merely passed over.
    pub(super) fn quiet_text(self) -> Option<Cow<'a, str>> {
        self.text("", &mut Notes::default())
    }

    /// A finite number, or a string that holds one.
    pub(super) fn number(self, name: &'static str, notes: &mut Notes) -> Option<f64> {
        let raw = self.raw()?;
        let text = match raw.as_bytes().first() {
            Some(b'"') => string(raw),
            _ => Some(Cow::Borrowed(raw)),
        };
        if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        let number = text.and_then(|text| text.trim().parse().ok()).filter(|number: &f64| number.is_finite());
        if number.is_none() {
            notes.malformed(name);
        }
        number
    }

    /// A number that is not negative and that a quantity can be.
    pub(super) fn positive(self, name: &'static str, notes: &mut Notes) -> Option<f64> {
        let number = self.number(name, notes)?;
        if !(0.0..=MOST).contains(&number) {
            notes.malformed(name);
            return None;
        }
        Some(number)
    }

    /// A percentage from 0 to `most`, as a ratio.
    pub(super) fn ratio(self, most: f64, name: &'static str, notes: &mut Notes) -> Option<f64> {
        let percent = self.positive(name, notes)?;
        if percent > most {
            notes.malformed(name);
            return None;
        }
        Some(percent / 100.0)
    }

    /// A count or a size: a whole number that is not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above and below")]
    pub(super) fn unsigned(self, name: &'static str, notes: &mut Notes) -> Option<u64> {
        // Sizes reach 2^63; those beyond 2^53 would not survive an f64.
        if let Some(exact) = self.raw().and_then(|raw| raw.parse().ok()) {
            return Some(exact);
        }
        let number = self.positive(name, notes)?;
        if number > WHOLE {
            notes.malformed(name);
            return None;
        }
        Some(number as u64)
    }

    /// A small whole number.
    pub(super) fn small(self, name: &'static str, notes: &mut Notes) -> Option<u32> {
        let number = self.unsigned(name, notes)?;
        let small = u32::try_from(number).ok();
        if small.is_none() {
            notes.malformed(name);
        }
        small
    }

    /// An instant in epoch milliseconds; 0 is "unset".
    #[expect(clippy::cast_possible_truncation, reason = "bounded above and below")]
    pub(super) fn timestamp(self, name: &'static str, notes: &mut Notes) -> Option<Timestamp> {
        let millis = self.positive(name, notes)?;
        if millis > LAST_MILLI {
            notes.malformed(name);
            return None;
        }
        (millis >= 1.0).then(|| Timestamp::from_millis(millis as i64))
    }

    /// A boolean, or a string or digit that means one.
    pub(super) fn boolean(self, name: &'static str, notes: &mut Notes) -> Option<bool> {
        let raw = self.raw()?;
        match raw.trim_matches('"').to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            "" => None,
            _ => {
                notes.malformed(name);
                None
            }
        }
    }

    /// A member of a closed set; `unknown` is the member that a new spelling becomes.
    pub(super) fn member<T: PartialEq>(
        self,
        name: &'static str,
        notes: &mut Notes,
        from_wire: impl FnOnce(&str) -> T,
        unknown: &T,
    ) -> Option<T> {
        let member = from_wire(&self.text(name, notes)?);
        if member == *unknown {
            notes.unknown(name);
        }
        Some(member)
    }

    /// An object of a known shape.
    pub(super) fn object<T: Deserialize<'a>>(self, name: &'static str, notes: &mut Notes) -> Option<T> {
        let object = object(self.0?);
        if object.is_none() {
            notes.malformed(name);
        }
        object
    }

    /// The elements of a list; nothing where it is not a list.
    pub(super) fn list(self, name: &'static str, notes: &mut Notes) -> Vec<&'a RawValue> {
        let Some(raw) = self.raw() else { return Vec::new() };
        serde_json::from_str(raw).unwrap_or_else(|_| {
            notes.malformed(name);
            Vec::new()
        })
    }

    /// The elements of a list that have a known shape; each that has not is counted.
    pub(super) fn objects<T: Deserialize<'a>>(self, name: &'static str, notes: &mut Notes) -> Vec<T> {
        let whole = self.raw().and_then(|raw| serde_json::from_str::<Vec<Object<T>>>(raw).ok());
        // Nearly always every element has the shape; cutting the list first would read it once more.
        if let Some(objects) = whole {
            return objects.into_iter().map(|Object(object)| object).collect();
        }
        let elements = self.list(name, notes);
        elements.into_iter().filter_map(|raw| Field(Some(raw)).object(name, notes)).collect()
    }
}

/// An object of a known shape. An array is none, although serde would fill a struct from one.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten()
}

/// An object of a known shape within a list; an array is none here either.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

/// Visits maps and nothing else.
struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A JSON string without its quotes and escapes; borrowed where it has no escapes.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.bytes().all(|byte| byte != b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

/// A word such as `OS_VERSION`: what may become a label although its set is open.
pub(super) fn identifier(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(json: &str, reader: impl FnOnce(Field<'_>, &mut Notes) -> T) -> (T, bool) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let field = if json == "null" { Field(None) } else { Field(Some(raw)) };
        let mut notes = Notes::default();
        let value = reader(field, &mut notes);
        (value, notes.malformed.contains_key("f"))
    }

    #[test]
    fn a_number_comes_as_a_number_or_as_a_string_and_nothing_else() {
        let number = |json| read(json, |field, notes| field.number("f", notes));
        assert_eq!(number("20"), (Some(20.0), false));
        assert_eq!(number("\"20.00\""), (Some(20.0), false));
        assert_eq!(number("\" -3e2 \""), (Some(-300.0), false));
        assert_eq!(number("null"), (None, false));
        assert_eq!(number("\"\""), (None, false));
        for odd in ["\"NaN\"", "\"inf\"", "1e999", "\"x\"", "true", "[]", "{}", "\"\\ud800\""] {
            assert_eq!(number(odd), (None, true), "{odd}");
        }
    }

    #[test]
    fn a_size_keeps_every_bit_and_is_never_negative() {
        let size = |json| read(json, |field, notes| field.unsigned("f", notes));
        assert_eq!(size("9223372036854775807"), (Some(9_223_372_036_854_775_807), false));
        assert_eq!(size("2146557952.0"), (Some(2_146_557_952), false));
        assert_eq!(size("\"42\""), (Some(42), false));
        for odd in ["-1", "1e300", "\"-1\"", "99999999999999999999999"] {
            assert_eq!(size(odd), (None, true), "{odd}");
        }
    }

    #[test]
    fn a_quantity_is_neither_negative_nor_beyond_measure() {
        let quantity = |json| read(json, |field, notes| field.positive("f", notes));
        assert_eq!(quantity("0"), (Some(0.0), false));
        assert_eq!(quantity("1e18"), (Some(1e18), false));
        for odd in ["-0.1", "1e19", "1e308", "-1e308"] {
            assert_eq!(quantity(odd), (None, true), "{odd}");
        }
    }

    #[test]
    fn an_instant_of_zero_is_unset_and_one_beyond_the_calendar_is_malformed() {
        let instant = |json| read(json, |field, notes| field.timestamp("f", notes));
        assert_eq!(instant("1598417717000"), (Some(Timestamp::from_millis(1_598_417_717_000)), false));
        assert_eq!(instant("0"), (None, false));
        assert_eq!(instant("-5"), (None, true));
        assert_eq!(instant("9999999999999999"), (None, true));
    }

    #[test]
    fn text_is_text_or_a_number_and_empty_is_absent() {
        let text = |json| {
            let (text, malformed) = read(json, |field, notes| field.boxed("f", notes));
            (text.map(String::from), malformed)
        };
        assert_eq!(text("\"a\\nb\\u00e9\""), (Some("a\nbé".into()), false));
        assert_eq!(text("0"), (Some("0".into()), false));
        assert_eq!(text("\"\""), (None, false));
        assert_eq!(text("{}"), (None, true));
        assert_eq!(text("true"), (None, true));
        assert_eq!(text("\"\\ud800\""), (None, true));
    }

    #[test]
    fn a_list_gives_its_objects_and_counts_what_is_none() {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow, default)]
            name: Field<'a>,
        }
        let names = |json| {
            read(json, |field, notes| {
                let objects: Vec<Named<'_>> = field.objects("f", notes);
                objects.iter().map(|object| object.name.raw().unwrap_or("-").to_owned()).collect::<Vec<_>>()
            })
        };
        let told = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(names(r#"[{"name":1},{"x":2},{"name":null}]"#), (told(&["1", "-", "-"]), false));
        assert_eq!(names("[]"), (told(&[]), false));
        // Serde would fill the struct from an array, and take the last of two equal keys for an error.
        assert_eq!(names(r#"[{"name":1},["2"],{"name":3}]"#), (told(&["1", "3"]), true));
        assert_eq!(names(r#"[{"name":1,"name":2},{"name":3}]"#), (told(&["3"]), true));
        assert_eq!(names(r#"{"name":1}"#), (told(&[]), true));
    }

    #[test]
    fn a_percentage_is_a_ratio_within_its_bounds() {
        let ratio = |json| read(json, |field, notes| field.ratio(100.0, "f", notes));
        assert_eq!(ratio("50"), (Some(0.5), false));
        assert_eq!(ratio("\"100\""), (Some(1.0), false));
        assert_eq!(ratio("101"), (None, true));
        assert_eq!(ratio("-1"), (None, true));
    }
}
