//! The other sub-resources of buckets: CORS, lifecycle, encryption, payment, and those that buckets here never have.

use std::collections::BTreeSet;

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{left_out, not_found};
use crate::local::s3::documents::Document;
use crate::local::s3::{cors, lifecycle};

const ENCRYPTION: &str = "encryption";

impl Service {
    pub(super) async fn get_bucket_cors(
        &self,
        request: S3Request<GetBucketCorsInput>,
    ) -> S3Result<GetBucketCorsOutput> {
        match self.store.document::<CORSConfiguration>(&request.input.bucket, cors::DOCUMENT).await? {
            Document::Set(configuration) => {
                Ok(GetBucketCorsOutput { cors_rules: Some(configuration.cors_rules) })
            }
            Document::Default | Document::Deleted => {
                Err(not_found("NoSuchCORSConfiguration", "The CORS configuration does not exist"))
            }
        }
    }

    pub(super) async fn put_bucket_cors(
        &self,
        request: S3Request<PutBucketCorsInput>,
    ) -> S3Result<PutBucketCorsOutput> {
        let PutBucketCorsInput { bucket, cors_configuration, .. } = request.input;
        cors::check(&cors_configuration)?;
        self.store.set_document(&bucket, cors::DOCUMENT, Some(&cors_configuration)).await?;
        Ok(PutBucketCorsOutput::default())
    }

    pub(super) async fn delete_bucket_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> S3Result<DeleteBucketCorsOutput> {
        self.store.set_document(&request.input.bucket, cors::DOCUMENT, None::<&CORSConfiguration>).await?;
        Ok(DeleteBucketCorsOutput::default())
    }

    pub(super) async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<GetBucketLifecycleConfigurationOutput> {
        let found =
            self.store.document::<BucketLifecycleConfiguration>(&request.input.bucket, lifecycle::DOCUMENT);
        match found.await? {
            Document::Set(configuration) => Ok(GetBucketLifecycleConfigurationOutput {
                rules: Some(configuration.rules),
                transition_default_minimum_object_size: Some(smallest_moved_object()),
            }),
            Document::Default | Document::Deleted => {
                let message = "The lifecycle configuration does not exist";
                Err(not_found("NoSuchLifecycleConfiguration", message))
            }
        }
    }

