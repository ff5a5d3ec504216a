//! Values of requests and answers that many operations share.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, StatusCode};
use s3s::dto::{self, CopySource, ETag, ETagCondition, Owner, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

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

/// Returns bucket and key of a copy's source.
pub(super) fn copy_source(source: CopySource) -> S3Result<(String, String)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            only_version(version_id.as_deref())?;
            Ok((bucket.into(), key.into()))
        }
        _ => Err(s3_error!(NotImplemented, "copies from access points and outposts are not implemented")),
    }
}

/// Accepts the version `null`, which is the only version of every object.
pub(super) fn only_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null" | "") => Ok(()),
        Some(_) => Err(s3_error!(
            NoSuchVersion,
            "the specified version does not exist, because this S3 keeps no versions"
        )),
    }
}

/// Returns an S3 error whose code `s3s` does not know.
pub(super) fn custom_error(code: &'static str, status: StatusCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}
