//! Sends records to the HTTP door of a stream.

use anyhow::Context;
use bytes::Bytes;
use http::{Method, header};
use percent_encoding::utf8_percent_encode;

use super::super::running_stack;
use crate::local::stack::Endpoints;

/// The header in which the door says which record it refuses, and why.
const DETAIL: &str = "x-downspout-detail";

/// What the door says of some records. It takes all of them or none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// They are on the disk.
    Taken,
    /// One of them does not fit the stream, or the request is refused. Has the reason.
    Refused(String),
    /// The door cannot take them now. Has the reason.
    Later(String),
}

/// Sends JSON texts, one in each line, to the stream `name`.
///
/// # Errors
///
/// If the stack cannot be reached.
pub(super) async fn put(endpoints: &Endpoints, name: &str, lines: Vec<u8>) -> anyhow::Result<Answer> {
    let path = format!("/streams/{}", utf8_percent_encode(name, sigv4::PATH));
    let headers =
        [(header::CONTENT_TYPE.as_str(), "application/x-ndjson"), ("x-api-key", endpoints.api_key.as_str())];
    let sent =
        running_stack::send(&endpoints.streams, Method::POST, &path, &headers, Bytes::from(lines)).await;
    let answer = sent.context("sending records to the stream")?;
    let sentence = String::from_utf8_lossy(answer.body()).trim().to_owned();
    let detail = answer.headers().get(DETAIL).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let reason = detail.map_or_else(|| sentence.clone(), |detail| format!("{sentence}: {detail}"));
    Ok(match answer.status() {
        status if status.is_success() => Answer::Taken,
        status if status.is_server_error() || status.as_u16() == 429 => Answer::Later(reason),
        status => Answer::Refused(format!("{reason} ({status})")),
    })
}
