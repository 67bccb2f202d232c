//! What a client can read, from its Accept and Accept-Encoding.
//!
//! Quality values count as in RFC 9110: the most specific range that fits a format gives its quality, the higher
//! quality wins, then the more specific range, then the one named first. What cannot be understood is passed over,
//! and a client that accepts nothing we have gets text 0.0.4 without encoding, which everything can read.

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text004,
    /// OpenMetrics 1.0.0.
    OpenMetrics100,
}

/// A content encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// One gzip member.
    Gzip,
}

/// Thousandths, 0 to 1000.
type Quality = u16;

/// One element of Accept that was understood.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    quality: Quality,
}

/// How well the header's ranges fit a format; compared in the order of the fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    quality: Quality,
    specificity: u8,
    earliness: usize,
}

impl Format {
    /// The content type of a page in this format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics100 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// How specifically a range names this format: not at all, by `*/*`, by its type, or by name.
    fn specificity(self, range: &Range<'_>) -> Option<u8> {
        let (name, kind, versions): (_, _, &[&str]) = match self {
            Self::Text004 => ("text/plain", "text/*", &["0.0.4"]),
            // What 0.0.1 asked for is what 1.0.0 became; Prometheus treats both alike.
            Self::OpenMetrics100 => ("application/openmetrics-text", "application/*", &["1.0.0", "0.0.1"]),
        };
        if range.media.eq_ignore_ascii_case(name) {
            range.version.is_none_or(|version| versions.contains(&version)).then_some(2)
        } else if range.media.eq_ignore_ascii_case(kind) {
            Some(1)
        } else {
            (range.media == "*/*").then_some(0)
        }
    }

    fn fit(self, ranges: &[Range<'_>]) -> Option<Fit> {
        let fits = ranges.iter().enumerate().filter_map(|(at, range)| {
            let specificity = self.specificity(range)?;
            Some(Fit { quality: range.quality, specificity, earliness: usize::MAX - at })
        });
        let best = fits.max_by_key(|fit| (fit.specificity, fit.quality, fit.earliness))?;
        (best.quality > 0).then_some(best)
    }
}

impl Encoding {
    /// The value of Content-Encoding; none where the header is left out.
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
        }
    }
}

/// The format and the encoding for a client that sent these headers; several lines of one are joined by commas.
pub fn negotiate(accept: Option<&str>, accept_encoding: Option<&str>) -> (Format, Encoding) {
    (accept.map_or(Format::Text004, format), accept_encoding.map_or(Encoding::Identity, encoding))
}

fn format(accept: &str) -> Format {
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(range).collect();
    match (Format::Text004.fit(&ranges), Format::OpenMetrics100.fit(&ranges)) {
        (Some(text), Some(open)) if text < open => {
            // The same `*/*` fits both; then the older format is the safer answer.
            Format::OpenMetrics100
        }
        (None, Some(_)) => Format::OpenMetrics100,
        (Some(_) | None, _) => Format::Text004,
    }
}

fn range(element: &str) -> Option<Range<'_>> {
    let mut parts = element.split(';').map(str::trim);
    let mut range = Range { media: parts.next()?, version: None, quality: 1000 };
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        if name.eq_ignore_ascii_case("q") {
            range.quality = quality(value)?;
        } else if name.eq_ignore_ascii_case("version") {
            range.version = Some(value.trim_matches('"'));
        }
    }
    Some(range)
}

