//! Checksums that the SDK sends in a trailer, because it does not know all bytes of the content in advance.

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::endpoint::Endpoint;

fn stream(chunk: &'static [u8], count: usize) -> ByteStream {
    let chunks = (0..count).map(move |_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(chunk))));
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(futures::stream::iter(chunks))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checksum_after_the_content_is_checked_and_kept() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = client.put_object().bucket("drop").key("file").content_length(30_000);
        let put = put
            .checksum_algorithm(algorithm.clone())
            .body(stream(b"0123456789", 3_000))
            .send()
            .await
            .unwrap();
        let sums = |crc32: Option<&str>,
                    crc32c: Option<&str>,
                    crc64: Option<&str>,
                    sha1: Option<&str>,
                    sha256: Option<&str>| {
            [crc32, crc32c, crc64, sha1, sha256].map(|sum| sum.map(str::to_owned))
        };
        let answered = sums(
            put.checksum_crc32(),
            put.checksum_crc32_c(),
            put.checksum_crc64_nvme(),
            put.checksum_sha1(),
            put.checksum_sha256(),
        );
        assert_eq!(answered.iter().flatten().count(), 1, "{algorithm}: {answered:?}");
        let head = client.head_object().bucket("drop").key("file").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        let kept = sums(
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_crc64_nvme(),
            head.checksum_sha1(),
            head.checksum_sha256(),
        );
        assert_eq!(kept, answered);
        assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
        // The SDK checks the checksum of the answer against the bytes.
        let get = client.get_object().bucket("drop").key("file").checksum_mode(ChecksumMode::Enabled);
        let bytes = get.send().await.unwrap().body.collect().await.unwrap().to_vec();
        assert_eq!(bytes, b"0123456789".repeat(3_000));
    }
}
