//! The S3 operations on the store: each reads its request, calls the store, and builds the answer.
//!
//! The crate `s3s` does the rest of the protocol: routes, headers, XML and signatures.

mod access;
mod attributes;
mod buckets;
mod deleting;
mod headers;
mod listing;
mod marked_lists;
mod multipart;
mod never_configured;
mod reading;
mod sub_resources;
mod tags;
mod writing;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::store::S3Store;

/// The owner of every bucket and object.
const OWNER: &str = "downspout";

/// The operations of this S3. Every other operation answers `NotImplemented`.
pub(super) struct Service {
    pub(super) store: S3Store,
    pub(super) region: String,
}

/// Implements each operation by the method of the same name in a submodule.
macro_rules! operations {
    ($($name:ident: $input:ident -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.$name(request).await.map(S3Response::new)
                }
            )*

            async fn head_object(
                &self,
                request: S3Request<HeadObjectInput>,
            ) -> S3Result<S3Response<HeadObjectOutput>> {
                self.head_object(request).await
            }
        }
    };
}

operations! {
    create_bucket: CreateBucketInput -> CreateBucketOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    list_buckets: ListBucketsInput -> ListBucketsOutput;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput;
    get_bucket_notification_configuration:
        GetBucketNotificationConfigurationInput -> GetBucketNotificationConfigurationOutput;
    put_bucket_notification_configuration:
        PutBucketNotificationConfigurationInput -> PutBucketNotificationConfigurationOutput;
    put_bucket_versioning: PutBucketVersioningInput -> PutBucketVersioningOutput;
    get_bucket_tagging: GetBucketTaggingInput -> GetBucketTaggingOutput;
    put_bucket_tagging: PutBucketTaggingInput -> PutBucketTaggingOutput;
    delete_bucket_tagging: DeleteBucketTaggingInput -> DeleteBucketTaggingOutput;
    get_bucket_cors: GetBucketCorsInput -> GetBucketCorsOutput;
    put_bucket_cors: PutBucketCorsInput -> PutBucketCorsOutput;
    delete_bucket_cors: DeleteBucketCorsInput -> DeleteBucketCorsOutput;
    get_bucket_lifecycle_configuration:
        GetBucketLifecycleConfigurationInput -> GetBucketLifecycleConfigurationOutput;
    put_bucket_lifecycle_configuration:
        PutBucketLifecycleConfigurationInput -> PutBucketLifecycleConfigurationOutput;
    delete_bucket_lifecycle: DeleteBucketLifecycleInput -> DeleteBucketLifecycleOutput;
    get_bucket_encryption: GetBucketEncryptionInput -> GetBucketEncryptionOutput;
    put_bucket_encryption: PutBucketEncryptionInput -> PutBucketEncryptionOutput;
    delete_bucket_encryption: DeleteBucketEncryptionInput -> DeleteBucketEncryptionOutput;
    get_bucket_request_payment: GetBucketRequestPaymentInput -> GetBucketRequestPaymentOutput;
    put_bucket_request_payment: PutBucketRequestPaymentInput -> PutBucketRequestPaymentOutput;
    get_bucket_accelerate_configuration:
        GetBucketAccelerateConfigurationInput -> GetBucketAccelerateConfigurationOutput;
    get_bucket_logging: GetBucketLoggingInput -> GetBucketLoggingOutput;
    get_bucket_website: GetBucketWebsiteInput -> GetBucketWebsiteOutput;
    get_bucket_replication: GetBucketReplicationInput -> GetBucketReplicationOutput;
    delete_bucket_website: DeleteBucketWebsiteInput -> DeleteBucketWebsiteOutput;
    delete_bucket_replication: DeleteBucketReplicationInput -> DeleteBucketReplicationOutput;
    get_object_lock_configuration: GetObjectLockConfigurationInput -> GetObjectLockConfigurationOutput;
    list_bucket_analytics_configurations:
        ListBucketAnalyticsConfigurationsInput -> ListBucketAnalyticsConfigurationsOutput;
    get_bucket_analytics_configuration: GetBucketAnalyticsConfigurationInput -> GetBucketAnalyticsConfigurationOutput;
    delete_bucket_analytics_configuration:
        DeleteBucketAnalyticsConfigurationInput -> DeleteBucketAnalyticsConfigurationOutput;
    list_bucket_inventory_configurations:
        ListBucketInventoryConfigurationsInput -> ListBucketInventoryConfigurationsOutput;
    get_bucket_inventory_configuration: GetBucketInventoryConfigurationInput -> GetBucketInventoryConfigurationOutput;
    delete_bucket_inventory_configuration:
        DeleteBucketInventoryConfigurationInput -> DeleteBucketInventoryConfigurationOutput;
    list_bucket_metrics_configurations:
        ListBucketMetricsConfigurationsInput -> ListBucketMetricsConfigurationsOutput;
    get_bucket_metrics_configuration: GetBucketMetricsConfigurationInput -> GetBucketMetricsConfigurationOutput;
    delete_bucket_metrics_configuration:
        DeleteBucketMetricsConfigurationInput -> DeleteBucketMetricsConfigurationOutput;
    list_bucket_intelligent_tiering_configurations:
        ListBucketIntelligentTieringConfigurationsInput -> ListBucketIntelligentTieringConfigurationsOutput;
    get_bucket_intelligent_tiering_configuration:
        GetBucketIntelligentTieringConfigurationInput -> GetBucketIntelligentTieringConfigurationOutput;
    delete_bucket_intelligent_tiering_configuration:
        DeleteBucketIntelligentTieringConfigurationInput -> DeleteBucketIntelligentTieringConfigurationOutput;
    get_bucket_acl: GetBucketAclInput -> GetBucketAclOutput;
    put_bucket_acl: PutBucketAclInput -> PutBucketAclOutput;
    get_object_acl: GetObjectAclInput -> GetObjectAclOutput;
    put_object_acl: PutObjectAclInput -> PutObjectAclOutput;
    get_bucket_policy: GetBucketPolicyInput -> GetBucketPolicyOutput;
    put_bucket_policy: PutBucketPolicyInput -> PutBucketPolicyOutput;
    delete_bucket_policy: DeleteBucketPolicyInput -> DeleteBucketPolicyOutput;
    get_bucket_policy_status: GetBucketPolicyStatusInput -> GetBucketPolicyStatusOutput;
    get_bucket_ownership_controls: GetBucketOwnershipControlsInput -> GetBucketOwnershipControlsOutput;
    put_bucket_ownership_controls: PutBucketOwnershipControlsInput -> PutBucketOwnershipControlsOutput;
    delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput -> DeleteBucketOwnershipControlsOutput;
    get_public_access_block: GetPublicAccessBlockInput -> GetPublicAccessBlockOutput;
    put_public_access_block: PutPublicAccessBlockInput -> PutPublicAccessBlockOutput;
    delete_public_access_block: DeletePublicAccessBlockInput -> DeletePublicAccessBlockOutput;
    get_object_attributes: GetObjectAttributesInput -> GetObjectAttributesOutput;
    list_object_versions: ListObjectVersionsInput -> ListObjectVersionsOutput;
    put_object: PutObjectInput -> PutObjectOutput;
    copy_object: CopyObjectInput -> CopyObjectOutput;
    get_object: GetObjectInput -> GetObjectOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput;
    get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput;
    put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput;
    delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
    upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
    list_parts: ListPartsInput -> ListPartsOutput;
    list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput;
}
