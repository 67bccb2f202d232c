//! Work of fixed size, of which `tests/bench/guard` counts the instructions: they are the same on every machine
//! that runs the same program, however busy it is.

use std::hint::black_box;
use std::time::Duration;

use huaweicloud_sms_exporter::exposition::{Encoding, Format};

use crate::support::pages;
use crate::support::rig::Rig;
use crate::support::stand_in::StandIn;

/// Enough for the work to outweigh the start of the program, few enough for valgrind.
const SOURCES: usize = 400;

/// Does one part of the work; `none` does what all parts have in common, to be taken off.
pub(crate) fn run(part: &str) {
    let lists = pages::of(SOURCES);
    let stand_in = StandIn::start(&lists);
    // One thread, so that nothing depends on who is scheduled when.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut rig = Rig::new(&stand_in.origin);
    match part {
        "none" => {}
        "poll" => polls(&runtime, &mut rig, 1),
        "polls" => polls(&runtime, &mut rig, 3),
        "scrapes" => {
            polls(&runtime, &mut rig, 1);
            let page = rig.published.latest().expect("polled");
            for _ in 0..100 {
                let body = page.respond(Format::OpenMetrics100, Encoding::Gzip, &rig.own.text(), None);
                black_box(body.length());
            }
        }
        _ => panic!("none, poll, polls or scrapes; not {part}"),
    }
    runtime.shutdown_timeout(Duration::ZERO);
}

fn polls(runtime: &tokio::runtime::Runtime, rig: &mut Rig, count: usize) {
    for _ in 0..count {
        black_box(runtime.block_on(rig.poll()));
    }
}
