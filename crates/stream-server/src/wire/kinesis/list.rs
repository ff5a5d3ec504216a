//! `ListStreams`, `DescribeStream`, `DescribeStreamSummary` and `ListShards`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::error::WireError;
use super::super::marker;
use super::{Named, arn, created, find, limit, mode, named, shard_list, status, version};
use crate::intake::Intake;
use crate::live::LiveStream;

/// How many streams a list has, unless the request says otherwise.
const USUAL_STREAMS: usize = 100;
/// How many shards a list has, unless the request says otherwise.
const USUAL_SHARDS: usize = 1000;
/// How many shards `DescribeStream` shows, unless the request says otherwise.
const USUAL_DESCRIBED: usize = 100;
/// How long records can be read, which is the least that Kinesis has. The server keeps records until they are delivered.
const RETENTION_HOURS: u32 = 24;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    limit: Option<i64>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

pub(super) async fn streams(intake: &Intake, call: ListStreams) -> Result<String, WireError> {
    let limit = limit("limit", call.limit, USUAL_STREAMS)?;
    let after = match (&call.exclusive_start_stream_name, &call.next_token) {
        (_, Some(token)) => Some(marker::read(token)?),
        (name, None) => name.clone(),
    };
    let all = intake.streams.visible().await;
    let mut rest =
        all.iter().filter(|stream| after.as_deref().is_none_or(|after| stream.name.as_str() > after));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let has_more = rest.next().is_some();
    let mut summaries = Vec::new();
    for stream in &page {
        summaries.push(json!({
            "StreamName": stream.name.as_str(),
            "StreamARN": arn(intake, stream.name.as_str()),
            "StreamStatus": status(stream.acceptance().await),
            "StreamModeDetails": mode(stream),
            "StreamCreationTimestamp": created(stream),
        }));
    }
    let names: Vec<_> = page.iter().map(|stream| stream.name.as_str()).collect();
    let mut answer =
        json!({ "StreamNames": names, "HasMoreStreams": has_more, "StreamSummaries": summaries });
    if let Some(last) = names.last().filter(|_| has_more) {
        answer["NextToken"] = marker::after(last).into();
    }
    Ok(answer.to_string())
}

#[derive(Deserialize)]
pub(super) struct DescribeStream {
    #[serde(flatten)]
    named: Named,
    #[serde(rename = "Limit")]
    limit: Option<i64>,
    #[serde(rename = "ExclusiveStartShardId")]
    exclusive_start_shard_id: Option<String>,
}

pub(super) async fn describe(intake: &Intake, call: DescribeStream) -> Result<String, WireError> {
    let stream = call.named.stream(intake)?;
    let limit = limit("limit", call.limit, USUAL_DESCRIBED)?;
    let after = call.exclusive_start_shard_id.as_deref();
    let version = version(&stream)?;
    let (shards, has_more) = shard_list(&version, after, limit);
    let mut description = common(intake, &stream).await;
    description["Shards"] = shards.into();
    description["HasMoreShards"] = has_more.into();
    Ok(json!({ "StreamDescription": description }).to_string())
}

#[derive(Deserialize)]
pub(super) struct DescribeStreamSummary {
    #[serde(flatten)]
    named: Named,
}

pub(super) async fn summary(intake: &Intake, call: DescribeStreamSummary) -> Result<String, WireError> {
    let stream = call.named.stream(intake)?;
    let mut description = common(intake, &stream).await;
    description["OpenShardCount"] = version(&stream)?.stream.shards.get().into();
    description["ConsumerCount"] = 0.into();
    description["MaxRecordSizeInKiB"] = 1024.into();
    Ok(json!({ "StreamDescriptionSummary": description }).to_string())
}

/// Returns the members that both descriptions have.
async fn common(intake: &Intake, stream: &LiveStream) -> Value {
    json!({
        "StreamName": stream.name.as_str(),
        "StreamARN": arn(intake, stream.name.as_str()),
        "StreamStatus": status(stream.acceptance().await),
        "StreamModeDetails": mode(stream),
        "RetentionPeriodHours": RETENTION_HOURS,
        "StreamCreationTimestamp": created(stream),
        "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
        "EncryptionType": "NONE",
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShards {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    stream_id: Option<String>,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<i64>,
    stream_creation_timestamp: Option<f64>,
    shard_filter: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    r#type: Option<String>,
    shard_id: Option<String>,
}

pub(super) async fn shards(intake: &Intake, call: ListShards) -> Result<String, WireError> {
    let limit = limit("maxResults", call.max_results, USUAL_SHARDS)?;
    let (name, mut after) = match &call.next_token {
        Some(token) => {
            if call.stream_name.is_some() || call.exclusive_start_shard_id.is_some() {
                let message = "NextToken and StreamName cannot be provided together.";
                return Err(WireError::invalid_argument(message));
            }
            let place = marker::read(token)?;
            let (name, shard) = place.split_once('/').unwrap_or_default();
            (name.to_owned(), Some(shard.to_owned()))
        }
        None => {
            let (name, arn) = (call.stream_name.as_deref(), call.stream_arn.as_deref());
            let name = named(intake, name, arn, call.stream_id.as_deref())?;
            (name.to_owned(), call.exclusive_start_shard_id)
        }
    };
    let stream = find(intake, &name)?;
    if call.stream_creation_timestamp.is_some_and(|time| (time - created(&stream)).abs() >= 1.0) {
        return Err(WireError::not_found(format!("Stream {name} was created at another time.")));
    }
    if let Some(Filter { r#type: kind, shard_id }) = call.shard_filter {
        // All shards of a stream are open since the stream was created, so the other filters leave out no shard.
        match (kind.as_deref(), shard_id) {
            (Some("AFTER_SHARD_ID"), Some(shard)) => after = after.max(Some(shard)),
            (Some("AFTER_SHARD_ID"), None) => {
                return Err(WireError::invalid_argument("the filter AFTER_SHARD_ID needs a ShardId"));
            }
            (
                Some(
                    "AT_TRIM_HORIZON" | "FROM_TRIM_HORIZON" | "AT_LATEST" | "AT_TIMESTAMP" | "FROM_TIMESTAMP",
                ),
                _,
            ) => {}
            (kind, _) => {
                let constraint = "Member must satisfy enum value set: [AFTER_SHARD_ID, AT_TRIM_HORIZON, \
                                  FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP]";
                return Err(WireError::constraint("shardFilter.type", kind, constraint));
            }
        }
    }
    let version = version(&stream)?;
    let (shards, has_more) = shard_list(&version, after.as_deref(), limit);
    let mut answer = json!({ "Shards": shards });
    if let Some(last) = shards.last().filter(|_| has_more).and_then(|shard| shard["ShardId"].as_str()) {
        answer["NextToken"] = marker::after(&format!("{name}/{last}")).into();
    }
    Ok(answer.to_string())
}
