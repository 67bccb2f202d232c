//! What work costs: processor time of this process and its memory, as the kernel counts them.

use std::fs;
use std::time::{Duration, Instant};

/// A stretch of work.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Processor time of all threads.
    pub(crate) cpu: Duration,
    /// Time that went by.
    pub(crate) wall: Duration,
}

/// When a stretch of work began.
#[derive(Debug)]
pub(crate) struct Meter {
    cpu: Duration,
    wall: Instant,
}

impl Meter {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn start() -> Self {
        Self { cpu: cpu("self"), wall: Instant::now() }
    }

    pub(crate) fn stop(&self) -> Cost {
        Cost { cpu: cpu("self").saturating_sub(self.cpu), wall: self.wall.elapsed() }
    }
}

/// Runs something and says what it cost.
pub(crate) fn costs<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let meter = Meter::start();
    let result = work();
    (result, meter.stop())
}

/// Processor time of every thread of a process that lives, in the scheduler's nanoseconds: `/proc/self/stat` counts in
/// hundredths of a second, which is too coarse for a scrape.
pub(crate) fn cpu(process: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("Linux lists threads");
    let nanos = threads.flatten().filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// A figure of a process's memory in bytes, such as `VmRSS` or `VmHWM`.
pub(crate) fn memory(process: &str, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("Linux gives memory in KiB") * 1024
}

/// Starts counting the peak of a process's memory anew.
pub(crate) fn forget_peak(process: &str) {
    // Where the kernel does not allow it the peak is that of the whole run, which is more and not less.
    drop(fs::write(format!("/proc/{process}/clear_refs"), "5"));
}
