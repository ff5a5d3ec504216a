//! Writes an object in parts.

use std::ops::Range;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::task::{JoinError, JoinSet};

use super::{ObjectRef, S3Uri, Storage, refused};
use crate::failure::Failure;
use crate::panics;

/// The largest number of parts that are sent at the same time. Each of them stays in memory until it is sent.
const SENDING: usize = 2;

/// A multipart upload. The object is not visible before [`Multipart::complete`]. An upload that is dropped before it is
/// complete is aborted.
pub(crate) struct Multipart {
    storage: Storage,
    at: S3Uri,
    id: String,
    /// The number of the last part that was begun.
    last: i32,
    parts: Vec<CompletedPart>,
    sending: JoinSet<Result<CompletedPart, Failure>>,
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
        Ok(Self {
            storage: storage.clone(),
            at: at.clone(),
            id,
            last: 0,
            parts: Vec::new(),
            sending: JoinSet::new(),
            is_complete: false,
        })
    }

    /// Begins to write the next part. The part is sent while the caller goes on.
    ///
    /// # Errors
    ///
    /// If S3 refuses this part or one before it. A refusal may also come from a later call.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        while self.sending.len() >= SENDING {
            if let Some(sent) = self.sending.join_next().await {
                self.take(sent)?;
            }
        }
        while let Some(sent) = self.sending.try_join_next() {
            self.take(sent)?;
        }
        let number = self.next_number();
        let part = self.storage.client.upload_part().bucket(&self.at.bucket).key(&self.at.key);
        let part = part.upload_id(&self.id).part_number(number).body(ByteStream::from(bytes));
        let at = self.at.clone();
        self.sending.spawn(async move {
            let sent = part.send().await.map_err(|error| refused("writing", &at, &error))?;
            Ok(completed(number, sent.e_tag()))
        });
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
        let number = self.next_number();
        let part = self.storage.client.upload_part_copy().bucket(&self.at.bucket).key(&self.at.key);
        let part = part.upload_id(&self.id).part_number(number);
        let part = part.copy_source(source).set_copy_source_if_match(from.etag.clone());
        let part = part.copy_source_range(format!("bytes={}-{}", range.start, range.end - 1));
        let sent = part.send().await.map_err(|error| refused("copying", &from.at, &error))?;
        self.parts.push(completed(number, sent.copy_part_result().and_then(|result| result.e_tag())));
        Ok(())
    }

    /// Waits until all parts are sent, and makes the object visible.
    ///
    /// # Errors
    ///
    /// If S3 refuses a part or the object.
    pub(crate) async fn complete(mut self) -> Result<(), Failure> {
        while let Some(sent) = self.sending.join_next().await {
            self.take(sent)?;
        }
        let mut parts = std::mem::take(&mut self.parts);
        parts.sort_by_key(CompletedPart::part_number);
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.storage.client.complete_multipart_upload();
        let complete = complete.bucket(&self.at.bucket).key(&self.at.key).upload_id(&self.id);
        let sent = complete.multipart_upload(whole).send().await;
        sent.map_err(|error| refused("completing", &self.at, &error))?;
        self.is_complete = true;
        Ok(())
    }

    fn next_number(&mut self) -> i32 {
        self.last += 1;
        self.last
    }

    fn take(&mut self, sent: Result<Result<CompletedPart, Failure>, JoinError>) -> Result<(), Failure> {
        let part = sent.map_err(|error| panics::of_thread("writing a part of an object", error))??;
        self.parts.push(part);
        Ok(())
    }
}

fn completed(number: i32, etag: Option<&str>) -> CompletedPart {
    CompletedPart::builder().part_number(number).set_e_tag(etag.map(str::to_owned)).build()
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
        let mut sending = std::mem::take(&mut self.sending);
        runtime.spawn(async move {
            // S3 keeps a part that arrives after the upload was aborted.
            sending.shutdown().await;
            if let Err(error) = abort.send().await {
                tracing::warn!(error = %error, "an unfinished multipart upload could not be aborted");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
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

    /// Begins uploads with the id `u`, and refuses parts and completions.
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
        (storage_of(Router::new().fallback(serve).with_state(sender)).await, calls)
    }

    async fn storage_of(router: Router) -> Storage {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let credentials = Credentials::new("AKIATEST", "secret", None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(url)
            .build();
        Storage::new(Clients::new(&config, true).s3)
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

    #[tokio::test]
    async fn an_upload_is_aborted_and_not_completed_when_a_part_fails() {
        let (storage, mut calls) = refusing().await;
        let mut parts = Multipart::begin(&storage, &uri("rows.csv")).await.expect("begun");
        parts.write(b"one".to_vec()).await.expect("it is sent in the background");
        let failure = parts.complete().await.expect_err("refused");
        assert_eq!(failure.id, "S3:AccessDenied");
        let aborted = async {
            while let Some(call) = calls.recv().await {
                assert!(!call.starts_with("POST uploadId"), "the object became visible: {call}");
                if call.starts_with("DELETE") {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), aborted).await.expect("the upload is aborted");
    }

    /// The parts that are being sent, the largest number of them, and the body of the completion.
    #[derive(Default)]
    struct Seen {
        now: usize,
        most: usize,
        completion: String,
        /// The part with an even number that was taken last.
        even: tokio::sync::watch::Sender<u32>,
    }

    /// Takes parts. The first of two parts is taken only after the second, so they must be sent at the same time.
    async fn take_in_pairs(
        State(seen): State<Arc<Mutex<Seen>>>,
        method: Method,
        uri: Uri,
        body: String,
    ) -> ([(&'static str, String); 1], String) {
        let query = uri.query().unwrap_or_default().to_owned();
        if method == Method::PUT {
            let number = query.split("partNumber=").nth(1).and_then(|rest| rest[..1].parse::<u32>().ok());
            let number = number.expect("the number of a part");
            let mut even = {
                let mut seen = seen.lock().expect("no panic");
                seen.now += 1;
                seen.most = seen.most.max(seen.now);
                seen.even.subscribe()
            };
            match number {
                1 | 3 => drop(even.wait_for(|even| *even > number).await.expect("the sender lives")),
                _ => drop(seen.lock().expect("no panic").even.send_replace(number)),
            }
        }
        let mut seen = seen.lock().expect("no panic");
        let answer = match method {
            Method::PUT => {
                seen.now -= 1;
                String::new()
            }
            _ if query.contains("uploads") => {
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                    .to_owned()
            }
            _ => {
                seen.completion = body;
                "<CompleteMultipartUploadResult><Key>rows.csv</Key></CompleteMultipartUploadResult>"
                    .to_owned()
            }
        };
        ([("etag", format!("\"{query}\""))], answer)
    }

    #[tokio::test]
    async fn two_parts_are_sent_at_the_same_time_and_completed_in_their_order() {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let router = Router::new().fallback(take_in_pairs).with_state(seen.clone());
        let storage = storage_of(router).await;
        let mut parts = Multipart::begin(&storage, &uri("rows.csv")).await.expect("begun");
        let upload = async {
            for text in ["one", "two", "three", "four", "five"] {
                parts.write(text.as_bytes().to_vec()).await.expect("taken");
            }
            parts.complete().await.expect("complete");
        };
        tokio::time::timeout(Duration::from_secs(20), upload).await.expect("two parts are sent at once");
        let seen = seen.lock().expect("no panic");
        assert_eq!(seen.most, 2);
        let numbers: Vec<&str> =
            seen.completion.split("<PartNumber>").skip(1).map(|part| &part[..1]).collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5"], "{}", seen.completion);
        assert!(seen.completion.contains("partNumber=5"), "{}", seen.completion);
    }
}
