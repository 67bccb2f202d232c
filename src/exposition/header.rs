//! The lines above a family's samples, in both formats.

use super::accept::Format;
use super::{Desc, Kind};

/// The header of a family: `# HELP`, `# TYPE` and, in OpenMetrics where there is one, `# UNIT`.
pub(super) fn header(desc: &Desc, format: Format) -> String {
    let Desc { name, help, .. } = desc;
    match format {
        Format::Text004 => {
            let kind = match desc.kind {
                Kind::Gauge | Kind::Info => "gauge",
                Kind::Counter => "counter",
                Kind::Histogram => "histogram",
            };
            format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escape(help, false))
        }
        Format::OpenMetrics100 => {
            let family = family_name(desc);
            let kind = match desc.kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
                Kind::Info => "info",
                Kind::Histogram => "histogram",
            };
            let unit = unit_line(desc, family);
            format!("# HELP {family} {}\n# TYPE {family} {kind}\n{unit}", escape(help, true))
        }
    }
}

/// OpenMetrics' name of the family: that of its samples without the suffix that the type demands.
fn family_name(desc: &Desc) -> &'static str {
    let suffix = match desc.kind {
        Kind::Gauge | Kind::Histogram => "",
        Kind::Counter => "_total",
        Kind::Info => "_info",
    };
    desc.name.strip_suffix(suffix).unwrap_or(desc.name)
}

/// A unit that the name does not end in is an error to OpenMetrics' parsers, as is one of an info.
fn unit_line(desc: &Desc, family: &str) -> String {
    let named = |unit: &&str| family.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
    match desc.unit.filter(named) {
        Some(unit) if desc.kind != Kind::Info => format!("# UNIT {family} {unit}\n"),
        Some(_) | None => String::new(),
    }
}

fn escape(help: &str, quotes: bool) -> String {
    let escaped = help.replace('\\', r"\\").replace('\n', r"\n").replace('\0', "\u{FFFD}");
    if quotes { escaped.replace('"', "\\\"") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Desc =
        Desc { name: "a_size_bytes", help: "A \"size\"\\\n", unit: Some("bytes"), kind: Kind::Gauge };

    #[test]
    fn a_header_has_the_name_the_type_and_the_escapes_of_its_format() {
        let text = "# HELP a_size_bytes A \"size\"\\\\\\n\n# TYPE a_size_bytes gauge\n";
        let open = "# HELP a_size_bytes A \\\"size\\\"\\\\\\n\n# TYPE a_size_bytes gauge\n# UNIT a_size_bytes bytes\n";
        assert_eq!(header(&SIZE, Format::Text004), text);
        assert_eq!(header(&SIZE, Format::OpenMetrics100), open);
    }

    #[test]
    fn counters_and_infos_lose_their_suffix_in_openmetrics_alone() {
        let counter = Desc { name: "x_bytes_total", help: "X.", unit: Some("bytes"), kind: Kind::Counter };
        let info = Desc { name: "y_info", help: "Y.", unit: None, kind: Kind::Info };
        let headers = [counter, info]
            .map(|desc| header(&desc, Format::Text004) + &header(&desc, Format::OpenMetrics100));
        assert_eq!(
            headers,
            [
                "# HELP x_bytes_total X.\n# TYPE x_bytes_total counter\n\
                 # HELP x_bytes X.\n# TYPE x_bytes counter\n# UNIT x_bytes bytes\n",
                "# HELP y_info Y.\n# TYPE y_info gauge\n# HELP y Y.\n# TYPE y info\n",
            ]
        );
    }

    #[test]
    fn a_unit_that_the_name_does_not_end_in_is_left_out() {
        let desc = Desc { name: "megabytes", help: "M.", unit: Some("bytes"), kind: Kind::Gauge };
        assert_eq!(header(&desc, Format::OpenMetrics100), "# HELP megabytes M.\n# TYPE megabytes gauge\n");
    }
}
