//! The part of Data Firehose that puts records, and makes, shows and deletes delivery streams.

mod create;
mod list;
mod put;

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::error::{WireError, Words};
use super::{lifecycle, parse};
use crate::intake::Intake;
use crate::live::LiveStream;

/// The exceptions with which Firehose reports the refusals that all services share.
const WORDS: Words = Words {
    busy: ("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE),
    broken: "InternalFailure",
};

/// The longest name of a delivery stream, which is shorter than that of a stream.
const LONGEST_NAME: usize = 64;

/// The operations in the model of Firehose that the server does not have.
const NOT_BUILT: [&str; 6] = [
    "ListTagsForDeliveryStream",
    "StartDeliveryStreamEncryption",
    "StopDeliveryStreamEncryption",
    "TagDeliveryStream",
    "UntagDeliveryStream",
    "UpdateDestination",
];

/// Answers a call.
pub(super) async fn serve(intake: &Intake, operation: &str, body: &[u8]) -> Result<String, WireError> {
    match operation {
        "PutRecord" => put::record(intake, body).await,
        "PutRecordBatch" => put::batch(intake, body).await,
        "CreateDeliveryStream" => create::create(intake, parse(body)?).await,
        "DescribeDeliveryStream" => list::describe(intake, parse(body)?).await,
        "ListDeliveryStreams" => list::list(intake, parse(body)?).await,
        "DeleteDeliveryStream" => delete(intake, parse(body)?).await,
        other if NOT_BUILT.contains(&other) => Err(WireError::unknown_operation(format!(
            "this server takes records and delivers them to S3; it does not have the operation {other}"
        ))),
        other => Err(WireError::unknown_operation(format!("Firehose has no operation `{other}`"))),
    }
}

/// Checks the name of a delivery stream against its model.
fn check_name(name: Option<&str>) -> Result<&str, WireError> {
    let Some(name) = name else {
        return Err(WireError::constraint("deliveryStreamName", None, "Member must not be null"));
    };
    let constraint = match stream::StreamName::new(name) {
        _ if name.is_empty() => "Member must have length greater than or equal to 1",
        _ if name.len() > LONGEST_NAME => "Member must have length less than or equal to 64",
        Err(_) => "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        Ok(_) => return Ok(name),
    };
    Err(WireError::constraint("deliveryStreamName", Some(name), constraint))
}

fn find(intake: &Intake, name: &str) -> Result<Arc<LiveStream>, WireError> {
    intake.streams.get(name).ok_or_else(|| {
        WireError::not_found(format!("Firehose {name} under account {} not found.", intake.account_id))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    delivery_stream_name: Option<String>,
}

async fn delete(intake: &Intake, call: Delete) -> Result<String, WireError> {
    let name = check_name(call.delivery_stream_name.as_deref())?;
    let stream = find(intake, name)?;
    lifecycle::delete(intake, &stream, &format!("Firehose {name}")).await?;
    Ok(json!({}).to_string())
}
