//! Responses on their way.

use super::guard::Busy;
use crate::exposition::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// A response's body, and what is held until it is handed over: the connection's being busy and a place among
/// the scrapes.
#[derive(Debug)]
pub(super) struct Sent {
    body: Body,
    _busy: Busy,
    _place: Option<OwnedSemaphorePermit>,
}

impl Sent {
    pub(super) fn new(body: Body, busy: Busy, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { body, _busy: busy, _place: place }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.body.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.length())
    }
}
