//! The exporter's own metrics, written by prometheus-client, in the dialect of the rest of the page.
//!
//! prometheus-client writes OpenMetrics alone. What it writes is the page's end in OpenMetrics, and in text 0.0.4
//! after a change of the families' headers; the sample lines are the same in both. Two of its habits are not ours:
//! its `Family` is ordered by hash, which [`SortedFamily`] is not, and it does not escape HELP, so help texts must
//! be plain.

mod family;

pub use family::SortedFamily;

const END: &str = "# EOF\n";

/// The text as the end of an OpenMetrics page: it ends in exactly one end mark.
pub fn openmetrics(own: &str) -> String {
    let mut page = own.strip_suffix(END).unwrap_or(own).to_owned();
    page.push_str(END);
    page
}

/// The same in text 0.0.4: counters and infos are named in the headers as their samples are, an info is a gauge,
/// and there are no lines for units and for the end. Exemplars are not known to 0.0.4; the exporter has none.
pub fn text004(own: &str) -> String {
    let mut page = String::with_capacity(own.len());
    // The help line comes first, but the type that decides its name only in the line below.
    let mut help = None;
    for line in own.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').or(Some((rest, "")));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = kind_of(kind);
            if let Some((_, help)) = help.take().filter(|(helped, _)| *helped == name) {
                page.push_str(&format!("# HELP {name}{suffix} {help}\n"));
            }
            page.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            page.push_str(line);
            page.push('\n');
        }
    }
    page
}

/// The families that `keeps` says, which is asked for the names in their headers.
pub fn select(own: &str, keeps: impl Fn(&str) -> bool) -> String {
    let mut kept = true;
    let mut page = String::with_capacity(own.len());
    for line in own.lines().filter(|line| *line != END.trim_end()) {
        // Whatever the first line of a family's header is, all of them name it.
        if let Some(header) = line.strip_prefix("# ") {
            kept = header.split(' ').nth(1).is_some_and(&keeps);
        }
        if kept {
            page.push_str(line);
            page.push('\n');
        }
    }
    page + END
}

/// The suffix of the family's name and the type in text 0.0.4.
fn kind_of(openmetrics: &str) -> (&'static str, &str) {
    match openmetrics {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        other => ("", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram, info::Info};
    use prometheus_client::registry::{Registry, Unit};

    fn registry() -> Registry {
        let mut registry = Registry::with_prefix("own");
        let polls: Counter = Counter::default();
        polls.inc_by(3);
        registry.register("polls", "Polls begun", polls);
        registry.register("build", "Version", Info::new([("version", "1 # x\n2")]));
        registry.register_with_unit("cpu", "CPU time", Unit::Seconds, Gauge::<i64>::default());
        let durations = Histogram::new([0.5, 2.0]);
        durations.observe(1.0);
        registry.register("wait", "How long", durations);
        registry
    }

    fn text() -> String {
        let mut text = String::new();
        encode(&mut text, &registry()).expect("writing to a string cannot fail");
        text
    }

    #[test]
    fn headers_in_text_0_0_4_name_the_samples() {
        let expected = "# HELP own_polls_total Polls begun.\n\
            # TYPE own_polls_total counter\n\
            own_polls_total 3\n\
            # HELP own_build_info Version.\n\
            # TYPE own_build_info gauge\n\
            own_build_info{version=\"1 # x\\n2\"} 1\n\
            # HELP own_cpu_seconds CPU time.\n\
            # TYPE own_cpu_seconds gauge\n\
            own_cpu_seconds 0\n\
            # HELP own_wait How long.\n\
            # TYPE own_wait histogram\n\
            own_wait_sum 1.0\n\
            own_wait_count 1\n\
            own_wait_bucket{le=\"0.5\"} 0\n\
            own_wait_bucket{le=\"2.0\"} 1\n\
            own_wait_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(text004(&text()), expected);
    }

    #[test]
    fn families_that_are_selected_keep_their_headers_and_the_others_leave_nothing() {
        let selected = select(&text(), |name| name == "own_polls" || name == "own_cpu_seconds");
        let expected = "# HELP own_polls Polls begun.\n# TYPE own_polls counter\nown_polls_total 3\n\
            # HELP own_cpu_seconds CPU time.\n# TYPE own_cpu_seconds gauge\n# UNIT own_cpu_seconds seconds\n\
            own_cpu_seconds 0\n# EOF\n";
        assert_eq!(selected, expected);
        assert_eq!(select(&text(), |_| true), text());
        assert_eq!(select(&text(), |_| false), "# EOF\n");
    }

    #[test]
    fn an_openmetrics_page_ends_once() {
        assert_eq!(openmetrics(&text()), text());
        assert_eq!(openmetrics(""), "# EOF\n");
    }
}
