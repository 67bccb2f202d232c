//! The body of a response, as pieces that are shared and not copied.

use super::deflate::length;
use bytes::Bytes;
use std::collections::VecDeque;

/// A body of known length that gives out its pieces one by one.
///
/// The pieces of a page are shared by all responses under way; only the exporter's own metrics belong to one.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: VecDeque<Bytes>,
    length: u64,
}

impl Body {
    /// What is yet to be given out, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All pieces behind one another.
    pub fn concat(self) -> Vec<u8> {
        self.fold(Vec::new(), |mut whole, piece| {
            whole.extend_from_slice(&piece);
            whole
        })
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += length(&piece);
            self.pieces.push_back(piece);
        }
    }
}

impl Iterator for Body {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.length -= length(&piece);
        Some(piece)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::default();
        body.push(bytes);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_knows_what_is_left_of_it_and_has_no_empty_pieces() {
        let mut body = Body::from(Bytes::from_static(b"abc"));
        body.push(Bytes::new());
        body.push(Bytes::from_static(b"de"));
        assert_eq!(body.length(), 5);
        assert_eq!(body.next().as_deref(), Some(&b"abc"[..]));
        assert_eq!(body.length(), 2);
        assert_eq!(body.concat(), b"de");
    }
}
