//! Reads the bytes of an object in S3 or of a local file, and unpacks them.

use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::storage::{ObjectRef, Storage};

/// The largest number of pieces between the download and the thread that splits them. A piece has at most half a
/// megabyte, so this number bounds the memory of a load.
const PIECES: usize = 8;
/// The size of a piece of a local file, and the largest number of bytes that one fill of a window adds.
const FILE_PIECE: usize = 256 * 1024;

/// A file that can be read more than once, from any offset.
#[derive(Clone, Debug)]
pub struct Source {
    /// The origin of the bytes.
    pub origin: Origin,
    /// Whether the bytes are gzipped.
    pub gzip: bool,
}

/// The origin of the bytes of a source.
#[derive(Clone, Debug)]
pub enum Origin {
    /// An object in S3, pinned to one version.
    Object(Storage, ObjectRef),
    /// A local file.
    File(PathBuf),
}

impl Source {
    /// Returns the name for messages: an S3 URI or a path.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.origin {
            Origin::Object(_, object) => object.uri(),
            Origin::File(path) => path.display().to_string(),
        }
    }

    /// Opens the unpacked bytes from the offset `from` to before the offset `to`, or to the end of the file.
    /// Dropping the input ends the download.
    ///
    /// # Errors
    ///
    /// If there is no such file or version, or the worker may not read it.
    pub async fn open(&self, from: u64, to: Option<u64>) -> Result<Input, Failure> {
        // A packed file can only be read from its start.
        let (start, skip) = if self.gzip { (0, from) } else { (from, 0) };
        let end = if self.gzip { None } else { to };
        let (sender, receiver) = mpsc::channel(PIECES);
        match &self.origin {
            Origin::Object(storage, object) => {
                let mut body = storage.read(object, start, end).await?;
                tokio::spawn(async move {
                    while let Some(piece) = body.next().await {
                        // To the receiver, an empty piece means the end of the file, so empty pieces of the
                        // download are left out.
                        if matches!(&piece, Ok(piece) if piece.is_empty()) {
                            continue;
                        }
                        let failed = piece.is_err();
                        if sender.send(piece).await.is_err() || failed {
                            return;
                        }
                    }
                    // The receiver may be gone, because nobody reads on.
                    drop(sender.send(Ok(Bytes::new())).await);
                });
            }
            Origin::File(path) => {
                let mut file = open_file(path, start).await?;
                let mut left = end.map_or(u64::MAX, |end| end.saturating_sub(start));
                tokio::spawn(async move {
                    while left > 0 {
                        let mut piece = Vec::with_capacity(FILE_PIECE);
                        let limit = left.min(FILE_PIECE as u64);
                        let read = (&mut file).take(limit).read_to_end(&mut piece).await;
                        left -= piece.len() as u64;
                        let is_end = read.is_err() || piece.is_empty();
                        let message = read
                            .map(|_| Bytes::from(piece))
                            .map_err(|error| Failure::scratch("reading", &error));
                        if sender.send(message).await.is_err() || is_end {
                            return;
                        }
                    }
                    drop(sender.send(Ok(Bytes::new())).await);
                });
            }
        }
        let pieces = Pieces::new(receiver);
        let stream =
            if self.gzip { Stream::Packed(Unpacker::Waiting(Some(pieces))) } else { Stream::Plain(pieces) };
        let left = to.map_or(u64::MAX, |to| to.saturating_sub(from));
        Ok(Input { name: self.name(), stream, skip, left })
    }
}

async fn open_file(path: &PathBuf, from: u64) -> Result<tokio::fs::File, Failure> {
    let problem =
        |error: io::Error| Failure::bad_input("FileNotFound", format!("{}: {error}", path.display()));
    let mut file = tokio::fs::File::open(path).await.map_err(problem)?;
    file.seek(io::SeekFrom::Start(from)).await.map_err(problem)?;
    Ok(file)
}

/// An open source. Reading blocks, so it belongs on a thread for blocking work.
pub struct Input {
    /// The name for messages.
    name: String,
    stream: Stream,
    skip: u64,
    left: u64,
}

enum Stream {
    Plain(Pieces),
    Packed(Unpacker),
}

/// Unpacks gzip, with any number of members.
///
/// The decoder is made at the first read, because its constructor reads the header of the file and so blocks:
/// [`Source::open`] runs on an async thread, where nothing may block.
enum Unpacker {
    Waiting(Option<Pieces>),
    Open(Box<MultiGzDecoder<Pieces>>),
}