fn encoding(accept_encoding: &str) -> Encoding {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for element in accept_encoding.split(',') {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let Some(quality) = coding_quality(parameters) else { continue };
        let coding = coding.trim().to_ascii_lowercase();
        match coding.as_str() {
            "gzip" | "x-gzip" => gzip = gzip.max(Some(quality)),
            "*" => any = any.max(Some(quality)),
            "identity" => identity = identity.max(Some(quality)),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    if gzip > 0 && gzip >= identity.unwrap_or(0) { Encoding::Gzip } else { Encoding::Identity }
}

fn coding_quality(parameters: &str) -> Option<Quality> {
    let parameters = parameters.split(';').filter_map(|part| part.split_once('='));
    let mut values = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    values.next().map_or(Some(1000), |(_, value)| quality(value))
}

/// `0`, `0.5`, `1.000`: at most three digits behind the point and at most 1.
fn quality(value: &str) -> Option<Quality> {
    let (whole, thousandths) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if thousandths.len() > 3 || !thousandths.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: Quality = format!("{thousandths:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Gzip, Identity};
    use Format::{OpenMetrics100 as Open, Text004 as Text};
    use proptest::prelude::*;

    #[test]
    fn the_format_follows_accept() {
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let protobuf_first = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let table = [
            (prometheus_2_42, Open),
            (prometheus_3, Open),
            (protobuf_first, Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            ("*/*", Text),
            ("", Text),
            (" , ;;, =;q", Text),
            ("application/json", Text),
            ("application/openmetrics-text", Open),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1", Open),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;version=2.0.0,application/openmetrics-text;q=0.1", Open),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=0,*/*", Text),
            ("application/openmetrics-text;q=0.000,text/plain;q=0.001", Text),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.4", Open),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", Text),
            ("application/openmetrics-text,text/plain", Open),
            ("text/plain,application/openmetrics-text", Text),
            ("text/plain;q=0,*/*", Open),
            ("text/*;q=0.2,application/*;q=0.3", Open),
            ("application/openmetrics-text,*/*", Open),
            ("application/openmetrics-text;q=7,text/plain;q=0.1", Text),
            ("application/openmetrics-text;q=-1", Text),
            ("application/openmetrics-text;q=0.1234", Text),
            ("application/openmetrics-text;q=NaN", Text),
        ];
        for (accept, expected) in table {
            assert_eq!(negotiate(Some(accept), None), (expected, Identity), "{accept}");
        }
        assert_eq!(negotiate(None, None), (Text, Identity));
    }

    #[test]
    fn the_encoding_follows_accept_encoding() {
        let table = [
            ("gzip", Gzip),
            ("GZIP", Gzip),
            ("x-gzip", Gzip),
            ("deflate, gzip, br, zstd", Gzip),
            ("gzip;q=0.5", Gzip),
            ("gzip; q=0.001 ", Gzip),
            ("gzip;q=0", Identity),
            ("gzip;q=0, *", Identity),
            ("*", Gzip),
            ("*;q=0", Identity),
            ("identity", Identity),
            ("identity, gzip", Gzip),
            ("identity, gzip;q=0.9", Identity),
            ("identity;q=0.5, *;q=0.1", Identity),
            ("br", Identity),
            ("gzip;q=two", Identity),
            ("gzip;level=9", Gzip),
            ("", Identity),
            (",,;", Identity),
            ("gzipped", Identity),
        ];
        for (accept_encoding, expected) in table {
            assert_eq!(negotiate(None, Some(accept_encoding)).1, expected, "{accept_encoding}");
        }
    }

    proptest! {
        #[test]
        fn any_header_gives_an_answer(accept in any::<String>(), accept_encoding in any::<String>()) {
            negotiate(Some(&accept), Some(&accept_encoding));
        }

        #[test]
        fn nearly_right_headers_give_an_answer(header in "([a-z*/=;,. \"q0-9]|q=|text/plain|\\*/\\*|gzip){0,40}") {
            negotiate(Some(&header), Some(&header));
        }

        #[test]
        fn the_higher_quality_wins(text in 0u16..=999, open in 0u16..=999) {
            let accept = format!("text/plain;q=0.{text:03},application/openmetrics-text;q=0.{open:03}");
            let expected = if open > text { Open } else { Text };
            prop_assert_eq!(negotiate(Some(&accept), None).0, expected);
        }
    }
}
