//! `/v3/sources/overview`: counts by state, whatever the keys.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::Notes;
use super::field::{Field, identifier};
use crate::model::Overview;

/// Reads the counts; keys that are not words and counts that are not numbers are noted and left out.
///
/// # Errors
///
/// Not an object, or an object without a single count: that is no overview but silence.
pub(in crate::api) fn overview(json: &str, notes: &mut Notes) -> Result<Overview, serde_json::Error> {
    let Members(members) = serde_json::from_str(json)?;
    let mut wire = BTreeMap::new();
    for (key, value) in members {
        // Of a key that stands twice the last counts.
        if wire.insert(key, value).is_some() {
            notes.malformed("overview");
        }
    }
    let mut counts = BTreeMap::new();
    for (key, value) in wire {
        match (identifier(&key), value.unsigned("overview", notes)) {
            (Some(key), Some(count)) => drop(counts.insert(key.into(), count)),
            (None, Some(_)) => notes.malformed("overview"),
            (_, None) => {}
        }
    }
    if counts.is_empty() {
        return Err(serde_json::Error::custom("no count in the overview"));
    }
    Ok(Overview(counts))
}

/// The members of an object in their order.
struct Members<'a>(Vec<(String, Field<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry::<String, _>()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<BTreeMap<Box<str>, u64>>, Notes) {
        let mut notes = Notes::default();
        let overview = overview(json, &mut notes).ok().map(|overview| overview.0);
        (overview, notes)
    }

    #[test]
    fn both_schemas_of_the_overview_are_read() {
        let fixture = include_str!("../../../tests/fixtures/quirk-samples.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        for sample in fixture["overview"].as_array().unwrap() {
            let (counts, notes) = read(&sample["value"].to_string());
            let counts = counts.unwrap();
            assert!(notes.is_empty());
            for (key, count) in sample["value"].as_object().unwrap() {
                assert_eq!(counts[key.as_str()], count.as_u64().unwrap(), "{key}");
            }
        }
    }

    #[test]
    fn a_bad_count_costs_itself_and_silence_is_no_overview() {
        let (counts, notes) = read(r#"{"waiting":"3","error":-1,"a b":2,"new_state":7,"finished":null}"#);
        let expected = [("new_state", 7), ("waiting", 3)].map(|(key, count)| (Box::from(key), count));
        assert_eq!(counts, Some(BTreeMap::from(expected)));
        assert_eq!(notes.malformed["overview"], 2);
        let (counts, notes) = read(r#"{"waiting":1,"error":2,"waiting":3}"#);
        assert_eq!(
            counts.unwrap(),
            BTreeMap::from([("error", 2), ("waiting", 3)].map(|(key, n)| (key.into(), n)))
        );
        assert_eq!(notes.malformed["overview"], 1, "of a key that stands twice the last counts");
        assert_eq!(read("{}").0, None);
        assert_eq!(read("[]").0, None);
    }
}
