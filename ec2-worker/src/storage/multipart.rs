//! Writes an object in parts.

use std::ops::Range;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::{ObjectRef, S3Uri, Storage, refused};
use crate::failure::Failure;

/// A multipart upload. The object is not visible before [`Multipart::complete`]. An upload that is dropped before it is
/// complete is aborted.
pub(crate) struct Multipart {
    storage: Storage,
    at: S3Uri,
    id: String,
    parts: Vec<CompletedPart>,
    is_complete: bool,
}

impl Multipart {
    /// Begins to write the object at `at`.
    ///
    /// # Errors
    ///
    /// If there is no such bucket, or the worker may not write to it.
    pub(crate) async fn begin(storage: &Storage, at: &S3Uri) -> Result<Self, Failure> {
        let create = storage.client.create_multipart_upload().bucket(&at.bucket).key(&at.key);
        let created = create.send().await.map_err(|error| refused("writing", at, &error))?;
        let id = created.upload_id().unwrap_or_default().to_owned();
        Ok(Self { storage: storage.clone(), at: at.clone(), id, parts: Vec::new(), is_complete: false })
    }

    /// Writes the next part.
    ///
    /// # Errors
    ///
    /// If S3 refuses the part.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        let part = self.storage.client.upload_part().bucket(&self.at.bucket).key(&self.at.key);
        let part = part.upload_id(&self.id).part_number(self.next_number()).body(ByteStream::from(bytes));
        let sent = part.send().await.map_err(|error| refused("writing", &self.at, &error))?;
        self.push(sent.e_tag().map(str::to_owned));
        Ok(())
    }

    /// Copies a range of bytes of the object `from` as the next part. `source` is the value of `x-amz-copy-source`.
    ///
    /// # Errors
    ///
    /// If S3 refuses the copy, or `from` is another version now.
    pub(crate) async fn copy(
        &mut self,
        from: &ObjectRef,
        source: &str,
        range: Range<u64>,
    ) -> Result<(), Failure> {
        let part = self.storage.client.upload_part_copy().bucket(&self.at.bucket).key(&self.at.key);
        let part = part.upload_id(&self.id).part_number(self.next_number());
        let part = part.copy_source(source).set_copy_source_if_match(from.etag.clone());
        let part = part.copy_source_range(format!("bytes={}-{}", range.start, range.end - 1));
        let sent = part.send().await.map_err(|error| refused("copying", &from.at, &error))?;
        self.push(sent.copy_part_result().and_then(|result| result.e_tag()).map(str::to_owned));
        Ok(())
    }

    /// Makes the object visible.
    ///
    /// # Errors
    ///
    /// If S3 refuses the object.
    pub(crate) async fn complete(mut self) -> Result<(), Failure> {
        let parts = std::mem::take(&mut self.parts);
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.storage.client.complete_multipart_upload();
        let complete = complete.bucket(&self.at.bucket).key(&self.at.key).upload_id(&self.id);
        let sent = complete.multipart_upload(whole).send().await;
        sent.map_err(|error| refused("completing", &self.at, &error))?;
        self.is_complete = true;
        Ok(())
    }

    fn next_number(&self) -> i32 {
        self.parts.len() as i32 + 1
    }

    fn push(&mut self, etag: Option<String>) {
        let number = self.next_number();
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        if self.is_complete {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // S3 keeps and charges for the parts of an unfinished upload until somebody aborts it.
        let abort = self.storage.client.abort_multipart_upload();
        let abort = abort.bucket(&self.at.bucket).key(&self.at.key).upload_id(&self.id);
        runtime.spawn(async move {
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %error, "an unfinished multipart upload could not be aborted");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use axum::Router;
    use axum::extract::State;
    use axum::http::{Method, StatusCode, Uri};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;
    use crate::Clients;

    /// Begins uploads with the id `u`, takes written parts, and refuses copies and completions.
    async fn serve(
        State(calls): State<UnboundedSender<String>>,
        method: Method,
        uri: Uri,
    ) -> (StatusCode, &'static str) {
        let query = uri.query().unwrap_or_default();
        calls.send(format!("{method} {query}")).expect("the test listens");
        if method == Method::POST && query.contains("uploads") {
            let begun =
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
            return (StatusCode::OK, begun);
        }
        if method == Method::DELETE {
            return (StatusCode::NO_CONTENT, "");
        }
        (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
    }

    async fn refusing() -> (Storage, UnboundedReceiver<String>) {
        let (sender, calls) = unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(serve).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let credentials = Credentials::new("AKIATEST", "secret", None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(url)
            .build();
        (Storage::new(Clients::new(&config, true).s3), calls)
    }

    async fn must_be_aborted(mut calls: UnboundedReceiver<String>) {
        let aborted = async {
            while let Some(call) = calls.recv().await {
                if call.starts_with("DELETE") && call.contains("uploadId=u") {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), aborted).await.expect("the upload is aborted");
    }

    fn uri(key: &str) -> S3Uri {
        S3Uri { bucket: "files".to_owned(), key: key.to_owned() }
    }

    #[tokio::test]
    async fn an_upload_is_aborted_when_a_copy_of_a_part_fails() {
        let (storage, calls) = refusing().await;
        let from = ObjectRef { at: uri("large.csv"), etag: None, size: 6_000_000_000 };
        let mut parts = Multipart::begin(&storage, &uri("copy.csv")).await.expect("begun");
        let failure = parts.copy(&from, "files/large.csv", 0..1000).await.expect_err("refused");
        assert_eq!(failure.id, "S3:AccessDenied");
        drop(parts);
        must_be_aborted(calls).await;
    }

    #[tokio::test]
    async fn an_upload_is_aborted_when_it_cannot_be_completed() {
        let (storage, calls) = refusing().await;
        let parts = Multipart::begin(&storage, &uri("rows.csv")).await.expect("begun");
        let failure = parts.complete().await.expect_err("refused");
        assert_eq!(failure.id, "S3:AccessDenied");
        must_be_aborted(calls).await;
    }
}
