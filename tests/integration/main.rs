//! The exporter as a whole: from the service, which the simulator stands in for, to the page.
//!
//! One binary, because each further one costs a link; each module is one subject.

#![expect(clippy::cast_precision_loss, reason = "pages hold floats, and what tests count is far below 2^53")]

mod counts;
mod expected;
mod faults;
mod harness;
mod journey;
mod properties;
mod siege;
mod soak;
