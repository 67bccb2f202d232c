use super::*;
use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;

/// Inflates what is no whole stream, by a decoder that is not ours.
fn inflate(deflated: &[u8], length: usize) -> Vec<u8> {
    let mut plain = Vec::with_capacity(length + 64);
    let mut decoder = Decompress::new(false);
    decoder.decompress_vec(deflated, &mut plain, FlushDecompress::Sync).expect("valid deflate");
    assert_eq!(decoder.total_in(), u64::try_from(deflated.len()).unwrap(), "read to its end");
    plain
}

fn round_trip(text: &[u8]) -> usize {
    // Whatever stood there before.
    let mut room = b"before".repeat(text.len() % 100);
    let deflated = deflate(text, &mut room);
    assert!(deflated.ends_with(&[0, 0, 0xFF, 0xFF]), "a full flush at the end");
    assert!(inflate(deflated, text.len()) == text, "{:?}", String::from_utf8_lossy(text));
    deflated.len()
}

/// Lines that are like one another in every way in which sample lines are.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::sample::select(vec!["0", "1", "17.25", "NaN", "1754000000.125"]);
    let line = ("[a-c]{0,3}", "[0-9a-f\\\\\"]{0,40}", prop::bool::ANY, value);
    prop::collection::vec(line, 0..60).prop_map(|lines| {
        let line = |(name, id, more, value): (String, String, bool, &str)| {
            let more = if more { ",more=\"x\"" } else { "" };
            format!("family_of_samples{{account=\"a\",id=\"{id}\",name=\"{name}\"{more}}} {value}\n")
        };
        lines.into_iter().map(line).collect::<String>().into_bytes()
    })
}

proptest! {
    #[test]
    fn lines_come_back_as_they_were(text in lines()) {
        round_trip(&text);
    }

    #[test]
    fn whatever_is_no_line_comes_back_too(text in prop::collection::vec(any::<u8>(), 0..5000)) {
        round_trip(&text);
    }

    #[test]
    fn few_letters_with_many_seams_come_back_too(
        text in prop::collection::vec(prop::sample::select(b"ab\"\n\\".to_vec()), 0..3000),
    ) {
        round_trip(&text);
    }
}

#[test]
fn every_length_and_every_distance_is_told() {
    for length in (0..600).chain([32_765, 32_768, 32_769, 40_000, 70_000]) {
        let line = [vec![b'x'; length], vec![b'\n']].concat();
        let other = [vec![b'x'; length / 2], b"\"y".to_vec(), vec![b'x'; length / 2], vec![b'\n']].concat();
        round_trip(&[&line[..], &line, &other, &line, &other, b"x"].concat());
    }
}

#[test]
fn symbols_are_those_of_the_standard() {
    let symbol = |symbol, extra, bits| Symbol { symbol, extra, bits };
    let lengths = [3, 10, 11, 12, 13, 18, 19, 257, 258].map(length_symbol);
    let expected = [
        symbol(257, 0, 0),
        symbol(264, 0, 0),
        symbol(265, 0, 1),
        symbol(265, 1, 1),
        symbol(266, 0, 1),
        symbol(268, 1, 1),
        symbol(269, 0, 2),
        symbol(284, 30, 5),
        symbol(285, 0, 0),
    ];
    assert_eq!(lengths, expected);
    let distances = [1, 4, 5, 6, 7, 24_577, 32_768].map(distance_symbol);
    let expected = [
        symbol(0, 0, 0),
        symbol(3, 0, 0),
        symbol(4, 0, 1),
        symbol(4, 1, 1),
        symbol(5, 0, 1),
        symbol(29, 0, 13),
        symbol(29, 8191, 13),
    ];
    assert_eq!(distances, expected);
}

#[test]
fn a_page_of_similar_lines_becomes_small() {
    let line = |at: u64| {
        let id = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let pair = format!("source_id=\"{id:016x}\",source_name=\"server-{at:05}\"");
        format!("huaweicloud_sms_source_connected{{account=\"production\",{pair}}} {}\n", at % 7 / 6)
    };
    let text: String = (0..5000).map(line).collect();
    let length = round_trip(text.as_bytes());
    // Sixteen hexadecimal digits are eight bytes, and no code makes them fewer.
    assert!(length < 5000 * 20, "{length}");
}