    pub(super) async fn put_bucket_lifecycle_configuration(
        &self,
        request: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<PutBucketLifecycleConfigurationOutput> {
        let PutBucketLifecycleConfigurationInput { bucket, lifecycle_configuration, .. } = request.input;
        let configuration = lifecycle_configuration
            .ok_or_else(|| s3_error!(MalformedXML, "the request needs a LifecycleConfiguration"))?;
        let configuration = checked_lifecycle(configuration)?;
        self.store.set_document(&bucket, lifecycle::DOCUMENT, Some(&configuration)).await?;
        Ok(PutBucketLifecycleConfigurationOutput {
            transition_default_minimum_object_size: Some(smallest_moved_object()),
        })
    }

    pub(super) async fn delete_bucket_lifecycle(
        &self,
        request: S3Request<DeleteBucketLifecycleInput>,
    ) -> S3Result<DeleteBucketLifecycleOutput> {
        let none = None::<&BucketLifecycleConfiguration>;
        self.store.set_document(&request.input.bucket, lifecycle::DOCUMENT, none).await?;
        Ok(DeleteBucketLifecycleOutput::default())
    }

    pub(super) async fn get_bucket_encryption(
        &self,
        request: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<GetBucketEncryptionOutput> {
        let configuration = self.store.document(&request.input.bucket, ENCRYPTION).await?.set();
        Ok(GetBucketEncryptionOutput {
            server_side_encryption_configuration: Some(configuration.unwrap_or_else(default_encryption)),
        })
    }

    /// Stores the default encryption. The data of the stack are not encrypted; the disk of the machine is the place for that.
    pub(super) async fn put_bucket_encryption(
        &self,
        request: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<PutBucketEncryptionOutput> {
        let PutBucketEncryptionInput { bucket, server_side_encryption_configuration: stated, .. } =
            request.input;
        let algorithm = match &stated.rules[..] {
            [rule] => rule
                .apply_server_side_encryption_by_default
                .as_ref()
                .map(|by_default| &by_default.sse_algorithm),
            rules => {
                return Err(s3_error!(
                    MalformedXML,
                    "an encryption configuration has one rule, not {}",
                    rules.len()
                ));
            }
        };
        if algorithm.is_some_and(|algorithm| algorithm.as_str() != ServerSideEncryption::AES256) {
            return Err(left_out("keys of KMS are"));
        }
        self.store.set_document(&bucket, ENCRYPTION, Some(&stated)).await?;
        Ok(PutBucketEncryptionOutput::default())
    }

    pub(super) async fn delete_bucket_encryption(
        &self,
        request: S3Request<DeleteBucketEncryptionInput>,
    ) -> S3Result<DeleteBucketEncryptionOutput> {
        let none = None::<&ServerSideEncryptionConfiguration>;
        self.store.set_document(&request.input.bucket, ENCRYPTION, none).await?;
        Ok(DeleteBucketEncryptionOutput::default())
    }

    pub(super) async fn get_bucket_request_payment(
        &self,
        request: S3Request<GetBucketRequestPaymentInput>,
    ) -> S3Result<GetBucketRequestPaymentOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) })
    }

    pub(super) async fn put_bucket_request_payment(
        &self,
        request: S3Request<PutBucketRequestPaymentInput>,
    ) -> S3Result<PutBucketRequestPaymentOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        match request.input.request_payment_configuration.payer.as_str() {
            Payer::BUCKET_OWNER => Ok(PutBucketRequestPaymentOutput::default()),
            _ => Err(left_out("payment by the requester is")),
        }
    }

    pub(super) async fn get_bucket_accelerate_configuration(
        &self,
        request: S3Request<GetBucketAccelerateConfigurationInput>,
    ) -> S3Result<GetBucketAccelerateConfigurationOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        Ok(GetBucketAccelerateConfigurationOutput::default())
    }

    pub(super) async fn get_bucket_logging(
        &self,
        request: S3Request<GetBucketLoggingInput>,
    ) -> S3Result<GetBucketLoggingOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        Ok(GetBucketLoggingOutput::default())
    }

    pub(super) async fn get_bucket_website(
        &self,
        request: S3Request<GetBucketWebsiteInput>,
    ) -> S3Result<GetBucketWebsiteOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        let message = "The specified bucket does not have a website configuration";
        Err(not_found("NoSuchWebsiteConfiguration", message))
    }

    pub(super) async fn delete_bucket_website(
        &self,
        request: S3Request<DeleteBucketWebsiteInput>,
    ) -> S3Result<DeleteBucketWebsiteOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        Ok(DeleteBucketWebsiteOutput::default())
    }

    pub(super) async fn delete_bucket_replication(
        &self,
        request: S3Request<DeleteBucketReplicationInput>,
    ) -> S3Result<DeleteBucketReplicationOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        Ok(DeleteBucketReplicationOutput::default())
    }

    pub(super) async fn get_bucket_replication(
        &self,
        request: S3Request<GetBucketReplicationInput>,
    ) -> S3Result<GetBucketReplicationOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        let message = "The replication configuration was not found";
        Err(not_found("ReplicationConfigurationNotFoundError", message))
    }

    pub(super) async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<GetObjectLockConfigurationOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        let message = "Object Lock configuration does not exist for this bucket";
        Err(not_found("ObjectLockConfigurationNotFoundError", message))
    }
}

