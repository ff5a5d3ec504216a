//! Single objects: their content comes back as it was stored, conditions are checked, and clients without the keys are
//! refused.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::{Endpoint, code};

async fn put(client: &Client, key: &str, bytes: impl Into<Vec<u8>>) -> String {
    let body = ByteStream::from(bytes.into());
    let answer = client.put_object().bucket("drop").key(key).body(body).send().await.unwrap();
    answer.e_tag().unwrap().to_owned()
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let answer = client.get_object().bucket("drop").key(key).send().await.unwrap();
    answer.body.collect().await.unwrap().to_vec()
}

/// Returns bytes that differ at every offset of the sizes used here.
fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_back_as_it_was_put() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for size in [0, 1, 16 << 10, (16 << 10) + 1, 3_000_000] {
        let etag = put(&client, "file", bytes(size)).await;
        let head = client.head_object().bucket("drop").key("file").send().await.unwrap();
        assert_eq!(head.content_length(), Some(size as i64));
        assert_eq!(head.e_tag(), Some(etag.as_str()));
        assert_eq!(get(&client, "file").await, bytes(size));
    }
    assert_eq!(put(&client, "hello", "hello").await, "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(endpoint.blobs().len(), 1, "replaced contents are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_come_back_and_a_copy_takes_or_replaces_them() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("a").content_type("text/csv").metadata("day", "monday");
    put.cache_control("no-store").body(bytes(100_000).into()).send().await.unwrap();

    client.copy_object().bucket("drop").key("b").copy_source("drop/a").send().await.unwrap();
    let copy = client.head_object().bucket("drop").key("b").send().await.unwrap();
    assert_eq!(copy.content_type(), Some("text/csv"));
    assert_eq!(copy.metadata().unwrap()["day"], "monday");
    assert_eq!(endpoint.blobs().len(), 1, "a copy shares its content");

    let itself = client.copy_object().bucket("drop").key("a").copy_source("drop/a");
    assert_eq!(code(itself.clone().send().await), "InvalidRequest");
    let replaced = itself.metadata_directive(MetadataDirective::Replace).metadata("day", "tuesday");
    replaced.send().await.unwrap();
    let head = client.head_object().bucket("drop").key("a").send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["day"], "tuesday");
    assert_eq!(head.cache_control(), None);
    client.delete_object().bucket("drop").key("b").send().await.unwrap();
    assert_eq!(get(&client, "a").await, bytes(100_000));

    let stale =
        client.copy_object().bucket("drop").key("c").copy_source("drop/a").copy_source_if_match("\"x\"");
    assert_eq!(code(stale.send().await), "PreconditionFailed");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_give_their_bytes() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    put(&client, "file", bytes(1_000_000)).await;
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=999999-", 999_999..1_000_000),
        ("bytes=300000-700000", 300_000..700_001),
        ("bytes=-5", 999_995..1_000_000),
        ("bytes=999990-2000000", 999_990..1_000_000),
    ] {
        let answer = client.get_object().bucket("drop").key("file").range(range).send().await.unwrap();
        let content_range = format!("bytes {}-{}/1000000", expected.start, expected.end - 1);
        assert_eq!(answer.content_range(), Some(content_range.as_str()));
        assert_eq!(answer.body.collect().await.unwrap().to_vec(), bytes(1_000_000)[expected]);
    }
    let after = client.get_object().bucket("drop").key("file").range("bytes=1000000-");
    assert_eq!(code(after.send().await), "InvalidRange");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_kept() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let etag = put(&client, "file", "one").await;
    let get = client.get_object().bucket("drop").key("file");
    assert!(get.clone().if_match(&etag).send().await.is_ok());
    assert_eq!(code(get.clone().if_match("\"other\"").send().await), "PreconditionFailed");
    let unchanged = get.if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);

    let put = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"two"));
    assert_eq!(code(put.if_match("\"other\"").send().await), "PreconditionFailed");
    let put = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"two"));
    put.if_match(&etag).send().await.unwrap();
    let missing = client.put_object().bucket("drop").key("none").body(ByteStream::from_static(b"two"));
    assert_eq!(code(missing.if_match(&etag).send().await), "NoSuchKey");
    let delete = client.delete_object().bucket("drop").key("file").if_match(&etag);
    assert_eq!(code(delete.send().await), "PreconditionFailed");
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_of_many_conditional_puts_wins() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let tasks: Vec<_> = (0..50_usize)
        .map(|number| {
            // Every second body is too large for the index.
            let body = vec![number as u8; if number % 2 == 0 { 100 } else { 100_000 }];
            let put = client.put_object().bucket("drop").key("claim").if_none_match("*").body(body.into());
            tokio::spawn(async move { put.send().await.map(|_| number as u8) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(number) => winners.push(number),
            refused => assert_eq!(code(refused), "PreconditionFailed"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(get(&client, "claim").await[0], winners[0]);
    assert_eq!(endpoint.store.pending_events(100).await.unwrap().len(), 1);
    assert!(endpoint.blobs().len() <= 1, "the losers' contents are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_key_of_s3_is_a_key() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let long = "k".repeat(1024);
    let mut keys =
        ["a", "a/b", "a//b", "a b+c%20&=?#.csv", "größe/日本.csv", ".", "../x", "~'()!*", long.as_str()];
    for key in keys {
        put(&client, key, key).await;
    }
    for key in keys {
        assert_eq!(get(&client, key).await, key.as_bytes());
    }
    let listed = client.list_objects_v2().bucket("drop").send().await.unwrap();
    keys.sort_unstable();
    assert_eq!(listed.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(), keys);
    let longer = "k".repeat(1025);
    let refused = client.put_object().bucket("drop").key(longer).body(ByteStream::from_static(b"x"));
    assert_eq!(code(refused.send().await), "KeyTooLongError");

    let ids = keys.map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(ids.into())).build().unwrap();
    let deleted = client.delete_objects().bucket("drop").delete(delete).send().await.unwrap();
    assert_eq!(deleted.deleted().len(), keys.len());
    assert_eq!(client.list_objects_v2().bucket("drop").send().await.unwrap().key_count(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_listing_join_up() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for key in ["in/1/a", "in/1/b", "in/2/a", "in/3", "in/4/a", "out"] {
        put(&client, key, key).await;
    }
    let list = client.list_objects_v2().bucket("drop").prefix("in/").delimiter("/").max_keys(1);
    let mut pages = list.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        found.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
    }
    assert_eq!(found, ["in/1/", "in/2/", "in/3", "in/4/"]);
    let after = client.list_objects_v2().bucket("drop").start_after("in/3").send().await.unwrap();
    assert_eq!(after.key_count(), Some(2));
    let object = &after.contents()[0];
    assert_eq!((object.key(), object.size()), (Some("in/4/a"), Some(6)));
    assert!(object.e_tag().is_some() && object.last_modified().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let endpoint = Endpoint::start().await;
    let wrong_secret = endpoint.client_with("AKIDTEST", "guess");
    let answer = wrong_secret.list_objects_v2().bucket("drop").send().await;
    assert_eq!(answer.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(), 403);
    assert_eq!(code(answer), "SignatureDoesNotMatch");
    let unknown = endpoint.client_with("AKIDOTHER", "secret");
    assert_eq!(code(unknown.list_buckets().send().await), "InvalidAccessKeyId");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_upload_that_expects_a_go_ahead_ends_its_connection() {
    let endpoint = Endpoint::start().await;
    let minute = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = endpoint.client().put_object().bucket("drop").key("empty").presigned(minute).await.unwrap();
    let uri: http::Uri = put.uri().parse().unwrap();
    let (host, path) = (uri.authority().unwrap().as_str(), uri.path_and_query().unwrap().as_str());
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head =
        format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // botocore would wait for ever with its next request on this connection.
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_stores_nothing() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = || client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"content"));
    assert_eq!(code(put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await), "BadDigest");
    assert_eq!(code(put().checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().content_md5("nonsense").send().await), "InvalidDigest");
    let missing = client.get_object().bucket("drop").key("file").send().await;
    assert_eq!(code(missing), "NoSuchKey");
    assert!(endpoint.store.pending_events(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_come_and_go() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    client.create_bucket().bucket("second").send().await.unwrap();
    client.create_bucket().bucket("second").send().await.unwrap();
    let buckets = client.list_buckets().send().await.unwrap();
    assert_eq!(
        buckets.buckets().iter().map(|bucket| bucket.name().unwrap()).collect::<Vec<_>>(),
        ["drop", "second"]
    );
    put(&client, "file", "x").await;
    assert_eq!(code(client.delete_bucket().bucket("drop").send().await), "BucketNotEmpty");
    client.delete_bucket().bucket("second").send().await.unwrap();
    assert!(client.head_bucket().bucket("second").send().await.is_err());
    let lost = client.put_object().bucket("second").key("file").body(bytes(3_000_000).into());
    assert_eq!(code(lost.send().await), "NoSuchBucket");
    assert!(endpoint.blobs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_may_name_several_etags() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("a").body(ByteStream::from_static(b"x"));
    let etag = put.send().await.unwrap().e_tag.unwrap();
    let known = format!("\"abc\", {etag}");
    let get = || client.get_object().bucket("drop").key("a");
    get().if_match(&known).send().await.unwrap();
    let weak = format!("\"abc\", W/{etag}");
    for head in [&known, &weak] {
        let head = client.head_object().bucket("drop").key("a").if_none_match(head).send().await;
        assert_eq!(head.unwrap_err().raw_response().map(|response| response.status().as_u16()), Some(304));
    }
    get().if_none_match("\"abc\", \"def\"").send().await.unwrap();
    assert_eq!(code(get().if_match("\"abc\", \"def\"").send().await), "PreconditionFailed");
}
