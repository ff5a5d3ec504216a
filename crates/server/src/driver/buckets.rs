//! The calls to S3 that precondition checks need.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Answers whether keys exist. If a bucket or key does not exist, the answer is `false` and not an error, since it may
/// be created later.
pub(crate) trait Buckets: Clone + Send + Sync + 'static {
    /// Returns whether there is an S3 object with this key, or a sentence that says why that is unknown.
    fn key_exists(&self, bucket: &str, key: &str) -> impl Future<Output = Result<bool, String>> + Send;

    /// Returns whether a key begins with `prefix`, or a sentence that says why that is unknown.
    fn prefix_holds_any(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> impl Future<Output = Result<bool, String>> + Send;
}

impl Buckets for aws_sdk_s3::Client {
    async fn key_exists(&self, bucket: &str, key: &str) -> Result<bool, String> {
        match self.head_object().bucket(bucket).key(key).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(format!("HeadObject s3://{bucket}/{key}: {}", DisplayErrorContext(&error))),
        }
    }

    async fn prefix_holds_any(&self, bucket: &str, prefix: &str) -> Result<bool, String> {
        match self.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(1).send().await {
            Ok(listed) => Ok(!listed.contents().is_empty()),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => {
                Err(format!("ListObjectsV2 s3://{bucket}/{prefix}: {}", DisplayErrorContext(&error)))
            }
        }
    }
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 404)
}
