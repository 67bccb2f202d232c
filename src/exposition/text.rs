//! Sample lines outside the heap.
//!
//! The plain bytes of a page are several times as long as the deflated ones, and hardly anybody asks for them.
//! So a text that grows long is written, while it is rendered, to a file that is memory and nothing else
//! (`memfd_create`): it has no name, needs no directory and no disk, and goes with the last who holds it. It is
//! not part of the resident set, but it is memory: a container's limit counts it. Where there is no such file
//! (another system, a filter of system calls, no descriptor left), the text stays in the heap.

use bytes::Bytes;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A text that is longer than this many bytes leaves the heap, in pieces of this length.
const LONG: usize = 128 * 1024;

/// Descriptors from this number on are left to connections: a process often may have 1,024.
#[cfg(target_os = "linux")]
const DESCRIPTORS: i32 = 512;

/// What is read at once, in bytes: little enough to stay in the processor's cache until it is sent.
const PIECE: usize = 64 * 1024;

/// A text that grows at its end.
#[derive(Debug, Default)]
pub(super) struct Growing {
    tail: Vec<u8>,
    file: Option<File>,
    written: u64,
    stays: bool,
}

/// A text that is never changed again. Clones share it.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// In the heap.
    Memory(Bytes),
    /// In a file of that length.
    File(Arc<File>, u64),
}

/// A stretch of a page that lies in a memory file.
#[derive(Clone, Debug)]
pub struct Stretch {
    file: Arc<File>,
    at: u64,
    length: usize,
}

/// A part of a text or of a page.
#[derive(Debug)]
pub enum Part {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(Stretch),
}

impl Part {
    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => super::deflate::length(bytes),
            Self::File(stretch) => u64::try_from(stretch.length).expect("no target has wider addresses"),
        }
    }
}

impl Stretch {
    /// What is yet to be sent, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Sends some of it, at most `most` bytes, into a socket without copying it through this program; returns how
    /// many bytes that were.
    ///
    /// # Errors
    ///
    /// What `sendfile(2)` says; [`io::ErrorKind::WouldBlock`] where the socket is full.
    #[cfg(target_os = "linux")]
    pub fn send_to(&mut self, socket: &impl std::os::fd::AsFd, most: usize) -> io::Result<usize> {
        // The kernel moves the offset on by what it sent.
        let sent = rustix::fs::sendfile(socket, &*self.file, Some(&mut self.at), most.min(self.length))?;
        self.length -= sent;
        Ok(sent)
    }

    /// There are no memory files here, and so no stretches.
    ///
    /// # Errors
    ///
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn send_to<T>(&mut self, _: &T, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Growing {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { tail: Vec::with_capacity(bytes.min(LONG)), ..Self::default() }
    }

    /// Where bytes are appended.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// To be called after appending: what has become long leaves the heap.
    pub(super) fn settle(&mut self) {
        if self.tail.len() >= LONG && !self.stays {
            self.spill();
        }
    }

    fn spill(&mut self) {
        if self.file.is_none() {
            self.file = memory_file().ok();
        }
        let Some(file) = &self.file else {
            self.stays = true;
            return;
        };
        match write_all_at(file, &self.tail, self.written) {
            Ok(()) => {
                self.written += super::deflate::length(&self.tail);
                self.tail.clear();
            }
            // No memory for it there; perhaps there is some here, where it is not twice.
            Err(_) => self.bring_back(),
        }
    }

    fn bring_back(&mut self) {
        let Some(file) = self.file.take() else { return };
        let mut whole = Vec::new();
        Text::File(Arc::new(file), self.written).read_to(&mut whole);
        whole.append(&mut self.tail);
        (self.tail, self.written, self.stays) = (whole, 0, true);
    }

    /// The text as it is now.
    pub(super) fn finish(mut self) -> Text {
        if self.file.is_some() && !self.tail.is_empty() {
            self.spill();
        }
        match self.file {
            Some(file) => Text::File(Arc::new(file), self.written),
            // The vector grew by doubling; what it holds too much would be held for as long as the text.
            None => Text::Memory(Bytes::from(self.tail.into_boxed_slice())),
        }
    }
}

impl Text {
    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => super::deflate::length(bytes),
            Self::File(_, length) => *length,
        }
    }

    /// Its pieces, from the byte at `from` on; the next piece is read when it is asked for.
    pub(super) fn piece(&self, from: u64) -> Option<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(from).ok().filter(|from| *from < bytes.len())?;
                Some(bytes.slice(from..))
            }
            Self::File(file, length) => {
                let left = usize::try_from(length.checked_sub(from)?).unwrap_or(usize::MAX);
                let mut piece = Vec::with_capacity(left.min(PIECE));
                // Memory is read as it is written: this does not wait for a disk.
                fill_at(file, &mut piece, from).ok()?;
                (!piece.is_empty()).then(|| piece.into())
            }
        }
    }

    /// As [`Text::piece`], but what lies in a file stays there; then it is at most `most` bytes.
    pub(super) fn part(&self, from: u64, most: usize) -> Option<Part> {
        match self {
            Self::Memory(_) => self.piece(from).map(Part::Bytes),
            Self::File(file, length) => {
                let left = usize::try_from(length.checked_sub(from)?).unwrap_or(usize::MAX);
                let stretch = Stretch { file: Arc::clone(file), at: from, length: left.min(most) };
                (left > 0).then_some(Part::File(stretch))
            }
        }
    }

    /// The whole text as one slice: its own bytes, or those of the scratch that it is read to.
    pub(super) fn whole<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::File(..) => {
                scratch.clear();
                self.read_to(scratch);
                scratch
            }
        }
    }

    /// Whether these are its bytes.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Memory(own) => own == bytes,
            Self::File(file, length) => {
                let (mut at, mut rest, mut piece) = (0, bytes, Vec::with_capacity(PIECE));
                while at < *length {
                    piece.clear();
                    if fill_at(file, &mut piece, at).is_err() || piece.is_empty() {
                        return false;
                    }
                    let Some(behind) = rest.strip_prefix(&*piece) else { return false };
                    at += super::deflate::length(&piece);
                    rest = behind;
                }
                rest.is_empty()
            }
        }
    }

    fn read_to(&self, whole: &mut Vec<u8>) {
        let length = usize::try_from(self.length()).expect("it was in memory");
        whole.reserve(length);
        match self {
            Self::Memory(bytes) => whole.extend_from_slice(bytes),
            Self::File(file, _) => {
                fill_at(file, whole, 0).expect("what was written to memory can be read");
                // Of what could not be written whole a part may be there.
                whole.truncate(length);
            }
        }
        assert_eq!(whole.len(), length, "what was written to memory can be read");
    }
}

