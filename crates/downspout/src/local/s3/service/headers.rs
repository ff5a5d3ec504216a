//! Values of requests and answers that many operations share.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, StatusCode};
use s3s::dto::{self, CopySource, ETag, ETagCondition, Owner, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};

use crate::local::s3::error::{StoreError, custom_error};
use crate::local::s3::model::Address;

/// Returns a time in the form of an answer.
pub(super) fn wire_time(time: jiff::Timestamp) -> dto::Timestamp {
    SystemTime::from(time).into()
}

/// Returns a time of a request, in whole seconds.
pub(super) fn request_time(time: Option<dto::Timestamp>) -> Option<jiff::Timestamp> {
    let mut text = Vec::new();
    time?.format(TimestampFormat::EpochSeconds, &mut text).ok()?;
    let seconds = str::from_utf8(&text).ok()?.split('.').next()?;
    jiff::Timestamp::from_second(seconds.parse().ok()?).ok()
}

/// Returns an ETag in the form of an answer.
pub(super) fn wire_etag(etag: &str) -> Option<ETag> {
    Some(ETag::Strong(etag.to_owned()))
}

/// Returns the owner of everything.
pub(super) fn owner() -> Owner {
    Owner { display_name: Some(super::OWNER.to_owned()), id: Some(super::OWNER.to_owned()) }
}

/// Reads an ETag condition from the headers, for the operations for which `s3s` does not read it.
pub(super) fn etag_condition(headers: &HeaderMap, name: HeaderName) -> S3Result<Option<ETagCondition>> {
    let Some(value) = headers.get(&name) else { return Ok(None) };
    let condition = ETagCondition::parse_http_header(value.as_bytes());
    condition.map(Some).map_err(|_| s3_error!(InvalidArgument, "the header {name} is not an ETag"))
}

/// Returns the source of a copy.
pub(super) fn copy_source(source: CopySource) -> S3Result<Address> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok(address(bucket.into(), key.into(), version_id.map(String::from)))
        }
        _ => Err(s3_error!(NotImplemented, "copies from access points and outposts are not implemented")),
    }
}

/// Returns the S3 error for a source that cannot be copied.
pub(super) fn source_error(error: StoreError) -> S3Error {
    match error {
        StoreError::IsDeleteMarker { .. } => s3_error!(
            InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version id."
        ),
        other => other.into(),
    }
}

/// Returns the address of an object. An empty version means the newest one.
pub(super) fn address(bucket: String, key: String, version: Option<String>) -> Address {
    Address { bucket, key, version: version.filter(|version| !version.is_empty()) }
}

/// Returns the error for a sub-resource that a bucket does not have.
pub(super) fn not_found(code: &'static str, message: &'static str) -> S3Error {
    custom_error(code, StatusCode::NOT_FOUND, message)
}

/// Returns the error for a function that this S3 leaves out on purpose.
pub(super) fn left_out(what: &str) -> S3Error {
    s3_error!(
        NotImplemented,
        "{what} not implemented here; docs/compatibility.md lists what this S3 does and leaves out"
    )
}
