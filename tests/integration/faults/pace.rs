//! How fast the service is asked: its limits, ours, and the poll's.

use std::sync::Arc;
use std::time::Duration;

use huaweicloud_sms_exporter::auth::Environment;
use huaweicloud_sms_exporter::config::Collectors;
use huaweicloud_sms_exporter::model::{Clock, Collector, Timestamp};
use huaweicloud_sms_exporter::run::{Exporter, Surroundings};
use huaweicloud_sms_exporter::simulator::{Fault, Operation, Settings, Simulator, What};

use tokio::time::Instant;

use super::keys::pass;
use super::{PERIOD, asked, failures, own, part, same, sum};
use crate::harness::{Rig, config, serve};

/// The refusal of the gateway.
fn throttled(retry_after: &str) -> What {
    let said = "The throttling threshold has been reached: policy user over ratelimit,limit:5,time:1 second";
    let body = format!(r#"{{"error_code":"APIGW.0308","error_msg":"{said}"}}"#).into_bytes();
    let headers = vec![("Retry-After".into(), retry_after.into())];
    What::Status { code: 429, body, content_type: "application/json".into(), headers }
}

fn only_sources(config: &mut huaweicloud_sms_exporter::config::Config) {
    config.accounts[0].collectors = Collectors::new([Collector::Sources]);
}

const RATE: &str = "sms_exporter_api_rate_limit_requests_per_second{account=\"test\"}";
const THROTTLED: &str = "sms_exporter_api_throttled_total{account=\"test\",operation=\"list_servers\"}";

#[tokio::test]
async fn a_refusal_for_too_many_requests_is_obeyed_and_learned_from() {
    let mut rig = Rig::with(3, only_sources).await;
    assert_eq!(rig.value(RATE), 10_000.0);
    rig.simulator.inject(Fault::once(Operation::ListSources, throttled("1")));
    let begin = Instant::now();
    rig.poll().await;
    assert!(begin.elapsed() >= Duration::from_secs(1), "Retry-After is obeyed: {:?}", begin.elapsed());
    assert_eq!(rig.value(&own("poll_success", "sources")), 1.0);
    assert_eq!(rig.value(THROTTLED), 1.0);
    assert_eq!(asked(&rig, Operation::ListSources), 2);
    assert_eq!(rig.value(RATE), 5.0, "the limit that the gateway told");
    pass(&mut rig, Duration::from_secs(61)).await;
    rig.poll().await;
    assert_eq!(rig.value(RATE), 5.0, "and no guess beyond it");
}

#[tokio::test]
async fn a_refusal_that_outlasts_the_poll_is_not_waited_for_and_nothing_is_sent_before_its_end() {
    let limited = |config: &mut huaweicloud_sms_exporter::config::Config| {
        only_sources(config);
        config.accounts[0].limits.poll_timeout = Duration::from_secs(100);
    };
    let mut rig = Rig::with(3, limited).await;
    rig.poll().await;
    let before = rig.series();
    rig.simulator.inject(Fault::once(Operation::ListSources, throttled("250")));
    let (begin, sent) = (Instant::now(), asked(&rig, Operation::ListSources));
    rig.poll().await;
    rig.poll().await;
    assert!(begin.elapsed() < Duration::from_secs(60), "nobody waits in vain: {:?}", begin.elapsed());
    assert_eq!(asked(&rig, Operation::ListSources) - sent, 1);
    let series = rig.series();
    let reasons = ["throttled", "deadline"].map(|reason| failures(&series, "sources", reason));
    assert_eq!(reasons, [1.0, 1.0]);
    same(&part(&series, "sources"), &part(&before, "sources"), "still served");
    pass(&mut rig, Duration::from_secs(250)).await;
    rig.poll().await;
    assert_eq!(rig.value(&own("poll_success", "sources")), 1.0);
}

#[tokio::test]
async fn requests_wait_for_the_budget_and_the_wait_is_told() {
    let mut rig = Rig::with(401, |config| {
        only_sources(config);
        config.accounts[0].limits.requests_per_second = 20.0;
        config.accounts[0].limits.burst = 1;
    })
    .await;
    let begin = Instant::now();
    rig.poll().await;
    assert_eq!(asked(&rig, Operation::ListSources), 3);
    assert!(begin.elapsed() >= Duration::from_millis(100), "two waits of a twentieth: {:?}", begin.elapsed());
    let waited = rig.value("sms_exporter_api_budget_wait_seconds_total{account=\"test\"}");
    assert!(waited > 0.02, "{waited}");
}

#[tokio::test]
async fn a_poll_has_an_end_whatever_the_service_does() {
    let mut rig = Rig::with(3, |config| {
        only_sources(config);
        config.accounts[0].limits.poll_timeout = Duration::from_millis(1500);
    })
    .await;
    rig.poll().await;
    rig.simulator.inject(Fault::always(Operation::ListSources, What::HangHeaders));
    rig.later(PERIOD);
    let begin = Instant::now();
    rig.poll().await;
    assert!(begin.elapsed() < Duration::from_secs(9), "before the request's own end: {:?}", begin.elapsed());
    assert_eq!(failures(&rig.series(), "sources", "deadline"), 1.0);
    assert_eq!(rig.count("huaweicloud_sms_source_info"), 3);
    assert_eq!(sum(&rig.series(), "sms_exporter_api_retries_total", &[]), 0.0);
}

#[tokio::test]
async fn a_slow_poll_delays_the_next_and_polls_do_not_pile_up() {
    let slowness = Duration::from_millis(100);
    let simulator = Simulator::new(Settings { sources: 1, ..Settings::default() });
    let (origin, stop) = serve(simulator.clone()).await;
    simulator.inject(Fault::always(Operation::ListSources, What::SlowBy(slowness)));
    let mut config = config(&origin, &simulator.keys());
    only_sources(&mut config);
    config.poll_interval = Duration::from_millis(10);
    simulator.tune(|options| options.check_skew = false);
    let clock = Clock::new(|| Timestamp::from_millis(0));
    let surroundings = Surroundings { clock, environment: Environment::new(|_| None) };
    let exporter = Arc::new(Exporter::new(surroundings, stop.clone()));
    let begin = Instant::now();
    exporter.apply(&config).expect("the account can be set up");
    // The project is asked for too, once and at once: a poll is a list of sources.
    let polls = || simulator.tally().requests.get(&(Operation::ListSources, 200)).copied().unwrap_or(0);
    while polls() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(begin.elapsed() >= 4 * slowness, "the fifth began after four: {:?}", begin.elapsed());
    stop.cancel();
    exporter.ended().await;
}
