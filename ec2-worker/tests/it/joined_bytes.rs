//! Directories that are copied into one object without a data format: their bytes are joined as they are.

use super::objects::{copy, file};
use super::stack::{BUCKET, Stack, object, string, value};

/// Copies the directory `in` to the object `out`. Returns the bytes of `out`, or why the copy failed.
async fn joined(stack: &Stack, parts: &[&[u8]], packed: (bool, bool)) -> Result<Vec<u8>, String> {
    for (number, part) in parts.iter().enumerate() {
        stack.put(&format!("in/{number}"), part.to_vec()).await;
    }
    let mut from = vec![string("type", "S3DataNode"), string("directoryPath", &format!("s3://{BUCKET}/in"))];
    from.extend(packed.0.then(|| string("compression", "GZIP")));
    let objects = vec![copy(&[]), object("In", from), file("Out", "out", packed.1, "")];
    let attempt = stack.run(objects).await;
    match value(&attempt, "@status") {
        "FINISHED" => Ok(stack.get("out").await),
        _ => Err(value(&attempt, "errorMessage").to_owned()),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).expect("packed");
    packer.finish().expect("packed")
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::copy(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text).expect("gzip");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_without_a_data_format_are_joined_byte_by_byte() {
    let stack = Stack::start().await;
    let parts: [&[u8]; 3] = [b"\x00\x01", b"", b"\xef\xbb\xbf\"\x02\r\n\n"];
    assert_eq!(joined(&stack, &parts, (false, false)).await, Ok(parts.concat()));
    let out = joined(&stack, &parts, (false, true)).await.expect("packed");
    assert_eq!(unpacked(&out), parts.concat());
    let (one, two) = (gzip(b"one"), gzip(b"two\n"));
    let packed = [one.as_slice(), b"", two.as_slice()];
    assert_eq!(joined(&stack, &packed, (false, false)).await, Ok(packed.concat()), "gzip takes both");
    assert_eq!(joined(&stack, &packed, (true, false)).await, Ok(b"onetwo\n".to_vec()));
    let out = joined(&stack, &packed, (true, true)).await.expect("packed again");
    assert_eq!(unpacked(&out), b"onetwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_parts_that_cannot_be_joined_are_refused_with_their_names() {
    let stack = Stack::start().await;
    let (one, zip) = (gzip(b"one"), b"PK\x03\x04....".as_slice());
    assert_eq!(joined(&stack, &[zip, b""], (false, false)).await, Ok(zip.to_vec()), "there is one part");
    for (parts, packed, says) in [
        (
            [one.as_slice(), b"two"],
            false,
            "in/0 is gzip, and s3://files/in/1 is not packed, so they cannot be joined",
        ),
        ([b"two", one.as_slice()], false, "in/0 is not packed, and s3://files/in/1 is gzip"),
        (
            [b"two", zip],
            false,
            "in/1 is a zip archive, and archives cannot be joined; give the output a `directoryPath`",
        ),
        ([one.as_slice(), b"two"], true, "in/1: declared as gzip (`compression`), but it is not packed"),
    ] {
        let message = joined(&stack, &parts, (packed, false)).await.expect_err(says);
        assert!(message.contains(says), "{message}");
    }
}
