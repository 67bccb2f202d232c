//! A small deterministic source of chance, so that the same seed makes the same world on every machine.
//!
//! Why not the `rand` crate: its generators may change between versions, and a seed that tests rely on must not.

/// `SplitMix64`: one word of state, good enough to move a pretended fleet.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A stream of its own for each `(seed, stream)`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut start = Self(seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self(start.next() ^ stream)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u128::from(high.abs_diff(low)) + 1;
        let offset = (u128::from(self.next()) * span) >> 64;
        low + i64::try_from(offset).expect("the span of two i64 that fit a simulation is small")
    }

    /// A number from 0 (included) to 1 (excluded).
    pub(super) fn unit(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).expect("the upper half of a u64 fits u32");
        f64::from(bits) / 4_294_967_296.0
    }

    /// A number from `low` to `high`.
    pub(super) fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let last = i64::try_from(of.len()).expect("a short list") - 1;
        let index = self.between(0, last);
        &of[usize::try_from(index).expect("not negative")]
    }

    /// Puts what is here into any order.
    pub(super) fn shuffle<T>(&mut self, these: &mut [T]) {
        for at in (1..these.len()).rev() {
            let last = i64::try_from(at).expect("a short list");
            these.swap(at, usize::try_from(self.between(0, last)).expect("not negative"));
        }
    }

    /// A made-up UUID.
    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let mut text = format!("{a:016x}{b:016x}");
        for at in [20, 16, 12, 8] {
            text.insert(at, '-');
        }
        text
    }
}

/// The whole part of a number that is far below 2^53.
#[expect(clippy::cast_possible_truncation, reason = "the simulated sizes and times are far below 2^53")]
pub(super) fn whole(number: f64) -> i64 {
    number as i64
}

/// A whole number as a real one.
#[expect(clippy::cast_precision_loss, reason = "the simulated sizes and times are far below 2^53")]
pub(super) fn real(number: i64) -> f64 {
    number as f64
}

/// Rounded to two decimals, as the service prints speeds and percentages.
pub(super) fn two_decimals(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_stream_give_the_same_numbers_and_others_do_not() {
        let draw = |seed, stream| {
            let mut random = Random::new(seed, stream);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_reach_both_ends() {
        let mut random = Random::new(1, 1);
        let drawn: Vec<i64> = (0..200).map(|_| random.between(3, 6)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&6)));
        assert!((0..200).map(|_| random.unit()).all(|x| (0.0..1.0).contains(&x)));
        assert_eq!(random.uuid().len(), 36);
    }

    #[test]
    fn every_order_of_three_comes_about_as_often_as_the_others() {
        let (mut random, mut seen) = (Random::new(1, 1), std::collections::BTreeMap::new());
        for _ in 0..600 {
            let mut three = [1, 2, 3];
            random.shuffle(&mut three);
            *seen.entry(three).or_insert(0) += 1;
        }
        assert!(seen.len() == 6 && seen.values().all(|times| (60..140).contains(times)), "{seen:?}");
    }
}
