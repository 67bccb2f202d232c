//! `/v3/errors`: the sources whose migration failed.

use serde::Deserialize;

use super::error_json::error_code;
use super::field::Field;
use super::shape::Raw;
use super::{FromWire, Identity, Notes, Units};
use crate::model::{MigrationError, SourceId};

#[derive(Deserialize)]
pub(in crate::api) struct WireMigrationError<'a> {
    #[serde(borrow, default)]
    source_id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    error_json: Raw<'a>,
}

impl FromWire for MigrationError {
    const LIST: &'static str = "migration_errors";
    const NAME: &'static str = "errors";
    type Wire<'a> = WireMigrationError<'a>;

    fn from_wire(wire: &WireMigrationError<'_>, _units: Units, notes: &mut Notes) -> Option<Self> {
        let error_code = error_code(wire.error_json, "errors.error_json", notes);
        Some(Self {
            source_id: wire.source_id.id("errors.source_id", notes).map(|id| SourceId::new(&*id)),
            source_name: wire.name.label("errors.name", notes),
            error_code,
        })
    }

    fn identity(&self) -> Identity<'_> {
        // A source may have several errors and an error has no id; what came twice came byte for byte.
        Identity::Bytes
    }
}
