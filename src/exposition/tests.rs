//! Properties of whole pages: every way of asking gives the same content, and blocks are shared.

use super::*;
use flate2::read::GzDecoder;
use proptest::prelude::*;
use std::io::Read;
use std::sync::Arc;

const DESCS: [Desc; 4] = [
    Desc { name: "t_speed_bytes", help: "A \"speed\".", unit: Some("bytes"), kind: Kind::Gauge },
    Desc { name: "t_gone_total", help: "Gone.", unit: None, kind: Kind::Counter },
    Desc { name: "t_thing_info", help: "A thing.", unit: None, kind: Kind::Info },
    Desc { name: "t_up", help: "Up or\ndown.", unit: None, kind: Kind::Gauge },
];

const OWN: &str = "# HELP own_polls Polls.\n# TYPE own_polls counter\nown_polls_total 3\n# EOF\n";

/// For each family and account the label values and numbers of its samples.
type Content = Vec<Vec<Vec<(String, f64)>>>;

fn content() -> impl Strategy<Value = Content> {
    let sample = (any::<String>(), any::<f64>());
    let family = prop::collection::vec(prop::collection::vec(sample, 0..30), 0..3);
    prop::collection::vec(family, 0..=DESCS.len())
}

fn block(desc: &'static Desc, account: usize, samples: &[(String, f64)]) -> Arc<Block> {
    let labels = Labels::new(&[("account", &account.to_string())]);
    let mut lines = Samples::new(desc);
    for (at, (name, value)) in samples.iter().enumerate() {
        lines.push(&labels, &[("at", &at.to_string()), ("name", name)], *value);
    }
    Block::seal(lines, None)
}

fn page(content: &Content) -> Page {
    let family = |(desc, accounts): (&'static Desc, &Vec<Vec<_>>)| {
        let blocks = accounts.iter().enumerate().map(|(account, samples)| block(desc, account, samples));
        (desc, blocks.collect())
    };
    Page::new(DESCS.iter().zip(content).map(family).collect())
}

fn inflate(gzip: &[u8]) -> Vec<u8> {
    let (mut decoder, mut plain) = (GzDecoder::new(gzip), Vec::new());
    decoder.read_to_end(&mut plain).expect("a valid gzip member");
    assert!(decoder.into_inner().is_empty(), "one member and nothing behind it");
    plain
}

fn text(page: &Page, format: Format, select: Option<&dyn Fn(&str) -> bool>) -> String {
    let body = page.respond(format, Encoding::Identity, OWN, select).concat();
    String::from_utf8(body).expect("a page is UTF-8")
}

