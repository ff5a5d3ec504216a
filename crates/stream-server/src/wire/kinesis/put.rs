//! `PutRecord` and `PutRecords`.

use std::fmt::Write as _;

use serde::Deserialize;

use super::super::error::WireError;
use super::super::records::{Data, check_count};
use super::super::text::Text;
use super::{WORDS, find, named, version};
use crate::intake::{Intake, shard_of, texts};
use crate::live::LiveStream;
use crate::log::{Group, Places};
use stream::shard::explicit_hash_key;

/// The longest record in bytes. `UpdateMaxRecordSize` of AWS, which the server does not have, allows more.
const LONGEST_RECORD: usize = 1 << 20;
/// The most bytes of a request, data and partition keys together.
const MOST_BYTES: usize = 10 << 20;
/// The longest partition key in characters.
const LONGEST_KEY: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    stream_id: Option<Text<'a>>,
    data: Option<Data<'a>>,
    partition_key: Option<Text<'a>>,
    explicit_hash_key: Option<Text<'a>>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    stream_id: Option<Text<'a>>,
    records: Option<Vec<Entry<'a>>>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    partition_key: Option<Text<'a>>,
    explicit_hash_key: Option<Text<'a>>,
}

/// Returns the text of an optional member.
fn text<'t>(member: &'t Option<Text<'_>>) -> Option<&'t str> {
    member.as_ref().map(Text::as_str)
}

pub(super) async fn record(intake: &Intake, body: &[u8]) -> Result<String, WireError> {
    let call: PutRecord<'_> = serde_json::from_slice(body).map_err(|error| WireError::of_json(&error))?;
    let name = named(intake, text(&call.stream_name), text(&call.stream_arn), text(&call.stream_id))?;
    let entry = Entry {
        data: call.data,
        partition_key: call.partition_key,
        explicit_hash_key: call.explicit_hash_key,
    };
    let entries = Entries { list: std::slice::from_ref(&entry), is_list: false };
    let stream = find(intake, name)?;
    let places = accept(intake, &stream, &entries, call.dry_run).await?;
    let (sequence, shard) = texts(&places).next().unwrap_or_default();
    Ok(format!(r#"{{"ShardId":"{shard}","SequenceNumber":"{sequence}","EncryptionType":"NONE"}}"#))
}

pub(super) async fn records(intake: &Intake, body: &[u8]) -> Result<String, WireError> {
    let call: PutRecords<'_> = serde_json::from_slice(body).map_err(|error| WireError::of_json(&error))?;
    let name = named(intake, text(&call.stream_name), text(&call.stream_arn), text(&call.stream_id))?;
    let entries = call.records.as_deref();
    let entries = entries.ok_or_else(|| WireError::constraint("records", None, "Member must not be null"))?;
    check_count(entries.len())?;
    let entries = Entries { list: entries, is_list: true };
    let stream = find(intake, name)?;
    let places = accept(intake, &stream, &entries, call.dry_run).await?;
    let mut answer = String::with_capacity(places.len() * 120 + 100);
    answer.push_str(r#"{"FailedRecordCount":0,"EncryptionType":"NONE","Records":["#);
    for (number, (sequence, shard)) in texts(&places).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(answer, r#"{comma}{{"SequenceNumber":"{sequence}","ShardId":"{shard}"}}"#);
    }
    answer.push_str("]}");
    Ok(answer)
}

/// The records of a request.
struct Entries<'e, 'a> {
    list: &'e [Entry<'a>],
    /// Whether the request has a list, so that errors name the place in it.
    is_list: bool,
}

impl Entries<'_, '_> {
    fn constraint(&self, index: usize, member: &str, value: Option<&str>, constraint: &str) -> WireError {
        let mut path = member.to_owned();
        if self.is_list {
            path = format!("records.{}.member.{member}", index + 1);
        }
        WireError::constraint(&path, value, constraint)
    }
}

/// Accepts all records or none.
async fn accept(
    intake: &Intake,
    stream: &LiveStream,
    entries: &Entries<'_, '_>,
    dry_run: Option<bool>,
) -> Result<Places, WireError> {
    let version = version(stream)?;
    let now = (intake.now)();
    let mut group = Group::default();
    let mut keys = 0;
    for (index, entry) in entries.list.iter().enumerate() {
        let required = |member| entries.constraint(index, member, None, "Member must not be null");
        let data = entry.data.as_ref().ok_or_else(|| required("data"))?;
        let key = text(&entry.partition_key).ok_or_else(|| required("partitionKey"))?;
        let hash = check_keys(entries, index, key, text(&entry.explicit_hash_key))?;
        let shard = shard_of(&intake.keyless, &version, key, hash);
        let before = group.bytes();
        group.push(shard, now, key, |buffer| data.decode(entries.is_list.then_some(index), buffer))?;
        if group.bytes() - before > LONGEST_RECORD as u64 {
            let constraint = "Member must have length less than or equal to 1048576";
            let value = format!("{} bytes", group.bytes() - before);
            return Err(entries.constraint(index, "data", Some(&value), constraint));
        }
        keys += key.len();
    }
    if group.bytes() + keys as u64 > MOST_BYTES as u64 {
        return Err(WireError::invalid_argument("Records size exceeds 10 MB limit"));
    }
    if dry_run == Some(true) {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(WireError::new("DryRunOperationException", message));
    }
    let accepted = stream.accept(group, &version, now).await;
    accepted.map_err(|refused| WireError::refused(&refused, stream.name.as_str(), &WORDS))
}

/// Checks the keys of a record, and returns the explicit hash key.
fn check_keys(
    entries: &Entries<'_, '_>,
    index: usize,
    key: &str,
    hash: Option<&str>,
) -> Result<Option<u128>, WireError> {
    // Bytes first: most keys are short, and need not be counted in characters.
    if key.is_empty() {
        let constraint = "Member must have length greater than or equal to 1";
        return Err(entries.constraint(index, "partitionKey", Some(""), constraint));
    }
    if key.len() > LONGEST_KEY && key.chars().count() > LONGEST_KEY {
        let constraint = "Member must have length less than or equal to 256";
        return Err(entries.constraint(
            index,
            "partitionKey",
            Some("a text of more than 256 characters"),
            constraint,
        ));
    }
    let Some(hash) = hash else { return Ok(None) };
    if let Some(hash) = explicit_hash_key(hash) {
        return Ok(Some(hash));
    }
    let is_number = hash == "0"
        || (hash.len() <= 39 && !hash.starts_with('0') && hash.bytes().all(|byte| byte.is_ascii_digit()));
    if is_number && !hash.is_empty() {
        return Err(WireError::invalid_argument(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1].",
        ));
    }
    let constraint = "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})";
    Err(entries.constraint(index, "explicitHashKey", Some("another text"), constraint))
}
