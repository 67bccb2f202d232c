//! One value, whatever its type turns out to be.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Notes;
use crate::model::Timestamp;

/// One value that is neither a list nor an object where all is well; absent where the key is missing or `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Field<'a> {
    /// Missing, or `null`.
    #[default]
    Absent,
    /// A string without its quotes and escapes; borrowed where it has no escapes.
    Text(Cow<'a, str>),
    /// A whole number that is not negative.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A list or an object: nothing that a field can be.
    Neither,
}

/// The most characters of a text that becomes a label, the sign that it was cut included: a Prometheus with a bound
/// on labels refuses the whole page for one that is too long.
const LONGEST: usize = 256;

/// The last millisecond of the year 9999: what is beyond it is not a date.
const LAST_MILLI: f64 = 253_402_300_799_999.0;

/// No quantity of the service reaches this, and below it no unit's factor makes it infinite.
const MOST: f64 = 1e18;

/// Numbers up to here are whole in an `f64`, and have a text that is theirs alone.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Field<'_> {
    /// Text; `""` is absent, a number is its own text (ids come as either).
    pub(super) fn text(&self, name: &'static str, notes: &mut Notes) -> Option<Cow<'_, str>> {
        let text = match self {
            Self::Absent => return None,
            Self::Text(text) => Some(Cow::Borrowed(&**text)),
            Self::Whole(number) => Some(Cow::Owned(number.to_string())),
            Self::Number(number) if number.abs() < WHOLE => Some(Cow::Owned(number.to_string())),
            Self::Number(_) | Self::Boolean(_) | Self::Neither => None,
        };
        if text.is_none() {
            notes.malformed(name);
        }
        text.filter(|text| !text.is_empty())
    }

    /// Text that becomes a label; what is too long for one is cut and noted.
    pub(super) fn label(&self, name: &'static str, notes: &mut Notes) -> Option<Box<str>> {
        let text = self.text(name, notes)?;
        if !is_long(&text) {
            return Some(Box::from(&*text));
        }
        notes.malformed(name);
        Some(text.chars().take(LONGEST - 1).chain(['…']).collect())
    }

    /// An id, by which objects are told apart; what is too long for a label is none, for cut it could be another's.
    pub(super) fn id(&self, name: &'static str, notes: &mut Notes) -> Option<Cow<'_, str>> {
        let id = self.text(name, notes)?;
        if is_long(&id) {
            notes.malformed(name);
            return None;
        }
        Some(id)
    }

    /// Text without a note where it is not text: for what is merely passed over.
    pub(super) fn quiet_text(&self) -> Option<Cow<'_, str>> {
        self.text("", &mut Notes::default())
    }

    /// A finite number, or a string that holds one.
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the nearest number will do")]
    pub(super) fn number(&self, name: &'static str, notes: &mut Notes) -> Option<f64> {
        let number = match self {
            Self::Absent => return None,
            Self::Text(text) if text.trim().is_empty() => return None,
            Self::Text(text) => text.trim().parse().ok(),
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            Self::Boolean(_) | Self::Neither => None,
        };
        let number = number.filter(|number| number.is_finite());
        if number.is_none() {
            notes.malformed(name);
        }
        number
    }

    /// A number that is not negative and that a quantity can be.
    pub(super) fn positive(&self, name: &'static str, notes: &mut Notes) -> Option<f64> {
        let number = self.number(name, notes)?;
        if !(0.0..=MOST).contains(&number) {
            notes.malformed(name);
            return None;
        }
        Some(number)
    }

    /// A percentage from 0 to `most`, as a ratio.
    pub(super) fn ratio(&self, most: f64, name: &'static str, notes: &mut Notes) -> Option<f64> {
        let percent = self.positive(name, notes)?;
        if percent > most {
            notes.malformed(name);
            return None;
        }
        Some(percent / 100.0)
    }

    /// A count or a size: a whole number that is not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above and below")]
    pub(super) fn unsigned(&self, name: &'static str, notes: &mut Notes) -> Option<u64> {
        // Sizes reach 2^63; those beyond 2^53 would not survive an f64.
        let exact = match self {
            Self::Whole(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Absent | Self::Number(_) | Self::Boolean(_) | Self::Neither => None,
        };
        if exact.is_some() {
            return exact;
        }
        let number = self.positive(name, notes)?;
        if number > WHOLE {
            notes.malformed(name);
            return None;
        }
        Some(number as u64)
    }

    /// A small whole number.
    pub(super) fn small(&self, name: &'static str, notes: &mut Notes) -> Option<u32> {
        let number = self.unsigned(name, notes)?;
        let small = u32::try_from(number).ok();
        if small.is_none() {
            notes.malformed(name);
        }
        small
    }

    /// An instant in epoch milliseconds; 0 is "unset".
    #[expect(clippy::cast_possible_truncation, reason = "bounded above and below")]
    pub(super) fn timestamp(&self, name: &'static str, notes: &mut Notes) -> Option<Timestamp> {
        let millis = self.positive(name, notes)?;
        if millis > LAST_MILLI {
            notes.malformed(name);
            return None;
        }
        (millis >= 1.0).then(|| Timestamp::from_millis(millis as i64))
    }

    /// A boolean, or a string or digit that means one.
    pub(super) fn boolean(&self, name: &'static str, notes: &mut Notes) -> Option<bool> {
        let is = |text: &str, word: &str, digit: &str| text.eq_ignore_ascii_case(word) || text == digit;
        let meant = match self {
            Self::Absent => return None,
            Self::Text(text) if text.is_empty() => return None,
            Self::Text(text) if is(text, "true", "1") => Some(true),
            Self::Text(text) if is(text, "false", "0") => Some(false),
            Self::Whole(1) => Some(true),
            Self::Whole(0) => Some(false),
            Self::Boolean(boolean) => Some(*boolean),
            Self::Text(_) | Self::Whole(_) | Self::Number(_) | Self::Neither => None,
        };
        if meant.is_none() {
            notes.malformed(name);
        }
        meant
    }

    /// A member of a closed set; `unknown` is the member that a new spelling becomes.
    pub(super) fn member<T: PartialEq>(
        &self,
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
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

/// Visits every type that JSON has.
struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(Field::Boolean(boolean))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Whole(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "nothing that is read may be negative and so large")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Neither)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Neither)
    }
}

