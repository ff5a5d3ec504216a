//! The operations on multipart uploads.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3ErrorCode, S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{address, copy_source, owner, request_time, source_error, wire_etag, wire_time};
use super::tags;
use super::writing::{content_encoding, only_any};
use crate::local::s3::checksums::{ClaimedDigests, composite, hasher_of};
use crate::local::s3::model::{self, Checksums, Completed, Conditions, Meta, Upload};
use crate::local::s3::multipart::NamedPart;
use crate::local::s3::receiving::{hash, receive};

/// The highest part number of S3.
const LAST_PART: i32 = 10_000;

/// The largest number of parts on a page.
const PAGE: i32 = 1000;

impl Service {
    pub(super) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let input = request.input;
        let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned());
        let kind = input.checksum_type.as_ref().map(|kind| kind.as_str().to_owned());
        check_kind(algorithm.as_deref(), kind.as_deref())?;
        let kind = kind.or_else(|| algorithm.as_deref().map(usual_kind).map(str::to_owned));
        let tagging = request.headers.get("x-amz-tagging").and_then(|value| value.to_str().ok());
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
            tags: tags::of_header(tagging)?,
            checksums: Checksums { kind: kind.clone(), ..Default::default() },
            algorithm,
        };
        let id = self.store.create_upload(&input.bucket, &input.key, meta).await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: kind.map(ChecksumType::from),
            ..Default::default()
        })
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let input = request.input;
        check_part_number(input.part_number)?;
        let claimed = ClaimedDigests::of(
            &request.headers,
            input.checksum_algorithm.as_ref(),
            input.content_md5.as_deref(),
            request.extensions.get().cloned(),
        )?;
        let upload = self.store.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let algorithm = upload.meta.algorithm.as_deref();
        let received = self.receive_body(input.body, input.content_length, &claimed, algorithm).await?;
        let number = input.part_number;
        let part = self.store.put_part(&input.bucket, &input.key, &input.upload_id, number, received).await?;
        Ok(UploadPartOutput {
            e_tag: wire_etag(&part.etag),
            checksum_crc32: part.checksums.crc32,
            checksum_crc32c: part.checksums.crc32c,
            checksum_crc64nvme: part.checksums.crc64nvme,
            checksum_sha1: part.checksums.sha1,
            checksum_sha256: part.checksums.sha256,
            ..Default::default()
        })
    }

    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<UploadPartCopyOutput> {
        let input = request.input;
        check_part_number(input.part_number)?;
        let upload = self.store.upload(&input.bucket, &input.key, &input.upload_id).await?;
        let source = copy_source(input.copy_source)?;
        let (source, content) = self.store.open_object(source).await.map_err(source_error)?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: request_time(input.copy_source_if_modified_since),
            if_unmodified_since: request_time(input.copy_source_if_unmodified_since),
        };
        conditions.check_copy_source(&source)?;
        let bytes = source_bytes(input.copy_source_range.as_deref(), source.size)?;
        let hasher = hasher_of(upload.meta.algorithm.as_deref());
        let received = receive(&Arc::clone(self.store.blobs()), content.stream(bytes), hasher).await?;
        let number = input.part_number;
        let part = self.store.put_part(&input.bucket, &input.key, &input.upload_id, number, received).await?;
        let result = CopyPartResult {
            e_tag: wire_etag(&part.etag),
            last_modified: Some(wire_time(part.modified)),
            checksum_crc32: part.checksums.crc32,
            checksum_crc32c: part.checksums.crc32c,
            checksum_crc64nvme: part.checksums.crc64nvme,
            checksum_sha1: part.checksums.sha1,
            checksum_sha256: part.checksums.sha256,
        };
        let copy_source_version_id = source.named_version();
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id,
            ..Default::default()
        })
    }

    /// Completes an upload. The same request again gets the same answer, as in S3: its client may have missed the first one.
    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let mut input = request.input;
        let named = named_parts(input.multipart_upload.take())?;
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
        let completed = match self.complete(input, named.clone()).await {
            Err(error) if *error.code() == S3ErrorCode::NoSuchUpload => {
                self.store.completed(&bucket, &key, &id, &named).await?.ok_or(error)?
            }
            done => done?,
        };
        let checksums = completed.checksums;
        let object = self.store.head(address(bucket.clone(), key.clone(), None)).await;
        let expiration = match object {
            Ok(object) => self.store.expiration(&bucket, &object).await?,
            // A client has deleted the object since.
            Err(_) => None,
        };
        Ok(CompleteMultipartUploadOutput {
            expiration,
            location: Some(format!("/{bucket}/{key}")),
            bucket: Some(bucket),
            key: Some(key),
            e_tag: wire_etag(&completed.etag),
            version_id: completed.version,
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            checksum_type: checksums.kind.map(ChecksumType::from),
            ..Default::default()
        })
    }

    async fn complete(
        &self,
        input: CompleteMultipartUploadInput,
        named: Vec<NamedPart>,
    ) -> S3Result<Completed> {
        let conditions = Conditions {
            if_match: input.if_match,
            if_none_match: only_any(input.if_none_match)?,
            ..Default::default()
        };
        let upload = self.store.upload(&input.bucket, &input.key, &input.upload_id).await?;
        if let Some(claimed) = input.checksum_type.as_ref().map(ChecksumType::as_str)
            && upload.meta.checksums.kind.as_deref().is_some_and(|kind| kind != claimed)
        {
            return Err(s3_error!(
                InvalidRequest,
                "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
                upload.meta.checksums.kind.as_deref().unwrap_or_default()
            ));
        }
        let checksums = self.whole_checksums(&upload, &named).await?;
        let claimed = Checksums {
            crc32: input.checksum_crc32,
            crc32c: input.checksum_crc32c,
            crc64nvme: input.checksum_crc64nvme,
            sha1: input.checksum_sha1,
            sha256: input.checksum_sha256,
            kind: None,
        };
        check_whole(&claimed, &checksums)?;
        let (bucket, key, id) = (&input.bucket, &input.key, &input.upload_id);
        Ok(self.store.complete(bucket, key, id, named, checksums, conditions).await?)
    }

    /// Computes the checksum of the whole object, with the algorithm and of the kind that the upload asked for. Returns no
    /// checksum if the upload named no algorithm.
    async fn whole_checksums(&self, upload: &Upload, named: &[NamedPart]) -> S3Result<Checksums> {
        let Some(algorithm) = upload.meta.algorithm.as_deref() else { return Ok(Checksums::default()) };
        let content = self.store.assembled(&upload.id, named.to_vec()).await?;
        if upload.meta.checksums.kind.as_deref() == Some(ChecksumType::FULL_OBJECT) {
            let (_, computed) = hash(content.reader(), hasher_of(Some(algorithm))).await?;
            return Ok(computed.into());
        }
        let parts = content.segments.iter().map(|segment| serde_json::from_str(&segment.checksums));
        let parts = parts
            .collect::<Result<Vec<Checksums>, _>>()
            .map_err(crate::local::s3::error::StoreError::from)?;
        Ok(composite(algorithm, &parts))
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = request.input;
        self.store.abort(&bucket, &key, &upload_id).await?;
        Ok(AbortMultipartUploadOutput::default())
    }

    pub(super) async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<ListPartsOutput> {
        let input = request.input;
        let most = input.max_parts.unwrap_or(PAGE).clamp(0, PAGE);
        let after = input.part_number_marker.unwrap_or(0);
        // One entry more than the page has shows whether there is another page.
        let limit = most as usize + 1;
        let (upload, mut parts) =
            self.store.parts(&input.bucket, &input.key, &input.upload_id, after, limit).await?;
        let is_truncated = parts.len() > most as usize;
        parts.truncate(most as usize);
        Ok(ListPartsOutput {
            next_part_number_marker: parts.last().map(|part| part.number).filter(|_| is_truncated),
            is_truncated: Some(is_truncated),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            max_parts: Some(most),
            part_number_marker: Some(after),
            initiator: Some(initiator()),
            owner: Some(owner()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            checksum_algorithm: upload.meta.algorithm.map(ChecksumAlgorithm::from),
            checksum_type: upload.meta.checksums.kind.map(ChecksumType::from),
            parts: Some(parts.into_iter().map(listed_part).collect()),
            ..Default::default()
        })
    }
}

