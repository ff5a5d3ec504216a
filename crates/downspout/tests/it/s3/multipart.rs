//! Multipart uploads.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};

use super::endpoint::{Endpoint, code};

const PART: usize = 5 << 20;

/// The ETag of an object from two parts of `PART` bytes and a third of ten bytes, all of them the letter x.
const ETAG: &str = "\"de1bb67d1c3e44d96967baf8b13cefb8-3\"";

async fn begin(client: &Client, key: &str) -> String {
    let create = client.create_multipart_upload().bucket("drop").key(key).content_type("text/csv");
    let created = create.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.unwrap();
    created.upload_id().unwrap().to_owned()
}

async fn upload(client: &Client, key: &str, id: &str, number: i32, size: usize) -> CompletedPart {
    let part = client.upload_part().bucket("drop").key(key).upload_id(id).part_number(number);
    let part = part.checksum_algorithm(ChecksumAlgorithm::Crc32).body(vec![b'x'; size].into());
    let answer = part.send().await.unwrap();
    let completed = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned));
    completed.set_checksum_crc32(answer.checksum_crc32().map(str::to_owned)).build()
}

fn listed(parts: Vec<CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts)).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_one_object() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let id = begin(&client, "big").await;
    let mut parts = vec![
        upload(&client, "big", &id, 1, PART).await,
        upload(&client, "big", &id, 2, PART).await,
        upload(&client, "big", &id, 7, 10).await,
    ];
    // One part that the completing request leaves out, and one part that is uploaded twice.
    upload(&client, "big", &id, 9, 10).await;
    parts[0] = upload(&client, "big", &id, 1, PART).await;
    let uploaded = client.list_parts().bucket("drop").key("big").upload_id(&id).send().await.unwrap();
    assert_eq!(
        uploaded.parts().iter().map(|part| part.part_number().unwrap()).collect::<Vec<_>>(),
        [1, 2, 7, 9]
    );
    assert!(endpoint.store.pending_events(10).await.unwrap().is_empty());

    let complete = client.complete_multipart_upload().bucket("drop").key("big").upload_id(&id);
    let done = complete.multipart_upload(listed(parts)).send().await.unwrap();
    assert_eq!(done.e_tag(), Some(ETAG));
    let all = client
        .get_object()
        .bucket("drop")
        .key("big")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(all.content_type(), Some("text/csv"));
    assert!(all.checksum_crc32().is_some_and(|checksum| checksum.ends_with("-3")));
    assert_eq!(all.body.collect().await.unwrap().to_vec(), vec![b'x'; 2 * PART + 10]);
    let last = client.get_object().bucket("drop").key("big").part_number(3).send().await.unwrap();
    assert_eq!((last.content_length(), last.parts_count()), (Some(10), Some(3)));
    let across =
        client.get_object().bucket("drop").key("big").range(format!("bytes={}-{}", PART - 3, PART + 3));
    assert_eq!(across.send().await.unwrap().body.collect().await.unwrap().to_vec(), b"xxxxxxx");
    let events = endpoint.store.pending_events(10).await.unwrap();
    assert_eq!(events[0].event_name, "ObjectCreated:CompleteMultipartUpload");

    // A copy of the object has no parts, and its ETag is the MD5 of the whole content.
    client.copy_object().bucket("drop").key("copy").copy_source("drop/big").send().await.unwrap();
    let copy = client.head_object().bucket("drop").key("copy").send().await.unwrap();
    assert!(!copy.e_tag().unwrap().contains('-'));
    assert_eq!(copy.content_length(), Some(2 * PART as i64 + 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_upload_is_refused_and_stays() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let id = begin(&client, "big").await;
    let parts = vec![upload(&client, "big", &id, 1, 10).await, upload(&client, "big", &id, 2, 10).await];
    let complete = || client.complete_multipart_upload().bucket("drop").key("big").upload_id(&id);
    assert_eq!(code(complete().multipart_upload(listed(parts.clone())).send().await), "EntityTooSmall");
    let backwards = vec![parts[1].clone(), parts[0].clone()];
    assert_eq!(code(complete().multipart_upload(listed(backwards)).send().await), "InvalidPartOrder");
    let strange = CompletedPart::builder().part_number(1).e_tag("\"other\"").build();
    assert_eq!(code(complete().multipart_upload(listed(vec![strange])).send().await), "InvalidPart");
    let first = listed(vec![parts[0].clone()]);
    client.put_object().bucket("drop").key("big").body(vec![b'y'].into()).send().await.unwrap();
    let unwanted = complete().if_none_match("*").multipart_upload(first.clone()).send().await;
    assert_eq!(code(unwanted), "PreconditionFailed");
    assert_eq!(complete().multipart_upload(first).send().await.unwrap().key(), Some("big"));
    let again =
        client.upload_part().bucket("drop").key("big").upload_id(&id).part_number(1).body(vec![1].into());
    assert_eq!(code(again.send().await), "NoSuchUpload");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_upload_leaves_nothing() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let id = begin(&client, "big").await;
    upload(&client, "big", &id, 1, 100_000).await;
    let uploads = client.list_multipart_uploads().bucket("drop").send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 1);
    client.abort_multipart_upload().bucket("drop").key("big").upload_id(&id).send().await.unwrap();
    assert!(endpoint.blobs().is_empty());
    let uploads = client.list_multipart_uploads().bucket("drop").send().await.unwrap();
    assert!(uploads.uploads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_may_be_a_range_of_another_object() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let source: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    client.put_object().bucket("drop").key("source").body(source.clone().into()).send().await.unwrap();
    let id = begin(&client, "big").await;
    let copy = client.upload_part_copy().bucket("drop").key("big").upload_id(&id).part_number(1);
    let copied = copy.copy_source("drop/source").copy_source_range("bytes=1000-150000").send().await.unwrap();
    let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let complete = client.complete_multipart_upload().bucket("drop").key("big").upload_id(&id);
    complete.multipart_upload(listed(vec![part])).send().await.unwrap();
    let answer = client.get_object().bucket("drop").key("big").send().await.unwrap();
    assert_eq!(answer.body.collect().await.unwrap().to_vec(), source[1000..=150_000]);
}
