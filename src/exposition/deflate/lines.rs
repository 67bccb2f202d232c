//! Deflate for sample lines, several times faster than a general one.
//!
//! A family's lines differ from one another in a few label values and the number. So the only match that is
//! looked for is with the line before, at the same place; where the two differ, the next quote or line end of
//! both puts them side by side again. What is found so is written with Huffman codes made from a few pieces of
//! the text. Whatever the text is, the result is valid; only if it is not lines it is not small.

use super::huffman::{Code, codes};

/// Reaches back no farther (RFC 1951).
const WINDOW: usize = 32_768;

/// A match of at least this length is shorter than its literals.
const SHORTEST: usize = 4;

/// The longest match of one code.
const LONGEST_MATCH: usize = 258;

/// The symbol behind the last literal: the end of a block.
const END: usize = 256;

/// So many pieces of the text are counted to make the codes.
const PIECES: usize = 6;

/// How long each of these pieces is, in bytes.
const PIECE: usize = 12_288;

/// Where what is found goes.
trait Sink {
    fn literals(&mut self, bytes: &[u8]);
    fn copy(&mut self, length: usize, distance: usize);
}

/// The text as raw deflate that ends on a byte, in a full flush, and refers to nothing before it. It is written to
/// `room`, whatever that holds, which is made larger where it is too small.
pub(super) fn deflate<'a>(text: &[u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    let counts = Counts::of(text);
    let mut writer = Writer::new(room, &counts);
    let first = line_end(text, 0);
    writer.literals(&text[..first]);
    walk(text, 0, first, text.len(), &mut writer);
    writer.finish()
}

/// Tells `text[at..end]` by the line that begins at `from`, directly before.
fn walk(text: &[u8], mut from: usize, mut at: usize, end: usize, sink: &mut impl Sink) {
    while at < end {
        let run = common(text, from, at).min(end - at);
        if run >= SHORTEST && at - from <= WINDOW {
            sink.copy(run, at - from);
        } else {
            sink.literals(&text[at..at + run]);
        }
        (from, at) = (from + run, at + run);
        let rest = &text[at..end];
        let fresh = seam(rest).unwrap_or(rest.len());
        sink.literals(&rest[..fresh]);
        at += fresh;
        if at < end {
            from = side_by_side(text, from, at, fresh);
            if text[from] != text[at] {
                // The line before has no such place; the next seam may have one.
                sink.literals(&text[at..=at]);
                at += 1;
            }
        }
    }
}

/// The place in the line before that stands for the seam at `at`: not before `from`, and not behind its end.
/// The seam comes after `fresh` bytes that are new.
fn side_by_side(text: &[u8], from: usize, at: usize, fresh: usize) -> usize {
    let (before, sought) = (&text[from..at], text[at]);
    // Values of one label are mostly of one length.
    let near = seam(before).unwrap_or(before.len() - 1);
    if near == fresh && before[near] == sought {
        return from + near;
    }
    let line = before.iter().position(|byte| *byte == b'\n').unwrap_or(before.len() - 1);
    from + before[..line].iter().position(|byte| *byte == sought).unwrap_or(line)
}

/// Where the first quote or line end is, eight bytes at a time.
fn seam(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The lowest byte that is marked is zero; those above it may be marked for less.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\n')));
        if found != 0 {
            return Some(at * 8 + byte_of(found));
        }
    }
    let within = rest.iter().position(|byte| matches!(byte, b'"' | b'\n'))?;
    Some(words.len() * 8 + within)
}

/// The byte, counted from the lowest, that has the lowest bit.
fn byte_of(word: u64) -> usize {
    usize::try_from(word.trailing_zeros() / 8).expect("no more than eight")
}

/// How many bytes are the same at both places.
fn common(text: &[u8], from: usize, at: usize) -> usize {
    let (before, now) = (&text[from..], &text[at..]);
    let mut run = 0;
    for (before, now) in before.as_chunks::<8>().0.iter().zip(now.as_chunks::<8>().0) {
        let differing = u64::from_le_bytes(*before) ^ u64::from_le_bytes(*now);
        if differing != 0 {
            return run + byte_of(differing);
        }
        run += 8;
    }
    run + before[run..].iter().zip(&now[run..]).take_while(|(before, now)| before == now).count()
}

/// Where the line that holds `at` ends, its newline included.
fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length + 1)
}

/// How often each symbol comes in pieces of a text.
struct Counts {
    literals: Vec<u64>,
    distances: Vec<u64>,
}

impl Counts {
    fn of(text: &[u8]) -> Self {
        let mut counts = Self { literals: vec![0; END + 30], distances: vec![0; 30] };
        counts.literals[END] = 1;
        for piece in 0..PIECES {
            let from = match piece * (text.len() / PIECES) {
                0 => 0,
                middle => line_end(text, middle),
            };
            let at = line_end(text, from);
            walk(text, from, at, (at + PIECE).min(text.len()), &mut counts);
        }
        counts
    }
}

impl Sink for Counts {
    fn literals(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.literals[usize::from(*byte)] += 1);
    }

    fn copy(&mut self, length: usize, distance: usize) {
        for length in matches(length) {
            self.literals[length_symbol(length).symbol] += 1;
            self.distances[distance_symbol(distance).symbol] += 1;
        }
    }
}

/// A match as matches that one code can tell; none is shorter than three.
fn matches(mut length: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let next = match length {
            0 => return None,
            1..=LONGEST_MATCH => length,
            261.. => LONGEST_MATCH,
            // Leaves three.
            _ => length - 3,
        };
        length -= next;
        Some(next)
    })
}

