//! The wire types: what the service spells, and their end.
//!
//! Nothing that the service sends is trusted to have the documented type. Each field takes whatever
//! comes and is looked at by itself: a bad field costs that field, a bad object that object, and
//! [`Notes`] keeps the count. The JSON is scanned once; strings are borrowed from the page's bytes until
//! they reach the model.

mod consistency;
mod cursor;
mod error_json;
mod field;
mod known;
mod mend;
mod migration_error;
mod notes;
mod overview;
mod page;
mod shape;
mod source;
mod speed;
mod task;
#[cfg(test)]
mod tests;

pub(super) use consistency::consistency_result;
pub(super) use known::{Decoded, Known};
pub use notes::Notes;
pub use page::PageError;
pub(super) use page::{DecodedPage, object, page};
pub(super) use speed::speed_rules;

use serde::Deserialize;

use crate::model::RateUnit;

/// The units of an account's wire, where the documents contradict each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Units {
    /// Of `migrate_speed`.
    pub(super) speed: RateUnit,
    /// Of `total_disk_io` and `agent_disk_io`.
    pub(super) disk_io: RateUnit,
}

/// An object of a list, as the wire has it.
pub(super) trait FromWire: Sized {
    /// The key of the list in its page.
    const LIST: &'static str;
    /// What a bad object is counted as.
    const NAME: &'static str;
    /// Its fields as they come.
    type Wire<'a>: Deserialize<'a>;

    /// Makes an object of its fields; `None` where it has no identity to be told by.
    fn from_wire(wire: &Self::Wire<'_>, units: Units, notes: &mut Notes) -> Option<Self>;

    /// The key by which duplicates are known and the list is ordered.
    fn identity(&self) -> Identity<'_>;
}

/// What tells two objects of a list apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Identity<'a> {
    /// The service's id.
    Id(&'a str),
    /// The object's own bytes, where the service gives no id.
    Bytes,
}

pub(super) use overview::overview;
