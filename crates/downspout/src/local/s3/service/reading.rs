//! GetObject and HeadObject.

use std::ops::Range;

use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::dto::{self, *};
use s3s::header::X_AMZ_TAGGING_COUNT;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Service;
use super::headers::{address, request_time, wire_etag, wire_time};
use crate::local::s3::content::Segment;
use crate::local::s3::detour::EtagLists;
use crate::local::s3::error::custom_error;
use crate::local::s3::model::{Checksums, Conditions, Meta, S3Object};

/// The part of an object that a request asks for.
struct RequestedBytes {
    bytes: Range<u64>,
    content_range: Option<String>,
    parts_count: Option<i32>,
}

impl Service {
    pub(super) async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
        let lists = request.extensions.get::<EtagLists>().cloned().unwrap_or_default();
        let input = request.input;
        let is_newest = input.version_id.is_none();
        let bucket = input.bucket.clone();
        let address = address(input.bucket, input.key, input.version_id);
        let (object, content) = self.store.open_object(address).await?;
        let conditions = Conditions {
            if_match: input.if_match.or_else(|| lists.if_match(&object.etag)),
            if_none_match: input.if_none_match.or_else(|| lists.if_none_match(&object.etag)),
            if_modified_since: request_time(input.if_modified_since),
            if_unmodified_since: request_time(input.if_unmodified_since),
        };
        conditions.check_read(&object)?;
        let wanted = requested_bytes(&object, &content.segments, input.range, input.part_number)?;
        let checksums = answered_checksums(&object, &wanted, input.checksum_mode.as_ref());
        let length = wanted.bytes.end - wanted.bytes.start;
        let expiration = if is_newest { self.store.expiration(&bucket, &object).await? } else { None };
        let Meta { user, tags, .. } = &object.meta;
        Ok(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            expiration,
            content_length: Some(length as i64),
            content_range: wanted.content_range,
            parts_count: wanted.parts_count,
            e_tag: wire_etag(&object.etag),
            last_modified: Some(wire_time(object.modified)),
            version_id: object.named_version(),
            metadata: Some(user.clone().into_iter().collect()).filter(|user: &Metadata| !user.is_empty()),
            tag_count: Some(tags.len() as i32).filter(|count| *count > 0),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            checksum_type: checksums.kind.map(ChecksumType::from),
            content_type: Some(object.meta.content_type()),
            cache_control: object.meta.cache_control,
            content_disposition: object.meta.content_disposition,
            content_encoding: object.meta.content_encoding,
            content_language: object.meta.content_language,
            expires: object.meta.expires,
            website_redirect_location: object.meta.website_redirect_location,
            storage_class: object.meta.storage_class.map(StorageClass::from),
            body: Some(StreamingBlob::new(content.stream(wanted.bytes))),
            ..Default::default()
        })
    }

    pub(super) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let lists = request.extensions.get::<EtagLists>().cloned().unwrap_or_default();
        let input = request.input;
        let is_newest = input.version_id.is_none();
        let bucket = input.bucket.clone();
        let address = address(input.bucket, input.key, input.version_id);
        let (object, segments) = match input.part_number {
            // Only a request for a part needs the segments: the sizes of the earlier parts tell where the part begins.
            Some(_) => {
                let (object, content) = self.store.open_object(address).await?;
                (object, content.segments)
            }
            None => (self.store.head(address).await?, Vec::new()),
        };
        let conditions = Conditions {
            if_match: input.if_match.or_else(|| lists.if_match(&object.etag)),
            if_none_match: input.if_none_match.or_else(|| lists.if_none_match(&object.etag)),
            if_modified_since: request_time(input.if_modified_since),
            if_unmodified_since: request_time(input.if_unmodified_since),
        };
        conditions.check_read(&object)?;
        let wanted = requested_bytes(&object, &segments, input.range, input.part_number)?;
        let checksums = answered_checksums(&object, &wanted, input.checksum_mode.as_ref());
        let length = wanted.bytes.end - wanted.bytes.start;
        let tags = object.meta.tags.len();
        let expiration = if is_newest { self.store.expiration(&bucket, &object).await? } else { None };
        let mut response = S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            expiration,
            content_length: Some(length as i64),
            content_range: wanted.content_range,
            parts_count: wanted.parts_count,
            e_tag: wire_etag(&object.etag),
            last_modified: Some(wire_time(object.modified)),
            version_id: object.named_version(),
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            checksum_type: checksums.kind.map(ChecksumType::from),
            content_type: Some(object.meta.content_type()),
            metadata: Some(object.meta.user.into_iter().collect()).filter(|user: &Metadata| !user.is_empty()),
            cache_control: object.meta.cache_control,
            content_disposition: object.meta.content_disposition,
            content_encoding: object.meta.content_encoding,
            content_language: object.meta.content_language,
            expires: object.meta.expires,
            website_redirect_location: object.meta.website_redirect_location,
            storage_class: object.meta.storage_class.map(StorageClass::from),
            ..Default::default()
        });
        // `s3s` has no field for this header of the answer.
        if tags > 0 {
            response.headers.insert(X_AMZ_TAGGING_COUNT, HeaderValue::from(tags));
        }
        Ok(response)
    }
}

