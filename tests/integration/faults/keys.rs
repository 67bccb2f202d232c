//! Credentials that are refused.

use std::time::Duration;

use huaweicloud_sms_exporter::config::{CredentialSource, SecretFrom};
use huaweicloud_sms_exporter::simulator::{Fault, Keys, Operation, What};

use super::{COLLECTORS, PERIOD, asked, failures, own, part, same, sum};
use crate::harness::Rig;

/// Lets time pass on every clock: the exporter's, its timers' and the service's.
pub(super) async fn pass(rig: &mut Rig, time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    rig.later(time);
}

fn wrong(keys: &Keys) -> Keys {
    Keys { sk: "not-what-it-was".into(), ..keys.clone() }
}

/// Polls every half minute for half an hour; the numbers of the polls in which the service was asked.
async fn half_an_hour(rig: &mut Rig) -> Vec<u32> {
    let mut asked_in = Vec::new();
    for poll in 0..60 {
        let before = rig.simulator.tally().refused;
        rig.poll().await;
        if rig.simulator.tally().refused > before {
            asked_in.push(poll);
        }
        pass(rig, PERIOD).await;
    }
    asked_in
}

#[tokio::test]
async fn a_wrong_key_is_tried_once_and_then_ever_more_seldom_and_never_locked() {
    let project = Keys::default().project_id;
    let mut rig = Rig::with(3, |config| config.accounts[0].project_id = Some(project)).await;
    rig.simulator.replace_keys(wrong(&rig.simulator.keys()));
    // Nothing is known of runs before, so each pause is at least the time of a lock; the fifth is 480 s.
    assert_eq!(half_an_hour(&mut rig).await, [0, 11, 22, 33, 44]);
    let tally = rig.simulator.tally();
    assert_eq!((tally.refused, tally.locked), (5, 0), "one request each, and no lock");
    assert_eq!(rig.value("sms_exporter_auth_failures_total{account=\"test\"}"), 5.0);
    for (collector, _) in COLLECTORS {
        assert_eq!(rig.value(&own("poll_consecutive_failures", collector)), 60.0, "{collector}");
    }
    let of_reason = |reason| COLLECTORS.map(|(collector, _)| failures(&rig.series(), collector, reason));
    assert_eq!(of_reason("unauthorized").iter().sum::<f64>(), 5.0);
    assert_eq!(of_reason("auth").iter().sum::<f64>(), 4.0 * 60.0 - 5.0, "the rest was not even sent");
}

#[tokio::test]
async fn polls_in_a_row_with_a_wrong_key_make_one_request() {
    let mut rig = Rig::new(3).await;
    rig.simulator.replace_keys(wrong(&rig.simulator.keys()));
    for _ in 0..6 {
        rig.poll().await;
    }
    assert_eq!(rig.simulator.tally().requests.values().sum::<u64>(), 1);
    assert_eq!(rig.simulator.tally().locked, 0);
}

#[tokio::test]
async fn a_key_that_turns_wrong_under_way_is_not_locked_and_works_again_when_it_is_right() {
    let mut rig = Rig::new(3).await;
    rig.poll().await;
    let (before, right) = (rig.series(), rig.simulator.keys());
    rig.simulator.replace_keys(wrong(&right));
    rig.poll().await;
    assert!(rig.simulator.tally().refused <= 4, "no more than were under way together");
    for (collector, _) in COLLECTORS {
        assert_eq!(rig.value(&own("poll_success", collector)), 0.0, "{collector}");
        same(&part(&rig.series(), collector), &part(&before, collector), collector);
    }
    pass(&mut rig, PERIOD).await;
    half_an_hour(&mut rig).await;
    assert_eq!(rig.simulator.tally().locked, 0);
    rig.simulator.replace_keys(right);
    pass(&mut rig, Duration::from_secs(600)).await;
    rig.poll().await;
    for (collector, _) in COLLECTORS {
        assert_eq!(rig.value(&own("poll_success", collector)), 1.0, "{collector}");
        same(&part(&rig.series(), collector), &part(&before, collector), collector);
    }
}

#[tokio::test]
async fn a_key_that_was_locked_works_again_after_the_lock() {
    let mut rig = Rig::new(3).await;
    rig.poll().await;
    rig.simulator.inject(Fault::once(Operation::ListSources, What::KeyLocked));
    let asked_in = half_an_hour(&mut rig).await;
    assert!(asked_in.len() <= 4 && asked_in.iter().all(|poll| *poll <= 10), "{asked_in:?}");
    assert_eq!(rig.value(&own("poll_success", "sources")), 1.0);
    assert_eq!(rig.value(&own("poll_consecutive_failures", "sources")), 0.0);
}

/// With a user's name and password, for which there is a token.
async fn with_token() -> Rig {
    let keys = Keys::default();
    Rig::with(3, |config| {
        config.accounts[0].credentials = CredentialSource::Password {
            user: keys.user,
            domain: keys.domain,
            password: SecretFrom::Value(keys.password.into()),
        };
    })
    .await
}

#[tokio::test]
async fn a_token_that_was_revoked_is_fetched_anew_once() {
    let mut rig = with_token().await;
    rig.poll().await;
    rig.poll().await;
    assert_eq!(asked(&rig, Operation::CreateToken), 1, "one token for all requests");
    rig.simulator.inject(Fault::once(Operation::ListTasks, What::TokenRevoked));
    rig.poll().await;
    assert_eq!(asked(&rig, Operation::CreateToken), 2);
    for (collector, _) in COLLECTORS {
        assert_eq!(rig.value(&own("poll_success", collector)), 1.0, "{collector}");
    }
    assert_eq!(sum(&rig.series(), "sms_exporter_poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn tokens_that_are_always_revoked_are_not_fetched_in_a_circle() {
    let mut rig = with_token().await;
    rig.poll().await;
    rig.simulator.inject(Fault::always(Operation::ListTasks, What::TokenRevoked));
    for _ in 0..6 {
        rig.poll().await;
    }
    assert_eq!(rig.value(&own("poll_success", "tasks")), 0.0);
    let fetched = asked(&rig, Operation::CreateToken);
    assert!(fetched <= 4, "{fetched} tokens in six polls");
    rig.simulator.clear_faults();
    pass(&mut rig, Duration::from_secs(600)).await;
    rig.poll().await;
    assert_eq!(rig.value(&own("poll_success", "tasks")), 1.0);
}
