//! PutObject and CopyObject.

use std::sync::Arc;

use futures::StreamExt;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{copy_source, etag_condition, request_time, source_error, wire_etag, wire_time};
use super::tags;
use crate::local::s3::broken_content::s3_error_of;
use crate::local::s3::checksums::{ClaimedDigests, algorithm_of, hasher_of};
use crate::local::s3::copy::Copy;
use crate::local::s3::error::StoreError;
use crate::local::s3::event::EventName;
use crate::local::s3::form::FormUpload;
use crate::local::s3::model::{Address, Checksums, Conditions, Meta, S3Object};
use crate::local::s3::receiving::{ReceiveError, Received, hash, receive};

/// The largest content that S3 accepts in one request, in bytes.
const LARGEST_PUT: i64 = 5 << 30;

/// How many bytes of a refused upload are read and dropped, so that the client reads the reason of the refusal.
const DRAIN_LIMIT: usize = 256 << 20;

/// How many times a copy is tried. A try fails if the source changes between the read of its metadata and the copy.
const COPY_TRIES: usize = 10;

impl Service {
    pub(super) async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let input = request.input;
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: only_any(input.if_none_match)?,
            ..Default::default()
        };
        let claimed = ClaimedDigests::of(
            &request.headers,
            input.checksum_algorithm.as_ref(),
            input.content_md5.as_deref(),
            request.extensions.get().cloned(),
        )?;
        let meta = Meta {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: content_encoding(input.content_encoding),
            content_language: input.content_language,
            expires: input.expires,
            website_redirect_location: input.website_redirect_location,
            storage_class: input.storage_class.map(|class| class.as_str().to_owned()),
            user: input.metadata.unwrap_or_default().into_iter().collect(),
            tags: tags::of_header(input.tagging.as_deref())?,
            ..Default::default()
        };
        let received = self.receive_body(input.body, input.content_length, &claimed, None).await?;
        let is_form = request.extensions.get::<FormUpload>().is_some();
        let name = if is_form { EventName::CreatedPost } else { EventName::CreatedPut };
        let object = self.store.put(&input.bucket, &input.key, received, meta, conditions, name).await?;
        let version_id = object.named_version();
        let expiration = self.store.expiration(&input.bucket, &object).await?;
        let checksums = object.meta.checksums;
        Ok(PutObjectOutput {
            version_id,
            expiration,
            e_tag: wire_etag(&object.etag),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            checksum_type: checksums.kind.map(ChecksumType::from),
            ..Default::default()
        })
    }

    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<CopyObjectOutput> {
        let input = &request.input;
        let from = copy_source(input.copy_source.clone())?;
        let replaces =
            input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == "REPLACE");
        let to = (input.bucket.clone(), input.key.clone());
        let is_same = from.version.is_none() && from.bucket == to.0 && from.key == to.1;
        if is_same && !replaces && input.storage_class.is_none() && input.website_redirect_location.is_none()
        {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let of_source = source_conditions(input);
        let conditions = Conditions {
            if_match: etag_condition(&request.headers, IF_MATCH)?,
            if_none_match: only_any(etag_condition(&request.headers, IF_NONE_MATCH)?)?,
            ..Default::default()
        };
        for _ in 0..COPY_TRIES {
            let source = self.store.head(from.clone()).await.map_err(source_error)?;
            of_source.check_copy_source(&source)?;
            let from_version = source.named_version();
            let meta = if replaces { replaced_meta(input)? } else { source.meta.clone() };
            let meta = with_requested_meta(meta, &source, input)?;
            let copy = self.plan_copy(&from, source, meta, input.checksum_algorithm.as_ref()).await?;
            if let Some(object) = self.store.copy(from.clone(), to.clone(), copy, conditions.clone()).await? {
                let expiration = self.store.expiration(&to.0, &object).await?;
                return Ok(CopyObjectOutput { expiration, ..copied(object, from_version) });
            }
        }
        Err(s3_error!(ConditionalRequestConflict, "the source of the copy keeps changing"))
    }

    /// Returns the copy of `source` to make, with its ETag and its checksums. The content of `source` is read only if
    /// the copy needs a new checksum, or if `source` comes from a multipart upload, because the ETag of the copy must be
    /// the MD5 of the whole content.
    async fn plan_copy(
        &self,
        from: &Address,
        source: S3Object,
        meta: Meta,
        algorithm: Option<&ChecksumAlgorithm>,
    ) -> S3Result<Copy> {
        let present = source.meta.checksums;
        let wanted = algorithm.map(ChecksumAlgorithm::as_str).or_else(|| algorithm_of(&present));
        let is_whole = !source.etag.contains('-');
        if is_whole && wanted == algorithm_of(&present) {
            return Ok(Copy { content: source.content, etag: source.etag, meta, checksums: present });
        }
        // The object may have been replaced since `head`. `S3Store::copy` then finds another content and returns `None`, so the
        // caller plans again.
        let (_, content) = self.store.open_object(from.clone()).await?;
        let hasher = hasher_of(wanted);
        let (etag, checksums) = hash(content.reader(), hasher).await?;
        Ok(Copy { content: source.content, etag, meta, checksums: checksums.into() })
    }

    /// Receives the content of a request, and checks its length and the digests that the client sent. `algorithm` is a
    /// further checksum to compute.
    pub(super) async fn receive_body(
        &self,
        body: Option<StreamingBlob>,
        length: Option<i64>,
        claimed: &ClaimedDigests,
        algorithm: Option<&str>,
    ) -> S3Result<Received> {
        if length.is_some_and(|length| length > LARGEST_PUT) {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
        }
        let mut body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
        let blobs = Arc::clone(self.store.blobs());
        let received = match receive(&blobs, &mut body, claimed.hasher(algorithm)).await {
            Ok(received) => received,
            Err(ReceiveError::Stream(error)) => return Err(s3_error_of(&*error)),
            Err(ReceiveError::Store(error)) => {
                drain(body).await;
                return Err(error.into());
            }
        };
        if length.is_some_and(|length| length as u64 != received.size) {
            return Err(s3_error!(
                IncompleteBody,
                "You did not provide the number of bytes specified by Content-Length"
            ));
        }
        claimed.verify(&received)?;
        Ok(received)
    }
}

