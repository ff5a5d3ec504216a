//! `POST /streams/NAME`: one JSON text, or several, each on a line of its own. The records are checked before they are accepted.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use stream::door::check;

use super::DoorError;
use crate::intake::{Intake, read, shard_of, texts, unpack};
use crate::live::{LiveStream, Version};
use crate::log::Group;

/// The limit of a body in bytes, packed or unpacked: that of a record of Kinesis. A record may be as long as the body.
pub(super) const MOST_BYTES: usize = 10 << 20;

/// A body that is longer is checked on a thread of its own, so that other requests go on meanwhile.
const LONG: usize = 128 << 10;

pub(super) async fn post(
    intake: &Intake,
    stream: &LiveStream,
    parts: &Parts,
    body: Body,
) -> Result<Response<Body>, DoorError> {
    let version = stream.version()?;
    let held = read(&intake.budget, body, MOST_BYTES).await?;
    let held = unpack(&intake.budget, held, &parts.headers, MOST_BYTES).await?;
    let now = (intake.now)();
    let group = checked(intake, &version, &held.bytes, now).await?;
    let is_list = group.len() != 1 || is_ndjson(parts);
    let places = stream.accept(group, &version, now).await?;
    let mut answers: Vec<Value> = texts(&places)
        .map(|(sequence, shard)| json!({ "SequenceNumber": sequence, "ShardId": shard }))
        .collect();
    let answer = if is_list { Value::Array(answers) } else { answers.pop().unwrap_or_default() };
    Ok(json_response(answer.to_string()))
}

/// Checks a body, and returns its records.
async fn checked(
    intake: &Intake,
    version: &Arc<Version>,
    body: &Bytes,
    now: Timestamp,
) -> Result<Group, DoorError> {
    let (keyless, version, body) = (Arc::clone(&intake.keyless), Arc::clone(version), body.clone());
    let length = body.len();
    let work = move || {
        let records = check(&version.stream, &body, "", now)?;
        let mut group = Group::default();
        for record in &records {
            let write = |buffer: &mut Vec<u8>| {
                buffer.extend_from_slice(record);
                Ok::<_, Infallible>(())
            };
            let shard = shard_of(&keyless, &version, "", None);
            group.push(shard, now, "", write).unwrap_or_else(|never| match never {});
        }
        Ok::<_, stream::door::DoorError>(group)
    };
    let checked = if length > LONG {
        let task = tokio::task::spawn_blocking(work).await;
        task.map_err(|_| DoorError::busy("the check of the body was interrupted"))?
    } else {
        work()
    };
    Ok(checked?)
}

fn is_ndjson(parts: &Parts) -> bool {
    let stated = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let stated = stated.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(stated.as_str(), "application/x-ndjson" | "application/ndjson" | "application/jsonl")
}

/// Returns an answer with a JSON body.
pub(super) fn json_response(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
