//! Writes an object, packed or as it is.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::upload::Upload;
use super::{S3Uri, Storage};
use crate::failure::Failure;
use crate::panics;

/// An object that is being written. The object is not visible before [`ObjectWriter::finish`].
pub struct ObjectWriter {
    upload: Upload,
    packer: Option<GzEncoder<Vec<u8>>>,
}

impl ObjectWriter {
    /// Begins to write the object at `at`, packed with gzip if `gzip` is true.
    #[must_use]
    pub fn new(storage: &Storage, at: &S3Uri, gzip: bool) -> Self {
        let packer = gzip.then(|| GzEncoder::new(Vec::new(), Compression::default()));
        Self { upload: Upload::new(storage.clone(), at.clone()), packer }
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// If S3 refuses a part.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let Some(mut packer) = self.packer.take() else { return self.upload.write(&bytes).await };
        let work = move || {
            packer.write_all(&bytes)?;
            let packed = std::mem::take(packer.get_mut());
            Ok((packer, packed))
        };
        let (packer, packed) = packing(work).await?;
        self.packer = Some(packer);
        self.upload.write(&packed).await
    }

    /// Makes the object visible.
    ///
    /// # Errors
    ///
    /// If S3 refuses the object. Nothing of the object is then left.
    pub async fn finish(mut self) -> Result<(), Failure> {
        if let Some(packer) = self.packer {
            let rest = packing(|| packer.finish()).await?;
            self.upload.write(&rest).await?;
        }
        self.upload.finish().await
    }
}

/// Runs `work` on a thread for blocking work, because packing takes long enough to hold up the other tasks of a thread.
async fn packing<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| panics::of_thread("packing the object", error))?;
    done.map_err(|error| Failure::scratch("packing", &error))
}
