//! Entry points for tests/fuzz: bytes in, and nothing may panic or contradict itself.
//!
//! Behind the feature `fuzzing`, since they reach private functions. The corpus of each target runs as an
//! ordinary test, so that what a fuzzer once found stays found where no fuzzer is.

use std::path::Path;

use crate::config::{Config, Overrides};
use crate::exposition::{Encoding, negotiate};
use crate::{api, server, storage};

/// A target: any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which its directories in tests/fuzz have too.
pub const TARGETS: [(&str, Target); 8] = [
    ("wire", wire),
    ("error_json", error_json),
    ("speed_windows", speed_windows),
    ("accept", accept),
    ("request", request),
    ("web_config", web_config),
    ("config", config),
    ("state", state),
];

/// An answer of the service; the first byte says of which operation.
pub fn wire(data: &[u8]) {
    api::fuzzing::answer(data);
}

/// A migration error's `error_json`.
pub fn error_json(data: &[u8]) {
    api::fuzzing::error_json(data);
}

/// A task's speed rules, at every minute of a day.
pub fn speed_windows(data: &[u8]) {
    api::fuzzing::speed_windows(data);
}

/// `Accept`, and after a line feed `Accept-Encoding`.
pub fn accept(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (accept, encodings) = text.split_once('\n').map_or((&*text, None), |(a, e)| (a, Some(e)));
    let (format, encoding) = negotiate(Some(accept), encodings);
    assert_eq!((format, encoding), negotiate(Some(accept), encodings), "negotiation is a function");
    // What a client does not name at all is not sent to it.
    let named = encodings.is_some_and(|text| text.to_lowercase().contains("gzip") || text.contains('*'));
    assert!(encoding == Encoding::Identity || named, "{encodings:?} does not ask for gzip");
}

/// A request: method, target, `Accept` and `Accept-Encoding`, a line each.
pub fn request(data: &[u8]) {
    server::fuzzing::request(data);
}

/// A web configuration file.
pub fn web_config(data: &[u8]) {
    server::fuzzing::web_config(data);
}

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(data) else { return };
    match Config::parse(yaml, Path::new("sms.yml"), &|_| None, &Overrides::default()) {
        Ok(config) => assert!(!config.accounts.is_empty(), "a configuration has an account"),
        Err(errors) => assert!(!errors.to_string().is_empty(), "what is wrong is said"),
    }
}

/// A state file; what does not begin like one is put into a good frame, so that the content is reached.
pub fn state(data: &[u8]) {
    storage::fuzzing::state(data);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn nothing_in_the_corpora_breaks_anything() {
        let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        for (name, target) in TARGETS {
            let inputs: Vec<PathBuf> = std::fs::read_dir(fuzz.join("corpus").join(name))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            assert!(!inputs.is_empty(), "{name} has a corpus");
            for input in inputs {
                eprintln!("{}", input.display());
                target(&std::fs::read(&input).unwrap());
            }
            assert!(fuzz.join("fuzz_targets").join(format!("{name}.rs")).exists(), "{name} can be fuzzed");
        }
    }
}
