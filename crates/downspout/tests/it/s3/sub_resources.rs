//! The sub-resources of buckets and the tags of objects: the answers of a new bucket, and the documents that are stored or refused.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketCannedAcl, ObjectOwnership, OwnershipControls, OwnershipControlsRule, Permission,
    PublicAccessBlockConfiguration, Tag, Tagging,
};

use super::endpoint::{Endpoint, code};
use super::raw::{minute, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_bucket_answers_as_a_new_bucket_of_aws() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    client.create_bucket().bucket("new").send().await.unwrap();
    macro_rules! refused {
        ($($operation:ident $code:literal;)*) => {
            $(assert_eq!(code(client.$operation().bucket("new").send().await), $code);)*
            $(assert_eq!(code(client.$operation().bucket("nowhere").send().await), "NoSuchBucket");)*
        };
    }
    refused! {
        get_bucket_cors "NoSuchCORSConfiguration";
        get_bucket_lifecycle_configuration "NoSuchLifecycleConfiguration";
        get_bucket_policy "NoSuchBucketPolicy";
        get_bucket_policy_status "NoSuchBucketPolicy";
        get_bucket_replication "ReplicationConfigurationNotFoundError";
        get_bucket_tagging "NoSuchTagSet";
        get_bucket_website "NoSuchWebsiteConfiguration";
        get_object_lock_configuration "ObjectLockConfigurationNotFoundError";
    }
    let encryption = client.get_bucket_encryption().bucket("new").send().await.unwrap();
    let rules = encryption.server_side_encryption_configuration().unwrap().rules();
    assert_eq!(
        rules[0].apply_server_side_encryption_by_default().unwrap().sse_algorithm().as_str(),
        "AES256"
    );
    let block = client.get_public_access_block().bucket("new").send().await.unwrap();
    assert_eq!(block.public_access_block_configuration().unwrap().block_public_acls(), Some(true));
    let acl = client.get_bucket_acl().bucket("new").send().await.unwrap();
    assert_eq!(acl.grants().len(), 1);
    assert_eq!(acl.grants()[0].permission(), Some(&Permission::FullControl));
    assert_eq!(acl.grants()[0].grantee().unwrap().id(), acl.owner().unwrap().id());
    let ownership = client.get_bucket_ownership_controls().bucket("new").send().await.unwrap();
    let rules = ownership.ownership_controls().unwrap().rules();
    assert_eq!(rules[0].object_ownership(), &ObjectOwnership::BucketOwnerEnforced);
    assert!(client.get_bucket_versioning().bucket("new").send().await.unwrap().status().is_none());
    assert!(client.get_bucket_logging().bucket("new").send().await.unwrap().logging_enabled().is_none());
    let notification = client.get_bucket_notification_configuration().bucket("new").send().await.unwrap();
    assert!(notification.lambda_function_configurations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_end_with_their_deletion_or_with_their_bucket() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let policy = r#"{"Version": "2012-10-17", "Statement": []}"#;
    client.put_bucket_policy().bucket("drop").policy(policy).send().await.unwrap();
    assert_eq!(
        code(client.put_bucket_policy().bucket("drop").policy("no JSON").send().await),
        "MalformedPolicy"
    );
    let tag = Tag::builder().key("team").value("data").build().unwrap();
    let tags = Tagging::builder().tag_set(tag.clone()).build().unwrap();
    client.put_bucket_tagging().bucket("drop").tagging(tags).send().await.unwrap();
    let open = PublicAccessBlockConfiguration::builder().block_public_acls(false).build();
    let block = client.put_public_access_block().bucket("drop").public_access_block_configuration(open);
    block.send().await.unwrap();
    let rule =
        OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter).build().unwrap();
    let controls = OwnershipControls::builder().rules(rule).build().unwrap();
    client.put_bucket_ownership_controls().bucket("drop").ownership_controls(controls).send().await.unwrap();

    let endpoint = endpoint.restart().await;
    let client = endpoint.client();
    let found = client.get_bucket_policy().bucket("drop").send().await.unwrap();
    assert_eq!(found.policy(), Some(policy));
    let found = client.get_bucket_tagging().bucket("drop").send().await.unwrap();
    assert_eq!(found.tag_set(), [tag]);
    let found = client.get_public_access_block().bucket("drop").send().await.unwrap();
    assert_eq!(found.public_access_block_configuration().unwrap().block_public_acls(), Some(false));
    client.delete_bucket_policy().bucket("drop").send().await.unwrap();
    assert_eq!(code(client.get_bucket_policy().bucket("drop").send().await), "NoSuchBucketPolicy");
    client.delete_public_access_block().bucket("drop").send().await.unwrap();
    let gone = client.get_public_access_block().bucket("drop").send().await;
    assert_eq!(code(gone), "NoSuchPublicAccessBlockConfiguration");
    client.delete_bucket_ownership_controls().bucket("drop").send().await.unwrap();
    let gone = client.get_bucket_ownership_controls().bucket("drop").send().await;
    assert_eq!(code(gone), "OwnershipControlsNotFoundError");

    client.delete_bucket().bucket("drop").send().await.unwrap();
    client.create_bucket().bucket("drop").send().await.unwrap();
    assert_eq!(code(client.get_bucket_tagging().bucket("drop").send().await), "NoSuchTagSet");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_can_have_a_grant() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    client.put_bucket_acl().bucket("drop").acl(BucketCannedAcl::Private).send().await.unwrap();
    let public = client.put_bucket_acl().bucket("drop").acl(BucketCannedAcl::PublicRead).send().await;
    assert_eq!(code(public), "NotImplemented");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_counted_and_belong_to_a_version() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"x"));
    put.tagging("a=1&b=2").send().await.unwrap();
    for head in [
        client.head_object().bucket("drop").key("file").presigned(minute()).await.unwrap(),
        client.get_object().bucket("drop").key("file").presigned(minute()).await.unwrap(),
    ] {
        let answer = send(&endpoint, head, &[]).await;
        assert_eq!(answer.header("x-amz-tagging-count"), Some("2"), "{}", answer.head);
    }
    let twice = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"x"));
    assert_eq!(code(twice.tagging("a=1&a=2").send().await), "InvalidTag");
    let tag = |key: &str| Tag::builder().key(key).value("v").build().unwrap();
    let many = (0..11).map(|number| tag(&format!("k{number}"))).collect();
    let many = Tagging::builder().set_tag_set(Some(many)).build().unwrap();
    let many = client.put_object_tagging().bucket("drop").key("file").tagging(many).send().await;
    assert_eq!(code(many), "BadRequest");
    client.delete_object_tagging().bucket("drop").key("file").send().await.unwrap();
    let none = client.get_object_tagging().bucket("drop").key("file").send().await.unwrap();
    assert!(none.tag_set().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_name_keeps_to_the_rules_of_aws() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for name in
        ["ab", "xn--name", "sthree-x", "amzn-s3-demo-x", "name-s3alias", "name--ol-s3", "1.2.3.4", "a..b"]
    {
        assert_eq!(code(client.create_bucket().bucket(name).send().await), "InvalidBucketName", "{name}");
    }
    client.create_bucket().bucket("a.b-c1").send().await.unwrap();
    let page = client.list_buckets().max_buckets(1).send().await.unwrap();
    assert_eq!(page.buckets()[0].name(), Some("a.b-c1"));
    let rest = client.list_buckets().max_buckets(1).continuation_token(page.continuation_token().unwrap());
    assert_eq!(rest.send().await.unwrap().buckets()[0].name(), Some("drop"));
}