/// Returns the condition `If-None-Match: *`, or none. Any other form is an error, because S3 accepts only this form on
/// a write.
pub(super) fn only_any(condition: Option<ETagCondition>) -> S3Result<Option<ETagCondition>> {
    match condition {
        Some(ETagCondition::ETag(_)) => {
            Err(s3_error!(NotImplemented, "If-None-Match on a write takes `*` only, as in AWS"))
        }
        other => Ok(other),
    }
}

/// Returns the content encodings without `aws-chunked`, which describes the request and not the content.
pub(super) fn content_encoding(header: Option<String>) -> Option<String> {
    let kept: Vec<_> =
        header.as_deref()?.split(',').map(str::trim).filter(|name| *name != "aws-chunked").collect();
    Some(kept.join(",")).filter(|kept| !kept.is_empty())
}

fn source_conditions(input: &CopyObjectInput) -> Conditions {
    Conditions {
        if_match: input.copy_source_if_match.clone(),
        if_none_match: input.copy_source_if_none_match.clone(),
        if_modified_since: request_time(input.copy_source_if_modified_since.clone()),
        if_unmodified_since: request_time(input.copy_source_if_unmodified_since.clone()),
    }
}

fn replaced_meta(input: &CopyObjectInput) -> S3Result<Meta> {
    Ok(Meta {
        content_type: input.content_type.clone(),
        cache_control: input.cache_control.clone(),
        content_disposition: input.content_disposition.clone(),
        content_encoding: content_encoding(input.content_encoding.clone()),
        content_language: input.content_language.clone(),
        expires: input.expires.clone(),
        user: input.metadata.clone().unwrap_or_default().into_iter().collect(),
        ..Default::default()
    })
}

/// Sets the metadata that the request for a copy decides: tags, storage class and redirection.
fn with_requested_meta(mut meta: Meta, source: &S3Object, input: &CopyObjectInput) -> S3Result<Meta> {
    let replaces_tags =
        input.tagging_directive.as_ref().is_some_and(|directive| directive.as_str() == "REPLACE");
    meta.tags =
        if replaces_tags { tags::of_header(input.tagging.as_deref())? } else { source.meta.tags.clone() };
    meta.storage_class = input.storage_class.as_ref().map(|class| class.as_str().to_owned());
    meta.website_redirect_location = input.website_redirect_location.clone();
    Ok(meta)
}

fn copied(object: S3Object, from_version: Option<String>) -> CopyObjectOutput {
    let version_id = object.named_version();
    let Checksums { crc32, crc32c, crc64nvme, sha1, sha256, kind } = object.meta.checksums;
    let result = CopyObjectResult {
        e_tag: wire_etag(&object.etag),
        last_modified: Some(wire_time(object.modified)),
        checksum_crc32: crc32,
        checksum_crc32c: crc32c,
        checksum_crc64nvme: crc64nvme,
        checksum_sha1: sha1,
        checksum_sha256: sha256,
        checksum_type: kind.map(ChecksumType::from),
    };
    CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: from_version,
        version_id,
        ..Default::default()
    }
}

/// Reads the rest of a refused upload, because many clients read the answer only after they have sent everything.
async fn drain(mut body: StreamingBlob) {
    let mut drained = 0;
    while let Some(Ok(bytes)) = body.next().await {
        drained += bytes.len();
        if drained > DRAIN_LIMIT {
            return;
        }
    }
}

impl From<ReceiveError> for S3Error {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Stream(error) => s3_error_of(&*error),
            ReceiveError::Store(error) => error.into(),
        }
    }
}

impl Service {
    /// Fails with [`StoreError::NoSuchBucket`] if the bucket does not exist.
    pub(super) async fn expect_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        self.store.bucket(bucket).await.map(drop)
    }
}
