//! Opens the bytes of an object in S3 or of a local file.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;

use super::input::Input;
use crate::failure::Failure;
use crate::storage::{ObjectRef, Storage};

/// The largest number of pieces between the download and the thread that splits them. A piece has at most half a
/// megabyte, so this number bounds the memory of a load.
const PIECES: usize = 8;
/// The size of a piece of a local file in bytes.
const FILE_PIECE: usize = 256 * 1024;

/// A file that can be read more than once, from any offset.
#[derive(Clone, Debug)]
pub struct Source {
    /// The origin of the bytes.
    pub origin: Origin,
    /// Whether the definition says that the bytes are gzipped. A packed file is also recognised by its first bytes.
    pub gzip: bool,
}

/// The origin of the bytes of a source.
#[derive(Clone, Debug)]
pub enum Origin {
    /// An object in S3, pinned to one version.
    Object(Storage, ObjectRef),
    /// A local file.
    File(PathBuf),
    /// A local file with the rows of a query or a table, and the name of these rows for messages.
    Rows(PathBuf, String),
}

impl Source {
    /// Returns the name for messages: an S3 URI, a path, or the query or table that gave the rows.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.origin {
            Origin::Object(_, object) => object.uri(),
            Origin::File(path) => path.display().to_string(),
            Origin::Rows(_, name) => name.clone(),
        }
    }

    /// Opens the file at its start. Dropping the input ends the download.
    ///
    /// # Errors
    ///
    /// If there is no such file or version, or the worker may not read it.
    pub async fn open(&self) -> Result<Input, Failure> {
        let pieces = self.pieces(0, None).await?;
        Ok(Input::new(self.name(), pieces, self.gzip))
    }

    /// Opens the text of the file from the offset `from` to before the offset `to`. The offsets count the bytes of the
    /// text that an earlier reading gave. `is_plain` says whether that text was the file itself, byte by byte.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::open`].
    pub async fn open_range(&self, from: u64, to: u64, is_plain: bool) -> Result<Input, Failure> {
        if is_plain {
            let pieces = self.pieces(from, Some(to)).await?;
            return Ok(Input::plain(self.name(), pieces));
        }
        // The text of a packed or encoded file can only be made from its start.
        Ok(self.open().await?.range(from, to))
    }

    async fn pieces(
        &self,
        from: u64,
        to: Option<u64>,
    ) -> Result<mpsc::Receiver<Result<Bytes, Failure>>, Failure> {
        let (sender, receiver) = mpsc::channel(PIECES);
        match &self.origin {
            Origin::Object(storage, object) => {
                let mut body = storage.read(object, from, to).await?;
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
            Origin::File(path) | Origin::Rows(path, _) => {
                let file = open_file(path, from).await?;
                let left = to.map_or(u64::MAX, |to| to.saturating_sub(from));
                tokio::spawn(send_file(file, left, sender));
            }
        }
        Ok(receiver)
    }
}

async fn send_file(mut file: tokio::fs::File, mut left: u64, sender: mpsc::Sender<Result<Bytes, Failure>>) {
    while left > 0 {
        let mut piece = Vec::with_capacity(FILE_PIECE);
        let limit = left.min(FILE_PIECE as u64);
        let read = (&mut file).take(limit).read_to_end(&mut piece).await;
        left -= piece.len() as u64;
        let is_end = read.is_err() || piece.is_empty();
        let message = read.map(|_| Bytes::from(piece)).map_err(|error| Failure::scratch("reading", &error));
        if sender.send(message).await.is_err() || is_end {
            return;
        }
    }
    drop(sender.send(Ok(Bytes::new())).await);
}

async fn open_file(path: &PathBuf, from: u64) -> Result<tokio::fs::File, Failure> {
    let problem =
        |error: io::Error| Failure::bad_input("FileNotFound", format!("{}: {error}", path.display()));
    let mut file = tokio::fs::File::open(path).await.map_err(problem)?;
    file.seek(io::SeekFrom::Start(from)).await.map_err(problem)?;
    Ok(file)
}
