//! Where the other programs are.

use std::path::PathBuf;

use tokio::process::Command;

use super::process::{Ended, command, finish};

/// A program on PATH.
pub(super) fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: tests/run installs what the tests need"))
}

/// A newer program than the distribution's, from where tests/engines puts it.
pub(super) fn newer(place: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/engines").join(place);
    assert!(file.is_file(), "{} is missing: tests/engines fetches it", file.display());
    file
}

/// One of the scripts beside this file, to be run by the Python that has the packages of
/// tests/requirements.txt.
pub(super) fn script(name: &str) -> Command {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv/bin/python");
    let advice = "tests/run makes the Python environment that the tests need";
    assert!(python.is_file(), "{} is missing: {advice}", python.display());
    command(&python, &[root.join("tests/integration/outside").join(name)])
}

/// Runs to the end, which has to be good.
pub(super) async fn passes(command: Command) -> Ended {
    let ended = finish(command).await;
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
    ended
}
