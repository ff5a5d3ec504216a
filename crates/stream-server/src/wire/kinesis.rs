//! The operations of Kinesis Data Streams that create and describe streams and put records.

mod list;
mod manage;
mod operations;
mod put;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use stream::shard::{self, SequenceNumber, ShardId};

use super::error::{WireError, Words};
use super::parse;
use crate::intake::Intake;
use crate::live::{Acceptance, LiveStream, Version};

/// The exceptions with which Kinesis reports the refusals that all services share.
const WORDS: Words = Words {
    busy: ("ProvisionedThroughputExceededException", StatusCode::BAD_REQUEST),
    broken: "InternalFailureException",
};

/// Answers a call.
pub(super) async fn serve(intake: &Intake, operation: &str, body: &[u8]) -> Result<String, WireError> {
    match operation {
        "PutRecord" => put::record(intake, body).await,
        "PutRecords" => put::records(intake, body).await,
        "CreateStream" => manage::create(intake, parse(body)?).await,
        "DeleteStream" => manage::delete(intake, parse(body)?).await,
        "ListStreams" => list::streams(intake, parse(body)?).await,
        "DescribeStream" => list::describe(intake, parse(body)?).await,
        "DescribeStreamSummary" => list::summary(intake, parse(body)?).await,
        "ListShards" => list::shards(intake, parse(body)?).await,
        other => Err(operations::refusal(other)),
    }
}

/// The members with which every operation names its stream.
#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(rename = "StreamName")]
    name: Option<String>,
    #[serde(rename = "StreamARN")]
    arn: Option<String>,
    #[serde(rename = "StreamId")]
    id: Option<String>,
}

impl Named {
    /// Returns the name of the stream.
    fn name<'n>(&'n self, intake: &Intake) -> Result<&'n str, WireError> {
        named(intake, self.name.as_deref(), self.arn.as_deref(), self.id.as_deref())
    }

    /// Returns the stream.
    fn stream(&self, intake: &Intake) -> Result<Arc<LiveStream>, WireError> {
        find(intake, self.name(intake)?)
    }
}

/// Returns the name of the stream that a request is about.
fn named<'n>(
    intake: &Intake,
    name: Option<&'n str>,
    arn: Option<&'n str>,
    id: Option<&str>,
) -> Result<&'n str, WireError> {
    if id.is_some() {
        return Err(WireError::invalid_argument("StreamId is not implemented: give StreamName or StreamARN"));
    }
    if let Some(name) = name {
        check_name(name)?;
    }
    let of_arn = arn.map(|arn| {
        let own = format!("arn:aws:kinesis:{}:{}:stream/", intake.region, intake.account_id);
        arn.strip_prefix(&own).filter(|name| check_name(name).is_ok()).ok_or_else(|| {
            WireError::not_found(format!(
                "the StreamARN is not one of this server; its ARNs begin with {own}"
            ))
        })
    });
    match (name, of_arn.transpose()?) {
        (Some(name), Some(of_arn)) if name != of_arn => {
            Err(WireError::invalid_argument("StreamName and StreamARN name different streams"))
        }
        (Some(name), _) | (None, Some(name)) => Ok(name),
        (None, None) => Err(WireError::invalid_argument("StreamName or StreamARN must be given")),
    }
}

/// Checks the name of a stream against its model.
fn check_name(name: &str) -> Result<(), WireError> {
    let constraint = match stream::StreamName::new(name) {
        Ok(_) => return Ok(()),
        Err(_) if name.is_empty() => "Member must have length greater than or equal to 1",
        Err(stream::NameError::Length) => "Member must have length less than or equal to 128",
        Err(_) => "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
    };
    Err(WireError::constraint("streamName", Some(name), constraint))
}

fn find(intake: &Intake, name: &str) -> Result<Arc<LiveStream>, WireError> {
    intake.streams.get(name).ok_or_else(|| {
        WireError::not_found(format!("Stream {name} under account {} not found.", intake.account_id))
    })
}

/// Returns the definition in force.
fn version(stream: &LiveStream) -> Result<Arc<Version>, WireError> {
    stream.version().map_err(|refused| WireError::refused(&refused, stream.name.as_str(), &WORDS))
}

fn arn(intake: &Intake, name: &str) -> String {
    format!("arn:aws:kinesis:{}:{}:stream/{name}", intake.region, intake.account_id)
}

/// Returns the status of a stream in the words of Kinesis.
fn status(acceptance: Acceptance) -> &'static str {
    match acceptance {
        Acceptance::Active => "ACTIVE",
        Acceptance::FileGone | Acceptance::Ending => "DELETING",
    }
}

fn mode(stream: &LiveStream) -> Value {
    let mode = if stream.log.header().is_on_demand { "ON_DEMAND" } else { "PROVISIONED" };
    json!({ "StreamMode": mode })
}

/// Returns the time at which a stream was created, in seconds.
fn created(stream: &LiveStream) -> f64 {
    stream.log.header().created_at.as_millisecond() as f64 / 1000.0
}

/// Returns the shards of a stream after the one with the id `after`, and whether there are more than `limit`.
fn shard_list(version: &Version, after: Option<&str>, limit: usize) -> (Vec<Value>, bool) {
    let shards = (0..).zip(shard::ranges(version.stream.shards)).map(|(number, range)| {
        let id = ShardId(number);
        let first = SequenceNumber { number: 0, shard: id };
        (id.to_string(), range, first)
    });
    let mut rest = shards.filter(|(id, ..)| after.is_none_or(|after| id.as_str() > after));
    let page = rest.by_ref().take(limit).map(|(id, range, first)| {
        json!({
            "ShardId": id,
            "HashKeyRange": { "StartingHashKey": range.start.to_string(), "EndingHashKey": range.end.to_string() },
            "SequenceNumberRange": { "StartingSequenceNumber": first.to_string() },
        })
    });
    let page = page.collect();
    (page, rest.next().is_some())
}

/// Checks a limit of a list against its model, and returns the default if there is none.
fn limit(member: &str, given: Option<i64>, usual: usize) -> Result<usize, WireError> {
    let Some(given) = given else { return Ok(usual) };
    let constraint = match given {
        ..1 => "Member must have value greater than or equal to 1",
        1..=10_000 => return Ok(usize::try_from(given).unwrap_or(usual)),
        _ => "Member must have value less than or equal to 10000",
    };
    Err(WireError::constraint(member, Some(&given.to_string()), constraint))
}
