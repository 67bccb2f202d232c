//! The frame around what is kept: who wrote it, in which version, how long it is, and its checksum.
//!
//! ```text
//! sms-exporter-state 1 <length in bytes> <CRC-32 in hex>\n
//! <that many bytes>
//! ```

use crate::model::AccountName;

/// The first word of every file.
const MAGIC: &str = "sms-exporter-state";

/// Grows whenever a file of before cannot be read as one of after.
const VERSION: u32 = 1;

/// No header is longer than this.
const LONGEST_HEADER: usize = 80;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// It does not begin as our files do.
    #[error("it is not a state file of this exporter")]
    Foreign,
    /// A later version of the exporter wrote it.
    #[error("it has version {0}, of which this exporter knows nothing")]
    Newer(u32),
    /// It is shorter or longer than it says.
    #[error("it should have {expected} bytes after its header and has {found}")]
    Length {
        /// By the header.
        expected: usize,
        /// In the file.
        found: usize,
    },
    /// Its bytes are not those that were written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The bytes are what was written, but not what this version writes.
    #[error("its content is not understood: {0}")]
    Content(serde_json::Error),
    /// It belongs to somebody else.
    #[error("it belongs to the account {0}")]
    OtherAccount(AccountName),
}

/// Puts the frame around a content.
pub(super) fn seal(content: &[u8]) -> Vec<u8> {
    let checksum = crc32fast::hash(content);
    let mut sealed = format!("{MAGIC} {VERSION} {} {checksum:08x}\n", content.len()).into_bytes();
    sealed.extend_from_slice(content);
    sealed
}

/// Takes the frame off.
pub(super) fn open(bytes: &[u8]) -> Result<&[u8], Damage> {
    let end = bytes.iter().take(LONGEST_HEADER).position(|byte| *byte == b'\n').ok_or(Damage::Foreign)?;
    let (header, rest) = bytes.split_at(end);
    let content = rest.get(1..).unwrap_or_default();
    let header = std::str::from_utf8(header).map_err(|_| Damage::Foreign)?;
    let mut words = header.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(Damage::Foreign);
    }
    let version = words.next().and_then(|word| word.parse().ok()).ok_or(Damage::Foreign)?;
    if version != VERSION {
        return Err(Damage::Newer(version));
    }
    let expected = words.next().and_then(|word| word.parse().ok()).ok_or(Damage::Foreign)?;
    let checksum = words.next().and_then(|word| u32::from_str_radix(word, 16).ok()).ok_or(Damage::Foreign)?;
    if words.next().is_some() {
        return Err(Damage::Foreign);
    }
    if content.len() != expected {
        return Err(Damage::Length { expected, found: content.len() });
    }
    if crc32fast::hash(content) != checksum {
        return Err(Damage::Checksum);
    }
    Ok(content)
}