fn default_encryption() -> ServerSideEncryptionConfiguration {
    let sse_algorithm = ServerSideEncryption::from_static(ServerSideEncryption::AES256);
    let by_default = ServerSideEncryptionByDefault { kms_master_key_id: None, sse_algorithm };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: Some(false),
    };
    ServerSideEncryptionConfiguration { rules: vec![rule] }
}

/// Returns what S3 says by default about the size from which rules move objects to other storage classes. There are no other
/// classes here, but Terraform waits until it reads this back.
fn smallest_moved_object() -> TransitionDefaultMinimumObjectSize {
    TransitionDefaultMinimumObjectSize::from_static(
        TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
    )
}

/// Checks the rules of a lifecycle, and gives names to rules without one, as S3 does.
fn checked_lifecycle(
    mut configuration: BucketLifecycleConfiguration,
) -> S3Result<BucketLifecycleConfiguration> {
    const MOST_RULES: usize = 1000;
    let count = configuration.rules.len();
    if count == 0 || count > MOST_RULES {
        return Err(s3_error!(
            MalformedXML,
            "a lifecycle has 1 to {MOST_RULES} rules, and this one has {count}"
        ));
    }
    let mut names = BTreeSet::new();
    for rule in &mut configuration.rules {
        if rule.transitions.as_ref().is_some_and(|list| !list.is_empty())
            || rule.noncurrent_version_transitions.as_ref().is_some_and(|list| !list.is_empty())
        {
            return Err(left_out("transitions to other storage classes are"));
        }
        let name = rule.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
        if name.len() > 255 {
            return Err(s3_error!(InvalidArgument, "ID length should not exceed allowed limit of 255"));
        }
        if !names.insert(name.clone()) {
            return Err(s3_error!(
                InvalidArgument,
                "Rule ID must be unique. Found same ID for more than one rule"
            ));
        }
        check_rule(rule)?;
    }
    Ok(configuration)
}

fn check_rule(rule: &LifecycleRule) -> S3Result<()> {
    if !["Enabled", "Disabled"].contains(&rule.status.as_str()) {
        return Err(s3_error!(MalformedXML, "the Status of a lifecycle rule is Enabled or Disabled"));
    }
    if rule.filter.is_some() && rule.prefix.is_some() {
        return Err(s3_error!(MalformedXML, "a lifecycle rule has a Filter or a Prefix, not both"));
    }
    let expiration = rule.expiration.as_ref();
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    let abort = rule.abort_incomplete_multipart_upload.as_ref();
    if expiration.is_none() && noncurrent.is_none() && abort.is_none() {
        return Err(s3_error!(InvalidRequest, "At least one action needs to be specified in a rule."));
    }
    if abort.is_some() && lifecycle::filters_by_tag_or_size(rule) {
        return Err(s3_error!(
            InvalidRequest,
            "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes"
        ));
    }
    let days = [
        expiration.and_then(|expiration| expiration.days),
        noncurrent.and_then(|expiration| expiration.noncurrent_days),
        abort.and_then(|abort| abort.days_after_initiation),
    ];
    if days.into_iter().flatten().any(|days| days <= 0) {
        return Err(s3_error!(InvalidArgument, "the days of a lifecycle action must be a positive integer"));
    }
    let Some(expiration) = expiration else { return Ok(()) };
    let ways = [
        expiration.days.is_some(),
        expiration.date.is_some(),
        expiration.expired_object_delete_marker.is_some(),
    ];
    if ways.into_iter().filter(|is_given| *is_given).count() != 1 {
        return Err(s3_error!(
            MalformedXML,
            "an Expiration has one of Days, Date and ExpiredObjectDeleteMarker"
        ));
    }
    let is_midnight =
        |date: &Timestamp| lifecycle::instant(date).is_some_and(|date| date.as_second() % 86_400 == 0);
    if expiration.date.as_ref().is_some_and(|date| !is_midnight(date)) {
        return Err(s3_error!(InvalidArgument, "'Date' must be at midnight GMT"));
    }
    Ok(())
}
