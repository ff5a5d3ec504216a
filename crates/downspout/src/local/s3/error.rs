//! The errors of the store, and their codes in S3.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use http::header::{ALLOW, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use s3s::{S3Error, S3ErrorCode};

use super::answers::CONDITION;

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
const VERSION: HeaderName = HeaderName::from_static("x-amz-version-id");

/// Returns an S3 error whose code `s3s` does not know.
pub(super) fn custom_error(
    code: &'static str,
    status: StatusCode,
    message: impl Into<Cow<'static, str>>,
) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// The reason why the store refused or failed to do a request.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket does not exist.
    #[error("the bucket `{0}` does not exist")]
    NoSuchBucket(String),
    /// The bucket contains objects.
    #[error("the bucket `{0}` is not empty")]
    BucketNotEmpty(String),
    /// The key does not exist.
    #[error("the key `{0}` does not exist")]
    NoSuchKey(String),
    /// The multipart upload was completed or aborted, or never existed.
    #[error("the upload `{0}` does not exist; it may have been aborted or completed")]
    NoSuchUpload(String),
    /// A condition of the request is not fulfilled; the value is the header's name.
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed(&'static str),
    /// The client has the object already (`If-None-Match`, `If-Modified-Since`).
    #[error("not modified")]
    NotModified {
        /// The ETag of the object, without quotes.
        etag: String,
        /// The time at which the object was written.
        modified: Timestamp,
    },
    /// The object has no version with this id.
    #[error("the key `{key}` has no version `{version}`")]
    NoSuchVersion {
        /// The key.
        key: String,
        /// The id that the request names.
        version: String,
    },
    /// The newest version of the object is a delete marker.
    #[error("the key `{key}` does not exist: its newest version is a delete marker")]
    Deleted {
        /// The key.
        key: String,
        /// The id of the delete marker.
        version: String,
    },
    /// The version that the request names is a delete marker, which can only be deleted.
    #[error(
        "the specified method is not allowed against this resource: the version `{version}` is a delete marker"
    )]
    IsDeleteMarker {
        /// The id of the delete marker.
        version: String,
        /// The time at which the delete marker was created.
        modified: Timestamp,
    },
    /// A part that the completing request names is missing or has another ETag; the value is the number of the part.
    #[error("part {0} could not be found, or its ETag does not match the uploaded part's")]
    InvalidPart(i32),
    /// The parts of the completing request are not in ascending order.
    #[error("the list of parts was not in ascending order; parts must be ordered by part number")]
    InvalidPartOrder,
    /// A part other than the last is smaller than S3 allows.
    #[error("part {number} has {size} bytes; every part but the last needs at least {least} bytes")]
    EntityTooSmall {
        /// The number of the part.
        number: i32,
        /// The size of the part in bytes.
        size: u64,
        /// The smallest size that S3 accepts, in bytes.
        least: u64,
    },
    /// The content does not have the digest that the client sent; the value is the digest's name.
    #[error("the {0} you specified did not match the calculated checksum")]
    BadDigest(String),
    /// The event does not exist.
    #[error("the event {0} does not exist")]
    NoSuchEvent(i64),
    /// The disk is full; the value is the directory.
    #[error("the disk of the data directory {} is full: free some space and try again", .0.display())]
    DiskFull(PathBuf),
    /// A newer version of the program wrote the directory.
    #[error(
        "{} was written by a newer version of downspout (schema {found}, this one knows {known}): use that version, or choose another data directory",
        path.display()
    )]
    NewerVersion {
        /// The database file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A file of the store could not be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A statement on the index failed.
    #[error("the index of the object store failed")]
    Index(#[from] rusqlite::Error),
    /// A stored document is not valid.
    #[error("a stored document of the object store is damaged")]
    Damaged(#[from] serde_json::Error),
    /// The store is closing.
    #[error("the object store is closed")]
    Closed,
}

impl StoreError {
    /// Returns whether the store itself has failed. Returns false if the request was at fault.
    pub(super) fn is_of_store(&self) -> bool {
        matches!(self, Self::DiskFull(_) | Self::Io { .. } | Self::Index(_) | Self::Damaged(_) | Self::Closed)
    }

    /// Returns the error for a failure of the operating system with the file `path`: [`Self::DiskFull`] or [`Self::Io`].
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                // The person who frees space needs the directory; the name of a blob tells this person nothing.
                Self::DiskFull(path.parent().map_or_else(|| path.clone(), Path::to_owned))
            }
            _ => Self::Io { path, source },
        }
    }

    /// Returns the headers that S3 sends with this error.
    fn headers(&self) -> Vec<(HeaderName, String)> {
        let marker = |version: &str| vec![(DELETE_MARKER, "true".to_owned()), (VERSION, version.to_owned())];
        match self {
            Self::PreconditionFailed(condition) => vec![(CONDITION, (*condition).to_owned())],
            Self::NotModified { etag, modified } => {
                vec![(ETAG, format!("\"{etag}\"")), (LAST_MODIFIED, http_date(*modified))]
            }
            Self::Deleted { version, .. } => marker(version),
            Self::IsDeleteMarker { version, modified } => {
                let more = [(ALLOW, "DELETE".to_owned()), (LAST_MODIFIED, http_date(*modified))];
                marker(version).into_iter().chain(more).collect()
            }
            _ => Vec::new(),
        }
    }

    fn code(&self) -> S3ErrorCode {
        match self {
            Self::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
            Self::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
            Self::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
            Self::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
            Self::PreconditionFailed(_) => S3ErrorCode::PreconditionFailed,
            Self::NotModified { .. } => S3ErrorCode::NotModified,
            Self::NoSuchVersion { .. } => S3ErrorCode::NoSuchVersion,
            Self::Deleted { .. } => S3ErrorCode::NoSuchKey,
            Self::IsDeleteMarker { .. } => S3ErrorCode::MethodNotAllowed,
            Self::InvalidPart(_) => S3ErrorCode::InvalidPart,
            Self::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            Self::EntityTooSmall { .. } => S3ErrorCode::EntityTooSmall,
            Self::BadDigest(_) => S3ErrorCode::BadDigest,
            // 503 makes SDKs try again: somebody may have freed space by then.
            Self::DiskFull(_) | Self::Closed => S3ErrorCode::ServiceUnavailable,
            Self::NoSuchEvent(_)
            | Self::NewerVersion { .. }
            | Self::Io { .. }
            | Self::Index(_)
            | Self::Damaged(_) => S3ErrorCode::InternalError,
        }
    }
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        if code == S3ErrorCode::InternalError {
            tracing::error!(error = %http_front::with_causes(&error), "the object store failed");
        }
        let mut answer = S3Error::with_message(code, error.to_string());
        let headers: Vec<_> = error
            .headers()
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
            .collect();
        if !headers.is_empty() {
            answer.set_headers(HeaderMap::from_iter(headers));
        }
        answer
    }
}

/// Returns a time in the form of HTTP headers.
fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
