//! `/v3/sources/overview`: counts by state, whatever the keys.

use std::collections::BTreeMap;

use serde::de::Error;

use super::Notes;
use super::field::{Field, identifier};
use crate::model::Overview;

/// Reads the counts; keys that are not words and counts that are not numbers are noted and left out.
///
/// # Errors
///
/// Not an object, or an object without a single count: that is no overview but silence.
pub(in crate::api) fn overview(json: &str, notes: &mut Notes) -> Result<Overview, serde_json::Error> {
    let wire: BTreeMap<String, Field<'_>> = serde_json::from_str(json)?;
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
        assert_eq!(read("{}").0, None);
        assert_eq!(read("[]").0, None);
    }
}
