//! Receives contents: computes digests while bytes arrive, and keeps small contents in memory for the index.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use md5::{Digest, Md5};
use s3s::StdError;
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;
use tokio::task::JoinHandle;

use super::blobs::{Blobs, NewBlob};
use super::content::Reader;
use super::error::StoreError;

/// The largest content that is stored in the index, in bytes. Such a content needs no file and no disk sync of its own.
const INLINE_LIMIT: usize = 16 << 10;

/// How many bytes are collected before a thread hashes and writes them.
const BATCH: usize = 512 << 10;

/// The bytes of a received content.
pub(super) enum Body {
    Inline(Vec<u8>),
    Blob(NewBlob),
}

/// A content that has arrived whole and is on the disk. No object uses it yet.
pub(super) struct Received {
    pub(super) body: Body,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) checksums: Checksum,
}

/// The reason why a content was not received.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    /// The stream of the client ended early, or does not match its signature.
    #[error("the content did not arrive")]
    Stream(#[source] StdError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Receives a whole content. `hasher` computes the checksums that are needed beside the MD5.
pub(super) async fn receive<S>(
    blobs: &Arc<Blobs>,
    mut stream: S,
    hasher: ChecksumHasher,
) -> Result<Received, ReceiveError>
where
    S: Stream<Item = Result<Bytes, StdError>> + Unpin,
{
    let mut stage = Stage::Idle(Box::new(Sink::new(Arc::clone(blobs), hasher)));
    let mut batch = Vec::new();
    let mut gathered = 0;
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(ReceiveError::Stream)?;
        gathered += bytes.len();
        batch.push(bytes);
        if gathered >= BATCH {
            // One batch is written while the next arrives. A complete batch waits until the batch before it is written, so
            // a slow disk slows the sender down.
            stage = stage.idle().await?.write_aside(std::mem::take(&mut batch));
            gathered = 0;
        }
    }
    let sink = stage.idle().await?;
    let sink = match sink.fits(gathered) {
        true => sink.write(batch)?,
        false => sink.write_aside(batch).idle().await?,
    };
    Ok(sink.finish().await?)
}

/// Reads a whole content, and returns its MD5 in hexadecimal and the checksums of `hasher`.
pub(super) async fn hash(
    mut reader: Reader,
    mut hasher: ChecksumHasher,
) -> Result<(String, Checksum), StoreError> {
    joined(tokio::task::spawn_blocking(move || {
        let mut md5 = Md5::new();
        while let Some(bytes) = reader.next_chunk()? {
            md5.update(&bytes);
            hasher.update(&bytes);
        }
        Ok((hex::encode(md5.finalize()), hasher.finalize()))
    }))
    .await
}

/// Whether the sink waits for bytes or a thread writes to it.
enum Stage {
    Idle(Box<Sink>),
    Writing(JoinHandle<Result<Sink, StoreError>>),
}

impl Stage {
    async fn idle(self) -> Result<Sink, StoreError> {
        match self {
            Self::Idle(sink) => Ok(*sink),
            Self::Writing(handle) => joined(handle).await,
        }
    }
}

async fn joined<T>(handle: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    handle.await.map_err(|_| StoreError::Closed)?
}

/// Takes the bytes of a content. A content of more than [`INLINE_LIMIT`] bytes goes to a file; any other content stays in
/// memory.
struct Sink {
    blobs: Arc<Blobs>,
    inline: Vec<u8>,
    file: Option<(NewBlob, File)>,
    size: u64,
    md5: Md5,
    hasher: ChecksumHasher,
}

impl Sink {
    fn new(blobs: Arc<Blobs>, hasher: ChecksumHasher) -> Self {
        Self { blobs, inline: Vec::new(), file: None, size: 0, md5: Md5::new(), hasher }
    }

    /// Returns whether the content still needs no file after `more` further bytes.
    fn fits(&self, more: usize) -> bool {
        self.file.is_none() && self.inline.len() + more <= INLINE_LIMIT
    }

    fn write_aside(self, batch: Vec<Bytes>) -> Stage {
        Stage::Writing(tokio::task::spawn_blocking(move || self.write(batch)))
    }

    fn write(mut self, batch: Vec<Bytes>) -> Result<Self, StoreError> {
        for bytes in batch {
            self.size += bytes.len() as u64;
            self.md5.update(&bytes);
            self.hasher.update(&bytes);
            self.put(&bytes)?;
        }
        Ok(self)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.fits(bytes.len()) {
            self.inline.extend_from_slice(bytes);
            return Ok(());
        }
        let (blob, file) = match &mut self.file {
            Some(open) => open,
            None => self.file.insert(self.blobs.create()?),
        };
        let begun = std::mem::take(&mut self.inline);
        let written = file.write_all(&begun).and_then(|()| file.write_all(bytes));
        written.map_err(|source| StoreError::io(self.blobs.root().join(blob.id()), source))
    }

    async fn finish(self) -> Result<Received, StoreError> {
        let Self { blobs, inline, file, size, md5, hasher } = self;
        let body = match file {
            None => Body::Inline(inline),
            Some((blob, file)) => {
                sync(blobs, &blob, file).await?;
                Body::Blob(blob)
            }
        };
        Ok(Received { body, size, md5: md5.finalize().into(), checksums: hasher.finalize() })
    }
}

/// Makes the bytes of the file and its name durable, so that an acknowledged content survives a power cut.
async fn sync(blobs: Arc<Blobs>, blob: &NewBlob, file: File) -> Result<(), StoreError> {
    let path = blobs.root().join(blob.id());
    // Both syncs run at the same time, because most file systems then need only one write of their journal.
    let names = tokio::task::spawn_blocking(move || blobs.sync_names());
    let content =
        tokio::task::spawn_blocking(move || file.sync_data().map_err(|source| StoreError::io(path, source)));
    let (content, names) = tokio::join!(joined(content), joined(names));
    content.and(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(count: usize, size: usize) -> impl Stream<Item = Result<Bytes, StdError>> + Unpin {
        futures::stream::iter((0..count).map(move |_| Ok(Bytes::from(vec![b'x'; size]))))
    }

    #[tokio::test]
    async fn only_large_contents_have_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::open(directory.path().to_owned()).unwrap());
        let small = receive(&blobs, chunks(2, 1000), ChecksumHasher::default()).await.unwrap();
        assert!(matches!(small.body, Body::Inline(ref bytes) if bytes.len() == 2000));
        let large = receive(&blobs, chunks(300, 10_000), ChecksumHasher::default()).await.unwrap();
        let Body::Blob(blob) = large.body else { panic!("a file is expected") };
        assert_eq!(large.size, 3_000_000);
        assert_eq!(directory.path().join(blob.id()).metadata().unwrap().len(), 3_000_000);
    }

    #[tokio::test]
    async fn a_content_that_breaks_off_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::open(directory.path().to_owned()).unwrap());
        let broken = chunks(300, 10_000).chain(futures::stream::iter([Err(StdError::from("gone"))]));
        let failed = receive(&blobs, broken, ChecksumHasher::default()).await;
        assert!(matches!(failed, Err(ReceiveError::Stream(_))));
        // A thread may still be writing the last batch.
        for _ in 0..1000 {
            if directory.path().read_dir().unwrap().count() == 0 {
                return;
            }
            tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
        }
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }
}