/// Whether a text is too long for a label.
fn is_long(text: &str) -> bool {
    text.len() > LONGEST && text.chars().nth(LONGEST).is_some()
}

/// A word such as `OS_VERSION`: what may become a label although its set is open.
pub(super) fn identifier(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::mend::mended;
    use super::*;

    fn read<T>(json: &str, reader: impl FnOnce(&Field<'_>, &mut Notes) -> T) -> (T, bool) {
        let mended = mended(json);
        let field: Field<'_> = serde_json::from_str(mended.as_deref().unwrap_or(json)).unwrap();
        let mut notes = Notes::default();
        let value = reader(&field, &mut notes);
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
            let (text, malformed) = read(json, |field, notes| field.label("f", notes));
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
    fn a_text_is_cut_where_a_label_ends_and_an_id_is_whole_or_none() {
        let json = |text: &str| format!("\"{text}\"");
        let label = |text: &str| read(&json(text), |field, notes| field.label("f", notes));
        let id = |text: &str| read(&json(text), |field, notes| field.id("f", notes).map(String::from));
        for character in ["a", "é", "云", "😀"] {
            let fits = character.repeat(256);
            assert_eq!(label(&fits), (Some(fits.clone().into()), false), "{character}");
            assert_eq!(id(&fits), (Some(fits), false), "{character}");
            for long in [257, 5000, 300_000] {
                let cut = format!("{}…", character.repeat(255));
                assert_eq!(label(&character.repeat(long)), (Some(cut.into()), true), "{character} {long}");
                assert_eq!(id(&character.repeat(long)), (None, true), "{character} {long}");
            }
        }
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
