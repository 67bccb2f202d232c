//! The guard on a clock that the test moves; the file is one in memory.

use std::io;

use super::*;
use crate::model::Timestamp;

const ONE: SecretPrint = SecretPrint([1; 32]);
const OTHER: SecretPrint = SecretPrint([2; 32]);
const SECOND: Duration = Duration::from_secs(1);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Default)]
struct File(Arc<Mutex<Option<Vec<u8>>>>);

impl RefusalFile for File {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(bytes.to_vec());
        Ok(())
    }
}

/// A wall clock that goes with the paused one.
fn clock() -> Clock {
    let begin = Instant::now();
    Clock::new(move || Timestamp::from_millis(1_700_000_000_000).plus(begin.elapsed()))
}

fn guard(guards: &Guards) -> Arc<Guard> {
    guards.of(Identity::of(&["key", "AK"]), "access key AK")
}

/// Tries a secret that the service refuses, for so long; when it was refused, in seconds since `begin`.
async fn refusals(guards: &Guards, secret: SecretPrint, begin: Instant, until: Duration) -> Vec<u64> {
    let mut refused = Vec::new();
    while begin.elapsed() < until {
        match guard(guards).admit_in_turn(secret).await {
            Ok(permit) => {
                permit.sent();
                permit.refused(SECOND, "no").await;
                refused.push(begin.elapsed().as_secs());
            }
            Err(left) => tokio::time::sleep(left.min(SECOND)).await,
        }
    }
    refused
}

/// Whether any five minutes hold more refusals than are risked.
fn is_locked(refused: &[u64]) -> bool {
    let within = |first: &u64| refused.iter().filter(|at| (*first..first + 300).contains(at)).count();
    refused.iter().any(|first| within(first) > BUDGET)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_never_refused_more_than_four_times_in_five_minutes() {
    let refused = refusals(&Guards::default(), ONE, Instant::now(), FIVE_MINUTES * 12).await;
    assert_eq!(refused[..5], [0, 1, 3, 7, 310], "{refused:?}");
    assert!(!is_locked(&refused), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_is_tried_at_once_and_new_wrong_ones_without_end_lock_nothing() {
    let (guards, begin) = (Guards::default(), Instant::now());
    assert_eq!(refusals(&guards, ONE, begin, SECOND / 2).await, [0]);
    assert!(guard(&guards).admit(OTHER).await.permit().is_some(), "no pause for another secret");
    let mut refused = Vec::new();
    for number in 0..60 {
        let secret = SecretPrint([number + 10; 32]);
        refused.extend(refusals(&guards, secret, begin, begin.elapsed() + SECOND * 10).await);
    }
    assert!(refused.len() >= 2 && !is_locked(&refused), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn restarts_are_no_way_around_the_guard_and_a_new_secret_is_known_as_new() {
    let (file, clock, begin) = (File::default(), clock(), Instant::now());
    let mut refused = Vec::new();
    for run in 0..40 {
        let guards = Guards::remembering(Arc::new(file.clone()), clock.clone());
        refused.extend(refusals(&guards, ONE, begin, SECOND * 5 * (run + 1)).await);
    }
    assert!(refused.len() >= BUDGET && !is_locked(&refused), "{refused:?}");
    let written = String::from_utf8(file.0.lock().unwrap().clone().unwrap()).unwrap();
    assert!(!written.contains(&hex::encode(ONE.0)) && !written.contains("AK"), "{written}");

    let file = File::default();
    let run = || Guards::remembering(Arc::new(file.clone()), clock.clone());
    let long = Duration::from_secs(600);
    guard(&run()).admit(ONE).await.permit().unwrap().refused(long, "no").await;
    assert!(guard(&run()).admit(ONE).await.permit().is_none());
    assert!(guard(&run()).admit(OTHER).await.permit().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_before_the_verdict_has_used_up_an_attempt() {
    let (file, clock) = (File::default(), clock());
    for run in 0..6 {
        let guards = Guards::remembering(Arc::new(file.clone()), clock.clone());
        let permit = guard(&guards).admit(ONE).await.permit();
        assert_eq!(permit.is_some(), run < BUDGET, "run {run}");
        // Killed: nothing is dropped.
        std::mem::forget(permit);
        tokio::time::advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_answer_was_not_waited_for_counts_and_one_that_says_nothing_does_not() {
    let guards = Guards::default();
    let attempt = async |progress: &[fn(&Permit)]| {
        let permit = guard(&guards).admit(ONE).await.permit();
        permit.iter().for_each(|permit| progress.iter().for_each(|step| step(permit)));
        permit.is_some()
    };
    for _ in 0..20 {
        assert!(attempt(&[]).await && attempt(&[Permit::sent, Permit::answered]).await);
    }
    for _ in 0..BUDGET {
        assert!(attempt(&[Permit::sent]).await);
    }
    assert!(!attempt(&[]).await);
}

#[tokio::test(start_paused = true)]
async fn of_an_accepted_key_no_more_requests_are_under_way_than_may_be_refused_together() {
    let guards = Guards::default();
    guard(&guards).admit(ONE).await.permit().unwrap().accepted();
    let mut permits = Vec::new();
    for _ in 0..BUDGET {
        permits.extend(guard(&guards).admit(ONE).await.permit());
    }
    assert_eq!(permits.len(), BUDGET);
    assert!(matches!(guard(&guards).admit(ONE).await, Admission::Busy));
    for permit in &permits {
        permit.refused(SECOND, "no").await;
    }
    drop(permits);
    let Admission::Paused(left) = guard(&guards).admit(ONE).await else { panic!("it is not tried again") };
    assert!(left > FIVE_MINUTES, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_memory_a_secret_that_was_never_accepted_waits_until_all_is_forgotten() {
    let refused = refusals(&Guards::cautious(), ONE, Instant::now(), FIVE_MINUTES * 3).await;
    assert_eq!(refused, [0, 310, 620]);
    let guards = Guards::cautious();
    guard(&guards).admit(ONE).await.permit().unwrap().accepted();
    let refused = refusals(&guards, ONE, Instant::now(), SECOND * 5).await;
    assert_eq!(refused, [0, 1, 3], "one that was accepted is revoked, and perhaps restored");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_and_a_clock_that_was_set_back_let_no_attempt_through_that_would_lock() {
    let file = File(Arc::new(Mutex::new(Some(b"no JSON".to_vec()))));
    let clock = clock();
    let guards = Guards::remembering(Arc::new(file.clone()), clock.clone());
    assert!(guard(&guards).admit(ONE).await.permit().is_some());
    for number in 10..20 {
        let guards = Guards::remembering(Arc::new(file.clone()), clock.clone());
        if let Some(permit) = guard(&guards).admit(SecretPrint([number; 32])).await.permit() {
            permit.refused(SECOND, "no").await;
        }
        tokio::time::advance(SECOND).await;
    }
    let earlier = Clock::new(|| Timestamp::from_millis(1_000));
    let guards = Guards::remembering(Arc::new(file), earlier);
    assert!(guard(&guards).admit(OTHER).await.permit().is_none());
}

impl Admission {
    fn permit(self) -> Option<Permit> {
        if let Self::Go(permit) = self { Some(permit) } else { None }
    }
}
