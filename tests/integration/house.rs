//! The house rules that no compiler knows: who may import whom, how long a file may be, and what
//! must not be written down.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may import. No arrow goes up, and there is no circle.
const ROOMS: [(&str, &[&str]); 16] = [
    ("model", &[]),
    ("exposition", &[]),
    ("config", &["model"]),
    ("auth", &["config", "model"]),
    ("api", &["auth", "config", "model"]),
    ("diff", &["model"]),
    ("metrics", &["diff", "exposition", "model"]),
    ("storage", &["metrics", "model"]),
    ("poll", &["api", "diff", "metrics", "exposition", "model", "storage"]),
    ("server", &["exposition", "config"]),
    ("simulator", &["model"]),
    ("cli", EVERYTHING),
    ("run", EVERYTHING),
    ("fuzzing", EVERYTHING),
    ("lib", EVERYTHING),
    ("main", EVERYTHING),
];

/// For those who put the parts together.
const EVERYTHING: &[&str] = &[
    "api",
    "auth",
    "cli",
    "config",
    "diff",
    "exposition",
    "metrics",
    "model",
    "poll",
    "run",
    "server",
    "simulator",
    "storage",
    "fuzzing",
];

/// Crates that only some rooms may use, and the paths of those rooms.
const CRATES: [(&[&str], &[&str]); 5] = [
    (&["reqwest"], &["api", "auth"]),
    (&["hyper", "hyper_util"], &["server", "simulator"]),
    // What is written in files and sent over wires; the simulator's own JSON is one of the latter.
    (&["serde", "serde_json"], &["api", "auth", "simulator", "storage"]),
    (&["granit_parser"], &["config/yaml"]),
    (&["prometheus_client"], &["metrics", "exposition"]),
];

/// Longest file, in lines.
const LONGEST: usize = 550;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a directory, without what tools leave behind, by its path from the root.
fn files(below: &str) -> Vec<PathBuf> {
    const LEFT_BEHIND: [&str; 7] =
        ["target", ".git", ".venv", ".cache", "node_modules", "__pycache__", "data"];
    let (mut files, mut directories) = (Vec::new(), vec![root().join(below)]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the tree") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("names are text");
            if path.is_dir() && !LEFT_BEHIND.contains(&name) {
                directories.push(path);
            } else if path.is_file() && name != ".git" {
                files.push(path.strip_prefix(root()).expect("it is below the root").to_owned());
            }
        }
    }
    files.sort();
    files
}

