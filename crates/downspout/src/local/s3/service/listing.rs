//! ListObjects and ListObjectsV2.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{owner, wire_etag, wire_time};
use crate::local::s3::listing::{Entry, ListFrom, Listing, Page};
use crate::local::s3::model::S3Object;

/// The largest number of keys on a page, which is also the default.
const MOST_KEYS: i32 = 1000;

impl Service {
    pub(super) async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<ListObjectsOutput> {
        let input = request.input;
        let most = most_keys(input.max_keys)?;
        let listing = Listing {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            from: input
                .marker
                .clone()
                .filter(|marker| !marker.is_empty())
                .map_or(ListFrom::Start, ListFrom::After),
            limit: most as usize,
        };
        let page = self.page(&input.bucket, listing).await?;
        let text = Encoding::of(input.encoding_type.as_ref())?;
        // S3 names the next marker only if there is a delimiter; otherwise the last key is the marker.
        let last = page.entries.last().map(|entry| text.encode(entry.name()));
        let next_marker = last.filter(|_| page.next.is_some() && input.delimiter.is_some());
        let is_truncated = page.next.is_some();
        let (contents, common_prefixes) = text.split(page, true);
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(text.encode(&input.prefix.unwrap_or_default())),
            marker: Some(text.encode(&input.marker.unwrap_or_default())),
            max_keys: Some(most),
            is_truncated: Some(is_truncated),
            next_marker,
            delimiter: input.delimiter.map(|delimiter| text.encode(&delimiter)),
            encoding_type: input.encoding_type,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            request_charged: None,
        })
    }

    pub(super) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<ListObjectsV2Output> {
        let input = request.input;
        let most = most_keys(input.max_keys)?;
        let from = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => ListFrom::At(hex::decode(token).map_err(|_| wrong_token())?),
            (None, Some(key)) if !key.is_empty() => ListFrom::After(key.clone()),
            _ => ListFrom::Start,
        };
        let listing = Listing {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            from,
            limit: most as usize,
        };
        let page = self.page(&input.bucket, listing).await?;
        let text = Encoding::of(input.encoding_type.as_ref())?;
        let next = page.next.as_deref().map(hex::encode);
        let key_count = page.entries.len() as i32;
        let (contents, common_prefixes) = text.split(page, input.fetch_owner == Some(true));
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(text.encode(&input.prefix.unwrap_or_default())),
            max_keys: Some(most),
            key_count: Some(key_count),
            is_truncated: Some(next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            delimiter: input.delimiter.map(|delimiter| text.encode(&delimiter)),
            start_after: input.start_after.map(|key| text.encode(&key)),
            encoding_type: input.encoding_type,
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            request_charged: None,
        })
    }

    async fn page(&self, bucket: &str, listing: Listing) -> S3Result<Page> {
        if listing.limit == 0 {
            // A page without keys is never truncated, because it has no key to continue after.
            self.expect_bucket(bucket).await?;
            return Ok(Page::default());
        }
        Ok(self.store.list(bucket, listing).await?)
    }
}

pub(super) fn most_keys(stated: Option<i32>) -> S3Result<i32> {
    match stated {
        Some(most) if most < 0 => {
            Err(s3_error!(InvalidArgument, "max-keys must be between 0 and 2147483647"))
        }
        Some(most) => Ok(most.min(MOST_KEYS)),
        None => Ok(MOST_KEYS),
    }
}

fn wrong_token() -> s3s::S3Error {
    s3_error!(InvalidArgument, "The continuation token provided is incorrect")
}

/// The encoding of keys in the answer.
pub(super) enum Encoding {
    Plain,
    /// Percent-encoded, because XML cannot contain every character that a key may have.
    Url,
}

impl Encoding {
    pub(super) fn of(stated: Option<&EncodingType>) -> S3Result<Self> {
        match stated.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn encode(&self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => text.bytes().map(url_encoded).collect(),
        }
    }

    fn split(&self, page: Page, with_owner: bool) -> (ObjectList, CommonPrefixList) {
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                Entry::Object(object) => objects.push(self.listed(*object, with_owner)),
                Entry::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(self.encode(&prefix)) }),
            }
        }
        (objects, prefixes)
    }

    fn listed(&self, object: S3Object, with_owner: bool) -> Object {
        Object {
            key: Some(self.encode(&object.key)),
            e_tag: wire_etag(&object.etag),
            last_modified: Some(wire_time(object.modified)),
            size: Some(object.size as i64),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            owner: with_owner.then(owner),
            ..Default::default()
        }
    }
}

fn url_encoded(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}
