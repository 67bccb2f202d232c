//! Samples of one family and one account, deflated once.

use super::deflate::{Checksum, DEFAULT_LEVEL, Deflater};
use super::samples::Samples;
use super::text::Text;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Sealed samples: deflated, with their checksum, and never changed again.
pub struct Block {
    deflated: Bytes,
    identity: Text,
    checksum: Checksum,
    series: usize,
}

/// Seals one block after the other with the same compressor, which costs less than a new one for each.
#[derive(Debug)]
pub struct Sealer {
    deflater: Deflater,
    scratch: Vec<u8>,
}

impl Sealer {
    /// Deflates at a level of 0 (not at all) to 9 (smallest).
    pub fn new(level: u32) -> Self {
        Self { deflater: Deflater::new(level), scratch: Vec::new() }
    }

    /// Seals the samples; the same block again if they are what it holds.
    pub fn seal(&mut self, samples: Samples, previous: Option<&Arc<Block>>) -> Arc<Block> {
        let series = samples.len();
        let identity = samples.into_text();
        let bytes = identity.whole(&mut self.scratch);
        let checksum = Checksum::of(bytes);
        if let Some(previous) = previous.filter(|previous| previous.holds(bytes, &checksum)) {
            return Arc::clone(previous);
        }
        let deflated = self.deflater.deflate_lines(bytes);
        Arc::new(Block { deflated, identity, checksum, series })
    }
}

impl Default for Sealer {
    fn default() -> Self {
        Self::new(DEFAULT_LEVEL)
    }
}

impl Block {
    /// Seals the samples with a compressor of their own; see [`Sealer::seal`].
    pub fn seal(samples: Samples, previous: Option<&Arc<Block>>) -> Arc<Block> {
        Sealer::default().seal(samples, previous)
    }

    /// How many series it holds.
    pub fn series(&self) -> usize {
        self.series
    }

    /// Bytes before deflating.
    pub fn length(&self) -> u64 {
        self.checksum.length()
    }

    /// Raw deflate, ending in a full flush.
    pub(super) fn deflated(&self) -> &Bytes {
        &self.deflated
    }

    /// The plain bytes, for clients that do not want gzip.
    pub(super) fn identity(&self) -> &Text {
        &self.identity
    }

    pub(super) fn checksum(&self) -> &Checksum {
        &self.checksum
    }

    /// Whether these are its bytes. The checksum tells nearly always; only the bytes tell for sure.
    fn holds(&self, bytes: &[u8], checksum: &Checksum) -> bool {
        self.checksum.length() == checksum.length()
            && self.checksum.crc() == checksum.crc()
            && self.identity.is(bytes)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (series, length, deflated) = (self.series, self.length(), self.deflated.len());
        write!(f, "Block {{ series: {series}, length: {length}, deflated: {deflated} }}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Desc, Kind, Labels};
    use super::*;

    const UP: Desc = Desc { name: "up", help: "Whether.", unit: None, kind: Kind::Gauge };

    fn samples(values: &[u64]) -> Samples {
        let mut samples = Samples::new(&UP);
        for value in values {
            samples.push(&Labels::default(), &[("n", &value.to_string())], *value);
        }
        samples
    }

    #[test]
    fn a_block_that_did_not_change_is_the_same_block() {
        let mut sealer = Sealer::default();
        let first = sealer.seal(samples(&[1, 2]), None);
        let same = sealer.seal(samples(&[1, 2]), Some(&first));
        let changed = sealer.seal(samples(&[1, 3]), Some(&same));
        assert!(Arc::ptr_eq(&first, &same));
        assert!(!Arc::ptr_eq(&same, &changed));
        assert_eq!((changed.series(), changed.length()), (2, 24));
    }
}
