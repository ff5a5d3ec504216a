//! `ListDeliveryStreams` and `DescribeDeliveryStream`.

use serde::Deserialize;
use serde_json::{Value, json};
use stream::file::Compression;
use stream::objects::{Objects, Origin};

use super::super::error::WireError;
use super::{WORDS, check_name, find};
use crate::intake::Intake;
use crate::live::Acceptance;

/// How many delivery streams a list has, unless the request says otherwise.
const USUAL_STREAMS: usize = 10;

/// Returns the ARN of a delivery stream.
pub(super) fn arn(intake: &Intake, name: &str) -> String {
    format!("arn:aws:firehose:{}:{}:deliverystream/{name}", intake.region, intake.account_id)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    limit: Option<i64>,
    delivery_stream_type: Option<String>,
    exclusive_start_delivery_stream_name: Option<String>,
}

pub(super) async fn list(intake: &Intake, call: List) -> Result<String, WireError> {
    let limit = match call.limit {
        None => USUAL_STREAMS,
        Some(limit @ 1..=10_000) => usize::try_from(limit).unwrap_or(USUAL_STREAMS),
        Some(limit) => {
            let constraint = "Member must have value between 1 and 10000";
            return Err(WireError::constraint("limit", Some(&limit.to_string()), constraint));
        }
    };
    // Every stream of the server is one of the type DirectPut.
    let is_possible = call.delivery_stream_type.as_deref().is_none_or(|kind| kind == "DirectPut");
    let after = call.exclusive_start_delivery_stream_name.as_deref();
    let all = if is_possible { intake.streams.visible().await } else { Vec::new() };
    let mut rest = all.iter().filter(|stream| after.is_none_or(|after| stream.name.as_str() > after));
    let names: Vec<_> = rest.by_ref().take(limit).map(|stream| stream.name.as_str()).collect();
    let has_more = rest.next().is_some();
    Ok(json!({ "DeliveryStreamNames": names, "HasMoreDeliveryStreams": has_more }).to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    delivery_stream_name: Option<String>,
}

pub(super) async fn describe(intake: &Intake, call: Describe) -> Result<String, WireError> {
    let name = check_name(call.delivery_stream_name.as_deref())?;
    let stream = find(intake, name)?;
    let version = stream.version().map_err(|refused| WireError::refused(&refused, name, &WORDS))?;
    let header = stream.log.header();
    let definition = &version.stream;
    let objects = Objects::of(
        definition,
        &intake.dock.homes,
        Origin::Cut { mark: &header.id, number: 0 },
        0,
        header.created_at,
    );
    let role = header.role_arn.clone();
    let role = role.unwrap_or_else(|| format!("arn:aws:iam::{}:role/downspout", intake.account_id));
    let arn_of = |bucket: &str| format!("arn:aws:s3:::{bucket}");
    let file: Value = serde_json::from_str(&definition.source.text).unwrap_or_default();
    let prefix = file["prefix"]
        .as_str()
        .map_or_else(|| format!("streams/{name}/!{{timestamp:yyyy/MM/dd/HH}}/"), str::to_owned);
    let compression = match definition.compression {
        Compression::Uncompressed => "UNCOMPRESSED",
        Compression::Gzip => "GZIP",
    };
    let mut destination = json!({
        "RoleARN": role,
        "BucketARN": arn_of(&objects.data.bucket),
        "Prefix": prefix,
        "BufferingHints": {
            "SizeInMBs": definition.buffering.bytes >> 20,
            "IntervalInSeconds": definition.buffering.interval.as_secs(),
        },
        "CompressionFormat": compression,
        "EncryptionConfiguration": { "NoEncryptionConfig": "NoEncryption" },
        "S3BackupMode": if objects.raw.is_some() { "Enabled" } else { "Disabled" },
        "CustomTimeZone": definition.time_zone.iana_name().unwrap_or("UTC"),
    });
    if let Some(raw) = &objects.raw {
        destination["S3BackupDescription"] = json!({
            "RoleARN": role,
            "BucketARN": arn_of(&raw.bucket),
            "BufferingHints": destination["BufferingHints"],
            "CompressionFormat": "GZIP",
            "EncryptionConfiguration": { "NoEncryptionConfig": "NoEncryption" },
        });
    }
    let status = match stream.acceptance().await {
        Acceptance::Active => "ACTIVE",
        Acceptance::FileGone | Acceptance::Ending => "DELETING",
    };
    let description = json!({
        "DeliveryStreamName": name,
        "DeliveryStreamARN": arn(intake, name),
        "DeliveryStreamStatus": status,
        "DeliveryStreamType": "DirectPut",
        "VersionId": version.number.to_string(),
        "CreateTimestamp": header.created_at.as_millisecond() as f64 / 1000.0,
        "Destinations": [{ "DestinationId": "destinationId-000000000001", "ExtendedS3DestinationDescription": destination }],
        "HasMoreDestinations": false,
    });
    Ok(json!({ "DeliveryStreamDescription": description }).to_string())
}
