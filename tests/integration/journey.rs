//! A fleet's journey, as the page tells it.

use std::time::Duration;

use crate::harness::Rig;

#[tokio::test]
async fn the_page_counts_what_the_service_has() {
    let mut rig = Rig::new(30).await;
    rig.poll().await;
    let truth = rig.simulator.truth();
    assert_eq!(rig.count("huaweicloud_sms_source_info"), truth.sources.len());
    assert_eq!(rig.count("huaweicloud_sms_task_info"), truth.tasks.len());
    for collector in ["sources", "tasks", "overview", "errors", "speed_limits", "consistency"] {
        let success = format!("sms_exporter_poll_success{{account=\"test\",collector=\"{collector}\"}}");
        assert_eq!(rig.value(&success), 1.0, "{collector}");
    }
    assert_eq!(rig.simulator.tally().forbidden_calls, 0);
}

#[tokio::test]
async fn the_first_poll_is_a_baseline_and_later_ones_count() {
    let mut rig = Rig::new(30).await;
    rig.poll().await;
    let replicated = "huaweicloud_sms_replicated_bytes_total{account=\"test\"}";
    assert_eq!(rig.value(replicated), 0.0);
    assert_eq!(rig.count("huaweicloud_sms_source_state_transitions_total"), 0);
    let before = rig.simulator.truth();
    rig.simulator.advance(Duration::from_secs(600));
    rig.later(Duration::from_secs(30));
    rig.poll().await;
    let changes = huaweicloud_sms_exporter::simulator::Changes::between(&before, &rig.simulator.truth());
    for ((from, to), count) in &changes.source_transitions {
        let series = format!(
            "huaweicloud_sms_source_state_transitions_total{{account=\"test\",from=\"{from}\",to=\"{to}\"}}"
        );
        let count = u32::try_from(*count).expect("a few changes");
        assert_eq!(rig.value(&series), f64::from(count), "{series}");
    }
    assert!(rig.value(replicated) > 0.0);
}
