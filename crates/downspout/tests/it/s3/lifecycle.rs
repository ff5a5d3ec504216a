//! Lifecycle rules of buckets, with a clock that the test advances.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, Tag,
    VersioningConfiguration,
};
use jiff::Timestamp;

use super::endpoint::{Endpoint, code};

const DAY: i64 = 86_400;

/// Returns an endpoint and the clock of its store. The clock stands still until the test advances it.
async fn endpoint() -> (Endpoint, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(20_000 * DAY + 3_600));
    let now = Arc::clone(&clock);
    let now = Arc::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap());
    (Endpoint::start_with_clock(now).await, clock)
}

fn rule(id: &str, filter: LifecycleRuleFilter) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
    LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled).filter(filter)
}

fn prefix(prefix: &str) -> LifecycleRuleFilter {
    LifecycleRuleFilter::builder().prefix(prefix).build()
}

async fn set(client: &Client, rules: Vec<LifecycleRule>) {
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().unwrap();
    let put = client.put_bucket_lifecycle_configuration().bucket("drop").lifecycle_configuration(rules);
    put.send().await.unwrap();
}

async fn keys(client: &Client) -> Vec<String> {
    let listed = client.list_objects_v2().bucket("drop").send().await.unwrap();
    listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_answer_states_the_default_minimum_size_for_transitions() {
    let (endpoint, _) = endpoint().await;
    let client = endpoint.client();
    let expiration = LifecycleExpiration::builder().days(1).build();
    set(&client, vec![rule("old", prefix("")).expiration(expiration).build().unwrap()]).await;
    let read = client.get_bucket_lifecycle_configuration().bucket("drop").send().await.unwrap();
    let size = read.transition_default_minimum_object_size().map(|size| size.as_str().to_owned());
    assert_eq!(size.as_deref(), Some("all_storage_classes_128K"));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_uploads_expire_at_the_midnight_after_their_days() {
    let (endpoint, clock) = endpoint().await;
    let client = endpoint.client();
    for key in ["tmp/old", "keep/old", "tagged"] {
        let put = client.put_object().bucket("drop").key(key).body(ByteStream::from_static(b"x"));
        put.set_tagging((key == "tagged").then(|| "kind=scrap".to_owned())).send().await.unwrap();
    }
    client.create_multipart_upload().bucket("drop").key("half").send().await.unwrap();
    let two_days = LifecycleExpiration::builder().days(2).build();
    let scrap =
        LifecycleRuleFilter::builder().tag(Tag::builder().key("kind").value("scrap").build().unwrap());
    let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build();
    set(
        &client,
        vec![
            rule("tmp", prefix("tmp/")).expiration(two_days.clone()).build().unwrap(),
            rule("scrap", scrap.build()).expiration(two_days).build().unwrap(),
            rule("half", prefix("")).abort_incomplete_multipart_upload(abort).build().unwrap(),
        ],
    )
    .await;
    let uploads = async || client.list_multipart_uploads().bucket("drop").send().await.unwrap();
    clock.fetch_add(DAY / 2, Ordering::Relaxed);
    endpoint.store.apply_lifecycles().await.unwrap();
    assert_eq!(uploads().await.uploads().len(), 1, "a day has not passed");
    clock.fetch_add(2 * DAY, Ordering::Relaxed);
    endpoint.store.apply_lifecycles().await.unwrap();
    assert_eq!(
        keys(&client).await,
        ["keep/old", "tagged", "tmp/old"],
        "two days end at the midnight that follows them"
    );
    assert!(uploads().await.uploads().is_empty());
    client
        .put_object()
        .bucket("drop")
        .key("tmp/new")
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();
    clock.fetch_add(DAY / 2, Ordering::Relaxed);
    endpoint.store.apply_lifecycles().await.unwrap();
    assert_eq!(keys(&client).await, ["keep/old", "tmp/new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_filters_by_tag_or_size_cannot_abort_uploads() {
    let (endpoint, _) = endpoint().await;
    let tag = Tag::builder().key("kind").value("scrap").build().unwrap();
    for filter in [
        LifecycleRuleFilter::builder().tag(tag).build(),
        LifecycleRuleFilter::builder().object_size_less_than(10).build(),
    ] {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build();
        let rule = rule("half", filter).abort_incomplete_multipart_upload(abort).build().unwrap();
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
        let put = endpoint.client().put_bucket_lifecycle_configuration().bucket("drop");
        assert_eq!(code(put.lifecycle_configuration(rules).send().await), "InvalidRequest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_versions_expire_and_then_a_delete_marker_without_older_versions() {
    let (endpoint, clock) = endpoint().await;
    let client = endpoint.client();
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket("drop").versioning_configuration(enabled).send().await.unwrap();
    for text in ["one", "two", "three"] {
        let put =
            client.put_object().bucket("drop").key("file").body(ByteStream::from_static(text.as_bytes()));
        put.send().await.unwrap();
    }
    let kept = NoncurrentVersionExpiration::builder().noncurrent_days(1).newer_noncurrent_versions(1).build();
    set(&client, vec![rule("old", prefix("")).noncurrent_version_expiration(kept).build().unwrap()]).await;
    let versions = async || client.list_object_versions().bucket("drop").send().await.unwrap();
    clock.fetch_add(DAY / 2, Ordering::Relaxed);
    endpoint.store.apply_lifecycles().await.unwrap();
    assert_eq!(versions().await.versions().len(), 3, "a day has not passed");
    clock.fetch_add(2 * DAY, Ordering::Relaxed);
    endpoint.store.apply_lifecycles().await.unwrap();
    let listed = client.list_object_versions().bucket("drop").send().await.unwrap();
    assert_eq!(listed.versions().len(), 2, "the newest, and one older version that the rule keeps");

    client.delete_object().bucket("drop").key("file").send().await.unwrap();
    let all = NoncurrentVersionExpiration::builder().noncurrent_days(1).build();
    let markers = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
    let rule = rule("all", prefix("")).noncurrent_version_expiration(all).expiration(markers);
    set(&client, vec![rule.build().unwrap()]).await;
    clock.fetch_add(2 * DAY, Ordering::Relaxed);
    endpoint.store.apply_lifecycles().await.unwrap();
    endpoint.store.apply_lifecycles().await.unwrap();
    client.delete_bucket().bucket("drop").send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_an_action_and_a_rule_with_zero_days_are_refused() {
    let (endpoint, _clock) = endpoint().await;
    let client = endpoint.client();
    let nothing = rule("nothing", prefix("")).build().unwrap();
    let never = LifecycleExpiration::builder().days(0).build();
    let never = rule("never", prefix("")).expiration(never).build().unwrap();
    for (rules, expected) in [(vec![nothing], "InvalidRequest"), (vec![never], "InvalidArgument")] {
        let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().unwrap();
        let put = client.put_bucket_lifecycle_configuration().bucket("drop").lifecycle_configuration(rules);
        assert_eq!(code(put.send().await), expected);
    }
    let none = client.get_bucket_lifecycle_configuration().bucket("drop").send().await;
    assert_eq!(code(none), "NoSuchLifecycleConfiguration");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_about_an_object_say_when_it_expires_and_by_which_rule() {
    let (endpoint, _clock) = endpoint().await;
    let client = endpoint.client();
    let days = |days| LifecycleExpiration::builder().days(days).build();
    let rules = [("a month", "tmp/", 30), ("two days", "tmp/short/", 2)];
    let rules = rules.map(|(id, of, count)| rule(id, prefix(of)).expiration(days(count)).build().unwrap());
    set(&client, rules.to_vec()).await;
    for (key, id) in [("tmp/a", Some("a%20month")), ("tmp/short/a", Some("two%20days")), ("keep", None)] {
        let put = client.put_object().bucket("drop").key(key).body(ByteStream::from_static(b"x"));
        let put = put.send().await.unwrap();
        let (get, head) = (client.get_object().bucket("drop"), client.head_object().bucket("drop"));
        let (get, head) = (get.key(key).send().await.unwrap(), head.key(key).send().await.unwrap());
        let copy =
            client.copy_object().bucket("drop").key(format!("{key}-2")).copy_source(format!("drop/{key}"));
        let copy = copy.send().await.unwrap();
        for said in [put.expiration(), get.expiration(), head.expiration(), copy.expiration()] {
            assert_eq!(said.is_some(), id.is_some(), "{key}: {said:?}");
            let Some((said, id)) = said.zip(id) else { continue };
            assert!(said.starts_with("expiry-date=\"") && said.contains(" 00:00:00 GMT\""), "{said}");
            assert!(said.ends_with(&format!("rule-id=\"{id}\"")), "{said}");
        }
    }
}
