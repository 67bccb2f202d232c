//! `/v3/tasks/{id}/consistency-result`: results as objects, or as JSON in strings.

use serde::Deserialize;
use serde::de::Error;

use super::Notes;
use super::field::Field;
use super::mend::read_last_of_each_key;
use super::shape::{List, Raw};
use crate::model::Consistency;

#[derive(Deserialize)]
struct WireResults<'a> {
    #[serde(borrow)]
    result_list: Raw<'a>,
}

#[derive(Deserialize)]
struct WireResult<'a> {
    #[serde(borrow, default)]
    finished_time: Field<'a>,
    #[serde(borrow, default)]
    consistency_result: List<WireDirectory<'a>>,
}

#[derive(Deserialize)]
struct WireDirectory<'a> {
    #[serde(borrow, default)]
    num_total_files: Field<'a>,
    #[serde(borrow, default)]
    num_different_files: Field<'a>,
    #[serde(borrow, default)]
    num_target_miss_files: Field<'a>,
    #[serde(borrow, default)]
    num_target_more_files: Field<'a>,
}

/// The newest result of a task, or `None` where it has none.
///
/// # Errors
///
/// Not an object with `result_list`.
pub(in crate::api) fn consistency_result(
    json: &str,
    notes: &mut Notes,
) -> Result<Option<Consistency>, serde_json::Error> {
    let wire: WireResults<'_> = serde_json::from_str(json)?;
    if wire.result_list.json().is_none() {
        return Err(serde_json::Error::missing_field("result_list"));
    }
    let results = wire.result_list.list("consistency", notes);
    let results = results.into_iter().filter_map(|raw| one(raw, notes));
    Ok(results.max_by_key(|result| result.finished))
}

/// One result: an object, or a string that holds one (the vendor's newer SDKs).
fn one(raw: Raw<'_>, notes: &mut Notes) -> Option<Consistency> {
    let inner = raw.text();
    let json = inner.as_deref().or(raw.json()).unwrap_or("null");
    let Ok((result, odd)) = read_last_of_each_key(json, "consistency", sum) else {
        notes.malformed("consistency");
        return None;
    };
    notes.add(&odd);
    Some(result)
}

/// Sums a result over its directories.
fn sum(json: &str, notes: &mut Notes) -> Result<Consistency, serde_json::Error> {
    let WireResult { finished_time, consistency_result } = serde_json::from_str(json)?;
    let finished = finished_time.timestamp("consistency.finished_time", notes);
    let directories = consistency_result.objects("consistency.consistency_result", notes);
    let mut sum = Consistency { finished, total: 0, different: 0, missing: 0, extra: 0 };
    for directory in directories {
        let mut count = |field: &Field<'_>| field.unsigned("consistency.files", notes).unwrap_or(0);
        sum.total = sum.total.saturating_add(count(&directory.num_total_files));
        sum.different = sum.different.saturating_add(count(&directory.num_different_files));
        sum.missing = sum.missing.saturating_add(count(&directory.num_target_miss_files));
        sum.extra = sum.extra.saturating_add(count(&directory.num_target_more_files));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn read(json: &str) -> Option<Consistency> {
        consistency_result(json, &mut Notes::default()).unwrap()
    }

    #[test]
    fn results_come_as_objects_or_as_json_strings() {
        let fixture = include_str!("../../../tests/fixtures/quirk-samples.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        for sample in fixture["consistency_result"].as_array().unwrap() {
            let result = read(&sample["value"].to_string()).unwrap();
            assert_eq!(result.finished, Some(Timestamp::from_millis(1_736_854_315_000)));
        }
    }

    #[test]
    fn a_count_that_stands_twice_is_the_last_in_an_object_and_in_a_string() {
        let inner = r#"{"finished_time":1,"consistency_result":[{"num_total_files":5,"num_total_files":7}]}"#;
        for result in [inner.to_owned(), serde_json::Value::from(inner).to_string()] {
            let mut notes = Notes::default();
            let result = format!(r#"{{"result_list":[{result}]}}"#);
            let sum = consistency_result(&result, &mut notes).unwrap().unwrap();
            assert_eq!((sum.total, notes.malformed["consistency"]), (7, 1), "{result}");
        }
    }

    #[test]
    fn the_newest_result_is_summed_over_its_directories() {
        let result = read(
            r#"{"result_list":[
                {"finished_time":2000,"consistency_result":[
                    {"num_total_files":5,"num_different_files":1,"num_target_miss_files":"2","num_target_more_files":3},
                    {"num_total_files":10,"num_different_files":null}]},
                {"finished_time":1000,"consistency_result":[{"num_total_files":99}]}, 5, "x"]}"#,
        );
        let finished = Some(Timestamp::from_millis(2000));
        assert_eq!(result, Some(Consistency { finished, total: 15, different: 1, missing: 2, extra: 3 }));
        assert_eq!(read(r#"{"result_list":[]}"#), None);
    }
}
