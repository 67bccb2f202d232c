//! Plain pages from their memory files straight into the socket.
//!
//! A page that nobody deflated is several times as long, and copying it out of its files and into a socket is most
//! of what a scrape of it costs. The kernel can do without (`sendfile`), but hyper wants bytes. So it is given a
//! stand-in of the same length, which it hands on unread: it neither looks into a body of told length nor copies
//! what a vectored socket can take piece by piece. The socket knows a stand-in by its address, and sends what it
//! stands for.
//!
//! TLS and HTTP/2 have to see the bytes, and get them.

use crate::exposition::Stretch;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The longest stretch that is sent at once, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// As many stretches can be told from one another. More than two of a connection are never under way.
const MARKS: usize = 4096;

/// What hyper is given in place of a file's bytes. Nobody reads it, so it takes addresses and no memory; as a constant
/// it would be a megabyte of the program's file.
static STAND_IN: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; LONGEST + MARKS].into());

/// What is to be sent on a connection by itself, in the order in which hyper was given the stand-ins.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    given: usize,
    stretches: VecDeque<(usize, Stretch)>,
}

/// What a response's body is made of.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// So many bytes that the socket has to find by the mark.
    StandIn {
        mark: usize,
        left: usize,
    },
}

/// A socket that sends what stand-ins stand for.
#[derive(Debug)]
pub(super) struct Direct {
    socket: TcpStream,
    waiting: Arc<Waiting>,
}

impl Waiting {
    /// The stand-in of a stretch, which is at most [`LONGEST`].
    pub(super) fn stand_in(&self, stretch: Stretch) -> Piece {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mark, left) = (queue.given % MARKS, stretch.length().min(LONGEST));
        queue.given += 1;
        queue.stretches.push_back((mark, stretch));
        Piece::StandIn { mark, left }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::StandIn { left, .. } => *left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::StandIn { mark, left } => &STAND_IN[*mark..mark + left],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::StandIn { left, .. } => *left -= count,
        }
    }
}

/// The mark of a stand-in; none for bytes.
fn mark(slice: &[u8]) -> Option<usize> {
    let behind = slice.as_ptr().addr().checked_sub(STAND_IN.as_ptr().addr())?;
    (behind < MARKS && !slice.is_empty()).then_some(behind)
}

impl Direct {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, waiting: Arc::default() }
    }

    /// Where stand-ins for this socket are made.
    pub(super) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    fn poll_send(&self, cx: &mut Context<'_>, mark: usize, length: usize) -> Poll<io::Result<usize>> {
        let mut queue = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those before it are of a response that was given up.
        while queue.stretches.front().is_some_and(|(other, _)| *other != mark) {
            queue.stretches.pop_front();
        }
        let Some((_, stretch)) = queue.stretches.front_mut() else {
            return Poll::Ready(Err(io::Error::other("a stand-in that stands for nothing")));
        };
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            let sent = self.socket.try_io(Interest::WRITABLE, || stretch.send_to(&self.socket, length));
            match sent {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    if stretch.length() == 0 {
                        queue.stretches.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                // The socket is full, so the next look at its readiness waits.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Direct {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Direct {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(0);
        let slices = &slices[first..];
        if let Some((mark, stand_in)) = slices.first().and_then(|slice| Some((mark(slice)?, slice))) {
            return this.poll_send(cx, mark, stand_in.len());
        }
        let bytes = slices.iter().position(|slice| mark(slice).is_some()).unwrap_or(slices.len());
        Pin::new(&mut this.socket).poll_write_vectored(cx, &slices[..bytes])
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::tests::big_page;
    use super::*;
    use crate::exposition::{Encoding, Format, Part};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_stood_for_a_response_that_was_given_up_is_never_sent_in_place_of_another() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let connecting = async { tokio::join!(TcpStream::connect(address), listener.accept()) };
        let (Ok(mut client), Ok((socket, _))) = connecting.await else { panic!("they connect") };
        let mut direct = Direct::new(socket);
        let mut body = big_page().respond(Format::Text004, Encoding::Identity, "", None);
        let mut pieces = Vec::new();
        while let Some(part) = body.next_part(1001) {
            if let Part::File(stretch) = part {
                pieces.push(direct.waiting().stand_in(stretch));
            }
            if pieces.len() == 3 {
                break;
            }
        }
        // The third stretch begins at byte 2002 of the samples.
        let page = big_page().respond(Format::Text004, Encoding::Identity, "", None).concat();
        let samples = page.windows(10).position(|bytes| bytes == b"\nt_sources").expect("samples") + 1;
        direct.write_all(b"bytes ").await.expect("bytes are sent as they are");
        let third = pieces.pop().expect("three were taken");
        direct.write_all(third.chunk()).await.expect("it is sent");
        drop(direct);
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.expect("it ends");
        assert!(came == [b"bytes ", &page[samples + 2002..samples + 3003]].concat());
    }
}