/// A symbol with the bits behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Symbol {
    symbol: usize,
    extra: u64,
    bits: u32,
}

/// RFC 1951, 3.2.5: lengths from 3 to 258.
fn length_symbol(length: usize) -> Symbol {
    if length == LONGEST_MATCH {
        return Symbol { symbol: 285, extra: 0, bits: 0 };
    }
    steps(length - 3, 2, END + 1)
}

/// RFC 1951, 3.2.5: distances from 1 to 32,768.
fn distance_symbol(distance: usize) -> Symbol {
    steps(distance - 1, 1, 0)
}

/// Symbols whose steps double every `1 << doubling` symbols.
fn steps(value: usize, doubling: u32, first: usize) -> Symbol {
    let bits = value.checked_ilog2().map_or(0, |log| log.saturating_sub(doubling));
    let steps = usize::try_from(bits).expect("less than 64") << doubling;
    let low = value & ((1 << bits) - 1);
    let extra = u64::try_from(low).expect("no target has addresses wider than 64 bits");
    Symbol { symbol: first + steps + (value >> bits), extra, bits }
}

/// Writes symbols as bits.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Bytes of `out` that are written; those behind are room.
    written: usize,
    buffer: u64,
    /// Bits in the buffer that are no whole byte yet: at most seven.
    pending: u32,
    literals: Vec<Code>,
    lengths: Vec<Code>,
    distances: Vec<Code>,
    /// The last distance and its code: lines of one length are equally far from one another.
    near: (usize, Code),
}

impl<'a> Writer<'a> {
    /// Begins a block that is not the last, with codes of its own.
    fn new(out: &'a mut Vec<u8>, counts: &Counts) -> Self {
        let (literals, distances) = (codes(&counts.literals), codes(&counts.distances));
        let length = |length| with_extra(literals[length_symbol(length).symbol], length_symbol(length));
        let lengths = (0..=LONGEST_MATCH).map(|of| if of < 3 { Code::default() } else { length(of) });
        let lengths = lengths.collect();
        let near = (0, Code::default());
        let mut writer = Self { out, written: 0, buffer: 0, pending: 0, literals, lengths, distances, near };
        writer.header();
        writer
    }

    /// RFC 1951, 3.2.7. The lengths of codes are told in four bits each, which costs a few bytes and no thought.
    fn header(&mut self) {
        const SYMBOLS: u64 = 286 - 257;
        const DISTANCES: u64 = 30 - 1;
        const LENGTHS: u64 = 19 - 4;
        self.room(1024);
        self.put(0b100 | SYMBOLS << 3 | DISTANCES << 8 | LENGTHS << 13, 17);
        // In the standard's order the three that repeat come first; they are not used.
        self.put(0, 9);
        (0..16).for_each(|_| self.put(4, 3));
        let told: Vec<u32> = self.literals.iter().chain(&self.distances).map(|code| code.length).collect();
        told.into_iter().for_each(|length| self.put(u64::from(length.reverse_bits() >> 28), 4));
    }

    /// Ends the block, and fills the byte with an empty stored block.
    fn finish(mut self) -> &'a [u8] {
        self.room(64);
        let end = self.literals[END];
        self.put(end.bits, end.length);
        self.put(0, 3);
        self.put(0, (8 - self.pending) % 8);
        self.put(0xFFFF_0000, 32);
        &self.out[..self.written]
    }

    /// At most 48 bits, for which there is room.
    fn put(&mut self, bits: u64, count: u32) {
        self.buffer |= bits << self.pending;
        self.pending += count;
        self.out[self.written..self.written + 8].copy_from_slice(&self.buffer.to_le_bytes());
        let whole = self.pending & !7;
        self.written += usize::try_from(whole / 8).expect("at most six");
        self.buffer >>= whole;
        self.pending &= 7;
    }

    /// Makes room for so many bytes and the eight that are written at once.
    fn room(&mut self, bytes: usize) {
        let needed = self.written + bytes + 8;
        if self.out.len() < needed {
            self.out.resize(needed.max(self.out.len() * 2), 0);
        }
    }
}

impl Sink for Writer<'_> {
    fn literals(&mut self, bytes: &[u8]) {
        // No code is longer than two bytes.
        self.room(bytes.len() * 2);
        let (fours, rest) = bytes.as_chunks::<4>();
        for [first, second, third, fourth] in fours {
            let code = |byte: &u8| self.literals[usize::from(*byte)];
            let together = code(first).then(code(second)).then(code(third).then(code(fourth)));
            self.put(together.bits, together.length);
        }
        for byte in rest {
            let code = self.literals[usize::from(*byte)];
            self.put(code.bits, code.length);
        }
    }

    fn copy(&mut self, length: usize, distance: usize) {
        if self.near.0 != distance {
            let symbol = distance_symbol(distance);
            self.near = (distance, with_extra(self.distances[symbol.symbol], symbol));
        }
        let distance = self.near.1;
        self.room(8 * (1 + length / LONGEST_MATCH + 1));
        for length in matches(length) {
            let code = self.lengths[length].then(distance);
            self.put(code.bits, code.length);
        }
    }
}

/// A code with its symbol's extra bits behind it.
fn with_extra(code: Code, symbol: Symbol) -> Code {
    code.then(Code { bits: symbol.extra, length: symbol.bits })
}

#[cfg(test)]
mod tests;
