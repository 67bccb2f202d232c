//! The rows about speed limits and their time windows: 23, 24, 25 and 30.

use super::*;

/// The limit in force for a task that copies, with these rules.
async fn limit(rules: Value) -> Option<f64> {
    let task = json!({"id": "t", "state": "RUNNING", "speed_limit": 8});
    let rig = Answers { rules: json!({"speed_limit": rules}), ..Answers::task(task) }.polled().await;
    rig.series().get(&of_task("speed_limit_bytes_per_second", "")).copied()
}

#[tokio::test]
async fn n23_windows_are_read_however_they_are_written() {
    // Together, these windows are the whole day, so whatever the time is one of them holds.
    let day = |noon: &str, end: &str| json!([{"start": "0:00", "end": noon, "speed": 16}, {"start": noon, "end": end, "speed": 16}]);
    for end in ["24:00", "23:59", "0:00", "00:00"] {
        assert_eq!(limit(day("8:00", end)).await, Some(2e6), "{end}");
        assert_eq!(limit(day("08:00", end)).await, Some(2e6), "{end}");
    }
    assert_eq!(limit(json!([{"speed": 16}])).await, Some(2e6), "no window is the whole day");
    assert_eq!(limit(json!([{"start": "00:00", "end": "23:59", "speed": 0}])).await, None, "0 is unlimited");
    assert_eq!(limit(json!([{"speed": 10_000}])).await, Some(1.25e9));
    assert_eq!(limit(json!([])).await, Some(1e6), "without rules the task's own limit holds");
}

#[tokio::test]
async fn n24_a_threshold_that_is_absent_is_unknown() {
    let threshold = async |rule: Value| {
        let task = json!({"id": "t", "state": "RUNNING"});
        let rig = Answers { rules: json!({"speed_limit": [rule]}), ..Answers::task(task) }.polled().await;
        rig.series().get(&of_task("overspeed_threshold_ratio", "")).copied()
    };
    assert_eq!(threshold(json!({"speed": 8, "over_speed_threshold": 50.0})).await, Some(0.5));
    assert_eq!(threshold(json!({"speed": 8, "over_speed_threshold": 0})).await, Some(0.0));
    assert_eq!(threshold(json!({"speed": 8})).await, None);
}

#[tokio::test]
async fn n25_no_speed_limit_found_is_no_failure() {
    let mut rig = Rig::new(1).await;
    let body = br#"{"error_code":"SMS.6302","error_msg":"No migration speed limit found."}"#;
    let (content_type, headers) = ("application/json".to_owned(), Vec::new());
    let what = What::Status { code: 400, body: body.to_vec(), content_type, headers };
    rig.simulator.inject(Fault::always(Operation::ShowSpeedLimit, what));
    Answers::task(json!({"id": "t", "state": "RUNNING", "speed_limit": 8})).put_into(&rig);
    rig.poll().await;
    assert_eq!(rig.value("sms_exporter_poll_success{account=\"test\",collector=\"speed_limits\"}"), 1.0);
    assert_eq!(rig.value(&of_task("speed_limit_bytes_per_second", "")), 1e6);
    let asked = rig.simulator.tally().requests;
    assert_eq!(asked[&(Operation::ShowSpeedLimit, 400)], 1, "it is not asked again at once");
}

#[tokio::test]
async fn n30_speed_limit_is_in_megabits_and_zero_is_no_limit() {
    for (wire, told) in [(0, None), (8, Some(1e6)), (10_000, Some(1.25e9)), (65_535, Some(8_191_875_000.0))] {
        let task = json!({"state": "RUNNING", "migrate_speed": 16, "speed_limit": wire});
        assert_eq!(task_value(task.clone(), "speed_limit_bytes_per_second", "").await, told, "{wire}");
        let over = told.map(|limit| f64::from(u8::from(2e6 > limit)));
        assert_eq!(task_value(task, "overspeed", "").await, over, "{wire}");
    }
}
