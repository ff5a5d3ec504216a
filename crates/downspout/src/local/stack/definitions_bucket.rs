//! Reads the ETags of the objects in the definitions bucket, and uploads objects to it.
//!
//! A caller compares these ETags with the ETags of local files to find the files that have changed.

use std::collections::BTreeMap;

use anyhow::Context;
use aws_sdk_s3::Client;
use md5::{Digest, Md5};

use crate::bucket_listing;
use crate::sdk_error::readable;

/// The folders of the definitions bucket in which the orchestrator keeps its own objects. They grow with every set.
const KEPT_BY_ORCHESTRATOR: [&str; 2] = ["ledger/", "caps/"];

/// Returns the ETag, without quotation marks, of every key in the bucket. Leaves out the orchestrator's own objects.
pub(super) async fn etags(s3: &Client, bucket: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (mut objects, folders) = bucket_listing::level(s3, bucket, "").await?;
    for folder in folders.iter().filter(|folder| !KEPT_BY_ORCHESTRATOR.contains(&folder.as_str())) {
        objects.extend(bucket_listing::objects(s3, bucket, folder).await?);
    }
    Ok(objects.into_iter().map(|object| (object.key, object.etag)).collect())
}

/// Returns the ETag, without quotation marks, that S3 gives to these bytes if they are uploaded in one request.
pub(super) fn etag(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// Uploads an object.
pub(super) async fn put(s3: &Client, bucket: &str, key: &str, bytes: Vec<u8>) -> anyhow::Result<()> {
    let call = s3.put_object().bucket(bucket).key(key).body(bytes.into());
    call.send().await.map_err(readable).with_context(|| format!("uploading s3://{bucket}/{key}"))?;
    Ok(())
}
