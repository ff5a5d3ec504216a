//! Uploads files to S3: a small file in one piece, a large file in parts. A few parts are sent at the same time.

use std::io::SeekFrom;
use std::path::Path;

use anyhow::Context;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::sdk_error::readable;

/// The largest file that is uploaded in one piece, and the size of a part, in bytes. Parts are larger if the file would
/// otherwise have more than [`PARTS`] parts.
const PART_BYTES: u64 = 16 * 1024 * 1024;
/// The largest number of parts that S3 accepts.
const PARTS: u64 = 10_000;
/// How many parts are sent at the same time. The limit bounds the memory, because each of these parts is in memory.
const PARTS_AT_ONCE: usize = 4;

/// A function that is called with the number of bytes that arrived since the last call.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// The object that a file is uploaded to.
#[derive(Clone, Copy)]
struct Destination<'a> {
    s3: &'a Client,
    bucket: &'a str,
    key: &'a str,
}

/// Uploads the file at `path` to the object `key` of `bucket`.
///
/// Fails if the file cannot be read, becomes shorter during the upload, or S3 refuses a request.
pub(crate) async fn upload_file(
    s3: &Client,
    bucket: &str,
    path: &Path,
    key: &str,
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let destination = Destination { s3, bucket, key };
    let uploaded = async {
        let size = tokio::fs::metadata(path).await?.len();
        if size > PART_BYTES {
            return in_parts(destination, path, size, progress).await;
        }
        let bytes = tokio::fs::read(path).await?;
        s3.put_object().bucket(bucket).key(key).body(bytes.into()).send().await.map_err(readable)?;
        progress(size);
        Ok(())
    };
    uploaded.await.with_context(|| format!("uploading {} to s3://{bucket}/{key}", path.display()))
}

async fn in_parts(
    destination: Destination<'_>,
    path: &Path,
    size: u64,
    progress: Progress<'_>,
) -> anyhow::Result<()> {
    let Destination { s3, bucket, key } = destination;
    let begun = s3.create_multipart_upload().bucket(bucket).key(key).send().await.map_err(readable)?;
    let id = begun.upload_id().context("the answer contains no upload id")?;
    let part_bytes = PART_BYTES.max(size.div_ceil(PARTS));
    let ranges: Vec<(i32, u64)> = (1..).zip((0..size).step_by(usize::try_from(part_bytes)?)).collect();
    let parts = stream::iter(ranges)
        .map(|(number, offset)| {
            part(destination, path, id, number, (offset, part_bytes.min(size - offset)), progress)
        })
        .buffered(PARTS_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await;
    let uploaded = match parts {
        Ok(parts) => {
            let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let call = s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(id);
            call.multipart_upload(whole).send().await.map(drop).map_err(readable)
        }
        Err(error) => Err(error),
    };
    if uploaded.is_err() {
        // An upload that is neither completed nor aborted only uses space, so a failure to abort is ignored.
        let _ = s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await;
    }
    uploaded
}

async fn part(
    destination: Destination<'_>,
    path: &Path,
    upload_id: &str,
    number: i32,
    (offset, length): (u64, u64),
    progress: Progress<'_>,
) -> anyhow::Result<CompletedPart> {
    let bytes = read_range(path, offset, length).await?;
    let call =
        destination.s3.upload_part().bucket(destination.bucket).key(destination.key).upload_id(upload_id);
    let answer = call.part_number(number).body(bytes.into()).send().await.map_err(readable)?;
    progress(length);
    Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build())
}

async fn read_range(path: &Path, offset: u64, length: u64) -> anyhow::Result<Bytes> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(SeekFrom::Start(offset)).await?;
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact(&mut bytes).await.context("the file became shorter during the upload")?;
    Ok(bytes.into())
}
