//! Lists that move under every page, lists without an order, lists that shrink at once, and storms of any length.

use std::collections::BTreeSet;
use std::time::Duration;

use huaweicloud_sms_exporter::config::{Collectors, Config};
use huaweicloud_sms_exporter::model::Collector;
use huaweicloud_sms_exporter::simulator::{Fault, Operation, What};

use super::oracle::Facts;
use super::worlds::{Size, fill, source_id};
use crate::harness::Series;
use crate::virtual_time::{Live, Service, run};

const SOURCES: Operation = Operation::ListSources;

/// Between two polls of a list that moves, so that many readings meet a change.
const PERIOD: Duration = Duration::from_secs(5);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn only_sources(config: &mut Config) {
    config.poll_interval = PERIOD;
    let account = &mut config.accounts[0];
    account.collectors = Collectors::new([Collector::Sources]);
    account.limits.requests_per_second = 50.0;
}

async fn sources(count: usize, change: impl FnOnce(&mut Config)) -> Live {
    let size = Size { sources: count, tasks: 0, errors: 0, detailed: 0 };
    let service = Service::new(|world| fill(world, size)).await;
    let origin = service.origin.clone();
    service.simulator.tune(|options| options.latency = Duration::from_millis(50));
    service.polled(&origin, change)
}

fn counted(page: &Series, what: &str) -> f64 {
    page.get(&format!("huaweicloud_sms_source_{what}_total{{account=\"test\"}}")).copied().unwrap_or_default()
}

fn own(live: &Live, family: &str) -> Option<f64> {
    live.whole().get(&format!("sms_exporter_{family}{{account=\"test\",collector=\"sources\"}}")).copied()
}

/// The ids on the page.
fn shown(page: &Series) -> BTreeSet<String> {
    Facts::of_page(page).ids("sources").into_iter().map(str::to_owned).collect()
}

/// Steps until a moment, and looks at every new page.
async fn until(live: &mut Live, moment: Duration, mut look: impl FnMut(&Live, &Series)) {
    while live.elapsed() < moment {
        live.step().await;
        if live.is_new() {
            look(live, &live.series());
        }
    }
}

/// A small stream of chance, so that each seed deletes others.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).expect("31 bits fit") % below
}

#[test]
fn deleting_seventy_five_of_fifteen_hundred_in_a_minute_loses_nobody_else() {
    for mut seed in [1, 2] {
        run(async {
            let mut live = sources(1500, only_sources).await;
            until(&mut live, secs(8), |_, _| {}).await;
            assert_eq!(shown(&live.series()).len(), 1500);
            let mut left: BTreeSet<String> = (0..1500).map(source_id).collect();
            let mut pages = 0;
            for nth in 0..75 {
                let gone = left.iter().nth(draw(&mut seed, left.len())).cloned().expect("one of them");
                left.remove(&gone);
                live.simulator.edit(|world| drop(world.sources.remove(&gone)));
                until(&mut live, secs(8) + Duration::from_millis(800) * (nth + 1), |_, page| {
                    pages += 1;
                    let shown = shown(page);
                    let missing: Vec<_> = left.difference(&shown).collect();
                    assert!(missing.is_empty(), "{} are missing, such as {:?}", missing.len(), missing[0]);
                    assert_eq!(counted(page, "registrations"), 0.0);
                    assert!(counted(page, "removals") <= f64::from(nth + 1));
                })
                .await;
            }
            assert!(pages >= 8, "the list was told {pages} times in the minute");
            let rest = live.elapsed() + 2 * PERIOD + secs(3);
            until(&mut live, rest, |_, _| {}).await;
            let page = live.series();
            assert_eq!(shown(&page), left);
            assert_eq!((counted(&page, "removals"), counted(&page, "registrations")), (75.0, 0.0));
        });
    }
}

