//! `CreateStream` and `DeleteStream`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use stream::file::Source;

use super::super::error::WireError;
use super::super::lifecycle;
use super::{Named, check_name};
use crate::intake::Intake;
use crate::log::Origin;
use crate::streams::NewStream;

/// The shards that a stream in on-demand mode begins with.
const ON_DEMAND_SHARDS: i64 = 4;
/// The size of records that the server has, as `MaxRecordSizeInKiB` says it.
const RECORD_KIB: i64 = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateStream {
    stream_name: Option<String>,
    shard_count: Option<i64>,
    stream_mode_details: Option<ModeDetails>,
    tags: Option<IgnoredAny>,
    warm_throughput_mi_bps: Option<i64>,
    max_record_size_in_ki_b: Option<i64>,
    record_distribution_strategy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ModeDetails {
    stream_mode: Option<String>,
}

pub(super) async fn create(intake: &Intake, call: CreateStream) -> Result<String, WireError> {
    let name = call.stream_name.as_deref();
    let name = name.ok_or_else(|| WireError::constraint("streamName", None, "Member must not be null"))?;
    check_name(name)?;
    refuse_what_is_not_built(&call)?;
    let mode = call.stream_mode_details.as_ref().map(|details| details.stream_mode.as_deref());
    let is_on_demand = match mode {
        None | Some(Some("PROVISIONED")) => false,
        Some(Some("ON_DEMAND")) => true,
        Some(other) => {
            let constraint = "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]";
            return Err(WireError::constraint("streamModeDetails.streamMode", other, constraint));
        }
    };
    let shards = match (call.shard_count, is_on_demand) {
        (Some(_), true) => {
            return Err(WireError::invalid_argument("ShardCount is not possible with the mode ON_DEMAND"));
        }
        (None, true) => ON_DEMAND_SHARDS,
        (Some(count), false) if count < 1 => {
            let constraint = "Member must have value greater than or equal to 1";
            return Err(WireError::constraint("shardCount", Some(&count.to_string()), constraint));
        }
        (count, false) => count.unwrap_or(1),
    };
    let text = json!({ "shards": shards }).to_string();
    let new = NewStream {
        name: name.to_owned(),
        origin: Origin::Kinesis,
        is_on_demand,
        role_arn: None,
        source: Source { text, ..Source::default() },
    };
    let account = &intake.account_id;
    let exists = |origin: &str| format!("Stream {name} under account {account} already exists{origin}.");
    lifecycle::create(intake, new, exists).await?;
    Ok(String::new())
}

fn refuse_what_is_not_built(call: &CreateStream) -> Result<(), WireError> {
    let strategy = call.record_distribution_strategy.as_deref();
    let refused = [
        ("Tags", call.tags.is_some()),
        ("WarmThroughputMiBps", call.warm_throughput_mi_bps.is_some()),
        ("MaxRecordSizeInKiB", call.max_record_size_in_ki_b.is_some_and(|size| size != RECORD_KIB)),
        ("RecordDistributionStrategy", strategy.is_some_and(|strategy| strategy != "USER_PARTITION_KEY")),
    ];
    match refused.iter().find(|(_, is_given)| *is_given) {
        Some((member, _)) => {
            Err(WireError::invalid_argument(format!("this server does not have {member}: leave it out")))
        }
        None => Ok(()),
    }
}

#[derive(Deserialize)]
pub(super) struct DeleteStream {
    #[serde(flatten)]
    named: Named,
}

pub(super) async fn delete(intake: &Intake, call: DeleteStream) -> Result<String, WireError> {
    let stream = call.named.stream(intake)?;
    lifecycle::delete(intake, &stream, &format!("Stream {}", stream.name)).await?;
    Ok(String::new())
}
