//! Why the store refused or failed, and what S3 calls it on the wire.

use std::io;
use std::path::{Path, PathBuf};

use s3s::{S3Error, S3ErrorCode};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No bucket of that name.
    #[error("the bucket `{0}` does not exist")]
    NoSuchBucket(String),
    /// The bucket still holds objects.
    #[error("the bucket `{0}` is not empty")]
    BucketNotEmpty(String),
    /// No object under that key.
    #[error("the key `{0}` does not exist")]
    NoSuchKey(String),
    /// No multipart upload under that id: finished, aborted, or never there.
    #[error("the upload `{0}` does not exist; it may have been aborted or completed")]
    NoSuchUpload(String),
    /// A condition of the request does not hold; the header's name.
    #[error("at least one of the pre-conditions you specified did not hold: {0}")]
    PreconditionFailed(&'static str),
    /// The object is what the client has already (`If-None-Match`, `If-Modified-Since`).
    #[error("not modified")]
    NotModified,
    /// A part named by the completing request is missing or has another ETag.
    #[error("part {0} could not be found, or its ETag does not match the uploaded part's")]
    InvalidPart(i32),
    /// The parts of the completing request are not in ascending order.
    #[error("the list of parts was not in ascending order; parts must be ordered by part number")]
    InvalidPartOrder,
    /// A part other than the last is smaller than S3 allows.
    #[error("part {number} has {size} bytes; every part but the last needs {least} at least")]
    EntityTooSmall {
        /// The part's number.
        number: i32,
        /// Its bytes.
        size: u64,
        /// The least that S3 accepts.
        least: u64,
    },
    /// The content does not have the digest that the client stated; which one.
    #[error("the {0} you specified did not match the calculated checksum")]
    BadDigest(String),
    /// No event under that id.
    #[error("there is no event {0}")]
    NoSuchEvent(i64),
    /// The disk has no room left.
    #[error("the disk of the data directory {} is full: free some space and try again", .0.display())]
    DiskFull(PathBuf),
    /// Another program version wrote the directory.
    #[error(
        "{} was written by a newer version of downspout (schema {found}, this one knows {known}): use that version, or another data directory",
        path.display()
    )]
    NewerVersion {
        /// The database.
        path: PathBuf,
        /// Its schema's version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A file of the store could not be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The index failed.
    #[error("the index of the object store failed")]
    Index(#[from] rusqlite::Error),
    /// A stored document does not read back.
    #[error("a stored document of the object store is damaged")]
    Damaged(#[from] serde_json::Error),
    /// The store is closing down.
    #[error("the object store is closed")]
    Closed,
}

impl StoreError {
    /// Wraps what went wrong with `path`; a full disk is told apart.
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                // The name of a content says nothing to whoever has to make room.
                Self::DiskFull(path.parent().map_or_else(|| path.clone(), Path::to_owned))
            }
            _ => Self::Io { path, source },
        }
    }

    /// Whether SQLite found the disk full.
    pub(super) fn is_index_full(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }

    fn code(&self) -> S3ErrorCode {
        match self {
            Self::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
            Self::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
            Self::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
            Self::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
            Self::PreconditionFailed(_) => S3ErrorCode::PreconditionFailed,
            Self::NotModified => S3ErrorCode::NotModified,
            Self::InvalidPart(_) => S3ErrorCode::InvalidPart,
            Self::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            Self::EntityTooSmall { .. } => S3ErrorCode::EntityTooSmall,
            Self::BadDigest(_) => S3ErrorCode::BadDigest,
            // 503, so that SDKs try again: somebody may make room meanwhile.
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
            tracing::error!(error = %chain(&error), "the object store failed");
        }
        S3Error::with_message(code, error.to_string())
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
