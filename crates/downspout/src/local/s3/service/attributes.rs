//! GetObjectAttributes: the metadata of an object in one document, with its checksums and its parts.

use s3s::dto::{self, *};
use s3s::{S3Request, S3Result};

use super::Service;
use super::headers::{address, wire_time};
use crate::local::s3::content::Segment;
use crate::local::s3::error::StoreError;
use crate::local::s3::model::{Checksums, S3Object};

/// The largest number of parts on a page.
const PAGE: i32 = 1000;

impl Service {
    pub(super) async fn get_object_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<GetObjectAttributesOutput> {
        let input = request.input;
        let (object, content) =
            self.store.open_object(address(input.bucket, input.key, input.version_id)).await?;
        // Some clients send one header for all names, and others a header for each name.
        let named = input.object_attributes.iter().flat_map(|names| names.as_str().split(','));
        let named: Vec<_> = named.map(str::trim).collect();
        let wants = |name: &str| named.contains(&name);
        let most = input.max_parts.unwrap_or(PAGE).clamp(0, PAGE);
        let after = input.part_number_marker.unwrap_or_default();
        let parts = match wants(ObjectAttributes::OBJECT_PARTS) && object.etag.contains('-') {
            true => Some(parts(&object, &content.segments, after, most)?),
            false => None,
        };
        let checksums = object.meta.checksums.clone();
        let has_checksum = checksums != Checksums::default();
        Ok(GetObjectAttributesOutput {
            version_id: object.named_version(),
            last_modified: Some(wire_time(object.modified)),
            // In this document the ETag has no quotes.
            e_tag: wants(ObjectAttributes::ETAG).then(|| ETag::Strong(object.etag.clone())),
            checksum: (wants(ObjectAttributes::CHECKSUM) && has_checksum).then(|| dto::Checksum {
                checksum_crc32: checksums.crc32,
                checksum_crc32c: checksums.crc32c,
                checksum_crc64nvme: checksums.crc64nvme,
                checksum_sha1: checksums.sha1,
                checksum_sha256: checksums.sha256,
                checksum_type: checksums.kind.map(ChecksumType::from),
            }),
            object_parts: parts,
            object_size: wants(ObjectAttributes::OBJECT_SIZE)
                .then(|| i64::try_from(object.size).unwrap_or(i64::MAX)),
            storage_class: wants(ObjectAttributes::STORAGE_CLASS).then(|| {
                let class = object.meta.storage_class.clone();
                class.map_or_else(|| StorageClass::from_static(StorageClass::STANDARD), StorageClass::from)
            }),
            ..Default::default()
        })
    }
}

/// Describes the parts after the number `after`, at most `most` of them. S3 lists the parts only of objects with a composite
/// checksum; of other objects it tells the number of parts.
fn parts(
    object: &S3Object,
    segments: &[Segment],
    after: i32,
    most: i32,
) -> Result<GetObjectAttributesParts, StoreError> {
    let total_parts_count = Some(i32::try_from(segments.len()).unwrap_or(i32::MAX));
    let is_listed = object.meta.checksums.kind.as_deref() == Some(ChecksumType::COMPOSITE);
    if !is_listed {
        return Ok(GetObjectAttributesParts { total_parts_count, ..Default::default() });
    }
    let later = segments.iter().filter(|segment| segment.number > after);
    let limit = usize::try_from(most).unwrap_or_default();
    let is_truncated = later.clone().count() > limit;
    let listed: Vec<_> = later.take(limit).map(part).collect::<Result<_, _>>()?;
    Ok(GetObjectAttributesParts {
        is_truncated: Some(is_truncated),
        max_parts: Some(most),
        next_part_number_marker: listed.last().and_then(|part| part.part_number),
        part_number_marker: Some(after),
        parts: Some(listed),
        total_parts_count,
    })
}

fn part(segment: &Segment) -> Result<ObjectPart, StoreError> {
    let checksums: Checksums = serde_json::from_str(&segment.checksums)?;
    Ok(ObjectPart {
        part_number: Some(segment.number),
        size: Some(i64::try_from(segment.size).unwrap_or(i64::MAX)),
        checksum_crc32: checksums.crc32,
        checksum_crc32c: checksums.crc32c,
        checksum_crc64nvme: checksums.crc64nvme,
        checksum_sha1: checksums.sha1,
        checksum_sha256: checksums.sha256,
    })
}
