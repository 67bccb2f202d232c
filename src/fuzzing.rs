//! Entry points for tests/fuzz: bytes in, and nothing may panic or contradict itself.
//!
//! Behind the feature `fuzzing`, since they reach private functions. The corpus of each target runs as an
//! ordinary test, so that what a fuzzer once found stays found where no fuzzer is.

use std::path::Path;

use crate::config::{Config, Overrides};
use crate::exposition::{Encoding, negotiate};
use crate::metrics::label_names;
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
    match Config::parse(yaml, Path::new("sms.yml"), &|_| None, &Overrides::default(), &label_names()) {
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

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        assert!(fuzz.join("fuzz_targets").join(format!("{target}.rs")).exists(), "{target} can be fuzzed");
        let inputs = std::fs::read_dir(fuzz.join("corpus").join(target)).unwrap();
        let mut paths: Vec<PathBuf> = inputs.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{target} has a corpus");
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Xorshift: the same numbers in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % bound as u64).unwrap()
        }
    }

    /// What a fuzzer without eyes does: bytes changed, cut, doubled, and words that parsers stumble over put in.
    fn mutate(input: &[u8], dice: &mut Dice) -> Vec<u8> {
        const WORDS: [&[u8]; 12] = [
            b"null",
            b"-1",
            b"1e999",
            b"NaN",
            b"\"",
            b"\\",
            b"[",
            b"{",
            b"\n",
            b"\xff",
            b"\xe2\x80\xa8",
            b"9223372036854775808",
        ];
        let mut bytes = input.to_vec();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len() + 1);
            let to = at + dice.below(bytes.len() - at + 1).min(40);
            match dice.below(5) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..to)),
                2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
                3 => drop(bytes.splice(at..to, WORDS[dice.below(WORDS.len())].iter().copied())),
                _ => {
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }

    #[test]
    fn nothing_in_the_corpora_breaks_anything() {
        for (name, target) in TARGETS {
            corpus(name).iter().for_each(|input| target(input));
        }
    }

    #[test]
    fn nothing_that_is_near_the_corpora_breaks_anything() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for (name, target) in TARGETS {
            for input in corpus(name) {
                for _ in 0..200 {
                    let mutant = mutate(&input, &mut dice);
                    let outcome = std::panic::catch_unwind(|| target(&mutant));
                    assert!(outcome.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&mutant));
                }
            }
        }
    }
}
