//! A restart after an orderly stop, and after a kill.

use std::sync::Arc;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use downspout::local::s3::{S3Store, StoreError};
use futures::StreamExt;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::endpoint::{Endpoint, code, until};

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let large = vec![b'x'; 1_000_000];
    client
        .put_object()
        .bucket("drop")
        .key("small")
        .body(ByteStream::from_static(b"small"))
        .send()
        .await
        .unwrap();
    client.put_object().bucket("drop").key("large").body(large.clone().into()).send().await.unwrap();
    let upload = client.create_multipart_upload().bucket("drop").key("parts").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let part = client.upload_part().bucket("drop").key("parts").upload_id(id).part_number(1);
    part.body(large.clone().into()).send().await.unwrap();
    let events = endpoint.store.pending_events(10).await.unwrap();
    assert_eq!(events.len(), 2);

    let endpoint = endpoint.restart().await;
    let client = endpoint.client();
    for (key, expected) in [("small", b"small".to_vec()), ("large", large)] {
        let answer = client.get_object().bucket("drop").key(key).send().await.unwrap();
        assert_eq!(answer.body.collect().await.unwrap().to_vec(), expected);
    }
    let parts = client.list_parts().bucket("drop").key("parts").upload_id(id).send().await.unwrap();
    assert_eq!(parts.parts().len(), 1);
    assert_eq!(endpoint.store.pending_events(10).await.unwrap(), events);
}

/// A body that stops after its first part and never ends.
fn unfinished() -> ByteStream {
    let begun =
        futures::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 2_000_000])))]);
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(begun.chain(futures::stream::pending()))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_breaks_off_leaves_neither_object_nor_event_nor_file() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("half").content_length(3_000_000).body(unfinished());
    let putting = tokio::spawn(put.send());
    until("the content has begun", || !endpoint.blobs().is_empty()).await;
    putting.abort();
    until("the content is gone", || endpoint.blobs().is_empty()).await;
    assert_eq!(code(client.get_object().bucket("drop").key("half").send().await), "NoSuchKey");
    assert!(endpoint.store.pending_events(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leftovers_of_a_killed_process_are_removed() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let kept = vec![b'x'; 100_000];
    client.put_object().bucket("drop").key("kept").body(kept.clone().into()).send().await.unwrap();
    // A killed process leaves a file that no object uses.
    std::fs::write(endpoint.path().join("blobs/0123456789abcdef"), b"half").unwrap();
    let endpoint = endpoint.restart().await;
    assert_eq!(endpoint.blobs().len(), 1);
    let answer = endpoint.client().get_object().bucket("drop").key("kept").send().await.unwrap();
    assert_eq!(answer.body.collect().await.unwrap().to_vec(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_is_being_read_outlives_its_object() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    // More bytes than the sockets and the server can hold.
    let size = 64 << 20;
    client.put_object().bucket("drop").key("file").body(vec![b'x'; size].into()).send().await.unwrap();
    let answer = client.get_object().bucket("drop").key("file").send().await.unwrap();
    client.delete_object().bucket("drop").key("file").send().await.unwrap();
    assert_eq!(endpoint.blobs().len(), 1);
    assert_eq!(answer.body.collect().await.unwrap().to_vec().len(), size);
    until("the content is gone", || endpoint.blobs().is_empty()).await;
}

#[tokio::test]
async fn a_directory_of_a_newer_version_is_refused_with_the_reason() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    drop(S3Store::open(directory.path()).unwrap());
    let index = rusqlite::Connection::open(directory.path().join("index.sqlite")).unwrap();
    index.pragma_update(None, "user_version", 99).unwrap();
    drop(index);
    let refused = S3Store::open(directory.path());
    assert!(matches!(refused, Err(StoreError::NewerVersion { found: 99, .. })));
}
