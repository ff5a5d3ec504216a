//! The pieces of a download, as a blocking reader.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::FailureSlot;
use crate::failure::Failure;

/// The pieces of a download.
pub(super) struct Pieces {
    /// An empty piece means the end. If the channel closes without an empty piece, the download has failed, and the
    /// pieces so far are not the whole file.
    receiver: mpsc::Receiver<Result<Bytes, Failure>>,
    /// The bytes that were received and are not yet read.
    piece: Bytes,
    is_at_end: bool,
    failure: FailureSlot,
    count: Arc<AtomicU64>,
}

impl Pieces {
    pub(super) fn new(receiver: mpsc::Receiver<Result<Bytes, Failure>>, failure: FailureSlot) -> Self {
        Self { receiver, piece: Bytes::new(), is_at_end: false, failure, count: Arc::default() }
    }

    /// Returns the counter of the bytes that were downloaded so far.
    pub(super) fn count(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// Returns at most `limit` bytes, which come next. Returns no bytes at the end.
    pub(super) fn next(&mut self, limit: usize) -> Result<Bytes, Failure> {
        if self.piece.is_empty() {
            self.piece = self.receive()?;
        }
        Ok(self.piece.split_to(limit.min(self.piece.len())))
    }

    /// Returns the next `wanted` bytes without reading them. Returns fewer bytes at the end.
    pub(super) fn peek(&mut self, wanted: usize) -> Result<&[u8], Failure> {
        while self.piece.len() < wanted {
            let more = self.receive()?;
            if more.is_empty() {
                break;
            }
            let mut joined = BytesMut::from(&self.piece[..]);
            joined.extend_from_slice(&more);
            self.piece = joined.freeze();
        }
        Ok(&self.piece[..wanted.min(self.piece.len())])
    }

    fn receive(&mut self) -> Result<Bytes, Failure> {
        if self.is_at_end {
            return Ok(Bytes::new());
        }
        let broken = || Failure::internal("the download of the file ended without a result");
        let piece = self.receiver.blocking_recv().ok_or_else(broken)??;
        self.is_at_end = piece.is_empty();
        self.count.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(piece)
    }

    fn keep(&self, failure: Failure) -> io::Error {
        let error = io::Error::other(failure.message.clone());
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        error
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.next(buffer.len()).map_err(|failure| self.keep(failure))?;
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            self.piece = self.receive().map_err(|failure| self.keep(failure))?;
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece = self.piece.split_off(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_breaks_down_is_not_taken_for_the_end_of_the_file() {
        let (sender, receiver) = mpsc::channel(2);
        assert!(sender.try_send(Ok(Bytes::from_static(b"half"))).is_ok());
        drop(sender);
        let mut pieces = Pieces::new(receiver, FailureSlot::default());
        assert_eq!(pieces.next(9).expect("it came"), "half");
        assert_eq!(pieces.next(9).expect_err("not whole").id, "Worker:Internal");
    }

    #[test]
    fn bytes_that_were_peeked_are_read_afterwards() {
        let (sender, receiver) = mpsc::channel(4);
        for piece in ["ab", "cd", "e", ""] {
            assert!(sender.try_send(Ok(Bytes::from_static(piece.as_bytes()))).is_ok());
        }
        let mut pieces = Pieces::new(receiver, FailureSlot::default());
        assert_eq!(pieces.peek(3).expect("they came"), b"abc");
        let mut all = String::new();
        pieces.read_to_string(&mut all).expect("readable");
        assert_eq!(all, "abcde");
    }
}
