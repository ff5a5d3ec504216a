//! `CreateDeliveryStream`: the settings of the S3 destination become the fields of a stream file.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use stream::file::Source;

use super::super::error::WireError;
use super::super::lifecycle;
use super::check_name;
use crate::intake::Intake;
use crate::log::Origin;
use crate::streams::NewStream;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    delivery_stream_name: Option<String>,
    delivery_stream_type: Option<String>,
    #[serde(rename = "S3DestinationConfiguration")]
    s3: Option<Destination>,
    #[serde(rename = "ExtendedS3DestinationConfiguration")]
    extended_s3: Option<Destination>,
    /// The members that the server does not have: other sources and destinations, tags and encryption.
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    #[serde(rename = "RoleARN")]
    role_arn: Option<String>,
    #[serde(rename = "BucketARN")]
    bucket_arn: Option<String>,
    prefix: Option<String>,
    error_output_prefix: Option<String>,
    buffering_hints: Option<Hints>,
    compression_format: Option<String>,
    #[serde(rename = "S3BackupMode")]
    s3_backup_mode: Option<String>,
    #[serde(rename = "S3BackupConfiguration")]
    s3_backup: Option<Backup>,
    custom_time_zone: Option<String>,
    // The logs of the server contain what CloudWatch would show.
    #[serde(rename = "CloudWatchLoggingOptions")]
    _logging: Option<IgnoredAny>,
    encryption_configuration: Option<Map<String, Value>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Hints {
    #[serde(rename = "SizeInMBs")]
    size: Option<i64>,
    #[serde(rename = "IntervalInSeconds")]
    interval: Option<i64>,
}

/// The place of the records as they came. The server always packs them with gzip and delivers them with the data, so that
/// the other members have no effect.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Backup {
    #[serde(rename = "BucketARN")]
    bucket_arn: Option<String>,
    prefix: Option<String>,
}

pub(super) async fn create(intake: &Intake, call: Create) -> Result<String, WireError> {
    let name = check_name(call.delivery_stream_name.as_deref())?;
    if let Some(kind) = call.delivery_stream_type.as_deref().filter(|kind| *kind != "DirectPut") {
        let message = format!("this server has delivery streams of the type DirectPut only, and not {kind}");
        return Err(WireError::invalid_argument(message));
    }
    if let Some((member, _)) = call.others.iter().find(|(_, value)| !value.is_null()) {
        return Err(not_here(member));
    }
    let destination = match (call.s3, call.extended_s3) {
        (Some(destination), None) | (None, Some(destination)) => destination,
        (Some(_), Some(_)) => {
            return Err(WireError::invalid_argument("exactly one destination must be given"));
        }
        (None, None) => {
            return Err(WireError::invalid_argument("ExtendedS3DestinationConfiguration must be given"));
        }
    };
    let text = Value::Object(definition(&destination)?).to_string();
    let new = NewStream {
        name: name.to_owned(),
        origin: Origin::Firehose,
        is_on_demand: false,
        role_arn: destination.role_arn,
        source: Source { text, ..Source::default() },
    };
    let account = &intake.account_id;
    let exists = |origin: &str| format!("Firehose {name} under accountId {account} already exists{origin}");
    lifecycle::create(intake, new, exists).await?;
    let arn = super::list::arn(intake, name);
    Ok(json!({ "DeliveryStreamARN": arn }).to_string())
}

/// Returns the definition that a destination means.
fn definition(destination: &Destination) -> Result<Map<String, Value>, WireError> {
    let bucket = bucket("bucketARN", destination.bucket_arn.as_deref())?;
    if destination.role_arn.is_none() {
        return Err(WireError::constraint("roleARN", None, "Member must not be null"));
    }
    refuse_what_is_not_built(destination)?;
    let mut file = Map::new();
    let mut set = |field: &str, value: Value| drop(file.insert(field.to_owned(), value));
    set("bucket", bucket.into());
    set("prefix", destination.prefix.clone().unwrap_or_default().into());
    if let Some(prefix) = &destination.error_output_prefix {
        set("quarantine", format!("s3://{bucket}/{prefix}").into());
    }
    if let Some(Hints { size, interval }) = destination.buffering_hints {
        size.into_iter().for_each(|size| set("bufferSizeMB", size.into()));
        interval.into_iter().for_each(|interval| set("bufferIntervalSeconds", interval.into()));
    }
    if let Some(format) = &destination.compression_format {
        set("compressionFormat", format.as_str().into());
    }
    if let Some(zone) = &destination.custom_time_zone {
        set("timeZone", zone.as_str().into());
    }
    let raw = match (destination.s3_backup_mode.as_deref(), &destination.s3_backup) {
        (None | Some("Disabled"), _) => false.into(),
        (Some("Enabled"), Some(backup)) => {
            let bucket = self::bucket("s3BackupConfiguration.bucketARN", backup.bucket_arn.as_deref())?;
            let prefix = backup.prefix.as_deref().unwrap_or_default();
            format!("s3://{bucket}/{prefix}").into()
        }
        (Some("Enabled"), None) => {
            return Err(WireError::invalid_argument(
                "S3BackupConfiguration must be given if the backup is enabled",
            ));
        }
        (Some(other), _) => {
            let constraint = "Member must satisfy enum value set: [Disabled, Enabled]";
            return Err(WireError::constraint("s3BackupMode", Some(other), constraint));
        }
    };
    set("raw", raw);
    Ok(file)
}

fn refuse_what_is_not_built(destination: &Destination) -> Result<(), WireError> {
    // Many tools send the members with their defaults, which change nothing.
    let is_off = |value: &Value| {
        value.is_null()
            || value.get("Enabled").is_some_and(|enabled| enabled == &Value::Bool(false))
            || value == ""
    };
    if let Some((member, _)) = destination.others.iter().find(|(_, value)| !is_off(value)) {
        return Err(not_here(member));
    }
    let encryption = destination.encryption_configuration.as_ref();
    if encryption.is_some_and(|encryption| encryption.contains_key("KMSEncryptionConfig")) {
        return Err(not_here("KMSEncryptionConfig"));
    }
    Ok(())
}

/// Returns the bucket that an ARN names.
fn bucket<'a>(member: &str, arn: Option<&'a str>) -> Result<&'a str, WireError> {
    let arn = arn.ok_or_else(|| WireError::constraint(member, None, "Member must not be null"))?;
    let bucket =
        arn.split_once(":s3:::").filter(|(start, _)| start.starts_with("arn:")).map(|(_, bucket)| bucket);
    bucket.filter(|bucket| !bucket.is_empty()).ok_or_else(|| {
        let constraint = "Member must satisfy regular expression pattern: arn:.*:s3:::[\\w\\.\\-]{1,255}";
        WireError::constraint(member, Some(arn), constraint)
    })
}

fn not_here(thing: &str) -> WireError {
    WireError::invalid_argument(format!("this server does not have {thing}"))
}
