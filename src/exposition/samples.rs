//! The sample lines of one family, growing.

use super::Desc;
use super::labels::{Labels, push_pair};
use super::number::Number;
use super::text::{Growing, Text};

/// The sample lines of one family, as bytes that both formats share, and how many they are.
#[derive(Debug)]
pub struct Samples {
    name: &'static str,
    text: Growing,
    series: usize,
}

impl Samples {
    /// No samples yet of the family described.
    pub fn new(desc: &'static Desc) -> Self {
        Self { name: desc.name, text: Growing::default(), series: 0 }
    }

    /// As [`Samples::new`], with room for so many bytes, for example as many as the last poll made.
    pub fn with_capacity(desc: &'static Desc, bytes: usize) -> Self {
        Self { name: desc.name, text: Growing::with_capacity(bytes), series: 0 }
    }

    /// Appends one sample: an object's labels, those of this sample alone, and its value.
    pub fn push(&mut self, labels: &Labels, extra: &[(&str, &str)], value: impl Into<Number>) {
        let bytes = self.text.tail();
        bytes.extend_from_slice(self.name.as_bytes());
        let shared = labels.as_bytes();
        if !shared.is_empty() || !extra.is_empty() {
            bytes.push(b'{');
            bytes.extend_from_slice(shared);
            let mut comma = !shared.is_empty();
            for (name, label) in extra {
                push_pair(bytes, comma, name, label);
                comma = true;
            }
            bytes.push(b'}');
        }
        bytes.push(b' ');
        value.into().push_to(bytes);
        bytes.push(b'\n');
        self.text.settle();
        self.series += 1;
    }

    /// Appends lines of the same family that were rendered before, and their count.
    pub fn append(&mut self, lines: &[u8], series: usize) {
        self.text.tail().extend_from_slice(lines);
        self.text.settle();
        self.series += series;
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series == 0
    }

    pub(super) fn into_text(self) -> Text {
        self.text.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    const SPEED: Desc = Desc { name: "speed", help: "How fast.", unit: None, kind: Kind::Gauge };

    #[test]
    fn samples_are_lines_with_braces_only_where_there_are_labels() {
        let mut samples = Samples::new(&SPEED);
        samples.push(&Labels::default(), &[], 1u64);
        samples.push(&Labels::default(), &[("x", "1")], -2i64);
        samples.push(&Labels::new(&[("a", "b")]), &[], 0.5);
        samples.push(&Labels::new(&[("a", "b")]), &[("x", "\""), ("y", "")], f64::NAN);
        let expected =
            "speed 1\nspeed{x=\"1\"} -2\nspeed{a=\"b\"} 0.5\nspeed{a=\"b\",x=\"\\\"\",y=\"\"} NaN\n";
        assert_eq!(std::str::from_utf8(samples.text.tail()), Ok(expected));
        assert_eq!(samples.len(), 4);
    }

    #[test]
    fn lines_rendered_before_are_taken_as_they_are() {
        let mut earlier = Samples::new(&SPEED);
        earlier.push(&Labels::default(), &[], 1u64);
        let mut samples = Samples::with_capacity(&SPEED, 64);
        assert!(samples.is_empty());
        samples.append(earlier.text.tail(), earlier.series);
        assert_eq!((&**samples.text.tail(), samples.series), (&b"speed 1\n"[..], 1));
    }
}
