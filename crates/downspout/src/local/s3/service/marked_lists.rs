//! ListObjectVersions and ListMultipartUploads, whose pages end inside the entries of a key.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{owner, wire_etag, wire_time};
use super::listing::{Encoding, most_keys};
use super::multipart::initiator;
use crate::local::s3::listing::{ListFrom, Listing};
use crate::local::s3::model::Upload;
use crate::local::s3::version_listing::ListedVersion;

impl Service {
    pub(super) async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<ListObjectVersionsOutput> {
        let input = request.input;
        let most = most_keys(input.max_keys)?;
        if is_given(&input.version_id_marker) && !is_given(&input.key_marker) {
            return Err(s3_error!(
                InvalidArgument,
                "A version-id marker cannot be specified without a key marker."
            ));
        }
        let listing = listing(&input.prefix, &input.delimiter, &input.key_marker, most);
        let mark = input.version_id_marker.clone().filter(|mark| !mark.is_empty());
        let page = self.store.list_versions(&input.bucket, listing, mark).await?;
        let text = Encoding::of(input.encoding_type.as_ref())?;
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for version in page.entries {
            if version.is_marker {
                markers.push(listed_marker(version, &text));
            } else {
                versions.push(listed_version(version, &text));
            }
        }
        let (next_key_marker, next_version_id_marker) = page.next.clone().unzip();
        Ok(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(text.encode(&input.prefix.unwrap_or_default())),
            key_marker: Some(text.encode(&input.key_marker.unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            next_key_marker: next_key_marker.map(|key| text.encode(&key)),
            next_version_id_marker: next_version_id_marker.flatten(),
            max_keys: Some(most),
            is_truncated: Some(page.next.is_some()),
            delimiter: input.delimiter.map(|delimiter| text.encode(&delimiter)),
            common_prefixes: Some(prefixes(page.prefixes, &text)),
            versions: Some(versions),
            delete_markers: Some(markers),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    pub(super) async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let input = request.input;
        let most = most_keys(input.max_uploads)?;
        let listing = listing(&input.prefix, &input.delimiter, &input.key_marker, most);
        // S3 ignores the id of an upload without a key beside it.
        let mark = input.upload_id_marker.clone().filter(|mark| !mark.is_empty());
        let page = self.store.list_uploads(&input.bucket, listing, mark).await?;
        let text = Encoding::of(input.encoding_type.as_ref())?;
        let (next_key_marker, next_upload_id_marker) = page.next.clone().unzip();
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(text.encode(&input.prefix.unwrap_or_default())),
            key_marker: Some(text.encode(&input.key_marker.unwrap_or_default())),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            next_key_marker: next_key_marker.map(|key| text.encode(&key)),
            next_upload_id_marker: next_upload_id_marker.flatten(),
            max_uploads: Some(most),
            is_truncated: Some(page.next.is_some()),
            delimiter: input.delimiter.map(|delimiter| text.encode(&delimiter)),
            common_prefixes: Some(prefixes(page.prefixes, &text)),
            uploads: Some(page.entries.into_iter().map(|upload| listed_upload(upload, &text)).collect()),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }
}

fn is_given(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

fn listing(
    prefix: &Option<String>,
    delimiter: &Option<String>,
    key_marker: &Option<String>,
    most: i32,
) -> Listing {
    let from = key_marker.clone().filter(|marker| !marker.is_empty());
    Listing {
        prefix: prefix.clone().unwrap_or_default(),
        delimiter: delimiter.clone(),
        from: from.map_or(ListFrom::Start, ListFrom::After),
        limit: usize::try_from(most).unwrap_or_default(),
    }
}

fn prefixes(prefixes: Vec<String>, text: &Encoding) -> CommonPrefixList {
    prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(text.encode(&prefix)) }).collect()
}

fn listed_version(version: ListedVersion, text: &Encoding) -> ObjectVersion {
    let ListedVersion { object, is_latest, .. } = version;
    ObjectVersion {
        key: Some(text.encode(&object.key)),
        version_id: Some(object.version),
        is_latest: Some(is_latest),
        e_tag: wire_etag(&object.etag),
        size: Some(i64::try_from(object.size).unwrap_or(i64::MAX)),
        last_modified: Some(wire_time(object.modified)),
        owner: Some(owner()),
        storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
        ..Default::default()
    }
}

fn listed_marker(version: ListedVersion, text: &Encoding) -> DeleteMarkerEntry {
    let ListedVersion { object, is_latest, .. } = version;
    DeleteMarkerEntry {
        key: Some(text.encode(&object.key)),
        version_id: Some(object.version),
        is_latest: Some(is_latest),
        last_modified: Some(wire_time(object.modified)),
        owner: Some(owner()),
    }
}

fn listed_upload(upload: Upload, text: &Encoding) -> MultipartUpload {
    MultipartUpload {
        key: Some(text.encode(&upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(wire_time(upload.initiated)),
        initiator: Some(initiator()),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: upload.meta.algorithm.map(ChecksumAlgorithm::from),
        checksum_type: upload.meta.checksums.kind.map(ChecksumType::from),
    }
}
