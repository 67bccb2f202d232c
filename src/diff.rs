//! What changed between two fleets.
