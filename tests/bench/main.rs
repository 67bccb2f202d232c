//! The benchmarks: `cargo bench -- poll [SOURCES...]`, `cargo bench -- scrape`, and the work that
//! `tests/bench/guard` counts the instructions of.
//!
//! Processor time is what the kernel counts for this process; the service is another process. Ratios hold
//! within one run, because machines are noisy.

mod instructions;
mod poll;
mod scrape;
mod support;

use std::path::Path;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let sizes = |words: &[&str]| -> Vec<usize> {
        words.iter().map(|word| word.parse().expect("a number of sources")).collect()
    };
    match arguments.as_slice() {
        [] => {
            poll::compare(&[]);
            scrape::compare(&[]);
        }
        ["poll", words @ ..] => poll::compare(&sizes(words)),
        ["scrape", words @ ..] => scrape::compare(&sizes(words)),
        ["instructions", part] => instructions::run(part),
        ["serve", lists] => support::stand_in::serve(Path::new(lists)),
        ["poll-exporter", _, origin] => poll::exporter(origin),
        ["poll-slow", _, origin] => poll::slowly(origin),
        ["poll-plain", lists, origin] => poll::plainly(Path::new(lists), origin),
        _ => panic!("poll, scrape or instructions; not {arguments:?}"),
    }
}