proptest! {
    #[test]
    fn a_spliced_page_inflates_to_the_identity_page(content in content()) {
        let page = page(&content);
        for format in [Format::Text004, Format::OpenMetrics100] {
            let identity = page.respond(format, Encoding::Identity, OWN, None);
            let gzip = page.respond(format, Encoding::Gzip, OWN, None);
            let (plain_length, gzip_length) = (identity.length(), gzip.length());
            let (identity, gzip) = (identity.concat(), gzip.concat());
            prop_assert_eq!(u64::try_from(identity.len()).unwrap(), plain_length);
            prop_assert_eq!(u64::try_from(gzip.len()).unwrap(), gzip_length);
            prop_assert_eq!(inflate(&gzip), identity);
        }
    }

    #[test]
    fn a_selected_page_inflates_to_the_selected_identity_page(content in content(), kept in any::<[bool; 4]>()) {
        let page = page(&content);
        let keeps = |name: &str| DESCS.iter().zip(kept).any(|(desc, kept)| kept && desc.name == name);
        let gzip = page.respond(Format::Text004, Encoding::Gzip, OWN, Some(&keeps)).concat();
        let identity = text(&page, Format::Text004, Some(&keeps));
        prop_assert_eq!(String::from_utf8(inflate(&gzip)).expect("a page is UTF-8"), identity.clone());
        for (desc, kept) in DESCS.iter().zip(kept) {
            prop_assert!(kept || !identity.contains(desc.name));
        }
        prop_assert!(identity.ends_with("own_polls_total 3\n"));
    }

    #[test]
    fn both_formats_have_the_same_samples(content in content()) {
        let page = page(&content);
        let samples = |format| -> Vec<String> {
            text(&page, format, None).split('\n').filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        prop_assert_eq!(samples(Format::Text004), samples(Format::OpenMetrics100));
    }

    #[test]
    fn the_page_counts_what_it_holds(content in content()) {
        let page = page(&content);
        let counted: usize = page.series().map(|(_, series)| series).sum();
        prop_assert_eq!(counted, content.iter().flatten().map(Vec::len).sum::<usize>());
        let own = u64::try_from(own::text004(OWN).len()).unwrap();
        let whole = page.respond(Format::Text004, Encoding::Identity, OWN, None).length();
        prop_assert_eq!(page.length(Encoding::Identity) + own, whole);
    }
}

#[test]
fn a_page_is_written_in_both_formats() {
    let one = |name: &str, value| vec![vec![(name.to_owned(), value)]];
    let page = page(&vec![one("a", 1.5), vec![vec![]], one("c", 1.0), vec![]]);
    let expected = "# HELP t_speed_bytes A \"speed\".\n\
        # TYPE t_speed_bytes gauge\n\
        t_speed_bytes{account=\"0\",at=\"0\",name=\"a\"} 1.5\n\
        # HELP t_thing_info A thing.\n\
        # TYPE t_thing_info gauge\n\
        t_thing_info{account=\"0\",at=\"0\",name=\"c\"} 1\n\
        # HELP own_polls_total Polls.\n\
        # TYPE own_polls_total counter\n\
        own_polls_total 3\n";
    assert_eq!(text(&page, Format::Text004, None), expected);
    let expected = "# HELP t_speed_bytes A \\\"speed\\\".\n\
        # TYPE t_speed_bytes gauge\n\
        # UNIT t_speed_bytes bytes\n\
        t_speed_bytes{account=\"0\",at=\"0\",name=\"a\"} 1.5\n\
        # HELP t_thing A thing.\n\
        # TYPE t_thing info\n\
        t_thing_info{account=\"0\",at=\"0\",name=\"c\"} 1\n\
        # HELP own_polls Polls.\n\
        # TYPE own_polls counter\n\
        own_polls_total 3\n\
        # EOF\n";
    assert_eq!(text(&page, Format::OpenMetrics100, None), expected);
}

#[test]
fn a_family_that_is_given_twice_stands_on_the_page_once() {
    let desc = &DESCS[3];
    let first = block(desc, 0, &[("a".to_owned(), 1.0)]);
    let second = block(desc, 1, &[("b".to_owned(), 2.0)]);
    let page = Page::new(vec![(desc, vec![first]), (desc, vec![second])]);
    let text = text(&page, Format::Text004, None);
    assert_eq!(text.matches("# TYPE t_up gauge\n").count(), 1);
    assert_eq!(page.series().collect::<Vec<_>>(), [(desc, 2)]);
}

#[test]
fn responses_share_the_blocks_of_the_page() {
    let desc = &DESCS[3];
    let block = block(desc, 0, &[("a".to_owned(), 1.0)]);
    let page = Page::new(vec![(desc, vec![Arc::clone(&block)])]);
    let plain = block.identity().piece(0).expect("not empty");
    for (encoding, held) in [(Encoding::Gzip, block.deflated()), (Encoding::Identity, &plain)] {
        let mut body = page.respond(Format::Text004, encoding, OWN, None);
        assert!(body.any(|piece| piece.as_ptr() == held.as_ptr()), "{encoding:?}");
    }
}

#[test]
fn a_long_page_is_the_same_in_every_way_of_asking() {
    let samples: Vec<_> = (0..9000).map(|at: u32| (format!("server-{at:05}"), f64::from(at) / 8.0)).collect();
    let page = page(&vec![vec![samples.clone(), samples.clone()], vec![samples]]);
    for format in [Format::Text004, Format::OpenMetrics100] {
        let identity = page.respond(format, Encoding::Identity, OWN, None);
        let length = identity.length();
        let identity = identity.concat();
        assert_eq!(u64::try_from(identity.len()).unwrap(), length);
        assert!(inflate(&page.respond(format, Encoding::Gzip, OWN, None).concat()) == identity);
        assert_eq!(identity.iter().filter(|byte| **byte == b'\n').count() / 1000, 27);
    }
}

#[test]
fn a_page_without_families_is_the_exporters_own_metrics() {
    let page = Page::default();
    assert_eq!(text(&page, Format::OpenMetrics100, None), OWN);
    let gzip = page.respond(Format::OpenMetrics100, Encoding::Gzip, OWN, None).concat();
    assert_eq!(inflate(&gzip), OWN.as_bytes());
}
