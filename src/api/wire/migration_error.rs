//! `/v3/errors`: the sources whose migration failed.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error_json::error_code;
use super::field::{Field, object};
use super::{FromWire, Identity, Notes, Units};
use crate::model::{MigrationError, SourceId};

#[derive(Deserialize)]
struct WireMigrationError<'a> {
    #[serde(borrow, default)]
    source_id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    error_json: Field<'a>,
}

impl FromWire for MigrationError {
    const LIST: &'static str = "migration_errors";

    fn from_wire(raw: &RawValue, _units: Units, notes: &mut Notes) -> Option<Self> {
        let Some(wire) = object::<WireMigrationError<'_>>(raw) else {
            notes.malformed("errors");
            return None;
        };
        let error_code = error_code(wire.error_json);
        if error_code.is_none() && !matches!(wire.error_json.raw(), None | Some("\"\"")) {
            notes.malformed("errors.error_json");
        }
        Some(Self {
            source_id: wire.source_id.text("errors.source_id", notes).map(|id| SourceId::new(&*id)),
            source_name: wire.name.boxed("errors.name", notes),
            error_code,
        })
    }

    fn identity(&self) -> Identity<'_> {
        // A source may have several errors and an error has no id; what came twice came byte for byte.
        Identity::Bytes
    }
}