fn requested_bytes(
    object: &S3Object,
    segments: &[Segment],
    range: Option<dto::Range>,
    part: Option<i32>,
) -> S3Result<RequestedBytes> {
    let size = object.size;
    // An empty range has no last byte.
    let content_range = |bytes: &Range<u64>| {
        (!bytes.is_empty()).then(|| format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1))
    };
    match (range, part) {
        (Some(_), Some(_)) => {
            Err(s3_error!(InvalidRequest, "cannot specify both Range header and partNumber"))
        }
        (Some(range), None) => {
            let bytes = range.check(size).ok().filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or_else(|| unsatisfiable(size))?;
            Ok(RequestedBytes { content_range: content_range(&bytes), bytes, parts_count: None })
        }
        (None, Some(number)) => {
            let (bytes, count) = part_bytes(object, segments, number)?;
            let content_range = content_range(&bytes);
            Ok(RequestedBytes {
                content_range,
                bytes,
                parts_count: Some(count).filter(|_| object.etag.contains('-')),
            })
        }
        (None, None) => Ok(RequestedBytes { bytes: 0..size, content_range: None, parts_count: None }),
    }
}

/// Returns the error for a range that has no byte of the content. Its header says how long the content is.
fn unsatisfiable(size: u64) -> S3Error {
    let mut error =
        s3_error!(InvalidRange, "The requested range is not satisfiable: the object has {size} bytes");
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        error.set_headers(HeaderMap::from_iter([(CONTENT_RANGE, value)]));
    }
    error
}

/// Returns the byte range of the part `number`, and the number of parts. Parts are counted from 1 without gaps, even if
/// the upload left part numbers out. Fails if there is no such part.
fn part_bytes(object: &S3Object, segments: &[Segment], number: i32) -> S3Result<(Range<u64>, i32)> {
    let invalid = || {
        custom_error(
            "InvalidPartNumber",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The requested partnumber is not satisfiable",
        )
    };
    // Only an object from a multipart upload has parts. A copy of such an object has no parts.
    if !object.etag.contains('-') {
        return if number == 1 { Ok((0..object.size, 1)) } else { Err(invalid()) };
    }
    let index = usize::try_from(number - 1).map_err(|_| invalid())?;
    let segment = segments.get(index).ok_or_else(invalid)?;
    let begin = segments[..index].iter().map(|segment| segment.size).sum();
    Ok((begin..begin + segment.size, segments.len() as i32))
}

/// Returns the checksums of the answer: those of the object if the client asks for them and gets the whole object,
/// otherwise none.
fn answered_checksums(object: &S3Object, wanted: &RequestedBytes, mode: Option<&ChecksumMode>) -> Checksums {
    match mode {
        Some(_) if wanted.content_range.is_none() => object.meta.checksums.clone(),
        _ => Checksums::default(),
    }
}
