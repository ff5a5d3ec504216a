//! The event of a change to an object. The transaction that makes the change also writes the event.

use jiff::Timestamp;
use rusqlite::params;
use serde_json::json;

use super::error::StoreError;
use super::model::S3Object;
use super::writer::Tx;

/// The region that the events name. It is the region of the stack.
const REGION: &str = "us-east-1";

/// The kind of a change, with the name that AWS gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventName {
    CreatedPut,
    CreatedPost,
    CreatedCopy,
    CreatedCompleteMultipartUpload,
    RemovedDelete,
    RemovedDeleteMarkerCreated,
}

impl EventName {
    fn as_str(self) -> &'static str {
        match self {
            Self::CreatedPut => "ObjectCreated:Put",
            Self::CreatedPost => "ObjectCreated:Post",
            Self::CreatedCopy => "ObjectCreated:Copy",
            Self::CreatedCompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::RemovedDelete => "ObjectRemoved:Delete",
            Self::RemovedDeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
        }
    }
}

/// Adds an event with the time `now` to `tx`, the transaction that changes `object`.
pub(super) fn append(
    tx: &mut Tx<'_>,
    bucket: &str,
    name: EventName,
    object: &S3Object,
    now: Timestamp,
) -> Result<(), StoreError> {
    let json = document(bucket, name, object, now);
    let sql = "INSERT INTO events (id, name, json) VALUES (?1, ?2, ?3)";
    tx.connection.prepare_cached(sql)?.execute(params![object.content, name.as_str(), json])?;
    tx.announce();
    Ok(())
}

fn document(bucket: &str, name: EventName, object: &S3Object, now: Timestamp) -> String {
    let sequencer = format!("{:016X}", object.content);
    let key = form_encoded(&object.key);
    let mut object_json = match name {
        // The event of a removal has neither size nor ETag.
        EventName::RemovedDelete | EventName::RemovedDeleteMarkerCreated => {
            json!({"key": key, "sequencer": sequencer})
        }
        _ => json!({"key": key, "size": object.size, "eTag": object.etag, "sequencer": sequencer}),
    };
    if let Some(version) = object.named_version() {
        object_json["versionId"] = version.into();
    }
    let record = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": format!("{now:.3}"),
        "eventName": name.as_str(),
        "userIdentity": {"principalId": "AWS:DOWNSPOUT"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": sequencer, "x-amz-id-2": sequencer},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "downspout",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": "DOWNSPOUT"},
                "arn": format!("arn:aws:s3:::{bucket}"),
            },
            "object": object_json,
        },
    });
    json!({"Records": [record]}).to_string()
}

/// Encodes a key as S3 does in events: like an HTML form, but with slashes as they are.
fn form_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_forms_with_their_slashes() {
        assert_eq!(form_encoded("incoming/a b+c/day=1/ü.csv"), "incoming/a+b%2Bc/day%3D1/%C3%BC.csv");
    }
}
