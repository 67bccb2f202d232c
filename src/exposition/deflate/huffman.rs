//! Huffman codes for deflate, from counted symbols.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// No code is longer, so that four of them fit a 64-bit buffer with seven bits in it.
pub(super) const LONGEST: u32 = 12;

/// Bits as deflate writes them, the first in the lowest place, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u64,
    pub(super) length: u32,
}

impl Code {
    /// This code with another behind it.
    pub(super) const fn then(self, next: Self) -> Self {
        Self { bits: self.bits | next.bits << self.length, length: self.length + next.length }
    }
}

/// A complete code in which every symbol has a place, also one that was never counted.
pub(super) fn codes(counts: &[u64]) -> Vec<Code> {
    let mut counts: Vec<u64> = counts.iter().map(|count| count + 1).collect();
    loop {
        let lengths = lengths(&counts);
        if lengths.iter().all(|length| *length <= LONGEST) {
            return canonical(&lengths);
        }
        // Flatter counts make a flatter tree; in the end all are one and the tree is as flat as can be.
        counts.iter_mut().for_each(|count| *count = count.div_ceil(4));
    }
}

/// How deep each symbol lies in the tree of these counts, of which there are at least two.
fn lengths(counts: &[u64]) -> Vec<u32> {
    let mut heap: BinaryHeap<Reverse<(u64, usize)>> =
        counts.iter().enumerate().map(|(symbol, count)| Reverse((*count, symbol))).collect();
    let mut parents = vec![0; counts.len()];
    while let (Some(Reverse((rarest, left))), Some(Reverse((rarer, right)))) = (heap.pop(), heap.pop()) {
        let parent = parents.len();
        parents[left] = parent;
        parents[right] = parent;
        // The parent's own parent is not known yet; that of the last one, the root, is itself.
        parents.push(parent);
        if heap.is_empty() {
            break;
        }
        heap.push(Reverse((rarest + rarer, parent)));
    }
    let mut depths = vec![0; parents.len()];
    // Every parent stands behind its children.
    for node in (0..parents.len() - 1).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(counts.len());
    depths
}

/// Codes of the same length follow one another in the order of their symbols (RFC 1951, 3.2.2).
fn canonical(lengths: &[u32]) -> Vec<Code> {
    let mut codes = vec![Code::default(); lengths.len()];
    let mut next = 0_u64;
    for length in 1..=LONGEST {
        next <<= 1;
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, own)| **own == length) {
            codes[symbol] = Code { bits: next.reverse_bits() >> (u64::BITS - length), length };
            next += 1;
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_frequent_is_short_and_codes_are_those_of_the_standard() {
        let codes = codes(&[99, 9, 4, 4]);
        let told: Vec<(u64, u32)> = codes.iter().map(|code| (code.bits, code.length)).collect();
        assert_eq!(told, [(0b0, 1), (0b01, 2), (0b011, 3), (0b111, 3)]);
    }

    proptest! {
        #[test]
        fn a_code_is_complete_and_not_too_long(counts in prop::collection::vec(0_u64..1 << 40, 2..286)) {
            let codes = codes(&counts);
            prop_assert!(codes.iter().all(|code| (1..=LONGEST).contains(&code.length)));
            let room: u32 = codes.iter().map(|code| 1 << (LONGEST - code.length)).sum();
            prop_assert_eq!(room, 1 << LONGEST);
        }
    }
}