#[test]
fn a_list_in_no_stable_order_is_whole_and_nobody_comes_or_goes() {
    run(async {
        let mut live = sources(1000, only_sources).await;
        live.simulator.inject(Fault::always(SOURCES, What::Shuffle(7)));
        let all: BTreeSet<String> = (0..1000).map(source_id).collect();
        until(&mut live, 3 * PERIOD + secs(3), |_, _| {}).await;
        assert_eq!(shown(&live.series()).len(), 1000, "whole within three polls");
        until(&mut live, secs(80), |_, page| {
            assert_eq!(shown(page).len(), 1000);
            assert_eq!((counted(page, "removals"), counted(page, "registrations")), (0.0, 0.0));
        })
        .await;
        assert_eq!(own(&live, "list_order_unstable"), Some(1.0));
        live.simulator.edit(|world| {
            let mut source = world.sources.remove(&source_id(500)).expect("it is there");
            source.id = "source-new".into();
            world.sources.insert(source.id.clone(), source);
        });
        let rest = live.elapsed() + 6 * PERIOD;
        until(&mut live, rest, |_, page| {
            let left = all.difference(&shown(page)).filter(|id| **id != source_id(500)).count();
            assert_eq!(left, 0, "missing");
        })
        .await;
        let page = live.series();
        assert_eq!((counted(&page, "removals"), counted(&page, "registrations")), (1.0, 1.0));
        assert!(shown(&page).len() == 1000 && shown(&page).contains("source-new"));
    });
}

#[test]
fn a_list_that_lost_most_of_itself_is_believed_after_ten_minutes() {
    run(async {
        let mut live = sources(12, |config| {
            only_sources(config);
            config.poll_interval = secs(30);
        })
        .await;
        until(&mut live, secs(65), |_, _| {}).await;
        live.simulator.inject(Fault::always(SOURCES, What::FirstOnly(4)));
        until(&mut live, secs(65 + 600), |_, page| {
            assert_eq!((shown(page).len(), counted(page, "removals")), (12, 0.0));
        })
        .await;
        assert_eq!(own(&live, "list_implausible"), Some(1.0));
        until(&mut live, secs(65 + 600 + 65), |_, _| {}).await;
        let page = live.series();
        assert_eq!((shown(&page).len(), counted(&page, "removals")), (4, 8.0));
        assert_eq!(own(&live, "list_implausible"), Some(0.0));
    });
}

#[test]
fn storms_of_refusals_of_any_length_are_over_within_a_minute() {
    for (length, retry_after) in [(10, None), (45, Some(20)), (600, None), (600, Some(20)), (3600, None)] {
        run(async {
            let size = Size { sources: 12, tasks: 12, errors: 11, detailed: 6 };
            let service = Service::new(|world| fill(world, size)).await;
            let origin = service.origin.clone();
            let mut live = service.polled(&origin, |_| {});
            until(&mut live, secs(65), |_, _| {}).await;
            live.simulator.inject(Fault::everywhere(What::Refuse { retry_after }));
            until(&mut live, secs(65 + length), |_, _| {}).await;
            live.simulator.clear_faults();
            let asked = live.simulator.tally().requests;
            let refused: u64 = asked.iter().filter(|((_, status), _)| *status == 429).map(|(_, n)| n).sum();
            // One probe at a time, every quarter of a minute; the lists side by side find out at first.
            assert!(refused <= length / 10 + 12, "{refused} requests were refused in {length} s");
            let mut source = live.simulator.truth().sources.remove(&source_id(0)).expect("it is there");
            source.id = "source-new".into();
            live.simulator.edit(|world| drop(world.sources.insert(source.id.clone(), source)));
            let (mut fresh, over) = (None, live.elapsed());
            until(&mut live, over + secs(60), |live, page| {
                if fresh.is_none() && shown(page).contains("source-new") {
                    fresh = Some(live.elapsed() - over);
                }
            })
            .await;
            assert!(fresh.is_some(), "not fresh a minute after a storm of {length} s, {retry_after:?}");
        });
    }
}