fn sources() -> impl Iterator<Item = PathBuf> {
    files("src").into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// A source without its comments and without its tests, which may use anything.
fn code(path: &Path) -> String {
    if is_test(path) {
        return String::new();
    }
    let text = read(path);
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let (code, _) = text.split_at(tests);
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    code.lines().filter(is_code).map(|line| format!("{line}\n")).collect()
}

/// The room of a file: `api` for `src/api.rs` and for all that is in `src/api/`.
fn room(path: &Path) -> String {
    let first = path.components().nth(1).expect("it is in src");
    first.as_os_str().to_str().expect("names are text").trim_end_matches(".rs").to_owned()
}

/// The rooms that a text names behind `crate::`, those of a list in braces too.
fn imports(code: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // Paths of macros and of crates whose names end so.
        if code[..at].ends_with(|c| is_word(c) || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            found.insert(word(rest));
            continue;
        }
        let mut depth = 0;
        for (index, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && (c == '{' || c == ',') {
                found.insert(word(&rest[index + 1..]));
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// Whether a text uses a crate by its path.
fn uses(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"')
            && !code[..at].ends_with("crate::")
    })
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::api::{Client, Page};\nuse crate::{\n    auth::{self, Secret},\n    model,\n};\n\
                fn f(x: crate::diff::Event) -> $crate::poll::X { mycrate::run::y() }";
    assert_eq!(imports(code), ["api", "auth", "diff", "model"].map(str::to_owned).into());
    assert!(uses("use serde::Deserialize;", "serde") && uses("let x: serde::de::Value;", "serde"));
    assert!(!uses("use my_serde::Deserialize;", "serde"));
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for path in sources() {
        let room = room(&path);
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: {room} is no room of the table", path.display()));
            continue;
        };
        for name in imports(&code(&path)) {
            // Names that lib.rs re-exports or macros are no rooms.
            let is_room = ROOMS.iter().any(|(room, _)| *room == name);
            if is_room && name != room && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: {room} may not import {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let imported = sources().flat_map(|path| imports(&code(&path))).collect::<BTreeSet<_>>();
    assert!(imported.len() >= 10, "the imports are read: {imported:?}");
}

#[test]
fn the_table_has_no_circle() {
    // The rooms stand in an order in which everybody imports only from those before.
    let ranked =
        ["model", "exposition", "config", "auth", "api", "diff", "metrics", "poll", "server", "simulator"];
    let rank = |name: &str| ranked.iter().position(|room| *room == name);
    for (room, allowed) in ROOMS.iter().filter(|(room, _)| rank(room).is_some()) {
        assert!(allowed.iter().all(|name| rank(name) < rank(room)), "{room}");
    }
}

/// The errors of a text whose message holds the source that whoever prints the chain will add.
fn repeating(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in code.split("#[error(").skip(1) {
        let (message, rest) = part.split_once(")]").unwrap_or((part, ""));
        let declared = rest.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let is_source = declared.contains("(#[from]") || declared.contains("(#[source]");
        if message.contains("{source") || message.contains("{0") && is_source {
            found.push(message.trim());
        }
    }
    found
}

#[test]
fn no_error_says_its_cause_that_the_chain_says_too() {
    let once = "#[error(\"no\")]\nA(#[source] E),\n#[error(\"no {0}\")]\nB(String),\n";
    let twice = "#[error(\"no: {source}\")]\nC { source: E },\n#[error(\"no: {0}\")]\nD(#[from] E),\n";
    assert_eq!((repeating(once).len(), repeating(twice).len()), (0, 2));
    let wrong = sources().flat_map(|path| {
        let code = code(&path);
        repeating(&code).into_iter().map(|error| format!("{}: {error}", path.display())).collect::<Vec<_>>()
    });
    assert_eq!(wrong.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn each_foreign_crate_stays_in_its_rooms() {
    let mut wrong = Vec::new();
    for path in sources() {
        let (code, place) = (code(&path), path.to_str().expect("names are text").trim_end_matches(".rs"));
        for (crates, rooms) in CRATES {
            let is_allowed = rooms.iter().any(|room| {
                let room = format!("src/{room}");
                place == room || place.starts_with(&format!("{room}/"))
            });
            let used = crates.iter().filter(|name| uses(&code, name));
            wrong.extend(used.filter(|_| !is_allowed).map(|name| format!("{}: {name}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_wall_clock_is_read_only_at_the_edges() {
    let reads =
        |path: &PathBuf| uses_now(&code(path)) && !["run", "simulator"].contains(&room(path).as_str());
    let wrong: Vec<PathBuf> = sources().filter(reads).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn uses_now(code: &str) -> bool {
    ["SystemTime::now", "Timestamp::now", "Zoned::now"].iter().any(|call| code.contains(call))
}

#[test]
fn no_file_of_the_program_is_too_long_and_modules_stand_beside_their_directories() {
    let is_wrong = |path: &PathBuf| {
        let is_long = !is_test(path) && read(path).lines().count() > LONGEST;
        is_long || path.ends_with("mod.rs")
    };
    let wrong: Vec<PathBuf> = sources().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "longer than {LONGEST} lines, or a mod.rs: {wrong:#?}");
}

#[test]
fn every_source_opens_with_what_it_is_for() {
    let is_silent = |path: &PathBuf| !is_test(path) && !read(path).starts_with("//!");
    let silent: Vec<PathBuf> = sources().filter(is_silent).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

/// Written so that this file does not hold what it looks for.
fn unwanted() -> Vec<String> {
    let places = ["/wo+rk/", "/ro+ot/.", "/bash_jo+bs"];
    let registries = [
        "py+pi.org",
        "python+hosted.org",
        "registry.npm+js.org",
        "static.crates+.io",
        "index.crates+.io",
        "deb.deb+ian.org",
        "proxy.gol+ang.org",
    ];
    places.iter().chain(&registries).map(|text| text.replace('+', "")).collect()
}

#[test]
fn nothing_names_a_place_of_one_machine_or_a_host_of_a_registry() {
    let unwanted = unwanted();
    let mut wrong = Vec::new();
    let all = files("");
    assert!(all.len() > 200, "the tree is read");
    for path in all {
        // Pictures and the like hold no text.
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        let found = unwanted.iter().filter(|unwanted| text.contains(*unwanted));
        wrong.extend(found.map(|found| format!("{}: {found}", path.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
