//! The operations on buckets.

use s3s::dto::*;
use s3s::path::check_bucket_name;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{left_out, owner, wire_time};
use crate::local::s3::host::is_ambiguous;
use crate::local::s3::model::Versioning;

/// The ARN of the stack's Lambda function in notification configurations.
const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:downspout";

/// The events that a notifying bucket sends.
const EVENTS: [&str; 2] = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"];

/// The name of the document with the notifications of a bucket.
const NOTIFICATION: &str = "notification";

/// Beginnings and ends of names that AWS reserves.
const RESERVED_STARTS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

impl Service {
    // In us-east-1, S3 answers 200 if the owner creates an existing bucket again.
    pub(super) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<CreateBucketOutput> {
        let input = request.input;
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(left_out("object locks are"));
        }
        let bucket = input.bucket;
        check_name(&bucket)?;
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
        let ListBucketsInput { prefix, continuation_token, max_buckets, bucket_region } = request.input;
        let most = max_buckets.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or_default());
        let is_here = bucket_region.is_none_or(|region| region == self.region);
        let start = prefix.clone().unwrap_or_default();
        let after = continuation_token.unwrap_or_default();
        let mut buckets: Vec<_> = self.store.buckets().await?;
        buckets.retain(|bucket| is_here && bucket.name.starts_with(&start) && bucket.name > after);
        let is_truncated = buckets.len() > most;
        buckets.truncate(most);
        let continuation_token = buckets.last().filter(|_| is_truncated).map(|bucket| bucket.name.clone());
        let is_paged = max_buckets.is_some();
        let buckets = buckets.into_iter().map(|bucket| Bucket {
            name: Some(bucket.name),
            creation_date: Some(wire_time(bucket.created)),
            bucket_region: is_paged.then(|| self.region.clone()),
        });
        Ok(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            continuation_token,
            owner: Some(owner()),
            prefix,
        })
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

    pub(super) async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<GetBucketVersioningOutput> {
        let bucket = self.store.bucket(&request.input.bucket).await?;
        // The document of a bucket that never had versions is empty.
        let status = bucket.versioning.status().map(BucketVersioningStatus::from_static);
        Ok(GetBucketVersioningOutput { status, ..Default::default() })
    }

    pub(super) async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<PutBucketVersioningOutput> {
        let PutBucketVersioningInput { bucket, versioning_configuration: stated, .. } = request.input;
        if stated.mfa_delete.is_some_and(|delete| delete.as_str() == MFADelete::ENABLED) {
            return Err(left_out("deletes with a second factor (MfaDelete) are"));
        }
        let versioning = Versioning::of_status(stated.status.as_ref().map(BucketVersioningStatus::as_str));
        if versioning == Versioning::Never {
            return Err(s3_error!(
                IllegalVersioningConfigurationException,
                "The versioning configuration specified in the request is invalid: its Status is Enabled or Suspended"
            ));
        }
        self.store.set_versioning(&bucket, versioning).await?;
        Ok(PutBucketVersioningOutput::default())
    }

    pub(super) async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<GetBucketNotificationConfigurationOutput> {
        let bucket = self.store.bucket(&request.input.bucket).await?;
        let stored = self.store.document::<NotificationConfiguration>(&bucket.name, NOTIFICATION).await?;
        let stored = stored.set().unwrap_or_default();
        let own = bucket.notifies.then(own_function);
        let others = stored.lambda_function_configurations.unwrap_or_default();
        let functions: Vec<_> = own.into_iter().chain(others).collect();
        Ok(GetBucketNotificationConfigurationOutput {
            event_bridge_configuration: stored.event_bridge_configuration,
            lambda_function_configurations: Some(functions).filter(|functions| !functions.is_empty()),
            queue_configurations: stored.queue_configurations,
            topic_configurations: stored.topic_configurations,
        })
    }

    /// Stores a notification configuration. The stack delivers events only to its own function, so the entry for
    /// this function stays.
    pub(super) async fn put_bucket_notification_configuration(
        &self,
        request: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<PutBucketNotificationConfigurationOutput> {
        let PutBucketNotificationConfigurationInput {
            bucket, notification_configuration: mut stated, ..
        } = request.input;
        if let Some(functions) = &mut stated.lambda_function_configurations {
            functions.retain(|function| function.lambda_function_arn != FUNCTION_ARN);
        }
        self.store.set_document(&bucket, NOTIFICATION, Some(&stated)).await?;
        Ok(PutBucketNotificationConfigurationOutput::default())
    }
}

/// Returns the notification that the drop bucket always has.
fn own_function() -> LambdaFunctionConfiguration {
    LambdaFunctionConfiguration {
        events: EVENTS.map(|name| Event::from(name.to_owned())).into(),
        filter: None,
        id: Some("downspout".to_owned()),
        lambda_function_arn: FUNCTION_ARN.to_owned(),
    }
}

/// Checks the name of a new bucket by the rules that go beyond its characters (user guide, "General purpose bucket naming rules").
fn check_name(bucket: &str) -> S3Result<()> {
    if is_ambiguous(bucket) {
        return Err(s3_error!(
            InvalidBucketName,
            "the bucket name `{bucket}` has `s3` as one of its parts between dots; the host names of this S3 have \
             such a part too, so requests could reach another bucket: choose another name"
        ));
    }
    let reserved = RESERVED_STARTS.into_iter().find(|start| bucket.starts_with(start));
    let reserved = reserved.or_else(|| RESERVED_ENDS.into_iter().find(|end| bucket.ends_with(end)));
    if let Some(reserved) = reserved {
        return Err(s3_error!(
            InvalidBucketName,
            "The specified bucket is not valid: AWS reserves names with `{reserved}`; choose another name"
        ));
    }
    if !check_bucket_name(bucket) {
        return Err(s3_error!(InvalidBucketName, "The specified bucket is not valid: `{bucket}`"));
    }
    Ok(())
}
