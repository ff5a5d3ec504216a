//! The buckets, objects and uploads of the index, as Rust types.

use std::collections::BTreeMap;

use jiff::Timestamp;
use s3s::dto::{self, Checksum};
use serde::{Deserialize, Serialize};

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) created: Timestamp,
    /// Whether each change of an object in the bucket creates an event.
    pub(super) notifies: bool,
    pub(super) versioning: Versioning,
}

/// Whether a bucket keeps the earlier versions of its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Versioning {
    /// Versioning was never enabled: every object has one version, `null`, and no answer names versions.
    #[default]
    Never,
    /// Each write adds a version.
    Enabled,
    /// Versioning was enabled before. Each write replaces the version `null`; the other versions stay.
    Suspended,
}

impl Versioning {
    /// Returns the status in the words of S3, or `None` if versioning was never enabled.
    pub(super) fn status(self) -> Option<&'static str> {
        match self {
            Self::Never => None,
            Self::Enabled => Some(dto::BucketVersioningStatus::ENABLED),
            Self::Suspended => Some(dto::BucketVersioningStatus::SUSPENDED),
        }
    }

    /// Reads a status in the words of S3. Any other text means that versioning was never enabled.
    pub(super) fn of_status(status: Option<&str>) -> Self {
        match status {
            Some(dto::BucketVersioningStatus::ENABLED) => Self::Enabled,
            Some(dto::BucketVersioningStatus::SUSPENDED) => Self::Suspended,
            _ => Self::Never,
        }
    }
}

/// The id of the version of an object that was written while its bucket kept no versions.
pub(super) const NULL_VERSION: &str = "null";

/// An S3 object, without its bytes.
#[derive(Clone, Debug)]
pub(super) struct S3Object {
    pub(super) key: String,
    /// The number of the content in the index. The content of a later write has a higher number.
    pub(super) content: i64,
    pub(super) size: u64,
    /// The ETag without quotes.
    pub(super) etag: String,
    pub(super) modified: Timestamp,
    /// The id of the version.
    pub(super) version: String,
    /// Whether the bucket keeps versions, or kept some before. Only then do answers name the version.
    pub(super) is_versioned: bool,
    pub(super) meta: Meta,
}

impl S3Object {
    /// Returns the id of the version for an answer, or `None` if the bucket never kept versions.
    pub(super) fn named_version(&self) -> Option<String> {
        self.is_versioned.then(|| self.version.clone())
    }
}

/// The object of a request: its bucket, its key, and the version that the request names.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) bucket: String,
    pub(super) key: String,
    /// `None` stands for the newest version.
    pub(super) version: Option<String>,
}

/// The outcome of a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// Whether the delete created a delete marker, or removed one.
    pub(super) is_marker: bool,
    /// The version that the delete created or removed, if the bucket keeps versions or the request named one.
    pub(super) version: Option<String>,
}

/// The metadata that a client sends with an object.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<dto::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) website_redirect_location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_class: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) user: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Checksums::is_empty")]
    pub(super) checksums: Checksums,
    /// For an upload: the checksum algorithm of its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) algorithm: Option<String>,
}

impl Meta {
    /// Returns the content type, or the type that S3 stores if the client sends none.
    pub(super) fn content_type(&self) -> String {
        self.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())
    }
}

/// Checksums in base64, as in requests and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checksums {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crc32: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crc32c: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crc64nvme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    /// `FULL_OBJECT`, or `COMPOSITE` for a checksum of the parts' checksums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
}

impl Checksums {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Checksum> for Checksums {
    fn from(computed: Checksum) -> Self {
        let mut checksums = Self {
            crc32: computed.checksum_crc32,
            crc32c: computed.checksum_crc32c,
            crc64nvme: computed.checksum_crc64nvme,
            sha1: computed.checksum_sha1,
            sha256: computed.checksum_sha256,
            kind: None,
        };
        if !checksums.is_empty() {
            checksums.kind = Some(dto::ChecksumType::FULL_OBJECT.to_owned());
        }
        checksums
    }
}

/// A multipart upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) initiated: Timestamp,
    pub(super) meta: Meta,
}

/// A part of an upload.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) modified: Timestamp,
    pub(super) checksums: Checksums,
}

/// The object that a completed upload created, as the answer names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Completed {
    pub(super) etag: String,
    pub(super) version: Option<String>,
    pub(super) checksums: Checksums,
}

/// The conditions in the headers of a request. The request is refused unless all of them are fulfilled.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<dto::ETagCondition>,
    pub(super) if_none_match: Option<dto::ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}
