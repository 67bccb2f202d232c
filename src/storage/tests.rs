//! What comes back, and what becomes of files that are not whole.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{ErrorCode, Part, SourceId, SourceState, SpeedRule, TaskId, TaskState, TimeOfDay};
use disk::Step;

const SCOPE: &str = "a region";

fn account() -> AccountName {
    AccountName::new("an account")
}

fn shelf(directory: &Path) -> Shelf {
    Store::new(directory).shelf(&account(), SCOPE)
}

/// A memory that says this number.
fn memory(number: u64) -> Memory {
    let code = ErrorCode::new("SMS.1302");
    let mut tally = Tally { registrations: number, ..Tally::default() };
    tally.source_transitions.insert((SourceState::Waiting, SourceState::Unknown), 3);
    tally.task_transitions.insert((TaskState::Running, TaskState::MigrateFail), 1);
    tally.failures.extend([(code.clone(), 2), (None, 1)]);
    tally.check_failures.insert(("OS \"x\"\n".into(), code.clone()), 1);
    tally.replicated_by_source.insert(SourceId::new("é"), u64::MAX);
    let source = |id: &str| {
        let json = serde_json::json!({
            "id": id, "name": "n\u{0}", "state": "replicate", "stage": "replicating", "connected": true,
            "replicated": u64::MAX, "task": "t", "checks": [["OS", "ERROR", "SMS.1302"], ["NET", "WARN", null]],
        });
        let kept: record::KeptSource = serde_json::from_value(json).unwrap();
        Arc::new(kept.into())
    };
    let rule = SpeedRule {
        start: TimeOfDay::START,
        end: TimeOfDay::END,
        limit: Some(0.1 + 0.2),
        threshold: Some(f64::INFINITY),
    };
    let at = Timestamp::from_millis(1_768_464_000_123);
    let fleet = Fleet {
        sources: Some(Arc::new(Part { data: vec![source("a"), source("b")], read_at: at })),
        tasks: Some(Arc::new(Part { data: Vec::new(), read_at: at })),
        speed_rules: Some(Arc::new(Part {
            data: [(TaskId::new("t"), Arc::from([rule]))].into(),
            read_at: at,
        })),
        ..Fleet::default()
    };
    Memory {
        fleet,
        tally,
        last_success: [(Collector::Tasks, at)].into(),
        absent_sources: vec![SourceId::new("s-gone")],
        absent_tasks: vec![TaskId::new("t-gone")],
        implausible_since: [(Collector::Sources, at)].into(),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_kept_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let shelf = shelf(directory.path());
    assert_eq!(shelf.load().unwrap(), None);
    shelf.keep(&memory(1)).unwrap();
    shelf.keep(&memory(2)).unwrap();
    assert_eq!(shelf.load().unwrap(), Some(memory(2)));
}

#[test]
fn wherever_a_write_is_cut_off_the_file_is_the_old_one_or_the_new_one() {
    let steps = [Step::Cleared, Step::Created, Step::Written, Step::Synced, Step::Renamed, Step::Done];
    for (at, cut) in steps.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = shelf(directory.path());
        shelf.keep(&memory(1)).unwrap();
        let bytes = encode(&memory(2), &account(), SCOPE);
        let mut end = |step| if step == cut { Err(io::Error::other("cut off")) } else { Ok(()) };
        disk::replace(directory.path(), &shelf.file, &bytes, &mut end).unwrap_err();
        let expected = if at < 4 { memory(1) } else { memory(2) };
        assert_eq!(shelf.load().unwrap(), Some(expected), "{cut:?}");
        // What is left over is in nobody's way.
        shelf.keep(&memory(3)).unwrap();
        assert_eq!(shelf.load().unwrap(), Some(memory(3)), "{cut:?}");
        assert_eq!(names(directory.path()), std::slice::from_ref(&shelf.file), "{cut:?}");
    }
}

