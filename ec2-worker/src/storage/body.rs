//! Reads the bytes of an object, and goes on after a download that breaks off.

use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::{ObjectRef, Storage};
use crate::failure::Failure;

/// How many times in a row a download that breaks off is resumed.
const RESUMES: u32 = 5;
/// A download that has given this many bytes since it was resumed is not in a row with the earlier breaks.
const PROGRESS: u64 = 1024 * 1024;
/// The pause before the first resumption; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The bytes of an object. A download that breaks off, or ends too early, is resumed at the same byte.
pub struct Body {
    storage: Storage,
    object: ObjectRef,
    /// The offset of the next byte.
    at: u64,
    to: Option<u64>,
    /// The offset at which the bytes must end, if the size of the object is known.
    end: Option<u64>,
    stream: ByteStream,
    resumes: u32,
    /// The offset at which the download was resumed last.
    resumed_at: u64,
}

impl Storage {
    /// Opens the bytes of an object from the offset `from` up to but excluding the offset `to`; without `to`, up to the end.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::pin`].
    pub async fn read(&self, object: &ObjectRef, from: u64, to: Option<u64>) -> Result<Body, Failure> {
        let output = self.get(object, from, to).await?;
        check_range(object, from, to, &output)?;
        let known = object.etag.is_some() && object.size > 0;
        let end = known.then(|| to.map_or(object.size, |to| to.min(object.size)));
        let (storage, object, stream) = (self.clone(), object.clone(), output.body);
        Ok(Body { storage, object, at: from, to, end, stream, resumes: RESUMES, resumed_at: from })
    }
}

impl Body {
    /// Returns the next piece, or `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            let problem = match self.stream.next().await {
                Some(Ok(piece)) => {
                    self.at += piece.len() as u64;
                    return Some(Ok(piece));
                }
                None => match self.end {
                    Some(end) if self.at < end => format!("the answer ended at byte {} of {end}", self.at),
                    _ => return None,
                },
                Some(Err(error)) => DisplayErrorContext(&error).to_string(),
            };
            // After the last byte, only the checksum of the whole can be wrong.
            let resumed =
                if self.end == Some(self.at) { Err(self.lost(&problem)) } else { self.resume(problem).await };
            if let Err(failure) = resumed {
                return Some(Err(failure));
            }
        }
    }

    async fn resume(&mut self, mut problem: String) -> Result<(), Failure> {
        if self.at - self.resumed_at >= PROGRESS {
            self.resumes = RESUMES;
        }
        while self.resumes > 0 {
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(RESUMES - self.resumes)).await;
            self.resumes -= 1;
            match self.storage.get(&self.object, self.at, self.to).await {
                Ok(output) => {
                    check_range(&self.object, self.at, self.to, &output)?;
                    self.stream = output.body;
                    self.resumed_at = self.at;
                    return Ok(());
                }
                Err(failure) if is_final(&failure) => return Err(failure),
                Err(failure) => problem = failure.message,
            }
        }
        Err(self.lost(&problem))
    }

    fn lost(&self, problem: &str) -> Failure {
        let message = format!(
            "reading {}: the download broke off at byte {}, and could not be resumed: {problem}; try again when S3 answers",
            self.object.at, self.at
        );
        Failure::new("S3:ConnectionLost", message)
    }
}

/// Returns whether the same call would fail again.
fn is_final(failure: &Failure) -> bool {
    failure.id.starts_with("BadInput:") || failure.id == "S3:AccessDenied"
}

/// Checks that the answer begins at the requested byte. A server that knows no ranges sends the whole object
/// instead, and its first bytes would be read twice.
fn check_range(
    object: &ObjectRef,
    from: u64,
    to: Option<u64>,
    output: &GetObjectOutput,
) -> Result<(), Failure> {
    let begins = format!("bytes {from}-");
    if (from == 0 && to.is_none()) || output.content_range().is_some_and(|range| range.starts_with(&begins)) {
        return Ok(());
    }
    let range = output.content_range().unwrap_or("the whole object");
    let message =
        format!("reading {}: asked for the bytes from {from} on, but S3 answered with {range}", object.at);
    Err(Failure::new("S3:RangeIgnored", message))
}
