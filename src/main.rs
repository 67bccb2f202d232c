//! The binary `sms-exporter`.

fn main() {}
