//! Answers that are none: errors, broken connections, bodies that are not what they should be.

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Fault, Operation, What, When};

use tokio::time::Instant;

use super::{COLLECTORS, asked, fails, of, own, sum};
use crate::harness::Rig;

/// How often a request is made whose failure may pass.
const ATTEMPTS: u64 = 4;

pub(super) fn status(code: u16, body: &str) -> What {
    let (body, content_type) = (body.as_bytes().to_vec(), "application/json".to_owned());
    What::Status { code, body, content_type, headers: Vec::new() }
}

#[tokio::test]
async fn errors_of_the_server_are_tried_again_and_then_cost_one_collector_one_poll() {
    let mut rig = Rig::new(6).await;
    for (collector, operation) in COLLECTORS {
        for code in [500, 502, 503, 504] {
            let fault = Fault::always(operation, status(code, r#"{"error_code":"SMS.6000"}"#));
            fails(&mut rig, collector, fault, "server_error", ATTEMPTS).await;
        }
        fails(&mut rig, collector, Fault::always(operation, What::Html502), "server_error", ATTEMPTS).await;
    }
    let retries = |collector| format!("operation=\"{}\"", super::label(collector));
    for (collector, _) in COLLECTORS {
        let retried = sum(&rig.series(), "sms_exporter_api_retries_total", &[&retries(collector)]);
        assert_eq!(retried, 5.0 * 3.0, "{collector}");
    }
}

#[tokio::test]
async fn what_will_not_get_better_by_asking_again_is_asked_once() {
    let mut rig = Rig::new(6).await;
    for (collector, operation) in COLLECTORS {
        let forbidden = status(403, r#"{"error_code":"SMS.9004","error_msg":"no permission","details":[]}"#);
        let cases = [
            (status(400, r#"{"error_code":"SMS.9001","error_msg":"Invalid parameters"}"#), "client_error"),
            (status(404, "{}"), "client_error"),
            (forbidden, "forbidden"),
            (What::Garbage, "malformed"),
            (What::EmptyBody200, "malformed"),
            (What::NotJson, "malformed"),
            (What::RawBody(b"[]".to_vec()), "malformed"),
            (What::RawBody(b"{}".to_vec()), "malformed"),
            (
                What::RawBody(
                    b"{\"source_servers\":\"x\",\"tasks\":\"x\",\"migration_errors\":\"x\"}".to_vec(),
                ),
                "malformed",
            ),
            (What::RawBody(b"{\"count\":1,\"source_servers\":[{\"id\":\"x\"}".to_vec()), "malformed"),
        ];
        for (what, reason) in cases {
            fails(&mut rig, collector, Fault::always(operation, what), reason, 1).await;
        }
    }
    assert_eq!(sum(&rig.series(), "sms_exporter_api_retries_total", &[]), 0.0);
}

#[tokio::test]
async fn connections_that_break_are_tried_again() {
    let mut rig = Rig::new(6).await;
    for (collector, operation) in COLLECTORS {
        for what in [What::ConnectionReset, What::TruncateBody(40), What::WrongContentEncoding] {
            let fault = Fault::always(operation, what);
            fails(&mut rig, collector, fault, "broken", ATTEMPTS).await;
        }
    }
    fails(
        &mut rig,
        "tasks",
        Fault::always(Operation::ListTasks, What::HugeHeader(1 << 20)),
        "broken",
        ATTEMPTS,
    )
    .await;
}

#[tokio::test]
async fn a_failure_that_passes_is_a_success_after_a_retry() {
    let mut rig = Rig::new(6).await;
    let passing = [
        (What::ConnectionReset, "broken"),
        (What::Html502, "server_error"),
        (status(503, ""), "server_error"),
        (status(429, ""), "throttled"),
        (What::TruncateBody(40), "broken"),
    ];
    for (what, reason) in passing {
        let retries = format!(
            "sms_exporter_api_retries_total{{account=\"test\",operation=\"list_servers\",reason=\"{reason}\"}}"
        );
        let before = of(&rig.series(), &retries);
        let fault = Fault { operation: Some(Operation::ListSources), when: When::Times(3), what };
        rig.simulator.inject(fault.clone());
        rig.poll().await;
        assert_eq!(rig.value(&own("poll_success", "sources")), 1.0, "{fault:?}");
        // A reset on a kept connection is made good at once, without an attempt.
        let least = if matches!(fault.what, What::ConnectionReset) { 1.0 } else { 3.0 };
        let retried = of(&rig.series(), &retries) - before;
        assert!((least..=3.0).contains(&retried), "{fault:?}: {retried}");
        rig.simulator.clear_faults();
    }
    assert_eq!(sum(&rig.series(), "sms_exporter_poll_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn what_never_ends_is_bounded_in_time() {
    let mut rig = Rig::with(6, |config| {
        config.accounts[0].limits.request_timeout = Duration::from_secs(2);
    })
    .await;
    let begin = Instant::now();
    for what in [What::HangHeaders, What::TrickleBody(20)] {
        fails(&mut rig, "sources", Fault::always(Operation::ListSources, what), "timeout", 1).await;
    }
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_never_ends_is_bounded_in_bytes() {
    let mut rig = Rig::with(6, |config| config.accounts[0].limits.max_body_bytes = 1 << 20).await;
    for (collector, operation) in [COLLECTORS[0], COLLECTORS[1]] {
        let fault = Fault::always(operation, What::EndlessBody);
        fails(&mut rig, collector, fault, "too_long", 1).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut rig = Rig::new(6).await;
    let elsewhere = format!("{}/elsewhere", rig.origin);
    for (collector, operation) in COLLECTORS {
        let fault = Fault::always(operation, What::Redirect(elsewhere.clone()));
        fails(&mut rig, collector, fault, "redirected", 1).await;
    }
    assert_eq!(asked(&rig, Operation::Unknown), 0, "nobody went there");
}

#[tokio::test]
async fn one_accounts_failure_leaves_the_other_untouched() {
    let other =
        huaweicloud_sms_exporter::simulator::Simulator::new(huaweicloud_sms_exporter::simulator::Settings {
            sources: 4,
            ..Default::default()
        });
    let (origin, _stop) = crate::harness::serve(other.clone()).await;
    let mut second = crate::harness::config(&origin, &other.keys()).accounts.remove(0);
    second.name = huaweicloud_sms_exporter::model::AccountName::new("other");
    let mut rig = Rig::with(6, |config| config.accounts.push(second)).await;
    rig.poll().await;
    let theirs = |rig: &Rig| -> crate::harness::Series {
        let series = rig.series().into_iter();
        series.filter(|(name, _)| name.contains("account=\"other\"") && name.starts_with("huawei")).collect()
    };
    let before = theirs(&rig);
    rig.simulator.inject(Fault::everywhere(status(500, "")));
    other.edit(super::nudge);
    rig.poll().await;
    for collector in ["sources", "tasks", "overview", "errors"] {
        assert_eq!(rig.value(&own("poll_success", collector)), 0.0);
        assert_eq!(rig.value(&own("poll_success", collector).replace("test", "other")), 1.0);
    }
    assert_ne!(theirs(&rig), before, "what changed there is told");
    assert_eq!(theirs(&rig).len(), before.len() + 2, "the error that was added has two series");
}
