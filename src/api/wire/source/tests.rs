//! Tests of the reading of a source.
