//! Reads the bodies of requests into bounded memory, and unpacks them.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use http_front::SlowBody;

use super::budget::{Budget, Share};

/// The time within which the body of a request must arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// How many bytes are unpacked at once.
const CHUNK: usize = 256 << 10;

/// A body, with its share of the memory.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    share: Share,
}

/// The reason why a body cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {0} bytes: send its records in several requests")]
    TooLarge(usize),
    #[error("the body is longer than {0} bytes when it is unpacked: send its records in several requests")]
    TooLargeUnpacked(usize),
    #[error("the body did not arrive in time")]
    Late,
    #[error("the body ended too early")]
    Broken,
    #[error("the server has no memory left for this body: try again")]
    Busy,
    #[error("the body is not a valid gzip file, as its content-encoding says")]
    Gzip,
    #[error("the content-encoding may be gzip or identity")]
    Encoding,
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(budget: &Budget, body: Body, limit: usize) -> Result<Held, BodyError> {
    let read = tokio::time::timeout(BODY_WAIT, read_all(budget, body, limit));
    read.await.unwrap_or(Err(BodyError::Late))
}

async fn read_all(budget: &Budget, mut body: Body, limit: usize) -> Result<Held, BodyError> {
    let stated = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if stated.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge(limit));
    }
    let mut share = budget.take(stated.unwrap_or_default()).await.ok_or(BodyError::Busy)?;
    let mut bytes = BytesMut::with_capacity(stated.unwrap_or_default());
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| if SlowBody::caused(&error) { BodyError::Late } else { BodyError::Broken })?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if !budget.grow(&mut share, length) {
            return Err(BodyError::Busy);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Held { bytes: bytes.freeze(), share })
}

/// Unpacks a body whose headers say that it is packed, to at most `limit` bytes.
pub(crate) async fn unpack(
    budget: &Budget,
    held: Held,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Held, BodyError> {
    let Some(encoding) = headers.get(http::header::CONTENT_ENCODING) else { return Ok(held) };
    match encoding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(held),
        "gzip" | "x-gzip" => {}
        _ => return Err(BodyError::Encoding),
    }
    let budget = budget.clone();
    // A small body may unpack to a large one, which would keep the thread from other requests.
    let unpacked = tokio::task::spawn_blocking(move || gunzip(&budget, held, limit));
    unpacked.await.unwrap_or(Err(BodyError::Gzip))
}

fn gunzip(budget: &Budget, held: Held, limit: usize) -> Result<Held, BodyError> {
    let Held { bytes: packed, mut share } = held;
    let mut decoder = MultiGzDecoder::new(&packed[..]);
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = decoder.read(&mut chunk).map_err(|_| BodyError::Gzip)?;
        if length == 0 {
            return Ok(Held { bytes: bytes.into(), share });
        }
        if bytes.len() + length > limit {
            return Err(BodyError::TooLargeUnpacked(limit));
        }
        if !budget.grow(&mut share, packed.len() + bytes.len() + length) {
            return Err(BodyError::Busy);
        }
        bytes.extend_from_slice(&chunk[..length]);
    }
}
