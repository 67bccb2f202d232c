//! Values of samples, written so that both formats read them back exactly.

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// A whole number that is never negative.
    Uint(u64),
    /// Anything else, NaN and the infinities included.
    Float(f64),
}

/// Floats that are whole and smaller than this are written as integers; each is exact.
const WHOLE_BELOW: f64 = 1e15;

impl Number {
    /// Appends the shortest text that reads back as the same number.
    pub(super) fn push_to(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Int(value) => bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            Self::Uint(value) => bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            Self::Float(value) => push_float(bytes, value),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within ±1e15, so the cast is exact")]
fn push_float(bytes: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        bytes.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        bytes.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() < WHOLE_BELOW && value.fract() == 0.0 {
        Number::Int(value as i64).push_to(bytes);
    } else {
        bytes.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::Uint(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        // No target has a usize wider than 64 bits; saturating is the harmless answer if one ever does.
        Self::Uint(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Uint(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: impl Into<Number>) -> String {
        let mut bytes = Vec::new();
        value.into().push_to(&mut bytes);
        String::from_utf8(bytes).expect("numbers are ASCII")
    }

    #[test]
    fn numbers_are_written_as_both_formats_read_them() {
        let written = [
            text(0.0),
            text(-0.0),
            text(1.0),
            text(0.25),
            text(1_754_000_000.125),
            text(1e15),
            text(1e21),
            text(5e-324),
            text(f64::NAN),
            text(f64::INFINITY),
            text(f64::NEG_INFINITY),
            text(i64::MIN),
            text(u64::MAX),
            text(true),
        ];
        let expected = [
            "0",
            "0",
            "1",
            "0.25",
            "1754000000.125",
            "1000000000000000.0",
            "1e+21",
            "5e-324",
            "NaN",
            "+Inf",
            "-Inf",
            "-9223372036854775808",
            "18446744073709551615",
            "1",
        ];
        assert_eq!(written, expected);
    }

    proptest! {
        #[test]
        fn floats_round_trip(value in any::<f64>()) {
            let read: f64 = text(value).parse().expect("a float");
            prop_assert!(read == value || (read.is_nan() && value.is_nan()));
        }
    }
}
