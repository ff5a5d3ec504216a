//! The operations on the access to a bucket: access control lists, policies, ownership, and the block of public access.
//!
//! Every client with the keys of the stack is the owner. So a list of grants always has one grant, the owner's, and policies are
//! stored and given back, but not evaluated.

use http::HeaderMap;
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::Service;
use super::headers::{address, left_out, not_found, owner};
use crate::local::s3::documents::Document;

/// The names of the documents.
const POLICY: &str = "policy";
const OWNERSHIP: &str = "ownershipControls";
const PUBLIC_ACCESS: &str = "publicAccessBlock";

/// The largest policy of S3, in bytes.
const LARGEST_POLICY: usize = 20 << 10;

impl Service {
    pub(super) async fn get_bucket_acl(
        &self,
        request: S3Request<GetBucketAclInput>,
    ) -> S3Result<GetBucketAclOutput> {
        self.expect_bucket(&request.input.bucket).await?;
        Ok(GetBucketAclOutput { grants: Some(vec![owners_grant()]), owner: Some(owner()) })
    }

    pub(super) async fn put_bucket_acl(
        &self,
        request: S3Request<PutBucketAclInput>,
    ) -> S3Result<PutBucketAclOutput> {
        let input = request.input;
        self.expect_bucket(&input.bucket).await?;
        let canned = input.acl.as_ref().map(BucketCannedACL::as_str);
        accept_owners_only(canned, input.access_control_policy, &request.headers)?;
        Ok(PutBucketAclOutput::default())
    }

    pub(super) async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<GetObjectAclOutput> {
        let GetObjectAclInput { bucket, key, version_id, .. } = request.input;
        self.store.head(address(bucket, key, version_id)).await?;
        let grants = Some(vec![owners_grant()]);
        Ok(GetObjectAclOutput { grants, owner: Some(owner()), request_charged: None })
    }

    pub(super) async fn put_object_acl(
        &self,
        request: S3Request<PutObjectAclInput>,
    ) -> S3Result<PutObjectAclOutput> {
        let PutObjectAclInput { bucket, key, version_id, acl, access_control_policy, .. } = request.input;
        self.store.head(address(bucket, key, version_id)).await?;
        let canned = acl.as_ref().map(ObjectCannedACL::as_str);
        accept_owners_only(canned, access_control_policy, &request.headers)?;
        Ok(PutObjectAclOutput::default())
    }

    pub(super) async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<GetBucketPolicyOutput> {
        match self.store.document(&request.input.bucket, POLICY).await? {
            Document::Set(policy) => Ok(GetBucketPolicyOutput { policy: Some(policy) }),
            Document::Default | Document::Deleted => Err(no_policy()),
        }
    }

