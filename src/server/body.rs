//! Responses on their way.

use super::direct::{LONGEST, Piece, Waiting};
use super::guard::Busy;
use super::slots::Slot;
use super::stream::Stream;
use crate::exposition::{Body, Part};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The longest piece on a stream of HTTP/2: taking one within the time for a stall is progress.
const FRAME: usize = 64 * 1024;

/// A response's body, and what is held until it is handed over: the connection's being busy and a slot among
/// the scrapes.
#[derive(Debug)]
pub(super) struct Sent {
    body: Body,
    /// Where the socket sends files by itself; none where it has to be given bytes.
    direct: Option<Arc<Waiting>>,
    /// The stream of HTTP/2 that it goes out on, and what is left of the last piece.
    stream: Option<(Arc<Stream>, Bytes)>,
    _busy: Busy,
    _slot: Option<Slot>,
}

impl Sent {
    pub(super) fn new(body: Body, busy: Busy, slot: Option<Slot>, stream: Option<Arc<Stream>>) -> Self {
        let stream = stream.inspect(|stream| stream.advance()).map(|stream| (stream, Bytes::new()));
        Self { body, direct: None, stream, _busy: busy, _slot: slot }
    }

    /// The same on a socket that sends files by itself.
    pub(super) fn over(self, direct: Option<Arc<Waiting>>) -> Self {
        Self { direct, ..self }
    }

    /// What is yet to be handed over, in bytes.
    fn length(&self) -> u64 {
        self.body.length() + self.stream.as_ref().map_or(0, |(_, rest)| rest.len() as u64)
    }

    fn next(&mut self) -> Option<Piece> {
        if let Some((stream, rest)) = &mut self.stream {
            stream.advance();
            if rest.is_empty() {
                *rest = self.body.next()?;
            }
            return Some(Piece::Bytes(rest.split_to(rest.len().min(FRAME))));
        }
        let Some(direct) = &self.direct else { return self.body.next().map(Piece::Bytes) };
        Some(match self.body.next_part(LONGEST)? {
            Part::Bytes(bytes) => Piece::Bytes(bytes),
            Part::File(stretch) => direct.stand_in(stretch),
        })
    }
}

impl HttpBody for Sent {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}
