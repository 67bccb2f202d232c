//! Says what the program is built from, for `--version` and `sms_exporter_build_info`: the revision of the checkout or
//! of the published package, and the compiler. What stands in the environment already counts more.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SMS_EXPORTER_REVISION");
    println!("cargo::rerun-if-env-changed=SMS_EXPORTER_RUSTC");
    // What is built to be tested would be built anew with every commit.
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    // Every commit and checkout is written to it.
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    for (name, value) in
        [("SMS_EXPORTER_REVISION", revision()), ("SMS_EXPORTER_RUSTC", output(&compiler, &["--version"]))]
    {
        let said = std::env::var(name).ok().filter(|said| !said.is_empty());
        if let Some(value) = said.or(value) {
            println!("cargo::rustc-env={name}={value}");
        }
    }
}

/// The revision of this directory's own checkout, else the one that `cargo package` wrote down.
fn revision() -> Option<String> {
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    let packaged = || {
        let written = std::fs::read_to_string(Path::new(&here).join(".cargo_vcs_info.json")).ok()?;
        Some(written.split_once("\"sha1\"")?.1.split('"').nth(1)?.to_owned())
    };
    // A copy in somebody else's repository is not that repository's revision.
    let own = output("git", &["rev-parse", "--show-toplevel"])
        .is_some_and(|top| Path::new(&top) == Path::new(&here));
    packaged().or_else(|| output("git", &["rev-parse", "HEAD"]).filter(|_| own))
}

/// What a command prints, where it succeeds.
fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(command).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
