//! Prometheus exporter for Huawei Cloud's Server Migration Service (SMS).

pub mod api;
pub mod auth;
pub mod cli;
pub mod config;
pub mod diff;
pub mod exposition;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod metrics;
pub mod model;
pub mod poll;
pub mod run;
pub mod server;
pub mod simulator;
pub mod storage;
