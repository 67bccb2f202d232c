//! The estimate of `--config.check`, held to what a fleet really makes.

use std::collections::BTreeMap;

use huaweicloud_sms_exporter::cli::{Estimate, Pace};
use huaweicloud_sms_exporter::metrics::{Subject, all};
use huaweicloud_sms_exporter::simulator::Operation;

use crate::harness::{Rig, config};

#[tokio::test]
async fn the_estimate_is_near_to_what_a_fleet_makes() {
    let mut rig = Rig::new(100).await;
    rig.poll().await;
    let config = config(&rig.origin, &rig.simulator.keys());
    let estimate = Estimate::of(&config.accounts[0]);
    let (mut of_subject, mut of_task) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    for series in rig.series().keys() {
        let name = series.split('{').next().unwrap_or_default();
        let Some(entry) = all().iter().find(|entry| entry.desc.name == name) else { continue };
        *of_subject.entry(entry.subject.heading()).or_insert(0_usize) += 1;
        if entry.subject == Subject::Task {
            let id = series.split("task_id=\"").nth(1).and_then(|rest| rest.split('"').next());
            *of_task.entry(id.expect("a task's series has its id").to_owned()).or_default() += 1;
        }
    }
    let near = |what: &str, estimate: usize, real: usize| {
        assert!(
            estimate * 10 >= real * 7 && real * 10 >= estimate * 7,
            "{what}: {estimate} and really {real}"
        );
    };
    near("a source", estimate.per_source() * 100, of_subject[Subject::Source.heading()]);
    near("a task", estimate.per_task(), *of_task.values().max().expect("there are tasks"));
    near(
        "the account",
        estimate.fixed(),
        of_subject[Subject::Fleet.heading()] + of_subject[Subject::Events.heading()],
    );
}

#[tokio::test]
async fn a_poll_takes_as_many_requests_as_the_estimate_says() {
    let mut rig = Rig::new(300).await;
    // A task for every server is what the estimate speaks of, and the list of errors has one page.
    rig.poll().await;
    let tally = rig.simulator.tally();
    let asked = |of: Operation| -> u64 {
        tally.requests.iter().filter(|((operation, _), _)| *operation == of).map(|(_, count)| count).sum()
    };
    let config = config(&rig.origin, &rig.simulator.keys());
    let estimate = |servers| u64::from(Pace::of(&config.accounts[0], servers, config.poll_interval).requests);
    let tasks = u32::try_from(rig.simulator.truth().tasks.len()).expect("a few hundred");
    // The lists of servers and of tasks each, and one request for the errors and the sums.
    let of_list = |objects| (estimate(objects) - 2) / 2;
    assert_eq!(asked(Operation::ListSources), of_list(300));
    assert_eq!(asked(Operation::ListTasks), of_list(tasks));
    assert_eq!((asked(Operation::ListErrors), asked(Operation::ShowOverview)), (1, 1));
}
