//! Whatever the fleet and whatever happens to it: the page says what the service knows.

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Settings, World};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::counts::{Counts, counters, never_fall};
use crate::expected::{expected, is_expected};
use crate::harness::{REGION, Rig, Series, wall_clock};

/// Cases where the environment does not ask for more: each is a few polls of a whole exporter.
const CASES: u32 = 20;

/// States that a person's change may bring about; the last is one that no document has.
const STATES: [&str; 7] = ["waiting", "replicate", "syncing", "stopped", "error", "finished", "quantum"];

/// A change by hand; the number picks the object.
#[derive(Clone, Debug)]
enum Edit {
    Toggle(usize),
    Enter(usize, &'static str),
    Resize(usize, i64),
    Rename(usize, String),
    Remove(usize),
    Speed(usize, u32),
}

fn edits() -> impl Strategy<Value = Edit> {
    let which = 0..10_usize;
    prop_oneof![
        which.clone().prop_map(Edit::Toggle),
        (which.clone(), proptest::sample::select(&STATES[..]))
            .prop_map(|(which, state)| Edit::Enter(which, state)),
        (which.clone(), -5..1_i64 << 50).prop_map(|(which, size)| Edit::Resize(which, size)),
        (which.clone(), "[a-zA-Z0-9 ._-]{0,20}").prop_map(|(which, name)| Edit::Rename(which, name)),
        which.clone().prop_map(Edit::Remove),
        (which, 0..100_000_u32).prop_map(|(which, speed)| Edit::Speed(which, speed)),
    ]
}

/// So many seconds pass, and then somebody changes something.
fn steps() -> impl Strategy<Value = Vec<(u64, Option<Edit>)>> {
    proptest::collection::vec((1..3600_u64, proptest::option::of(edits())), 1..5)
}

fn apply(edit: &Edit, world: &mut World) {
    let (Edit::Toggle(nth)
    | Edit::Enter(nth, _)
    | Edit::Resize(nth, _)
    | Edit::Rename(nth, _)
    | Edit::Remove(nth)
    | Edit::Speed(nth, _)) = edit;
    let Some(id) = world.sources.keys().nth(nth % world.sources.len().max(1)).cloned() else { return };
    let source = world.sources.get_mut(&id).expect("it is one of them");
    match edit {
        Edit::Toggle(_) => source.connected = !source.connected,
        Edit::Enter(_, state) => source.state = (*state).into(),
        Edit::Resize(_, size) => source.replicatesize = *size,
        Edit::Rename(_, name) => source.name.clone_from(name),
        Edit::Speed(_, speed) => {
            if let Some(task) = source.task.as_ref().and_then(|task| world.tasks.get_mut(task)) {
                task.migrate_speed = f64::from(*speed) / 100.0;
            }
        }
        Edit::Remove(_) => {
            let task = source.task.clone();
            world.sources.remove(&id);
            task.and_then(|task| world.tasks.remove(&task));
        }
    }
}

/// Holds the page against the truth.
fn compare(page: &Series, world: &World) {
    let said: Series =
        page.iter().filter(|(name, _)| is_expected(name)).map(|(n, v)| (n.clone(), *v)).collect();
    let expected = expected(world);
    for (name, value) in &said {
        let truth = expected.get(name).copied().unwrap_or_else(|| panic!("{name} {value} is not the truth"));
        let near = (truth - value).abs() <= truth.abs() * 1e-12;
        assert!(near, "{name} is {value}, and the truth is {truth}");
    }
    let missing: Vec<_> = expected.keys().filter(|name| !said.contains_key(*name)).collect();
    assert_eq!(missing, [""; 0], "what the page should say besides");
    let errors = page.iter().filter(|(name, _)| name.starts_with("huaweicloud_sms_migration_errors{"));
    assert_eq!(errors.map(|(_, count)| count).sum::<f64>(), world.errors.len() as f64);
    let failed = |name: &&String| name.starts_with("huaweicloud_sms_task_error_info{");
    let with_error = world.tasks.values().filter(|task| task.error.is_some()).count();
    assert_eq!(page.keys().filter(failed).count(), with_error);
}

async fn journey(seed: u64, sources: usize, churn: bool, steps: Vec<(u64, Option<Edit>)>) {
    let start_ms = wall_clock();
    let settings = Settings { sources, seed, churn, start_ms, region: REGION.into(), ..Settings::default() };
    let mut rig = Rig::over(settings, start_ms, |_| {}).await;
    rig.poll().await;
    let (mut last, mut counts, mut counted) =
        (rig.simulator.truth(), Counts::default(), counters(&rig.page()));
    compare(&rig.series(), &last);
    for (seconds, edit) in steps {
        rig.advance(Duration::from_secs(seconds));
        rig.simulator.edit(|world| edit.iter().for_each(|edit| apply(edit, world)));
        rig.poll().await;
        // The second confirms what the first found removed; what lost most of itself is believed ten minutes later.
        rig.poll().await;
        if rig
            .series()
            .iter()
            .any(|(name, value)| name.starts_with("sms_exporter_list_implausible{") && *value > 0.0)
        {
            rig.later(Duration::from_secs(600));
            rig.poll().await;
            rig.poll().await;
        }
        let (truth, page) = (rig.simulator.truth(), rig.page());
        compare(&crate::harness::parse(&page), &truth);
        counts.sources(&last, &truth);
        counts.tasks(&last, &truth);
        counts.overspeed(&last, &truth);
        counts.check(&crate::harness::parse(&page));
        let now = counters(&page);
        never_fall(&counted, &now);
        (last, counted) = (truth, now);
    }
}

fn cases() -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config {
        cases: asked.unwrap_or(CASES),
        failure_persistence: None,
        max_shrink_iters: 16,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_page_says_what_the_service_knows_and_counters_never_fall(
        seed in any::<u64>(), sources in 0..10_usize, churn in any::<bool>(), steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(journey(seed, sources, churn, steps));
    }
}
