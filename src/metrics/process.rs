//! The process as the kernel sees it, read from `/proc/self` when it is asked for.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::catalogue::Family;

/// Clock ticks a second in `/proc`: fixed to 100 on every Linux architecture that Rust's standard library runs on.
const TICKS: f64 = 100.0;

/// Bytes of a page; `/proc/self/statm` counts in pages, `/proc/self/status` in KiB, so the latter is read.
const KIB: u64 = 1024;

/// Figures of the process; absent where the kernel does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    /// Reads the figures.
    pub(super) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let stat = text("/proc/self/stat");
        Self {
            cpu_seconds: cpu_seconds(&stat),
            resident_bytes: resident(&text("/proc/self/status")),
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .and_then(|entries| u64::try_from(entries.count()).ok()),
            max_fds: max_fds(&text("/proc/self/limits")),
            start_seconds: start_seconds(&stat, &text("/proc/stat")),
        }
    }
}

/// The fields behind the command's name, which may itself hold spaces and parentheses.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

fn ticks(stat: &str, field: usize) -> Option<f64> {
    fields(stat)?.get(field)?.parse::<f64>().ok().map(|ticks| ticks / TICKS)
}

/// Fields 14 and 15 of proc(5), counted from 1 with the name; 11 and 12 behind it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some(ticks(stat, 11)? + ticks(stat, 12)?)
}

/// Field 22 of proc(5), counted from the boot that `btime` tells.
fn start_seconds(stat: &str, system: &str) -> Option<f64> {
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + ticks(stat, 19)?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * KIB)
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Encodes the process's figures as they are when the page is asked for.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let process = Process::read();
        if let Some(seconds) = process.cpu_seconds {
            let desc = Family::ProcessCpu.desc();
            let name = desc.name.trim_end_matches("_total");
            let counter = ConstCounter::new(seconds);
            let metric = encoder.encode_descriptor(
                name,
                desc.help,
                None,
                prometheus_client::metrics::MetricType::Counter,
            )?;
            counter.encode(metric)?;
        }
        let whole = [
            (Family::ProcessMemory, process.resident_bytes),
            (Family::ProcessOpenFds, process.open_fds),
            (Family::ProcessMaxFds, process.max_fds),
        ];
        for (family, value) in whole {
            if let Some(value) = value {
                gauge(&mut encoder, family, ConstGauge::new(value))?;
            }
        }
        process
            .start_seconds
            .map_or(Ok(()), |start| gauge(&mut encoder, Family::ProcessStartTime, ConstGauge::new(start)))
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    family: Family,
    gauge: impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    let desc = family.desc();
    let metric = encoder.encode_descriptor(desc.name, desc.help, None, gauge.metric_type())?;
    gauge.encode(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 12345 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(start_seconds(stat, "cpu 1\nbtime 1000\n"), Some(1123.45));
    }

    #[test]
    fn memory_and_limits_are_read_and_nonsense_is_absent() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\n"), Some(1_263_616));
        assert_eq!(
            max_fds(
                "Limit Soft Hard Units\nMax open files            1024                 524288               files\n"
            ),
            Some(1024)
        );
        assert_eq!((resident(""), max_fds(""), cpu_seconds("")), (None, None, None));
    }

    #[test]
    fn this_process_has_memory_and_open_files() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 0 && process.open_fds.unwrap() > 0);
        assert!(process.cpu_seconds.is_some() && process.start_seconds.unwrap() > 1e9);
    }
}