impl Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Waiting(pieces) = self
            && let Some(pieces) = pieces.take()
        {
            *self = Self::Open(Box::new(MultiGzDecoder::new(pieces)));
        }
        match self {
            Self::Waiting(_) => Ok(0),
            Self::Open(decoder) => decoder.read(buffer),
        }
    }

    /// Returns why the packed bytes could not be read, if that is why unpacking failed.
    fn take_failure(&mut self) -> Option<Failure> {
        match self {
            Self::Waiting(_) => None,
            Self::Open(decoder) => decoder.get_mut().failure.take(),
        }
    }
}

impl Input {
    /// Appends some bytes to `window` and returns how many. 0 means the end.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or a packed file is damaged or not packed.
    pub fn fill(&mut self, window: &mut Vec<u8>) -> Result<usize, Failure> {
        while self.skip > 0 {
            let mut thrown_away = [0; 8192];
            let limit = thrown_away.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            match self.read(&mut thrown_away[..limit])? {
                0 => return Ok(0),
                count => self.skip -= count as u64,
            }
        }
        if self.left == 0 {
            return Ok(0);
        }
        let before = window.len();
        let limit = FILE_PIECE.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if let Stream::Plain(pieces) = &mut self.stream {
            let piece = pieces.next(limit)?;
            window.extend_from_slice(&piece);
        } else {
            window.resize(before + limit, 0);
            let mut buffer = std::mem::take(window);
            let count = self.read(&mut buffer[before..]);
            *window = buffer;
            window.truncate(before + *count.as_ref().unwrap_or(&0));
            count?;
        }
        let count = window.len() - before;
        self.left -= count as u64;
        Ok(count)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match &mut self.stream {
            // A plain file is opened at the right offset and `fill` takes its pieces as they are, so this arm only
            // serves as a fallback.
            Stream::Plain(pieces) => pieces.read(buffer).map_err(|error| {
                pieces.failure.take().unwrap_or_else(|| Failure::scratch("reading", &error))
            }),
            Stream::Packed(unpacker) => unpacker
                .read(buffer)
                .map_err(|error| unpacker.take_failure().unwrap_or_else(|| not_gzip(&self.name, &error))),
        }
    }
}

fn not_gzip(name: &str, error: &io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends too early; it is not whole".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("{name}: declared as gzip (`compression`), but cannot be unpacked: {what}");
    Failure::bad_input("NotGzip", message)
}

/// The pieces of a download, as a blocking reader.
struct Pieces {
    /// An empty piece means the end. If the channel closes without one, the download broke down, and the pieces so
    /// far are not the whole file.
    receiver: mpsc::Receiver<Result<Bytes, Failure>>,
    piece: Bytes,
    is_at_end: bool,
    failure: Option<Failure>,
}

impl Pieces {
    fn new(receiver: mpsc::Receiver<Result<Bytes, Failure>>) -> Self {
        Self { receiver, piece: Bytes::new(), is_at_end: false, failure: None }
    }

    fn next(&mut self, limit: usize) -> Result<Bytes, Failure> {
        if self.piece.is_empty() && !self.is_at_end {
            let piece = self.receiver.blocking_recv();
            let broken = || Failure::internal("the download of the file ended without a result");
            self.piece = piece.ok_or_else(broken)??;
            self.is_at_end = self.piece.is_empty();
        }
        Ok(self.piece.split_to(limit.min(self.piece.len())))
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.next(buffer.len()) {
            Ok(piece) => {
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Err(failure) => {
                let error = io::Error::other(failure.message.clone());
                self.failure = Some(failure);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
impl Input {
    /// Returns an input of these pieces, in memory.
    pub(super) fn of_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (sender, receiver) = mpsc::channel(1 << 16);
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()).chain([&b""[..]]) {
            assert!(sender.try_send(Ok(Bytes::copy_from_slice(piece))).is_ok(), "the channel has room");
        }
        Self {
            name: "pieces".to_owned(),
            stream: Stream::Plain(Pieces::new(receiver)),
            skip: 0,
            left: u64::MAX,
        }
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
        let mut pieces = Pieces::new(receiver);
        assert_eq!(pieces.next(9).expect("it came"), "half");
        assert_eq!(pieces.next(9).expect_err("not whole").id, "Worker:Internal");
    }
}