/// Returns the kind of checksum that S3 uses for an upload that names only the algorithm.
fn usual_kind(algorithm: &str) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::CRC64NVME => ChecksumType::FULL_OBJECT,
        _ => ChecksumType::COMPOSITE,
    }
}

/// Checks the algorithm and the kind of the checksum of an upload (user guide, "Checking object integrity").
fn check_kind(algorithm: Option<&str>, kind: Option<&str>) -> S3Result<()> {
    let wrong = match (algorithm, kind) {
        (None, Some(_)) => {
            return Err(s3_error!(
                InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            ));
        }
        (Some(ChecksumAlgorithm::CRC64NVME), kind) => kind == Some(ChecksumType::COMPOSITE),
        (Some(ChecksumAlgorithm::SHA1 | ChecksumAlgorithm::SHA256), kind) => {
            kind == Some(ChecksumType::FULL_OBJECT)
        }
        _ => false,
    };
    match (wrong, algorithm, kind) {
        (true, Some(algorithm), Some(kind)) => Err(s3_error!(
            InvalidRequest,
            "The {kind} checksum type cannot be used with the {} checksum algorithm.",
            algorithm.to_ascii_lowercase()
        )),
        _ => Ok(()),
    }
}

/// Returns the bytes of the source that become the part.
fn source_bytes(range: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(range) = range else { return Ok(0..size) };
    match Range::parse(range) {
        Ok(Range::Int { first, last: Some(last) }) if last < size => Ok(first..last + 1),
        // S3 does not cut such a range short, because the part would silently miss bytes.
        Ok(Range::Int { last: Some(_), .. }) => {
            Err(s3_error!(InvalidArgument, "Range specified is not valid for source object of size: {size}"))
        }
        _ => Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy"
        )),
    }
}

fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=LAST_PART).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {LAST_PART}, inclusive"))
}

fn named_parts(upload: Option<CompletedMultipartUpload>) -> S3Result<Vec<NamedPart>> {
    let parts = upload.and_then(|upload| upload.parts).unwrap_or_default();
    if parts.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let incomplete = || s3_error!(MalformedXML, "every part needs its PartNumber and its ETag");
    let named = parts.into_iter().map(|part| {
        Ok(NamedPart {
            number: part.part_number.ok_or_else(incomplete)?,
            etag: part.e_tag.ok_or_else(incomplete)?.into_value(),
            checksums: Checksums {
                crc32: part.checksum_crc32,
                crc32c: part.checksum_crc32c,
                crc64nvme: part.checksum_crc64nvme,
                sha1: part.checksum_sha1,
                sha256: part.checksum_sha256,
                kind: None,
            },
        })
    });
    named.collect()
}

/// Compares the checksums that a client sent for the whole object with the computed ones. A checksum whose algorithm was
/// not computed is ignored.
fn check_whole(claimed: &Checksums, computed: &Checksums) -> S3Result<()> {
    let pairs = [
        (&claimed.crc32, &computed.crc32),
        (&claimed.crc32c, &computed.crc32c),
        (&claimed.crc64nvme, &computed.crc64nvme),
        (&claimed.sha1, &computed.sha1),
        (&claimed.sha256, &computed.sha256),
    ];
    let agrees = |(claimed, computed): &(&Option<String>, &Option<String>)| match (claimed, computed) {
        // A composite checksum ends with `-` and the number of parts. A client may leave this end out.
        (Some(claimed), Some(computed)) => {
            claimed == computed || computed.split('-').next() == Some(claimed.as_str())
        }
        _ => true,
    };
    if pairs.iter().all(agrees) {
        return Ok(());
    }
    Err(s3_error!(
        BadDigest,
        "the checksum you specified for the whole object did not match the calculated checksum"
    ))
}

pub(super) fn initiator() -> Initiator {
    Initiator { display_name: Some(super::OWNER.to_owned()), id: Some(super::OWNER.to_owned()) }
}

fn listed_part(part: model::Part) -> Part {
    Part {
        part_number: Some(part.number),
        size: Some(part.size as i64),
        e_tag: wire_etag(&part.etag),
        last_modified: Some(wire_time(part.modified)),
        checksum_crc32: part.checksums.crc32,
        checksum_crc32c: part.checksums.crc32c,
        checksum_crc64nvme: part.checksums.crc64nvme,
        checksum_sha1: part.checksums.sha1,
        checksum_sha256: part.checksums.sha256,
    }
}
