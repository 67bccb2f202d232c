//! What the benchmarks share.

pub(crate) mod cost;
pub(crate) mod pages;
pub(crate) mod plain;
pub(crate) mod rig;
pub(crate) mod stand_in;
