//! The program from outside: as a process, and as other people's programs see it.
//!
//! Those programs (promtool, Prometheus, the reference parser, the official SDK) are put in place by
//! `tests/run`; a test that misses one fails and says so.

mod chain;
mod clock;
mod environment;
mod formats;
mod lifecycle;
mod limits;
mod outage;
mod panels;
pub(crate) mod process;
mod prometheus;
mod refusals;
mod scrapes;
mod sdk;
mod signals;
mod textfile;
mod tools;
mod web;
mod webtls;
