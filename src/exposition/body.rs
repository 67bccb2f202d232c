//! The body of a response, as pieces that are shared and not copied.

use super::deflate::length;
use super::text::{Part, Text};
use bytes::Bytes;
use std::collections::VecDeque;

/// A body of known length that gives out its pieces one by one.
///
/// The pieces of a page are shared by all responses under way; only the exporter's own metrics belong to one.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: VecDeque<Text>,
    /// Bytes of the first piece that were given out.
    given: u64,
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

    /// The next part, without reading it where it lies in a file; then it is at most `most` bytes.
    pub fn next_part(&mut self, most: usize) -> Option<Part> {
        let part = self.pieces.front()?.part(self.given, most)?;
        self.give(part.length());
        Some(part)
    }

    /// So many bytes of the first piece were given out.
    fn give(&mut self, length: u64) {
        self.given += length;
        self.length -= length;
        if self.pieces.front().is_some_and(|first| first.length() == self.given) {
            self.pieces.pop_front();
            self.given = 0;
        }
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.push_text(Text::Memory(piece));
    }

    /// A text that is read when its turn comes.
    pub(super) fn push_text(&mut self, text: Text) {
        if text.length() > 0 {
            self.length += text.length();
            self.pieces.push_back(text);
        }
    }
}

impl Iterator for Body {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        // What cannot be read ends the body early, which the client sees by its length.
        let piece = self.pieces.front()?.piece(self.given)?;
        self.give(length(&piece));
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
