//! The binary `sms-exporter`.

use std::process::ExitCode;

fn main() -> ExitCode {
    huaweicloud_sms_exporter::run::main(std::env::args_os())
}
