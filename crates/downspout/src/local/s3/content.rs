//! The content of an object as a stream of bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::JoinHandle;

use super::blobs::{BlobId, ReadPin};
use super::error::StoreError;

/// The location of a segment's bytes.
#[derive(Clone, Debug)]
pub(super) enum Extent {
    /// In the index.
    Inline(Bytes),
    /// In a file.
    Blob(BlobId),
}

/// A part of a content: the whole content, or the bytes of one part of a multipart upload.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: i32,
    pub(super) size: u64,
    pub(super) checksums: String,
    pub(super) extent: Extent,
}

/// A content to be read. The content stays readable if its object is replaced or deleted.
pub(super) struct Content {
    pub(super) segments: Vec<Segment>,
    pub(super) pin: ReadPin,
}

impl Content {
    /// Streams the bytes of `range`.
    pub(super) fn stream(self, range: Range<u64>) -> ContentStream {
        let remaining = range.end - range.start;
        let reader = Reader { pieces: pieces(self.segments, &range), open: None, pin: self.pin };
        let mut stream = ContentStream { reading: None, remaining };
        stream.read_ahead(reader);
        stream
    }

    /// Returns a reader of the whole content, for callers that may block.
    pub(super) fn reader(self) -> Reader {
        Reader { pieces: pieces(self.segments, &(0..u64::MAX)), open: None, pin: self.pin }
    }
}

/// The piece of a segment that is still to be read.
struct Piece {
    extent: Extent,
    offset: u64,
    length: u64,
}

fn pieces(segments: Vec<Segment>, range: &Range<u64>) -> VecDeque<Piece> {
    let mut begin = 0;
    let mut pieces = VecDeque::new();
    for segment in segments {
        let end = begin + segment.size;
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from < to {
            pieces.push_back(Piece { extent: segment.extent, offset: from - begin, length: to - from });
        }
        begin = end;
    }
    pieces
}

/// Reads a content piece by piece. Reading blocks.
pub(super) struct Reader {
    pieces: VecDeque<Piece>,
    open: Option<File>,
    pin: ReadPin,
}

impl Reader {
    /// Returns the next bytes, or `None` at the end.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(piece) = self.pieces.front_mut() else { return Ok(None) };
        let id = match &piece.extent {
            Extent::Inline(bytes) => {
                let begin = piece.offset as usize;
                let chunk = bytes.slice(begin..begin + piece.length as usize);
                self.pieces.pop_front();
                return Ok(Some(chunk));
            }
            Extent::Blob(id) => id.clone(),
        };
        let blobs = self.pin.blobs();
        let failed = |source| StoreError::io(blobs.root().join(&id), source);
        let mut file = match self.open.take() {
            Some(file) => file,
            None => open_at(blobs.read(&id)?, piece.offset).map_err(failed)?,
        };
        let mut buffer = blobs.buffer();
        let room = buffer.room(usize::try_from(piece.length).unwrap_or(usize::MAX));
        file.read_exact(room).map_err(failed)?;
        piece.length -= room.len() as u64;
        if piece.length == 0 {
            self.pieces.pop_front();
        } else {
            self.open = Some(file);
        }
        Ok(Some(Bytes::from_owner(buffer)))
    }
}

fn open_at(mut file: File, offset: u64) -> io::Result<File> {
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))?;
    }
    Ok(file)
}

/// The bytes that were read, and the reader, which continues after them.
type Chunk = (Reader, Option<Bytes>);

/// A content that is being sent. While one chunk is sent, the next is read.
pub(super) struct ContentStream {
    reading: Option<JoinHandle<Result<Chunk, StoreError>>>,
    remaining: u64,
}

impl ContentStream {
    fn read_ahead(&mut self, mut reader: Reader) {
        self.reading = (self.remaining > 0).then(|| {
            tokio::task::spawn_blocking(move || {
                let chunk = reader.next_chunk()?;
                Ok((reader, chunk))
            })
        });
    }
}

impl Stream for ContentStream {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match read {
            Ok(Ok((reader, Some(chunk)))) => {
                self.remaining = self.remaining.saturating_sub(chunk.len() as u64);
                self.read_ahead(reader);
                Poll::Ready(Some(Ok(chunk)))
            }
            Ok(Ok((_, None))) => Poll::Ready(None),
            Ok(Err(error)) => Poll::Ready(Some(Err(Box::new(error)))),
            Err(error) => Poll::Ready(Some(Err(Box::new(error)))),
        }
    }
}

impl ByteStream for ContentStream {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.remaining).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inline(number: i32, bytes: &'static [u8]) -> Segment {
        let extent = Extent::Inline(Bytes::from_static(bytes));
        Segment { number, size: bytes.len() as u64, checksums: String::new(), extent }
    }

    #[test]
    fn a_range_takes_its_share_of_each_segment() {
        let segments = vec![inline(1, b"abc"), inline(2, b"defg"), inline(3, b"hi")];
        let taken: Vec<_> =
            pieces(segments, &(2..8)).iter().map(|piece| (piece.offset, piece.length)).collect();
        assert_eq!(taken, [(2, 1), (0, 4), (0, 1)]);
    }
}
