//! The operations on buckets.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{owner, wire_time};
use crate::local::s3::host::is_ambiguous;

/// The ARN of the stack's Lambda function in notification configurations.
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:downspout";

/// The events that a notifying bucket sends.
const EVENTS: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

impl Service {
    // In us-east-1, S3 answers 200 if the owner creates an existing bucket again.
    pub(super) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<CreateBucketOutput> {
        let bucket = request.input.bucket;
        if is_ambiguous(&bucket) {
            return Err(s3_error!(
                InvalidBucketName,
                "the bucket name `{bucket}` has `s3` as one of its parts between dots; the host names of this S3 have \
                 such a part too, so requests could reach another bucket: choose another name"
            ));
        }
        self.store.create_bucket(&bucket).await?;
        Ok(CreateBucketOutput { location: Some(format!("/{bucket}")) })
    }

    pub(super) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<HeadBucketOutput> {
        self.store.bucket(&request.input.bucket).await?;
        Ok(HeadBucketOutput { bucket_region: Some(self.region.clone()), ..Default::default() })
    }

    pub(super) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<ListBucketsOutput> {
        let prefix = request.input.prefix.unwrap_or_default();
        let buckets =
            self.store.buckets().await?.into_iter().filter(|bucket| bucket.name.starts_with(&prefix));
        let buckets = buckets.map(|bucket| Bucket {
            name: Some(bucket.name),
            creation_date: Some(wire_time(bucket.created)),
            bucket_region: None,
        });
        Ok(ListBucketsOutput { buckets: Some(buckets.collect()), owner: Some(owner()), ..Default::default() })
    }

    pub(super) async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<DeleteBucketOutput> {
        self.store.delete_bucket(&request.input.bucket).await?;
        Ok(DeleteBucketOutput::default())
    }

    pub(super) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<GetBucketLocationOutput> {
        self.store.bucket(&request.input.bucket).await?;
        // An empty constraint stands for us-east-1.
        let constraint =
            (self.region != "us-east-1").then(|| BucketLocationConstraint::from(self.region.clone()));
        Ok(GetBucketLocationOutput { location_constraint: constraint })
    }

    /// Returns an empty document, as S3 does for a bucket that never had versions.
    pub(super) async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<GetBucketVersioningOutput> {
        self.store.bucket(&request.input.bucket).await?;
        Ok(GetBucketVersioningOutput::default())
    }

    pub(super) async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<GetBucketNotificationConfigurationOutput> {
        let bucket = self.store.bucket(&request.input.bucket).await?;
        let function = LambdaFunctionConfiguration {
            events: EVENTS.map(|name| Event::from(name.to_owned())).into(),
            filter: None,
            id: Some("downspout".to_owned()),
            lambda_function_arn: FUNCTION_ARN.to_owned(),
        };
        let functions = bucket.notifies.then(|| vec![function]);
        Ok(GetBucketNotificationConfigurationOutput {
            lambda_function_configurations: functions,
            ..Default::default()
        })
    }
}
