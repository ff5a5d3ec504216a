//! `PUT /streams/NAME/record` and `/records`: the requests that API Gateway passes to Kinesis in the usual mapping.
//!
//! The record is the JSON text of `Data`, as `$util.base64Encode($input.json('$.Data'))` makes it. As on AWS, the door does
//! not look into a record; the delivery checks it.

use std::convert::Infallible;

use axum::body::Body;
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::DoorError;
use super::post::json_response;
use crate::intake::{Intake, read, shard_of, texts, unpack};
use crate::live::LiveStream;
use crate::log::{Group, Places};

/// The limit of a body in bytes: that of a request of Kinesis, with room for the keys.
const MOST_BYTES: usize = 12 << 20;
/// The most records of a request, as in Kinesis.
const MOST_RECORDS: usize = 500;
/// The longest partition key in characters, as in Kinesis.
const LONGEST_KEY: usize = 256;
/// The longest record in bytes, as in Kinesis.
const LONGEST_RECORD: usize = 1 << 20;

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "Data", alias = "data")]
    data: Option<Box<RawValue>>,
    #[serde(rename = "PartitionKey", alias = "partition-key", alias = "partitionKey")]
    partition_key: Option<String>,
}

#[derive(Deserialize)]
struct Records {
    #[serde(rename = "Records", alias = "records")]
    records: Option<Vec<Record>>,
}

pub(super) async fn record(
    intake: &Intake,
    stream: &LiveStream,
    parts: &Parts,
    body: Body,
) -> Result<Response<Body>, DoorError> {
    let record: Record = parse(intake, parts, body).await?;
    let places = accept(intake, stream, &[record]).await?;
    let (sequence, shard) = texts(&places).next().unwrap_or_default();
    let answer = json!({ "EncryptionType": "NONE", "SequenceNumber": sequence, "ShardId": shard });
    Ok(json_response(answer.to_string()))
}

pub(super) async fn records(
    intake: &Intake,
    stream: &LiveStream,
    parts: &Parts,
    body: Body,
) -> Result<Response<Body>, DoorError> {
    let Records { records } = parse(intake, parts, body).await?;
    let records = records.filter(|records| (1..=MOST_RECORDS).contains(&records.len()));
    let records = records.ok_or_else(|| {
        refused(&format!(
            "`Records` must be a list of 1 to {MOST_RECORDS} objects with `Data` and `PartitionKey`: send more in several requests"
        ))
    })?;
    let places = accept(intake, stream, &records).await?;
    let records: Vec<Value> = texts(&places)
        .map(|(sequence, shard)| json!({ "SequenceNumber": sequence, "ShardId": shard }))
        .collect();
    let answer = json!({ "EncryptionType": "NONE", "FailedRecordCount": 0, "Records": records });
    Ok(json_response(answer.to_string()))
}

async fn parse<T: DeserializeOwned>(intake: &Intake, parts: &Parts, body: Body) -> Result<T, DoorError> {
    let held = read(&intake.budget, body, MOST_BYTES).await?;
    let held = unpack(&intake.budget, held, &parts.headers, MOST_BYTES).await?;
    let text = held.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&held.bytes);
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The words of the parser may contain a part of the record.
        let kind =
            if error.is_data() { "does not have the form of this request" } else { "is not valid JSON" };
        refused(&format!("the body {kind}: line {line}, column {column}"))
    })
}

async fn accept(intake: &Intake, stream: &LiveStream, records: &[Record]) -> Result<Places, DoorError> {
    let version = stream.version()?;
    let now = (intake.now)();
    let mut group = Group::default();
    for (number, record) in (1..).zip(records) {
        let of = || if records.len() == 1 { String::new() } else { format!(" of record {number}") };
        let data = record.data.as_ref().ok_or_else(|| refused(&format!("`Data`{} is missing", of())))?;
        let key = record.partition_key.as_deref();
        let key = key.filter(|key| (1..=LONGEST_KEY).contains(&key.chars().count())).ok_or_else(|| {
            refused(&format!("`PartitionKey`{} must be a text of 1 to {LONGEST_KEY} characters", of()))
        })?;
        if data.get().len() > LONGEST_RECORD {
            return Err(refused(&format!("`Data`{} is longer than {LONGEST_RECORD} bytes", of())));
        }
        let write = |buffer: &mut Vec<u8>| {
            buffer.extend_from_slice(data.get().as_bytes());
            Ok::<_, Infallible>(())
        };
        let shard = shard_of(&intake.keyless, &version, key, None);
        group.push(shard, now, key, write).unwrap_or_else(|never| match never {});
    }
    Ok(stream.accept(group, &version, now).await?)
}

fn refused(message: &str) -> DoorError {
    DoorError::message(StatusCode::BAD_REQUEST, message)
}
