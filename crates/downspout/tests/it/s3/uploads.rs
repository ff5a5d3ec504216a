//! Special cases of multipart uploads: lists with delimiters, ranges beyond the source, repeated requests, and open uploads of a
//! bucket that is deleted.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, ObjectAttributes,
};

use super::endpoint::{Endpoint, code};

const PART: usize = 5 << 20;

async fn begin(client: &Client, key: &str) -> String {
    let created = client.create_multipart_upload().bucket("drop").key(key).send().await.unwrap();
    created.upload_id().unwrap().to_owned()
}

async fn upload(client: &Client, key: &str, id: &str, number: i32, size: usize) -> CompletedPart {
    let part = client.upload_part().bucket("drop").key(key).upload_id(id).part_number(number);
    let answer = part.body(vec![b'x'; size].into()).send().await.unwrap();
    CompletedPart::builder().part_number(number).e_tag(answer.e_tag().unwrap()).build()
}

fn listed(parts: &[CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_listed_with_delimiter_and_pages() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for key in ["a", "in/1", "in/2", "in/2", "z"] {
        begin(&client, key).await;
    }
    let folded = client.list_multipart_uploads().bucket("drop").delimiter("/").send().await.unwrap();
    assert_eq!(folded.common_prefixes()[0].prefix(), Some("in/"));
    assert_eq!(folded.uploads().iter().map(|it| it.key().unwrap()).collect::<Vec<_>>(), ["a", "z"]);
    // minio-js looks for an earlier upload of its key like this.
    let own =
        client.list_multipart_uploads().bucket("drop").prefix("in/2").delimiter("").send().await.unwrap();
    assert_eq!(own.uploads().len(), 2);
    for delimiter in [None, Some("/")] {
        let (mut key, mut id, mut found) = (None, None, Vec::new());
        loop {
            let list = client.list_multipart_uploads().bucket("drop").max_uploads(1);
            let list = list.set_delimiter(delimiter.map(str::to_owned)).set_key_marker(key);
            let page = list.set_upload_id_marker(id).send().await.unwrap();
            found.extend(page.uploads().iter().map(|it| it.key().unwrap().to_owned()));
            found.extend(page.common_prefixes().iter().map(|it| it.prefix().unwrap().to_owned()));
            if page.is_truncated() != Some(true) {
                break;
            }
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_upload_id_marker().map(str::to_owned);
        }
        match delimiter {
            None => assert_eq!(found, ["a", "in/1", "in/2", "in/2", "z"]),
            Some(_) => assert_eq!(found, ["a", "in/", "z"]),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_never_cut_short_at_the_end_of_its_source() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("source").body(ByteStream::from_static(b"0123456789"));
    put.send().await.unwrap();
    let id = begin(&client, "big").await;
    for range in ["bytes=0-10", "bytes=5-100", "bytes=10-12", "bytes=-3", "bytes=3-", "0-3"] {
        let copy = client.upload_part_copy().bucket("drop").key("big").upload_id(&id).part_number(1);
        let refused = copy.copy_source("drop/source").copy_source_range(range).send().await;
        assert_eq!(code(refused), "InvalidArgument", "{range}");
    }
    let parts = client.list_parts().bucket("drop").key("big").upload_id(&id).send().await.unwrap();
    assert!(parts.parts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_completion_gets_the_same_answer_and_changes_nothing() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let id = begin(&client, "big").await;
    let parts = [upload(&client, "big", &id, 1, 10).await];
    let complete = |parts: &[CompletedPart]| {
        let complete = client.complete_multipart_upload().bucket("drop").key("big").upload_id(&id);
        complete.multipart_upload(listed(parts))
    };
    let first = complete(&parts).if_none_match("*").send().await.unwrap();
    let again = complete(&parts).if_none_match("*").send().await.unwrap();
    assert_eq!(again.e_tag(), first.e_tag());
    assert_eq!(endpoint.store.pending_events(10).await.unwrap().len(), 1, "one object, one event");
    // A later object stays in its place.
    client.put_object().bucket("drop").key("big").body(ByteStream::from_static(b"new")).send().await.unwrap();
    complete(&parts).send().await.unwrap();
    let head = client.head_object().bucket("drop").key("big").send().await.unwrap();
    assert_eq!(head.content_length(), Some(3));
    let other = [CompletedPart::builder().part_number(1).e_tag("\"other\"").build()];
    assert_eq!(code(complete(&other).send().await), "NoSuchUpload");
    let endpoint = endpoint.restart().await;
    let client = endpoint.client();
    let late = client.complete_multipart_upload().bucket("drop").key("big").upload_id(&id);
    assert_eq!(late.multipart_upload(listed(&parts)).send().await.unwrap().e_tag(), first.e_tag());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_bucket_deletes_its_open_uploads() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let id = begin(&client, "big").await;
    upload(&client, "big", &id, 1, 100_000).await;
    client.delete_bucket().bucket("drop").send().await.unwrap();
    assert!(endpoint.blobs().is_empty());
    client.create_bucket().bucket("drop").send().await.unwrap();
    let uploads = client.list_multipart_uploads().bucket("drop").send().await.unwrap();
    assert!(uploads.uploads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn checksums_of_all_kinds_are_kept_for_the_whole_and_for_the_parts() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Crc32, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32C, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
        (ChecksumAlgorithm::Sha1, ChecksumType::Composite),
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
    ] {
        let create = client.create_multipart_upload().bucket("drop").key("big");
        let create = create.checksum_algorithm(algorithm.clone()).checksum_type(kind.clone());
        let id = create.send().await.unwrap().upload_id().unwrap().to_owned();
        let mut parts = Vec::new();
        for (number, size) in [(1, PART), (3, 10)] {
            let part = client.upload_part().bucket("drop").key("big").upload_id(&id).part_number(number);
            let part = part.checksum_algorithm(algorithm.clone()).body(vec![b'x'; size].into());
            let answer = part.send().await.unwrap();
            let named = CompletedPart::builder().part_number(number).e_tag(answer.e_tag().unwrap());
            let named = named.set_checksum_crc32(answer.checksum_crc32().map(str::to_owned));
            let named = named.set_checksum_crc32_c(answer.checksum_crc32_c().map(str::to_owned));
            let named = named.set_checksum_crc64_nvme(answer.checksum_crc64_nvme().map(str::to_owned));
            let named = named.set_checksum_sha1(answer.checksum_sha1().map(str::to_owned));
            parts.push(named.set_checksum_sha256(answer.checksum_sha256().map(str::to_owned)).build());
        }
        let complete = client.complete_multipart_upload().bucket("drop").key("big").upload_id(&id);
        complete.checksum_type(kind.clone()).multipart_upload(listed(&parts)).send().await.unwrap();
        let head = client.head_object().bucket("drop").key("big").checksum_mode(ChecksumMode::Enabled);
        assert_eq!(head.send().await.unwrap().checksum_type(), Some(&kind), "{algorithm}");
        // The SDK checks a checksum of the whole object against the bytes.
        let whole = client.get_object().bucket("drop").key("big").checksum_mode(ChecksumMode::Enabled);
        let whole = whole.send().await.unwrap().body.collect().await.unwrap().to_vec();
        assert_eq!(whole.len(), PART + 10);

        let attributes = client.get_object_attributes().bucket("drop").key("big");
        let attributes = attributes.object_attributes(ObjectAttributes::Checksum);
        let attributes = attributes.object_attributes(ObjectAttributes::ObjectParts);
        let attributes = attributes.object_attributes(ObjectAttributes::ObjectSize).send().await.unwrap();
        assert_eq!(attributes.object_size(), Some(PART as i64 + 10));
        assert_eq!(attributes.checksum().unwrap().checksum_type(), Some(&kind));
        let described = attributes.object_parts().unwrap();
        assert_eq!(described.total_parts_count(), Some(2));
        if kind == ChecksumType::Composite {
            let numbers: Vec<_> = described.parts().iter().map(|part| part.part_number().unwrap()).collect();
            assert_eq!(numbers, [1, 3]);
            assert_eq!(described.parts()[0].checksum_sha256(), parts[0].checksum_sha256());
        }
    }
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Sha256, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::Composite),
    ] {
        let create = client.create_multipart_upload().bucket("drop").key("big");
        let refused = create.checksum_algorithm(algorithm).checksum_type(kind).send().await;
        assert_eq!(code(refused), "InvalidRequest");
    }
}