    /// Stores a policy. Policies are not evaluated, because every client with the keys is the owner.
    pub(super) async fn put_bucket_policy(
        &self,
        request: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<PutBucketPolicyOutput> {
        let PutBucketPolicyInput { bucket, policy, .. } = request.input;
        if policy.len() > LARGEST_POLICY {
            return Err(s3_error!(MalformedPolicy, "Policy exceeds the maximum allowed document size."));
        }
        let document: Result<serde_json::Value, _> = serde_json::from_str(&policy);
        let has_statements = document.is_ok_and(|document| document.get("Statement").is_some());
        if !has_statements {
            return Err(s3_error!(
                MalformedPolicy,
                "Policies must be valid JSON, begin with the character '{{', and have the field Statement"
            ));
        }
        self.store.set_document(&bucket, POLICY, Some(&policy)).await?;
        Ok(PutBucketPolicyOutput::default())
    }

    pub(super) async fn delete_bucket_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<DeleteBucketPolicyOutput> {
        self.store.set_document(&request.input.bucket, POLICY, None::<&Policy>).await?;
        Ok(DeleteBucketPolicyOutput::default())
    }

    pub(super) async fn get_bucket_policy_status(
        &self,
        request: S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<GetBucketPolicyStatusOutput> {
        match self.store.document::<Policy>(&request.input.bucket, POLICY).await? {
            // A client without the keys has no access, even if the policy allows it.
            Document::Set(_) => Ok(GetBucketPolicyStatusOutput {
                policy_status: Some(PolicyStatus { is_public: Some(false) }),
            }),
            Document::Default | Document::Deleted => Err(no_policy()),
        }
    }

    pub(super) async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<GetBucketOwnershipControlsInput>,
    ) -> S3Result<GetBucketOwnershipControlsOutput> {
        let ownership = match self.store.document::<String>(&request.input.bucket, OWNERSHIP).await? {
            Document::Set(ownership) => ObjectOwnership::from(ownership),
            Document::Default => ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED),
            Document::Deleted => {
                let message = "The bucket ownership controls were not found";
                return Err(not_found("OwnershipControlsNotFoundError", message));
            }
        };
        let controls =
            OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership: ownership }] };
        Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) })
    }

    pub(super) async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<PutBucketOwnershipControlsOutput> {
        let PutBucketOwnershipControlsInput { bucket, ownership_controls, .. } = request.input;
        const KNOWN: [&str; 3] = [
            ObjectOwnership::BUCKET_OWNER_ENFORCED,
            ObjectOwnership::BUCKET_OWNER_PREFERRED,
            ObjectOwnership::OBJECT_WRITER,
        ];
        let stated: Vec<_> =
            ownership_controls.rules.iter().map(|rule| rule.object_ownership.as_str()).collect();
        match stated[..] {
            [ownership] if KNOWN.contains(&ownership) => {
                self.store.set_document(&bucket, OWNERSHIP, Some(&ownership)).await?;
            }
            _ => return Err(s3_error!(MalformedXML, "OwnershipControls has one Rule with one of {KNOWN:?}")),
        }
        Ok(PutBucketOwnershipControlsOutput::default())
    }

    pub(super) async fn delete_bucket_ownership_controls(
        &self,
        request: S3Request<DeleteBucketOwnershipControlsInput>,
    ) -> S3Result<DeleteBucketOwnershipControlsOutput> {
        self.store.set_document(&request.input.bucket, OWNERSHIP, None::<&String>).await?;
        Ok(DeleteBucketOwnershipControlsOutput::default())
    }

    pub(super) async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<GetPublicAccessBlockOutput> {
        let configuration = match self.store.document(&request.input.bucket, PUBLIC_ACCESS).await? {
            Document::Set(configuration) => configuration,
            // Every new bucket of S3 blocks public access.
            Document::Default => PublicAccessBlockConfiguration {
                block_public_acls: Some(true),
                block_public_policy: Some(true),
                ignore_public_acls: Some(true),
                restrict_public_buckets: Some(true),
            },
            Document::Deleted => {
                let message = "The public access block configuration was not found";
                return Err(not_found("NoSuchPublicAccessBlockConfiguration", message));
            }
        };
        Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) })
    }

    pub(super) async fn put_public_access_block(
        &self,
        request: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<PutPublicAccessBlockOutput> {
        let PutPublicAccessBlockInput { bucket, public_access_block_configuration: stated, .. } =
            request.input;
        let configuration = PublicAccessBlockConfiguration {
            block_public_acls: Some(stated.block_public_acls == Some(true)),
            block_public_policy: Some(stated.block_public_policy == Some(true)),
            ignore_public_acls: Some(stated.ignore_public_acls == Some(true)),
            restrict_public_buckets: Some(stated.restrict_public_buckets == Some(true)),
        };
        self.store.set_document(&bucket, PUBLIC_ACCESS, Some(&configuration)).await?;
        Ok(PutPublicAccessBlockOutput::default())
    }

    pub(super) async fn delete_public_access_block(
        &self,
        request: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<DeletePublicAccessBlockOutput> {
        let none = None::<&PublicAccessBlockConfiguration>;
        self.store.set_document(&request.input.bucket, PUBLIC_ACCESS, none).await?;
        Ok(DeletePublicAccessBlockOutput::default())
    }
}

fn no_policy() -> s3s::S3Error {
    not_found("NoSuchBucketPolicy", "The bucket policy does not exist")
}

fn owners_grant() -> Grant {
    let Owner { display_name, id } = owner();
    let type_ = Type::from_static(Type::CANONICAL_USER);
    Grant {
        grantee: Some(Grantee { display_name, email_address: None, id, type_, uri: None }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}

/// Accepts a list of grants only if it leaves the object to its owner alone, as it is.
fn accept_owners_only(
    canned: Option<&str>,
    policy: Option<AccessControlPolicy>,
    headers: &HeaderMap,
) -> S3Result<()> {
    let is_private =
        matches!(canned, None | Some("private" | "bucket-owner-full-control" | "bucket-owner-read"));
    let grants = policy.and_then(|policy| policy.grants).unwrap_or_default();
    let has_strangers = grants
        .iter()
        .any(|grant| grant.grantee.as_ref().and_then(|grantee| grantee.id.as_ref()) != owner().id.as_ref());
    let has_grants = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if is_private && !has_strangers && !has_grants {
        return Ok(());
    }
    Err(left_out("grants to others than the owner are"))
}
