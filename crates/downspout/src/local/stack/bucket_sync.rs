//! Gives the ETags of a bucket and of local contents, by which a caller finds changed contents, and uploads small objects.

use std::collections::BTreeMap;

use anyhow::Context;
use aws_sdk_s3::Client;
use md5::{Digest, Md5};

use crate::sdk_error::readable;

/// Returns the ETag of every key in the bucket, without quotation marks.
pub(super) async fn etags(s3: &Client, bucket: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pages = s3.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut etags = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for object in page.map_err(readable).with_context(|| format!("listing s3://{bucket}"))?.contents() {
            let etag = object.e_tag().unwrap_or_default().trim_matches('"');
            etags.insert(object.key().unwrap_or_default().to_owned(), etag.to_owned());
        }
    }
    Ok(etags)
}

/// Returns the ETag, without quotation marks, that S3 gives to a content that is uploaded in one piece.
pub(super) fn etag(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// Uploads an object.
pub(super) async fn put(s3: &Client, bucket: &str, key: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
    let call = s3.put_object().bucket(bucket).key(key).body(bytes.into());
    call.send().await.map_err(readable).with_context(|| format!("uploading s3://{bucket}/{key}"))?;
    Ok(())
}
