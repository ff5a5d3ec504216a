//! Writes an object of unknown length: with one request if it is small, in parts if it is large.

use super::multipart::Multipart;
use super::{S3Uri, Storage};
use crate::failure::Failure;

/// The size of a part. S3 accepts parts of 5 MB or more, and at most 10,000 of them, so an object may have up to 80 GB.
const PART: usize = 8 * 1024 * 1024;

/// An object that is being written. The object is not visible before [`Upload::finish`].
pub struct Upload {
    storage: Storage,
    at: S3Uri,
    buffer: Vec<u8>,
    parts: Option<Multipart>,
}

impl Upload {
    /// Begins to write an object.
    #[must_use]
    pub fn new(storage: Storage, at: S3Uri) -> Self {
        Self { storage, at, buffer: Vec::new(), parts: None }
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// If S3 refuses a part.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART { self.flush().await } else { Ok(()) }
    }

    /// Makes the object visible.
    ///
    /// # Errors
    ///
    /// If S3 refuses the object. Nothing of the object is then left.
    pub async fn finish(mut self) -> Result<(), Failure> {
        if self.parts.is_some() && !self.buffer.is_empty() {
            self.flush().await?;
        }
        match self.parts {
            Some(parts) => parts.complete().await,
            None => self.storage.put(&self.at, self.buffer).await,
        }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.parts.is_none() {
            self.parts = Some(Multipart::begin(&self.storage, &self.at).await?);
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART));
        parts.write(bytes).await
    }
}
