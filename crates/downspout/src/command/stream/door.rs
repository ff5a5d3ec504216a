//! Sends records to the HTTP door of a stream.

use anyhow::Context;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::running_stack;
use crate::local::stack::Endpoints;

/// The header in which the door says which record it refuses, and why.
const DETAIL: &str = "x-downspout-detail";
/// The header in which the door says in which line of the request the reason stands.
const LINE: &str = "x-downspout-line";

/// The answer of the door about some records. It takes all of them or none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// They are on the disk. The value is their number.
    Taken(u64),
    /// One of them does not fit the stream, or the request is refused.
    Refused {
        /// The line of the file in which the refused record begins.
        line: Option<u64>,
        reason: String,
    },
    /// The door cannot take them now. The value is the reason.
    Later(String),
}

/// Sends JSON texts, one in each line, to the stream `name`. `first` is the line number of the first one in its file.
///
/// # Errors
///
/// If the stack cannot be reached, or if it cannot say what became of the records.
pub(super) async fn put(
    endpoints: &Endpoints,
    name: &str,
    lines: Vec<u8>,
    first: u64,
) -> anyhow::Result<Answer> {
    let path = format!("/streams/{}", utf8_percent_encode(name, sigv4::PATH));
    let headers =
        [(header::CONTENT_TYPE.as_str(), "application/x-ndjson"), ("x-api-key", endpoints.api_key.as_str())];
    let sent =
        running_stack::send(&endpoints.streams, Method::POST, &path, &headers, Bytes::from(lines)).await;
    let answer = sent.context("sending records to the stream")?;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let line = header(LINE).and_then(|line| line.parse::<u64>().ok()).map(|line| first + line - 1);
    let body = String::from_utf8_lossy(answer.body());
    let reason = match header(DETAIL) {
        Some(detail) => format!("{}: {}", body.trim(), of_file(detail, line, first)),
        None => message(&body),
    };
    Ok(match answer.status() {
        status if status.is_success() => {
            let places: Vec<IgnoredAny> =
                serde_json::from_slice(answer.body()).context("reading the answer of the stream")?;
            Answer::Taken(places.len() as u64)
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Answer::Later(reason),
        // The records may be on the disk, so sending them again might put them into the stream twice.
        status if status.is_server_error() => anyhow::bail!("{reason} ({status})"),
        status => Answer::Refused { line, reason: format!("{reason} ({status})") },
    })
}

/// Returns a detail of an answer of the door with positions in the file in place of those in the request. The request begins with
/// the line `first` of the file.
fn of_file(detail: &str, line: Option<u64>, first: u64) -> String {
    let Some(line) = line else { return detail.to_owned() };
    let detail = match detail.rsplit_once(" (record ") {
        Some((reason, place)) if place.ends_with(" of the body)") => reason,
        _ => detail,
    };
    let place = detail.strip_prefix("line ").and_then(|rest| rest.split_once(", "));
    match place.and_then(|(at, rest)| Some((first + at.parse::<u64>().ok()? - 1, rest))) {
        Some((at, rest)) if at == line => rest.to_owned(),
        Some((at, rest)) => format!("line {at}, {rest}"),
        None => detail.to_owned(),
    }
}

/// Returns the sentence of an answer that is `{"message": "…"}`.
fn message(body: &str) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    serde_json::from_str(body).map_or_else(|_| body.trim().to_owned(), |Message { message }| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_has_its_place_in_the_file() {
        assert_eq!(
            of_file("line 3, column 5: a value is missing", Some(503), 501),
            "column 5: a value is missing"
        );
        assert_eq!(of_file("line 4, column 1: x", Some(503), 501), "line 504, column 1: x");
        let missing = "the field `a` is missing (record 3 of the body)";
        assert_eq!(of_file(missing, Some(503), 501), "the field `a` is missing");
        assert_eq!(of_file("line 3, column 5: x", None, 501), "line 3, column 5: x");
        assert_eq!(message(r#"{"message": "no memory"}"#), "no memory");
        assert_eq!(message("Empty request\n"), "Empty request");
    }
}
