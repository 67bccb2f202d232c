//! The README is held to the code: its table of metrics is made from the catalogue, and the tests
//! that it names exist.
//!
//! `INSTA_UPDATE=always cargo test` rewrites the table, as it does the other golden files.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use huaweicloud_sms_exporter::config::{Config, Overrides};
use huaweicloud_sms_exporter::exposition::Kind;
use huaweicloud_sms_exporter::metrics::{Entry, Subject, all, label_names};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("there is a README.md")
}

/// The text around and between two markers: before, between, after.
fn parts<'a>(text: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("README.md has no {begin:?}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("README.md has no {end:?}"));
    (&text[..from], &text[from..to], &text[to..])
}

/// One table for each subject.
fn tables() -> String {
    let mut text = String::new();
    for subject in Subject::ALL {
        write!(text, "\n### {}\n\n", subject.heading()).expect("writing to a String cannot fail");
        text += "| name | type | labels | meaning | from |\n| --- | --- | --- | --- | --- |\n";
        for entry in all().iter().filter(|entry| entry.subject == subject) {
            text += &row(entry);
        }
    }
    text + "\n"
}

fn row(entry: &Entry) -> String {
    let Entry { desc, labels, further, from, .. } = entry;
    let labels: Vec<&str> = labels.iter().chain(*further).copied().collect();
    let kind = match desc.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Info => "info",
        Kind::Histogram => "histogram",
    };
    let cells = [&format!("`{}`", desc.name), kind, &labels.join(", "), desc.help, from];
    // A bar would begin a cell, and a star or an underscore would be taken for emphasis.
    let cell = |text: &str| text.replace('|', "\\|").replace('*', "\\*");
    format!("| {} |\n", cells.map(cell).join(" | "))
}

/// Holds a part of the README to what it is made of, or rewrites it.
pub(crate) fn is_made(name: &str, made: &str) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let readme = readme();
    let (before, between, after) = parts(&readme, name);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(root().join("README.md"), format!("{before}{made}{after}"))
            .expect("README.md can be written");
        return;
    }
    assert!(
        between == made,
        "README.md's part {name} is not what it is made of; INSTA_UPDATE=always cargo test --test integration \
         made rewrites it. As made:\n{made}"
    );
}

#[test]
fn the_table_of_metrics_is_made_of_the_catalogue() {
    is_made("metrics", &tables());
}

#[test]
fn every_family_has_a_row_of_its_own() {
    let made = tables();
    for entry in all() {
        assert_eq!(made.matches(&format!("| `{}` |", entry.desc.name)).count(), 1, "{}", entry.desc.name);
    }
}

/// What stands between backticks in the last cell of each row, below the head.
fn promised(table: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let row = |line| {
        let line: &str = line;
        let (promise, tests) =
            line.trim_end_matches([' ', '|']).rsplit_once('|').expect("a row has two cells");
        (promise, tests.split('`').skip(1).step_by(2).collect())
    };
    rows.map(row).collect()
}

/// All that tests are written in.
fn sources() -> String {
    let (mut text, mut places) = (String::new(), vec![root().join("src"), root().join("tests")]);
    while let Some(place) = places.pop() {
        if place.is_dir() && !place.ends_with("node_modules") {
            let entries = fs::read_dir(&place).expect("a directory of the tree");
            places.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if is_source(&place) {
            text += &fs::read_to_string(&place).expect("a source is text");
        }
    }
    text
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs" || extension == "py") && path.is_file()
}

#[test]
fn every_promise_names_tests_that_exist() {
    let (readme, sources) = (readme(), sources());
    let (_, table, _) = parts(&readme, "promises");
    let exists = |name: &str| {
        let is_file = name.contains('/') && root().join(name).is_file();
        is_file || ["fn", "def"].iter().any(|word| sources.contains(&format!("{word} {name}(")))
    };
    let mut wrong = Vec::new();
    for (promise, tests) in promised(table) {
        if tests.is_empty() {
            wrong.push(format!("{promise}: no test"));
        }
        wrong.extend(
            tests.iter().filter(|test| !exists(test)).map(|test| format!("{promise}: {test} is not there")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names before `=` in the tables of `Cargo.toml` that are built into a release.
fn dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("there is a Cargo.toml");
    let tables = manifest.split("\n[").filter(|table| {
        let name = table.split(']').next().unwrap_or_default();
        name == "dependencies" || (name.starts_with("target.") && name.ends_with(".dependencies"))
    });
    let names = |table: &str| -> Vec<String> {
        table
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    tables.flat_map(names).collect()
}

#[test]
fn every_dependency_is_in_the_bill_and_nothing_else_is() {
    let readme = readme();
    let (_, table, _) = parts(&readme, "dependencies");
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let names = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split([',', '(', ')']));
    let billed: BTreeSet<&str> = names.map(str::trim).filter(|name| !name.is_empty()).collect();
    let built = dependencies();
    let built: BTreeSet<&str> = built.iter().map(String::as_str).collect();
    let missing: Vec<_> = built.difference(&billed).collect();
    assert!(missing.is_empty(), "without a reason in the README: {missing:?}");
    // Named because of what they bring, not because they are asked for by name.
    let gone: Vec<_> = billed.difference(&built).filter(|name| !["ring", "zlib-rs"].contains(name)).collect();
    assert!(gone.is_empty(), "in the README and not in Cargo.toml: {gone:?}");
}

#[test]
fn the_configuration_in_the_readme_can_be_run() {
    let readme = readme();
    let block = readme.split("```yaml\n").find(|block| block.starts_with("poll_interval:"));
    let (yaml, _) = block.and_then(|block| block.split_once("```")).expect("README.md shows a configuration");
    let home = tempfile::tempdir().expect("a temporary directory");
    for name in ["ak", "sk"] {
        fs::write(home.path().join(name), "a-key").expect("a key is written");
    }
    let file = home.path().join("sms-exporter.yml");
    fs::write(&file, yaml.replace("/run/secrets/", "")).expect("the configuration is written");
    let environment = |name: &str| (name == "SMS_PASSWORD").then(|| "a-password".to_owned());
    let config = Config::load(&file, &environment, &Overrides::default(), &label_names());
    let config = config.unwrap_or_else(|errors| panic!("{errors}"));
    assert!(config.accounts.len() >= 2);
}

#[test]
fn promises_are_read_row_by_row() {
    let table = "\n| promise | test |\n| --- | --- |\n| It holds | `one`, `two` |\n| It stays | none |\n";
    let read = promised(table);
    assert_eq!(read, [("| It holds ", vec!["one", "two"]), ("| It stays ", vec![])]);
}
