//! Responses on their way.

use super::direct::{LONGEST, Piece, Waiting};
use super::guard::Busy;
use crate::exposition::{Body, Part};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// A response's body, and what is held until it is handed over: the connection's being busy and a place among
/// the scrapes.
#[derive(Debug)]
pub(super) struct Sent {
    body: Body,
    /// Where the socket sends files by itself; none where it has to be given bytes.
    direct: Option<Arc<Waiting>>,
    _busy: Busy,
    _place: Option<OwnedSemaphorePermit>,
}

impl Sent {
    pub(super) fn new(body: Body, busy: Busy, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { body, direct: None, _busy: busy, _place: place }
    }

    /// The same on a socket that sends files by itself.
    pub(super) fn over(self, direct: Option<Arc<Waiting>>) -> Self {
        Self { direct, ..self }
    }

    fn next(&mut self) -> Option<Piece> {
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
        self.body.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.length())
    }
}
