//! The tags of objects and of buckets, with the limits of S3.

use std::collections::BTreeSet;

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{address, not_found};
use crate::local::s3::documents::Document;
use crate::local::s3::error::custom_error;
use crate::local::s3::model::Meta;

/// The largest number of tags of an object.
const MOST_OF_OBJECT: usize = 10;

/// The largest number of tags of a bucket.
const MOST_OF_BUCKET: usize = 50;

/// The longest key and the longest value of a tag, in characters.
const LONGEST: (usize, usize) = (128, 256);

/// The name of the document with the tags of a bucket.
const DOCUMENT: &str = "tagging";

impl Service {
    pub(super) async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<GetObjectTaggingOutput> {
        let GetObjectTaggingInput { bucket, key, version_id, .. } = request.input;
        let object = self.store.head(address(bucket, key, version_id)).await?;
        let version_id = object.named_version();
        let tags =
            object.meta.tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) });
        Ok(GetObjectTaggingOutput { tag_set: tags.collect(), version_id })
    }

    pub(super) async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<PutObjectTaggingOutput> {
        let PutObjectTaggingInput { bucket, key, tagging, version_id, .. } = request.input;
        let tags = checked(pairs(tagging.tag_set), MOST_OF_OBJECT)?;
        let change = move |meta: &mut Meta| meta.tags = tags;
        let object = self.store.change_meta(address(bucket, key, version_id), change).await?;
        Ok(PutObjectTaggingOutput { version_id: object.named_version() })
    }

    pub(super) async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<DeleteObjectTaggingOutput> {
        let DeleteObjectTaggingInput { bucket, key, version_id, .. } = request.input;
        let change = |meta: &mut Meta| meta.tags.clear();
        let object = self.store.change_meta(address(bucket, key, version_id), change).await?;
        Ok(DeleteObjectTaggingOutput { version_id: object.named_version() })
    }

    pub(super) async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<GetBucketTaggingOutput> {
        match self.store.document(&request.input.bucket, DOCUMENT).await? {
            Document::Set(tag_set) => Ok(GetBucketTaggingOutput { tag_set }),
            Document::Default | Document::Deleted => {
                Err(not_found("NoSuchTagSet", "The TagSet does not exist"))
            }
        }
    }

    pub(super) async fn put_bucket_tagging(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<PutBucketTaggingOutput> {
        let PutBucketTaggingInput { bucket, tagging, .. } = request.input;
        checked(pairs(tagging.tag_set.clone()), MOST_OF_BUCKET)?;
        self.store.set_document(&bucket, DOCUMENT, Some(&tagging.tag_set)).await?;
        Ok(PutBucketTaggingOutput::default())
    }

    pub(super) async fn delete_bucket_tagging(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<DeleteBucketTaggingOutput> {
        self.store.set_document(&request.input.bucket, DOCUMENT, None::<&TagSet>).await?;
        Ok(DeleteBucketTaggingOutput::default())
    }
}

/// Reads the tags of the header `x-amz-tagging`, which is encoded like the query of a URL.
pub(super) fn of_header(header: Option<&str>) -> S3Result<Vec<(String, String)>> {
    let tags = serde_urlencoded::from_str(header.unwrap_or_default());
    let tags = tags.map_err(|_| {
        s3_error!(InvalidArgument, "the header x-amz-tagging must be encoded as URL query parameters")
    })?;
    checked(tags, MOST_OF_OBJECT)
}

fn pairs(tags: TagSet) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

/// Checks tags by the rules of S3 (user guide, "Categorizing your storage using tags").
fn checked(tags: Vec<(String, String)>, most: usize) -> S3Result<Vec<(String, String)>> {
    if tags.len() > most {
        let kind = if most == MOST_OF_OBJECT { "Object" } else { "Bucket" };
        let message = format!("{kind} tags cannot be greater than {most}");
        return Err(custom_error("BadRequest", StatusCode::BAD_REQUEST, message));
    }
    let mut keys = BTreeSet::new();
    for (key, value) in &tags {
        if !keys.insert(key) {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key: `{key}`"));
        }
        if key.is_empty() || key.chars().count() > LONGEST.0 {
            return Err(s3_error!(
                InvalidTag,
                "The TagKey you have provided is invalid: it needs 1 to {} characters",
                LONGEST.0
            ));
        }
        if value.chars().count() > LONGEST.1 {
            return Err(s3_error!(
                InvalidTag,
                "The TagValue of `{key}` is invalid: it has more than {} characters",
                LONGEST.1
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(s3_error!(InvalidTag, "System tags cannot be added/updated by requester: `{key}`"));
        }
        if let Some(strange) = key.chars().chain(value.chars()).find(|character| !is_allowed(*character)) {
            return Err(s3_error!(
                InvalidTag,
                "The tag `{key}` has the character {strange:?}, which tags cannot have"
            ));
        }
    }
    Ok(tags)
}

fn is_allowed(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(header: &str) -> String {
        of_header(Some(header)).unwrap_err().code().as_str().to_owned()
    }

    #[test]
    fn tags_keep_to_the_limits_of_s3() {
        assert_eq!(of_header(Some("a=1&b=x%20y")).unwrap().len(), 2);
        assert_eq!(code("a=1&a=2"), "InvalidTag");
        assert_eq!(code("=1"), "InvalidTag");
        assert_eq!(code("aws:a=1"), "InvalidTag");
        assert_eq!(code("a=%01"), "InvalidTag");
        assert_eq!(code(&format!("{}=1", "k".repeat(129))), "InvalidTag");
        assert_eq!(code(&format!("k={}", "v".repeat(257))), "InvalidTag");
        let many: Vec<_> = (0..11).map(|number| format!("k{number}=v")).collect();
        assert_eq!(code(&many.join("&")), "BadRequest");
    }
}
