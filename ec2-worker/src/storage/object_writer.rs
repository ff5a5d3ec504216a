//! Writes an object, packed or as it is.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::upload::Upload;
use super::{S3Uri, Storage};
use crate::failure::Failure;

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
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(packer) = &mut self.packer else { return self.upload.write(bytes).await };
        packer.write_all(bytes).map_err(|error| Failure::scratch("packing", &error))?;
        let packed = std::mem::take(packer.get_mut());
        self.upload.write(&packed).await
    }

    /// Makes the object visible.
    ///
    /// # Errors
    ///
    /// If S3 refuses the object. Nothing of the object is then left.
    pub async fn finish(mut self) -> Result<(), Failure> {
        if let Some(packer) = self.packer {
            let rest = packer.finish().map_err(|error| Failure::scratch("packing", &error))?;
            self.upload.write(&rest).await?;
        }
        self.upload.finish().await
    }
}
