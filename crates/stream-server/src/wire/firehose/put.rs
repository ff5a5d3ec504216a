//! `PutRecord` and `PutRecordBatch`.

use std::fmt::Write as _;

use serde::Deserialize;

use super::super::error::WireError;
use super::super::records::{Data, check_count};
use super::super::text::Text;
use super::{WORDS, check_name, find};
use crate::intake::{Intake, shard_of, texts};
use crate::log::{Group, Places};

/// The longest record in bytes.
const LONGEST_RECORD: usize = 1000 << 10;
/// The most bytes of a request.
const MOST_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord<'a> {
    #[serde(borrow)]
    delivery_stream_name: Option<Text<'a>>,
    record: Option<Record<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordBatch<'a> {
    #[serde(borrow)]
    delivery_stream_name: Option<Text<'a>>,
    records: Option<Vec<Record<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
}

pub(super) async fn record(intake: &Intake, body: &[u8]) -> Result<String, WireError> {
    let call: PutRecord<'_> = serde_json::from_slice(body).map_err(|error| WireError::of_json(&error))?;
    let name = check_name(call.delivery_stream_name.as_ref().map(Text::as_str))?;
    let record =
        call.record.ok_or_else(|| WireError::constraint("record", None, "Member must not be null"))?;
    let places = accept(intake, name, &[record], false).await?;
    let (sequence, _) = texts(&places).next().unwrap_or_default();
    Ok(format!(r#"{{"RecordId":"{sequence}","Encrypted":false}}"#))
}

pub(super) async fn batch(intake: &Intake, body: &[u8]) -> Result<String, WireError> {
    let call: PutRecordBatch<'_> =
        serde_json::from_slice(body).map_err(|error| WireError::of_json(&error))?;
    let name = check_name(call.delivery_stream_name.as_ref().map(Text::as_str))?;
    let records = call.records.as_deref();
    let records = records.ok_or_else(|| WireError::constraint("records", None, "Member must not be null"))?;
    check_count(records.len())?;
    let places = accept(intake, name, records, true).await?;
    let mut answer = String::with_capacity(places.len() * 80 + 100);
    answer.push_str(r#"{"FailedPutCount":0,"Encrypted":false,"RequestResponses":["#);
    for (number, (sequence, _)) in texts(&places).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(answer, r#"{comma}{{"RecordId":"{sequence}"}}"#);
    }
    answer.push_str("]}");
    Ok(answer)
}

/// Accepts all records or none. If the request has a list, errors name the place in it.
async fn accept(
    intake: &Intake,
    name: &str,
    records: &[Record<'_>],
    is_list: bool,
) -> Result<Places, WireError> {
    let path = |index: usize| match is_list {
        true => format!("records.{}.member.data", index + 1),
        false => "record.data".to_owned(),
    };
    let stream = find(intake, name)?;
    let refused = |refused| WireError::refused(&refused, name, &WORDS);
    let version = stream.version().map_err(refused)?;
    let now = (intake.now)();
    let mut group = Group::default();
    for (index, record) in records.iter().enumerate() {
        let data = record.data.as_ref();
        let data =
            data.ok_or_else(|| WireError::constraint(&path(index), None, "Member must not be null"))?;
        let shard = shard_of(&intake.keyless, &version, "", None);
        let before = group.bytes();
        group.push(shard, now, "", |buffer| data.decode(is_list.then_some(index), buffer))?;
        let length = group.bytes() - before;
        if length > LONGEST_RECORD as u64 {
            let constraint = "Member must have length less than or equal to 1024000";
            return Err(WireError::constraint(&path(index), Some(&format!("{length} bytes")), constraint));
        }
    }
    if group.bytes() > MOST_BYTES as u64 {
        return Err(WireError::invalid_argument("Records size exceeds 4 MB limit"));
    }
    stream.accept(group, &version, now).await.map_err(refused)
}
