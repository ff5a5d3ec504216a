//! Where the bytes of a load come from: an object in S3, or a local file.

use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::storage::{ObjectRef, Storage};

/// Pieces under way between the reader and the splitter; with pieces of at most half a megabyte
/// this bounds the memory of a load, whatever the file's size.
const PIECES: usize = 8;
const FILE_PIECE: usize = 256 * 1024;

/// One file to be read, from any place in it, as often as needed.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the bytes are.
    pub place: Place,
    /// Whether they are gzipped.
    pub gzip: bool,
}

/// Where the bytes of a source are.
#[derive(Clone, Debug)]
pub enum Place {
    /// An object, pinned to one version by its ETag.
    Object(Storage, ObjectRef),
    /// A local file.
    File(PathBuf),
}

impl Source {
    /// Returns how the source is called in messages: an S3 URI or a path.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Object(_, object) => object.uri(),
            Place::File(path) => path.display().to_string(),
        }
    }

    /// Opens the unpacked bytes from `from` up to `to`; dropping the input ends the reading.
    ///
    /// # Errors
    ///
    /// When the source is not there, is another version, or may not be read.
    pub async fn open(&self, from: u64, to: Option<u64>) -> Result<Input, Failure> {
        // What is packed can only be read from its start.
        let (start, skip) = if self.gzip { (0, from) } else { (from, 0) };
        let end = if self.gzip { None } else { to };
        let (sender, receiver) = mpsc::channel(PIECES);
        match &self.place {
            Place::Object(storage, object) => {
                let mut body = storage.read(object, start, end).await?;
                tokio::spawn(async move {
                    while let Some(piece) = body.next().await {
                        let failed = piece.is_err();
                        if sender.send(piece).await.is_err() || failed {
                            break;
                        }
                    }
                });
            }
            Place::File(path) => {
                let mut file = open_file(path, start).await?;
                let mut left = end.map_or(u64::MAX, |end| end.saturating_sub(start));
                tokio::spawn(async move {
                    while left > 0 {
                        let mut piece = Vec::with_capacity(FILE_PIECE);
                        let limit = left.min(FILE_PIECE as u64);
                        let read = (&mut file).take(limit).read_to_end(&mut piece).await;
                        let done = !matches!(read, Ok(count) if count > 0);
                        left -= piece.len() as u64;
                        let message = read
                            .map(|_| Bytes::from(piece))
                            .map_err(|error| Failure::scratch("reading", &error));
                        if done && message.is_ok() || sender.send(message).await.is_err() {
                            break;
                        }
                    }
                });
            }
        }
        let pieces = Pieces { receiver, piece: Bytes::new(), failure: None };
        let reader = if self.gzip {
            Reader::Packed(Box::new(MultiGzDecoder::new(pieces)))
        } else {
            Reader::Plain(pieces)
        };
        Ok(Input { reader, skip, left: to.map_or(u64::MAX, |to| to.saturating_sub(from)) })
    }
}

async fn open_file(path: &PathBuf, from: u64) -> Result<tokio::fs::File, Failure> {
    let problem =
        |error: io::Error| Failure::bad_input("FileNotFound", format!("{}: {error}", path.display()));
    let mut file = tokio::fs::File::open(path).await.map_err(problem)?;
    file.seek(io::SeekFrom::Start(from)).await.map_err(problem)?;
    Ok(file)
}

/// An open source. Its reading blocks: it belongs on a thread of its own.
pub struct Input {
    reader: Reader,
    skip: u64,
    left: u64,
}

enum Reader {
    Plain(Pieces),
    Packed(Box<MultiGzDecoder<Pieces>>),
}

impl Input {
    /// Appends some bytes to `window` and returns how many; 0 is the end.
    ///
    /// # Errors
    ///
    /// When the source broke off, or is not the gzip it should be.
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
        if let Reader::Plain(pieces) = &mut self.reader {
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
        let (result, pieces) = match &mut self.reader {
            Reader::Plain(pieces) => (pieces.read(buffer), pieces),
            Reader::Packed(decoder) => (decoder.read(buffer), decoder.get_mut()),
        };
        result.map_err(|error| {
            pieces.failure.take().unwrap_or_else(|| {
                Failure::bad_input(
                    "NotGzip",
                    format!("the file is declared as gzip, but cannot be unpacked: {error}"),
                )
            })
        })
    }
}

/// The pieces as they come, as a blocking reader.
struct Pieces {
    receiver: mpsc::Receiver<Result<Bytes, Failure>>,
    piece: Bytes,
    failure: Option<Failure>,
}

impl Pieces {
    fn next(&mut self, limit: usize) -> Result<Bytes, Failure> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => break,
            }
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
