//! The matrix of faults: each fault, at each operation, at the start, for one stroke in the middle, for a minute and
//! for ever. What is served meanwhile, how long until it is fresh again, and that no event or counter is wrong.
//!
//! The table in the README is made of what comes out here.

mod cell;
mod faults;
mod front;
mod moving;
mod oracle;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::virtual_time::run;
use cell::{Outcome, Served, play};
use faults::{Fault, Phase, Target, faults, is_of_details};

/// Set in the process that plays the matrix, and in no other.
const ALONE: &str = "SMS_EXPORTER_TEST_MATRIX";

/// Worlds that are played side by side.
const WORKERS: usize = 2;

/// What came of every cell.
type Played = Vec<(&'static str, Target, Phase, Outcome)>;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
async fn each_fault_at_each_operation_costs_what_the_table_says_and_no_more() {
    if std::env::var_os(ALONE).is_some() {
        return tokio::task::spawn_blocking(whole).await.expect("the matrix is played");
    }
    // In a process of its own, which trusts one authority and does not read those of the system five hundred times.
    let home = tempfile::tempdir().expect("a temporary directory");
    let roots = home.path().join("roots.pem");
    std::fs::write(&roots, front::Identities::new().authority).expect("a file is written");
    let itself = std::env::current_exe().expect("a test has a file");
    let this = "matrix::each_fault_at_each_operation_costs_what_the_table_says_and_no_more";
    let run = tokio::process::Command::new(itself)
        .args(["--exact", this, "--nocapture"])
        .env(ALONE, "1")
        .env("SSL_CERT_FILE", &roots)
        .env_remove("SSL_CERT_DIR")
        .kill_on_drop(true)
        .output();
    let output = run.await.expect("it can be run again");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{wrong}");
    println!("{said}");
}

#[expect(clippy::print_stdout, reason = "the figures are what one looks for")]
fn whole() {
    let begin = tokio::time::Instant::now();
    let faults = faults();
    let chosen = std::env::var("SMS_EXPORTER_TEST_MATRIX_FAULT").ok();
    let is_chosen = |fault: &&Fault| chosen.as_ref().is_none_or(|part| fault.name.contains(part.as_str()));
    let mut cells: Vec<(&Fault, Target, Phase)> = Vec::new();
    for fault in faults.iter().filter(is_chosen) {
        for target in fault.targets() {
            cells.extend(fault.phases().iter().map(|phase| (fault, target, *phase)));
        }
    }
    assert!(!cells.is_empty(), "no fault has {chosen:?} in its name");
    let (all, cells) = (cells.len(), Mutex::new(cells));
    let played = Mutex::new(Played::new());
    let next = || cells.lock().unwrap_or_else(PoisonError::into_inner).pop();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((fault, target, phase)) = next() {
                    let outcome = run(play(fault, target, phase));
                    let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
                    played.push((fault.name, target, phase, outcome));
                }
            });
        }
    });
    let played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{all} cells in {:?}", begin.elapsed());
    let (table, problems) = (table(&faults, &played), problems(&faults, &played));
    println!("{table}");
    assert!(problems.is_empty(), "{} of {all} cells are wrong:\n{}", problems.len(), problems.join("\n"));
    if chosen.is_none() {
        crate::readme::is_made("faults", &table);
    }
}

/// What is wrong in each cell that has something wrong.
fn problems(faults: &[Fault], played: &Played) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    for (name, target, phase, outcome) in played {
        let fault = faults.iter().find(|fault| fault.name == *name).expect("it was played");
        let wrong = outcome.wrong.iter().cloned().chain(fault.judge(*target, *phase, outcome));
        let wrong: Vec<String> = wrong.take(4).collect();
        if !wrong.is_empty() {
            let failures = &outcome.failures;
            problems.push(format!("{name} / {target:?} / {phase:?}: {} [{failures}]", wrong.join("; ")));
        }
    }
    problems.sort();
    problems
}

/// The README's table: one row for each fault.
fn table(faults: &[Fault], played: &Played) -> String {
    let mut text = String::from(
        "\n| fault | served meanwhile | seconds until fresh: after a stroke in the midst | after a minute | after the \
         start with it |\n| --- | --- | --: | --: | --: |\n",
    );
    for fault in faults {
        let of = |phase: Phase| {
            // What is asked for object by object goes by a time of its own.
            let cells = played.iter().filter(move |(name, target, at, _)| {
                *name == fault.name && *at == phase && !is_of_details(*target)
            });
            cells.map(|(_, _, _, outcome)| outcome)
        };
        let served = served(
            &Phase::ALL.map(|phase| (phase, of(phase).map(|outcome| outcome.served).collect())).into(),
        );
        let fresh = [Phase::Middle, Phase::Minute, Phase::Start].map(|phase| {
            let slowest = of(phase).filter_map(|outcome| outcome.fresh).max();
            slowest.map_or("–".to_owned(), |slowest| format!("{}", rounded(slowest)))
        });
        writeln!(text, "| {} | {served} | {} |", fault.name, fresh.join(" | ")).expect("a String takes all");
    }
    text + "\n"
}

/// Up to whole polls, so that a page that comes a moment later makes no other table.
fn rounded(time: Duration) -> u64 {
    // The reading itself takes some seconds.
    time.as_secs().saturating_sub(5).div_ceil(30).max(1) * 30
}

/// In words, what collectors served under a fault.
fn served(seen: &BTreeMap<Phase, BTreeSet<Served>>) -> String {
    let minute = seen.get(&Phase::Minute).or_else(|| seen.get(&Phase::Ever)).cloned().unwrap_or_default();
    let started = seen.get(&Phase::Start).cloned().unwrap_or_default();
    let mut words = match (minute.contains(&Served::Fresh), minute.contains(&Served::Last)) {
        (true, false) => "all as it is".to_owned(),
        (true, true) => "all as it is, or what was last read".to_owned(),
        (false, true) => "what was last read, until it is too old".to_owned(),
        (false, false) => "nothing, as nothing was ever read".to_owned(),
    };
    if started.contains(&Served::Nothing) {
        words += "; nothing where nothing was read yet";
    }
    words
}
