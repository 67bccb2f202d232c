//! Pieces of a gzip stream that can be put behind one another.

mod huffman;
mod lines;

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

/// Level 1 makes half as much again as level 2, in two thirds of its time; a page is made once and read a few
/// times, so the smaller one is worth it.
pub const DEFAULT_LEVEL: u32 = 2;

/// From this length on, in bytes, sample lines are worth codes of their own, which take 180 bytes.
const LINES_FROM: usize = 8192;

/// A gzip header without name and time: deflate, no flags, no time, no extra flags, unknown system.
pub(super) const GZIP_HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty final block with fixed codes.
pub(super) const FINAL_BLOCK: &[u8] = &[3, 0];

/// Checksum and length of bytes, which can be combined with those of the bytes that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Checksum {
    crc: Hasher,
    length: u64,
}

/// Deflates one piece after the other, each on its own.
#[derive(Debug)]
pub(super) struct Deflater {
    compress: Compress,
    scratch: Vec<u8>,
}

impl Checksum {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut crc = Hasher::new();
        crc.update(bytes);
        Self { crc, length: length(bytes) }
    }

    pub(super) fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// In bytes, before deflating.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// That of these bytes and the others behind them.
    pub(super) fn append(&mut self, other: &Self) {
        self.crc.combine(&other.crc);
        self.length += other.length;
    }

    /// The end of the gzip member: checksum and length modulo 2^32.
    #[expect(clippy::cast_possible_truncation, reason = "gzip's ISIZE is the length modulo 2^32")]
    pub(super) fn gzip_trailer(&self) -> [u8; 8] {
        let mut trailer = [0; 8];
        trailer[..4].copy_from_slice(&self.crc().to_le_bytes());
        trailer[4..].copy_from_slice(&(self.length as u32).to_le_bytes());
        trailer
    }
}

impl Deflater {
    pub(super) fn new(level: u32) -> Self {
        // Levels above 9 mean nothing to deflate.
        Self { compress: Compress::new(Compression::new(level.min(9)), false), scratch: Vec::new() }
    }

    /// Raw deflate that ends on a byte, with no reference to what came before and not final.
    pub(super) fn deflate(&mut self, bytes: &[u8]) -> Bytes {
        self.compress.reset();
        self.scratch.clear();
        let mut rest = bytes;
        loop {
            self.scratch.reserve((rest.len() / 8).max(4096));
            let before = self.compress.total_in();
            self.compress
                .compress_vec(rest, &mut self.scratch, FlushCompress::Full)
                .expect("deflating into a growing vector cannot fail");
            let taken = usize::try_from(self.compress.total_in() - before).expect("no more than was given");
            rest = &rest[taken..];
            // Room left over means that the flush is complete: deflate fills its output before it asks for more.
            if rest.is_empty() && self.scratch.len() < self.scratch.capacity() {
                return Bytes::copy_from_slice(&self.scratch);
            }
        }
    }
}

impl Deflater {
    /// As [`Deflater::deflate`], for sample lines.
    pub(super) fn deflate_lines(&mut self, text: &[u8]) -> Bytes {
        if text.len() < LINES_FROM {
            return self.deflate(text);
        }
        Bytes::copy_from_slice(lines::deflate(text, &mut self.scratch))
    }
}

/// A length as it is summed up and sent.
pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("no target has addresses wider than 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    /// A gzip member of all pieces.
    fn splice(level: u32, pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut deflater = Deflater::new(level);
        let mut total = Checksum::default();
        let mut gzip = GZIP_HEADER.to_vec();
        for piece in pieces {
            gzip.extend_from_slice(&deflater.deflate(piece));
            total.append(&Checksum::of(piece));
        }
        gzip.extend_from_slice(FINAL_BLOCK);
        gzip.extend_from_slice(&total.gzip_trailer());
        gzip
    }

    fn inflate(gzip: &[u8]) -> Vec<u8> {
        let (mut decoder, mut plain) = (GzDecoder::new(gzip), Vec::new());
        decoder.read_to_end(&mut plain).expect("a valid gzip member");
        assert!(decoder.into_inner().is_empty(), "one member and nothing behind it");
        plain
    }

    proptest! {
        #[test]
        fn pieces_put_behind_one_another_inflate_to_the_whole(
            level in 0u32..=9,
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6000), 0..6),
        ) {
            prop_assert_eq!(inflate(&splice(level, &pieces)), pieces.concat());
        }
    }

    #[test]
    fn a_long_piece_of_either_nature_is_deflated_whole() {
        let noise: Vec<u8> =
            (0u64..300_000).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[2]).collect();
        let lines: Vec<u8> = b"the same line again and again\n".repeat(30_000);
        for level in 0..=9 {
            let pieces = [noise.clone(), lines.clone()];
            assert!(inflate(&splice(level, &pieces)) == pieces.concat(), "level {level}");
        }
    }
}
