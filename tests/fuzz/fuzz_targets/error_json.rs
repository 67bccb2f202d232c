#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| huaweicloud_sms_exporter::fuzzing::error_json(data));
