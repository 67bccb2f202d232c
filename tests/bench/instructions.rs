//! Work of fixed size, of which `tests/bench/guard` counts the instructions: they are the same on every machine
//! that runs the same program, however busy it is.

use std::hint::black_box;
use std::time::Duration;

use huaweicloud_sms_exporter::exposition::{Encoding, Format};

use crate::support::pages;
use crate::support::rig::{Rig, Until};
use crate::support::stand_in::StandIn;

/// Enough for the work to outweigh the start of the program, few enough for valgrind.
const SOURCES: usize = 200;

/// Scrapes of one page.
const SCRAPES: usize = 100;

/// Does the work up to a part; `none` does what all have in common. What a part takes is what it has more than the
/// part before it.
pub(crate) fn run(part: &str) {
    let lists = pages::of(SOURCES);
    let stand_in = StandIn::start(&lists);
    // One thread, so that nothing depends on who is scheduled when.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut rig = Rig::new(&stand_in.origin);
    let poll = |rig: &mut Rig, until| {
        black_box(runtime.block_on(rig.poll_until(until)));
    };
    match part {
        "none" => {}
        "read" => poll(&mut rig, Until::Read),
        "render" => poll(&mut rig, Until::Rendered),
        "poll" => poll(&mut rig, Until::Published),
        "again" => (0..2).for_each(|_| poll(&mut rig, Until::Published)),
        "scrapes" => {
            poll(&mut rig, Until::Published);
            scrape(&rig);
        }
        _ => panic!("none, read, render, poll, again or scrapes; not {part}"),
    }
    runtime.shutdown_timeout(Duration::ZERO);
}

fn scrape(rig: &Rig) {
    let page = rig.published.latest().expect("polled");
    for _ in 0..SCRAPES {
        let body = page.respond(Format::OpenMetrics100, Encoding::Gzip, &rig.own.text(), None);
        black_box(body.length());
    }
}
