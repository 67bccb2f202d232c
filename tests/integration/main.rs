//! The exporter as a whole: from the service, which the simulator stands in for, to the page.
//!
//! One binary, because each further one costs a link; each module is one subject.

#![expect(clippy::cast_precision_loss, reason = "what a test counts is far from 2^52")]
#![expect(clippy::string_slice, reason = "tests cut texts where they found something")]

mod answers;
mod binary;
mod catalogue;
mod contradictions;
mod doctor;
mod estimate;
mod harness;
mod house;
mod journey;
mod outside;
mod readme;
mod reload;
mod samples;
mod secrets;
mod storage;
mod webtls;
