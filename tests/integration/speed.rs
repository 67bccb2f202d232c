//! The README's figures are those that the benchmarks printed, which are kept as they were printed.

use std::fmt::Write;
use std::fs;

use crate::readme::{is_made, root};

/// What `cargo bench -- poll` printed: a section for each size of fleet.
fn poll() -> String {
    kept("poll.md")
}

/// What `cargo bench -- scrape` printed.
fn scrape() -> String {
    kept("scrape.md")
}

fn kept(name: &str) -> String {
    let file = root().join("tests/bench/results").join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The cells of the row with that name behind a place of the text.
fn cells<'a>(section: &'a str, row: &str) -> Vec<&'a str> {
    let line = section.lines().find(|line| line.trim_matches(['|', ' ', '*']).starts_with(row));
    let line = line.unwrap_or_else(|| panic!("no row {row:?} in\n{section}"));
    line.trim_matches('|').split('|').skip(1).map(str::trim).collect()
}

/// What stands between two texts.
fn between<'a>(section: &'a str, before: &str, behind: &str) -> &'a str {
    let found = section.split_once(before).and_then(|(_, rest)| rest.split_once(behind));
    found.unwrap_or_else(|| panic!("nothing between {before:?} and {behind:?} in\n{section}")).0
}

/// A time as it was printed, in milliseconds.
fn millis(text: &str) -> f64 {
    text.trim_end_matches(" ms").parse().unwrap_or_else(|_| panic!("{text:?} is no time"))
}

fn growth() -> String {
    let printed = poll();
    let mut table = "| sources | series | JSON | page, plain and gzip | cold poll, CPU | 1 % changed, CPU | the plain way, CPU \
         | resident after ten polls | wall time at 50 ms an answer, and the least |\n| --: | --: | --: | --: | --: | --: | --: | --: | --: |\n"
        .to_owned();
    for section in printed.split("\n## ").skip(1) {
        let (sources, series) = (
            section.split_once(" sources").expect("a section begins so").0,
            between(section, "tasks, ", " series"),
        );
        let (mine, plain) = section.split_once("The plain way").expect("the plain way is measured too");
        let (mine, plain_way) = (cells(mine, "whole poll"), cells(plain, "whole poll")[0]);
        let ratio = |part: &str, whole: &str| millis(part) / millis(whole);
        writeln!(
            table,
            "| {sources} | {series} | {} | {}, {} | {} (1/{:.1} of the plain way) | {} ({:.2} of a cold one) | {plain_way} | {} | {}, {} |",
            between(section, "with the same ", " of JSON"),
            between(section, "Page: ", " plain"),
            between(section, " plain, ", " in gzip"),
            mine[0],
            1.0 / ratio(mine[0], plain_way),
            mine[1],
            ratio(mine[1], mine[0]),
            between(section, "first poll, ", " after"),
            between(section, "at once, took ", ";"),
            between(section, "; ", " is the least"),
        )
        .expect("writing to a String cannot fail");
    }
    table
}

#[test]
fn the_table_of_speed_is_made_of_what_the_benchmarks_printed() {
    let scrape = scrape();
    let rows = scrape.lines().filter(|line| line.starts_with('|'));
    let scrape = rows.fold(String::new(), |table, row| table + row + "\n");
    is_made("speed", &format!("\n{scrape}\n{}\n", growth()));
}
