//! Wrong types anywhere: what one bad value may cost, which is itself and nothing more.

use std::sync::Arc;

use serde_json::Value;

use super::{Decoded, FromWire, Known, Notes, Units, page};

/// What may stand where something else was promised.
const WRONG: [&str; 17] = [
    "null",
    "\"\"",
    "\"x\"",
    "\"NaN\"",
    "\"12\"",
    "true",
    "false",
    "0",
    "-1",
    "2.5",
    "1e300",
    "1e999",
    "99999999999999999999999",
    "[]",
    "[1]",
    "{}",
    "{\"a\":1}",
];

/// Values that may mean "nothing" or "empty" and so need not be noted when they are dropped.
const NOTHING: [&str; 5] = ["null", "\"\"", "0", "[]", "{}"];

/// What a model object says, part by part.
pub(super) type Portrait = Vec<(&'static str, String)>;

/// Reads one object.
pub(super) fn read<T: FromWire>(json: &str) -> (Option<T>, Notes) {
    let body = format!("{{\"count\":1,\"{}\":[{json}]}}", T::LIST);
    let page = page::<T>(body.as_bytes(), Units::default(), &Known::default()).expect("the test writes JSON");
    let mut objects = page.objects.into_iter();
    let (Some(Decoded { object, notes, .. }), None) = (objects.next(), objects.next()) else {
        panic!("one object");
    };
    (object.and_then(Arc::into_inner), (*notes).clone())
}

/// Places that are not as the others.
#[derive(Clone, Copy, Default)]
pub(super) struct Except<'a> {
    /// Places by which something is told: without them, what they tell of is gone.
    pub(super) telling: &'a [&'a str],
    /// Places whose content is nobody's promise, so that nothing about it is noted.
    pub(super) quiet: &'a [&'a str],
}

/// Puts every wrong value in every place of a whole object, and leaves the place out.
///
/// A missing value costs one part of the model, but for the `telling` ones; a wrong one changes no part that the
/// missing one does not, and is noted where it is dropped, but for the `quiet` ones.
pub(super) fn each_costs_only_itself<T: FromWire>(
    whole: &Value,
    portrait: impl Fn(&T) -> Portrait,
    except: Except<'_>,
) {
    let parts = |json: &str| {
        let (object, notes) = read::<T>(json);
        (object.as_ref().map(&portrait), notes)
    };
    let (full, notes) = parts(&whole.to_string());
    let full = full.expect("the whole object is read");
    assert!(notes.is_empty(), "the whole object has nothing odd: {notes:?}");
    for pointer in pointers(whole) {
        let (without, _) = parts(&replaced(whole, &pointer, None));
        let costs = without.as_ref().map(|without| changed(&full, without));
        assert_ne!(costs, Some(Vec::new()), "{pointer} reaches the model");
        let is_value = whole.pointer(&pointer).is_some_and(|value| !value.is_object() && !value.is_array());
        if is_value && !except.telling.contains(&&*pointer) {
            assert_eq!(costs.as_ref().map(Vec::len), Some(1), "without {pointer}: {costs:?}");
        }
        for wrong in WRONG {
            let (object, notes) = parts(&replaced(whole, &pointer, Some(wrong)));
            let dropped = object == without;
            let Some(object) = object else {
                assert!(
                    without.is_none() && !notes.malformed.is_empty(),
                    "{pointer} = {wrong} costs the object"
                );
                continue;
            };
            let Some(costs) = &costs else { continue };
            let changed = changed(&full, &object);
            assert!(
                changed.iter().all(|part| costs.contains(part)),
                "{pointer} = {wrong} changes {changed:?}"
            );
            let silent = NOTHING.contains(&wrong) || except.quiet.contains(&&*pointer);
            let of_its_kind = whole.pointer(&pointer).is_some_and(Value::is_object) && wrong.starts_with('{');
            assert!(!dropped || silent || of_its_kind || !notes.is_empty(), "{pointer} = {wrong} is noted");
        }
    }
}

/// The parts that differ; a list that is shorter differs in what it lacks.
fn changed(full: &Portrait, other: &Portrait) -> Vec<&'static str> {
    assert_eq!(full.len(), other.len(), "a portrait always has the same parts");
    let pairs = full.iter().zip(other);
    pairs.filter(|(full, other)| full.1 != other.1).map(|(full, _)| full.0).collect()
}

/// Every place in a value, as a JSON pointer.
fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let below = |(key, value): (String, &Value)| {
        let deeper: Vec<String> = pointers(value).iter().map(|rest| format!("/{key}{rest}")).collect();
        std::iter::once(format!("/{key}")).chain(deeper).collect::<Vec<_>>()
    };
    inner.into_iter().flat_map(below).collect()
}

/// The value as JSON with another text at a place, or without the place.
fn replaced(whole: &Value, pointer: &str, text: Option<&str>) -> String {
    const MARK: &str = "@here@";
    let mut value = whole.clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
    match (value.pointer_mut(parent).expect("the parent exists"), text) {
        (Value::Object(map), None) => drop(map.remove(key)),
        (Value::Array(list), None) => drop(list.remove(key.parse().expect("an index"))),
        (parent, Some(_)) => *parent.pointer_mut(&format!("/{key}")).expect("the place exists") = MARK.into(),
        (_, None) => unreachable!("only objects and arrays have places"),
    }
    value.to_string().replace(&format!("\"{MARK}\""), text.unwrap_or_default())
}
