//! Versions of objects: the effect of a write and of a delete, how versions are listed, and how a bucket with versions is emptied.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::Value;

use super::endpoint::{Endpoint, code};

async fn set(client: &Client, status: BucketVersioningStatus) {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let put = client.put_bucket_versioning().bucket("drop").versioning_configuration(configuration);
    put.send().await.unwrap();
}

/// Puts an object and returns the id of its version.
async fn put(client: &Client, key: &str, text: &'static str) -> Option<String> {
    let put = client.put_object().bucket("drop").key(key).body(ByteStream::from_static(text.as_bytes()));
    put.send().await.unwrap().version_id().map(str::to_owned)
}

async fn get(client: &Client, key: &str, version: Option<&str>) -> Result<String, String> {
    let get = client.get_object().bucket("drop").key(key).set_version_id(version.map(str::to_owned));
    match get.send().await {
        Ok(answer) => Ok(String::from_utf8(answer.body.collect().await.unwrap().to_vec()).unwrap()),
        refused => Err(code(refused)),
    }
}

/// Returns the versions as `key version`, with `*` for the latest and `-` for delete markers, in the order of the pages.
async fn versions(client: &Client, page: i32) -> Vec<String> {
    let mut listed = Vec::new();
    let (mut key, mut mark) = (None, None);
    loop {
        let list = client.list_object_versions().bucket("drop").max_keys(page);
        let answer = list.set_key_marker(key).set_version_id_marker(mark).send().await.unwrap();
        let name = |key: Option<&str>, version: Option<&str>, latest: Option<bool>, sign: &str| {
            let star = if latest == Some(true) { "*" } else { "" };
            format!("{} {}{star}{sign}", key.unwrap(), version.unwrap())
        };
        listed.extend(answer.versions().iter().map(|it| name(it.key(), it.version_id(), it.is_latest(), "")));
        let markers = answer.delete_markers().iter();
        listed.extend(markers.map(|it| name(it.key(), it.version_id(), it.is_latest(), "-")));
        if answer.is_truncated() != Some(true) {
            return listed;
        }
        key = answer.next_key_marker().map(str::to_owned);
        mark = answer.next_version_id_marker().map(str::to_owned);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_versioning_each_object_has_the_version_null() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for key in ["a", "b/1", "b/2", "c"] {
        assert_eq!(put(&client, key, "x").await, None);
    }
    assert_eq!(versions(&client, 2).await, ["a null*", "b/1 null*", "b/2 null*", "c null*"]);
    let folded =
        client.list_object_versions().bucket("drop").delimiter("/").max_keys(2).send().await.unwrap();
    assert_eq!(folded.common_prefixes()[0].prefix(), Some("b/"));
    assert_eq!((folded.is_truncated(), folded.next_key_marker()), (Some(true), Some("b/")));
    let rest =
        client.list_object_versions().bucket("drop").delimiter("/").key_marker("b/").send().await.unwrap();
    assert_eq!(rest.versions()[0].key(), Some("c"));
    assert_eq!(get(&client, "a", Some("null")).await.unwrap(), "x");
    client.delete_object().bucket("drop").key("a").version_id("null").send().await.unwrap();
    assert_eq!(get(&client, "a", None).await.unwrap_err(), "NoSuchKey");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_adds_a_version_and_a_delete_only_hides_the_versions() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    put(&client, "file", "zero").await;
    set(&client, BucketVersioningStatus::Enabled).await;
    let one = put(&client, "file", "one").await.unwrap();
    let two = put(&client, "file", "two").await.unwrap();
    assert_eq!(get(&client, "file", None).await.unwrap(), "two");
    for (version, text) in [("null", "zero"), (&one, "one"), (&two, "two")] {
        assert_eq!(get(&client, "file", Some(version)).await.unwrap(), text);
    }
    let gone = client.delete_object().bucket("drop").key("file").send().await.unwrap();
    let marker = gone.version_id().unwrap().to_owned();
    assert_eq!(gone.delete_marker(), Some(true));
    assert_eq!(get(&client, "file", None).await.unwrap_err(), "NoSuchKey");
    assert_eq!(get(&client, "file", Some(&marker)).await.unwrap_err(), "MethodNotAllowed");
    assert_eq!(get(&client, "file", Some("other")).await.unwrap_err(), "NoSuchVersion");
    let copy =
        client.copy_object().bucket("drop").key("x").copy_source(format!("drop/file?versionId={marker}"));
    assert_eq!(code(copy.send().await), "InvalidRequest");
    let listed = client.list_objects_v2().bucket("drop").send().await.unwrap();
    assert_eq!(listed.key_count(), Some(0));
    for page in [1, 2, 1000] {
        let mut found = versions(&client, page).await;
        found.sort();
        let mut expected = vec![
            format!("file {marker}*-"),
            format!("file {two}"),
            format!("file {one}"),
            "file null".to_owned(),
        ];
        expected.sort();
        assert_eq!(found, expected, "pages of {page}");
    }
    // Without its delete marker the object is back.
    client.delete_object().bucket("drop").key("file").version_id(&marker).send().await.unwrap();
    assert_eq!(get(&client, "file", None).await.unwrap(), "two");
    client.delete_object().bucket("drop").key("file").version_id(&two).send().await.unwrap();
    assert_eq!(get(&client, "file", None).await.unwrap(), "one");
    assert_eq!(versions(&client, 1000).await, [format!("file {one}*"), "file null".to_owned()]);
    // An old version can be copied over the new one.
    client
        .copy_object()
        .bucket("drop")
        .key("file")
        .copy_source("drop/file?versionId=null")
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, "file", None).await.unwrap(), "zero");

    let events = endpoint.store.pending_events(20).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.event_name.as_str()).collect();
    assert_eq!(
        names[3..],
        [
            "ObjectRemoved:DeleteMarkerCreated",
            "ObjectRemoved:Delete",
            "ObjectRemoved:Delete",
            "ObjectCreated:Copy"
        ]
    );
    let put: Value = serde_json::from_str(&events[1].json).unwrap();
    assert_eq!(put["Records"][0]["s3"]["object"]["versionId"], one.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_versioning_suspended_a_write_replaces_the_version_null_only() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    set(&client, BucketVersioningStatus::Enabled).await;
    let one = put(&client, "file", "one").await.unwrap();
    set(&client, BucketVersioningStatus::Suspended).await;
    let status = client.get_bucket_versioning().bucket("drop").send().await.unwrap();
    assert_eq!(status.status(), Some(&BucketVersioningStatus::Suspended));
    assert_eq!(put(&client, "file", "two").await.as_deref(), Some("null"));
    assert_eq!(put(&client, "file", "three").await.as_deref(), Some("null"));
    assert_eq!(versions(&client, 1).await, ["file null*".to_owned(), format!("file {one}")]);
    let gone = client.delete_object().bucket("drop").key("file").send().await.unwrap();
    assert_eq!((gone.delete_marker(), gone.version_id()), (Some(true), Some("null")));
    let mut found = versions(&client, 1000).await;
    found.sort();
    assert_eq!(found, [format!("file {one}"), "file null*-".to_owned()]);
    assert_eq!(put(&client, "file", "four").await.as_deref(), Some("null"));
    assert_eq!(versions(&client, 1000).await, ["file null*".to_owned(), format!("file {one}")]);
    assert_eq!(get(&client, "file", Some(&one)).await.unwrap(), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_versions_can_be_emptied_page_by_page_and_leaves_no_file() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    set(&client, BucketVersioningStatus::Enabled).await;
    let large = vec![b'x'; 100_000];
    for key in ["a", "a", "b", "a", "c"] {
        client.put_object().bucket("drop").key(key).body(large.clone().into()).send().await.unwrap();
    }
    client.delete_object().bucket("drop").key("a").send().await.unwrap();
    assert_eq!(endpoint.blobs().len(), 5);
    assert_eq!(code(client.delete_bucket().bucket("drop").send().await), "BucketNotEmpty");
    let (mut key, mut mark) = (None, None);
    loop {
        let list = client.list_object_versions().bucket("drop").max_keys(2);
        let page = list.set_key_marker(key).set_version_id_marker(mark).send().await.unwrap();
        let versions = page.versions().iter().map(|it| (it.key(), it.version_id()));
        let markers = page.delete_markers().iter().map(|it| (it.key(), it.version_id()));
        for (key, version) in versions.chain(markers) {
            let delete = client.delete_object().bucket("drop").key(key.unwrap()).version_id(version.unwrap());
            delete.send().await.unwrap();
        }
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker().map(str::to_owned);
        mark = page.next_version_id_marker().map(str::to_owned);
    }
    assert!(endpoint.blobs().is_empty());
    client.delete_bucket().bucket("drop").send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_there_after_a_restart() {
    let endpoint = Endpoint::start().await;
    set(&endpoint.client(), BucketVersioningStatus::Enabled).await;
    let one = put(&endpoint.client(), "file", "one").await.unwrap();
    put(&endpoint.client(), "file", "two").await.unwrap();
    let endpoint = endpoint.restart().await;
    assert_eq!(get(&endpoint.client(), "file", Some(&one)).await.unwrap(), "one");
    assert_ne!(put(&endpoint.client(), "file", "three").await.unwrap(), one);
}