#[cfg(target_os = "linux")]
fn memory_file() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::os::fd::AsRawFd;
    // The lowest free number is given out, so the number tells how many there are.
    let descriptor = memfd_create("samples", MemfdFlags::CLOEXEC)?;
    if descriptor.as_raw_fd() >= DESCRIPTORS {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    Ok(File::from(descriptor))
}

#[cfg(not(target_os = "linux"))]
fn memory_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Appends what the file holds from `at` on, as much as there is room for.
#[cfg(target_os = "linux")]
fn fill_at(file: &File, bytes: &mut Vec<u8>, mut at: u64) -> io::Result<()> {
    while bytes.len() < bytes.capacity() {
        match rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), at) {
            Ok(0) => break,
            Ok(read) => at += u64::try_from(read).expect("no target has addresses wider than 64 bits"),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn write_all_at(_: &File, _: &[u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn fill_at(_: &File, _: &mut Vec<u8>, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growing(lengths: &[usize], stays: bool) -> (Growing, Vec<u8>) {
        let mut growing = Growing { stays, ..Growing::default() };
        let mut whole = Vec::new();
        for (at, length) in lengths.iter().enumerate() {
            let byte = u8::try_from(at % 251).expect("less than 251");
            growing.tail().extend(std::iter::repeat_n(byte, *length));
            whole.resize(whole.len() + length, byte);
            growing.settle();
        }
        (growing, whole)
    }

    fn pieces(text: &Text) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(piece) = text.piece(u64::try_from(whole.len()).unwrap()) {
            assert!(!piece.is_empty());
            whole.extend_from_slice(&piece);
        }
        whole
    }

    #[test]
    fn a_text_reads_the_same_wherever_it_is() {
        let lengths: [&[usize]; 5] =
            [&[], &[10], &[LONG], &[1000; 900], &[LONG - 1, LONG, 3 * LONG + 7, 1, PIECE]];
        for (lengths, stays) in lengths.into_iter().flat_map(|lengths| [(lengths, false), (lengths, true)]) {
            let (growing, whole) = growing(lengths, stays);
            let text = growing.finish();
            assert_eq!(text.length(), u64::try_from(whole.len()).unwrap());
            assert!(pieces(&text) == whole && text.whole(&mut vec![1, 2, 3]) == whole);
            assert!(text.is(&whole));
            assert!(!text.is(&[&whole[..], b"x"].concat()));
            assert!(whole.is_empty() || !text.is(&whole[1..]));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_long_leaves_the_heap_and_comes_back_when_it_must() {
        let (mut growing, whole) = growing(&[1000; 900], false);
        assert!(growing.tail.len() < LONG && growing.written > 0);
        growing.bring_back();
        assert!(growing.tail == whole);
        assert!(matches!(growing.finish(), Text::Memory(bytes) if bytes == whole));
    }
}
