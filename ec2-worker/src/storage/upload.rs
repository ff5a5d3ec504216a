//! Writes an object of unknown length: with one request if it is small, in parts if it is large.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::{S3Uri, Storage, refused};
use crate::failure::Failure;

/// The size of a part. S3 accepts parts of 5 MB or more, and at most 10,000 of them, so an object may have up to 80 GB.
const PART: usize = 8 * 1024 * 1024;

/// An object that is being written. The object is not visible before [`Upload::finish`].
pub struct Upload {
    storage: Storage,
    at: S3Uri,
    buffer: Vec<u8>,
    parts: Option<Parts>,
}

struct Parts {
    id: String,
    done: Vec<CompletedPart>,
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
        if self.parts.is_none() {
            let bytes = std::mem::take(&mut self.buffer);
            return self.storage.put(&self.at, bytes).await;
        }
        if !self.buffer.is_empty() {
            self.flush().await?;
        }
        let Some(Parts { id, done }) = self.parts.take() else { return Ok(()) };
        let whole = CompletedMultipartUpload::builder().set_parts(Some(done)).build();
        let complete = self.storage.client.complete_multipart_upload();
        let sent =
            complete.bucket(&self.at.bucket).key(&self.at.key).upload_id(id).multipart_upload(whole).send();
        sent.await.map_err(|error| refused("completing", &self.at, &error))?;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let (client, at) = (self.storage.client.clone(), self.at.clone());
        if self.parts.is_none() {
            let create = client.create_multipart_upload().bucket(&at.bucket).key(&at.key);
            let created = create.send().await.map_err(|error| refused("writing", &at, &error))?;
            let id = created.upload_id().unwrap_or_default().to_owned();
            self.parts = Some(Parts { id, done: Vec::new() });
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let number = parts.done.len() as i32 + 1;
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART));
        let upload =
            client.upload_part().bucket(&at.bucket).key(&at.key).upload_id(&parts.id).part_number(number);
        let sent = upload.body(ByteStream::from(bytes)).send().await;
        let sent = sent.map_err(|error| refused("writing", &at, &error))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag().map(str::to_owned));
        parts.done.push(part.build());
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // S3 keeps and charges for the parts of an unfinished upload until somebody aborts it.
        let (Some(parts), Ok(runtime)) = (self.parts.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let abort = self.storage.client.abort_multipart_upload();
        let abort = abort.bucket(&self.at.bucket).key(&self.at.key).upload_id(parts.id);
        runtime.spawn(async move {
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %error, "an unfinished multipart upload could not be aborted");
            }
        });
    }
}
