//! Lists the objects of a bucket for commands and for the stack.

use anyhow::Context;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use definition::listed_key;

use crate::sdk_error::readable;

/// An object in a listing.
pub(crate) struct ListedObject {
    pub(crate) key: String,
    pub(crate) size: i64,
    /// The time of the last change, as text.
    pub(crate) last_modified: String,
    /// The ETag without quotation marks.
    pub(crate) etag: String,
}

/// Lists every object of a bucket whose key begins with `prefix`.
///
/// S3 is asked for encoded keys, because a list in XML is unreadable as a whole if one key contains a control character.
pub(crate) async fn objects(s3: &Client, bucket: &str, prefix: &str) -> anyhow::Result<Vec<ListedObject>> {
    let (objects, _) = list(s3, bucket, prefix, None).await?;
    Ok(objects)
}

/// Lists the objects and the folders of one level: the keys without a further `/` after `prefix`, and the common prefixes of
/// all other keys.
pub(crate) async fn level(
    s3: &Client,
    bucket: &str,
    prefix: &str,
) -> anyhow::Result<(Vec<ListedObject>, Vec<String>)> {
    list(s3, bucket, prefix, Some("/")).await
}

async fn list(
    s3: &Client,
    bucket: &str,
    prefix: &str,
    delimiter: Option<&str>,
) -> anyhow::Result<(Vec<ListedObject>, Vec<String>)> {
    let call = s3.list_objects_v2().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
    let mut pages = call.set_delimiter(delimiter.map(str::to_owned)).into_paginator().send();
    let (mut objects, mut folders) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.map_err(readable).with_context(|| format!("listing s3://{bucket}/{prefix}"))?;
        objects.extend(page.contents().iter().filter_map(|object| {
            Some(ListedObject {
                key: listed_key::decoded(object.key()?)?,
                size: object.size().unwrap_or_default(),
                last_modified: object.last_modified().map(ToString::to_string).unwrap_or_default(),
                etag: object.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
            })
        }));
        let prefixes = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
        folders.extend(prefixes.filter_map(listed_key::decoded));
    }
    Ok((objects, folders))
}
