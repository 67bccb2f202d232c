//! The exporter as a whole: from the service, which the simulator stands in for, to the page.
//!
//! One binary, because each further one costs a link; each module is one subject.

#![expect(clippy::cast_precision_loss, reason = "pages hold floats, and what tests count is far below 2^53")]
#![expect(clippy::string_slice, reason = "tests cut texts where they found something")]

mod answers;
mod binary;
mod catalogue;
mod contradictions;
mod counts;
mod doctor;
mod estimate;
mod expected;
mod faults;
mod harness;
mod house;
mod journey;
mod labels;
mod lockout;
mod matrix;
mod names;
mod outside;
mod properties;
mod readme;
mod reload;
mod samples;
mod secrets;
mod siege;
mod soak;
mod speed;
mod storage;
mod transport;
mod virtual_time;