#[test]
fn a_file_that_is_not_whole_is_never_believed() {
    let bytes = encode(&memory(1), &account(), SCOPE);
    let read = |bytes: &[u8]| decode(bytes, &account(), SCOPE);
    assert_eq!(read(&bytes).unwrap(), memory(1));
    for length in 0..bytes.len() {
        let cut = bytes.get(..length).unwrap();
        assert!(read(cut).is_err(), "{length} bytes of {}", bytes.len());
    }
    assert!(matches!(read(&[&bytes[..], b"\n"].concat()), Err(Damage::Length { .. })));
    for at in 0..bytes.len() {
        for bit in [1, 0x20, 0x80] {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            match read(&flipped) {
                Err(_) => {}
                // A checksum in capitals, or a length with a sign, says the same.
                Ok(same) => assert_eq!(same, memory(1), "byte {at}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_used_is_set_aside_under_a_name_of_its_own_and_keeping_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let shelf = shelf(directory.path());
    let other = encode(&memory(1), &AccountName::new("other"), SCOPE);
    let odd: [(&[u8], &str); 5] = [
        (b"", "it is not a state file of this exporter"),
        (b"PNG \n", "it is not a state file of this exporter"),
        (b"sms-exporter-state 2 0 00000000\n", "it has version 2, of which this exporter knows nothing"),
        (b"sms-exporter-state 1 9 00000000\n{}", "it should have 9 bytes after its header and has 2"),
        (&other, "it belongs to the account other"),
    ];
    for (number, (bytes, why)) in odd.into_iter().enumerate() {
        shelf.keep(&memory(7)).unwrap();
        fs::write(shelf.path(), bytes).unwrap();
        let error = shelf.load().unwrap_err().to_string();
        let aside = format!("{}.damaged-{}", shelf.path().display(), number + 1);
        assert_eq!(
            error,
            format!("{} cannot be used: {why}; it is set aside as {aside}", shelf.path().display())
        );
        assert_eq!(fs::read(&aside).unwrap(), bytes);
        assert_eq!(shelf.load().unwrap(), None, "it starts afresh");
    }
    fs::create_dir(shelf.path()).unwrap(); // in the way
    assert!(matches!(shelf.load(), Err(Unusable { damage: Damage::Unreadable(_), .. })));
    shelf.keep(&memory(8)).unwrap();
    assert_eq!(shelf.load().unwrap(), Some(memory(8)));
}

#[test]
fn accounts_with_names_that_look_alike_do_not_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let long = "x".repeat(300);
    let alike = ["a/b", "a b", "a_b", "../a", "", "A_b", "生产", &long, &format!("{long}y")];
    for (number, name) in (0..).zip(alike) {
        store.shelf(&AccountName::new(name), SCOPE).keep(&memory(number)).unwrap();
    }
    for (number, name) in (0..).zip(alike) {
        let shelf = store.shelf(&AccountName::new(name), SCOPE);
        assert_eq!(shelf.load().unwrap(), Some(memory(number)), "{name}");
        assert!(shelf.file.len() < 100 && shelf.file.is_ascii() && !shelf.file.contains('/'), "{name}");
    }
    assert_eq!(names(directory.path()).len(), alike.len());
}

#[test]
fn of_another_scope_only_the_counters_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    shelf(directory.path()).keep(&memory(5)).unwrap();
    let elsewhere = Store::new(directory.path()).shelf(&account(), "another region");
    let tally = memory(5).tally;
    assert_eq!(elsewhere.load().unwrap(), Some(Memory { tally, ..Memory::default() }));
}

#[test]
fn nobody_else_may_look() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("made/for it");
    let shelf = shelf(&inner);
    shelf.keep(&memory(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&shelf.path())), (0o700, 0o600));
}

#[test]
fn a_directory_is_claimed_by_one_and_free_when_it_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("state");
    let (first, second) = (Store::new(&inner), Store::new(&inner));
    first.claim().unwrap();
    let refusal = second.claim().unwrap_err();
    assert!(matches!(refusal, ClaimError::InUse(_)), "{refusal}");
    assert!(refusal.to_string().starts_with(&format!("{} is in use", inner.display())), "{refusal}");
    // What is kept needs no claim, and leaves nothing but the account's file there.
    let shelf = second.shelf(&account(), SCOPE);
    shelf.keep(&memory(1)).unwrap();
    assert_eq!(names(&inner), std::slice::from_ref(&shelf.file));
    drop(first);
    second.claim().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let nowhere = Store::new(directory.path().join("file/state")).claim().unwrap_err();
    assert!(matches!(nowhere, ClaimError::Lock { .. }), "{nowhere}");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = shelf(&file.join("below")).keep(&memory(1)).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot make the directory {}/below", file.display()));
    // Full, as a disk is: the file that is being written cannot be made.
    let shelf = shelf(directory.path());
    fs::create_dir(directory.path().join(format!("{}.{}", shelf.file, disk::UNFINISHED))).unwrap();
    let error = shelf.keep(&memory(1)).unwrap_err();
    assert!(matches!(error, KeepError::File { .. }), "{error}");
}

#[test]
fn ten_thousand_sources_are_a_few_megabytes() {
    let mut large = memory(1);
    let one = large.fleet.sources().first().cloned().unwrap();
    let numbered = |number: u32| {
        let id = SourceId::new(format!("{number:036}"));
        Arc::new(crate::model::Source { id, ..crate::model::Source::clone(&one) })
    };
    let data = (0..10_000).map(numbered).collect();
    large.fleet.sources = Some(Arc::new(Part { data, read_at: Timestamp::from_millis(0) }));
    let bytes = encode(&large, &account(), SCOPE);
    assert_eq!(decode(&bytes, &account(), SCOPE).unwrap(), large);
    assert!(bytes.len() < 4_000_000, "{}", bytes.len());
}

proptest! {
    #[test]
    fn any_bytes_are_a_memory_or_damage(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes, &account(), SCOPE));
        drop(decode(&frame::seal(&bytes), &account(), SCOPE));
    }

    #[test]
    fn every_count_comes_back(
        counts in proptest::collection::vec(any::<u64>(), 9),
        states in proptest::collection::vec((0..SourceState::ALL.len(), 0..TaskState::ALL.len(), any::<u64>()), 0..20),
        texts in proptest::collection::vec((".{0,20}", "[A-Za-z0-9._-]{1,32}", any::<u64>()), 0..20),
    ) {
        let mut tally = Tally {
            disconnects: counts[0], reconnects: counts[1], overspeed: counts[2], overspeed_stops: counts[3],
            registrations: counts[4], removals: counts[5], replicated: counts[6],
            ..Tally::default()
        };
        for (source, task, count) in states {
            let (source, task) = (SourceState::ALL[source], TaskState::ALL[task]);
            tally.source_transitions.insert((source, SourceState::Error), count);
            tally.task_transitions.insert((TaskState::Ready, task), count);
        }
        for (text, code, count) in texts {
            let code = ErrorCode::new(&code);
            tally.failures.insert(code.clone(), count);
            tally.check_failures.insert((text.clone().into(), code.clone()), count);
            tally.check_warnings.insert((text.clone().into(), code), count);
            tally.replicated_by_source.insert(SourceId::new(text.clone()), count);
            tally.overspeed_by_task.insert(TaskId::new(text), count);
        }
        let memory = Memory { tally, ..Memory::default() };
        let back = decode(&encode(&memory, &account(), SCOPE), &account(), SCOPE).unwrap();
        prop_assert_eq!(back, memory);
    }
}
