//! From an event to the keys that arrived, or to a sweep.
//!
//! Only this module knows the forms of events: S3's own notification, alone or inside SNS, SQS, or SNS inside SQS, and
//! the event of EventBridge. The key in an S3 notification is form-encoded, and is decoded once, here. The key in
//! an event of EventBridge is not encoded.

use aws_lambda_events::s3::{S3Entity, S3EventRecord};
use definition::listed_key;
use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

/// How deep messages may be nested. An SNS message inside an SQS message makes two.
const MAX_DEPTH: usize = 4;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A schedule fired.
    Sweep,
    /// Messages with keys. Each message fails or succeeds alone.
    Messages(Vec<Message>),
}

/// A message: the whole event, or one of an SQS batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `messageId` of SQS.
    pub id: Option<String>,
    pub items: Vec<Item>,
}

/// One record of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An object was created.
    Arrival(Arrival),
    /// The record cannot start a run.
    Ignored { key: Option<String>, reason: String },
}

/// An object that was created, as its event describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub bucket: String,
    pub key: String,
    /// The ETag without quotation marks, if the event names it.
    pub etag: Option<String>,
    /// The time of the event, if the event names it.
    pub at: Option<Timestamp>,
}

/// Reads an event of any kind. A part of unknown form is ignored, with a reason.
pub(crate) fn parse(event: &Value) -> Event {
    if is_scheduled(event) {
        return Event::Sweep;
    }
    let records = records_of(event);
    if !records.is_empty() && records.iter().all(|record| source(record) == "aws:sqs") {
        return Event::Messages(records.iter().map(sqs_message).collect());
    }
    Event::Messages(vec![Message { id: None, items: items(event, 0) }])
}

fn is_scheduled(event: &Value) -> bool {
    event["detail-type"] == "Scheduled Event" || event["sweep"] == true
}

fn records_of(event: &Value) -> &[Value] {
    event["Records"].as_array().map_or(&[], Vec::as_slice)
}

/// Returns the source of a record. S3 and SQS write `eventSource`, SNS writes `EventSource`.
fn source(record: &Value) -> &str {
    record["eventSource"].as_str().or(record["EventSource"].as_str()).unwrap_or_default()
}

fn sqs_message(record: &Value) -> Message {
    let id = record["messageId"].as_str().map(str::to_owned);
    Message { id, items: inner(&record["body"], 1) }
}

fn items(event: &Value, depth: usize) -> Vec<Item> {
    if event["Event"] == "s3:TestEvent" {
        return vec![ignored(None, "s3:TestEvent: S3 tests the notification")];
    }
    if event["detail-type"].is_string() {
        return vec![event_bridge_item(event)];
    }
    // SNS sends this form to a subscriber such as SQS, unless raw delivery is on.
    if event["Type"] == "Notification" {
        return inner(&event["Message"], depth + 1);
    }
    let records = records_of(event);
    if records.is_empty() {
        return vec![ignored(None, "an event of unknown form")];
    }
    records.iter().flat_map(|record| record_items(record, depth)).collect()
}

fn record_items(record: &Value, depth: usize) -> Vec<Item> {
    match source(record) {
        "aws:s3" => vec![s3_item(record)],
        "aws:sns" => inner(&record["Sns"]["Message"], depth + 1),
        "aws:sqs" => inner(&record["body"], depth + 1),
        other => vec![ignored(None, &format!("a record of the unknown source `{other}`"))],
    }
}

/// Reads the event inside a message, which is JSON in a string.
fn inner(text: &Value, depth: usize) -> Vec<Item> {
    if depth > MAX_DEPTH {
        return vec![ignored(None, "an event inside too many others")];
    }
    match text.as_str().map(serde_json::from_str::<Value>) {
        Some(Ok(event)) => items(&event, depth),
        Some(Err(_)) | None => vec![ignored(None, "a message whose text is not JSON")],
    }
}

fn s3_item(record: &Value) -> Item {
    let at = time(&record["eventTime"]);
    let record = match S3EventRecord::deserialize(record) {
        Ok(record) => record,
        Err(error) => return ignored(None, &format!("a record that does not have the form of S3: {error}")),
    };
    let S3Entity { bucket, object, .. } = record.s3;
    let (Some(bucket), Some(encoded)) = (bucket.name, object.key) else {
        return ignored(None, "an S3 record without bucket or key");
    };
    let Some(key) = listed_key::decoded(&encoded) else {
        return ignored(Some(encoded), "a key that is not UTF-8 after decoding");
    };
    let name = record.event_name.unwrap_or_default();
    // The configuration of a notification writes `s3:` before the name; an event does not.
    if !name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return ignored(Some(key), &format!("the event `{name}` creates no object"));
    }
    let size = object.size.and_then(|size| u64::try_from(size).ok());
    arrival(Arrival { bucket, key, etag: object.e_tag, at }, size)
}

fn event_bridge_item(event: &Value) -> Item {
    let (bucket, object) = (&event["detail"]["bucket"]["name"], &event["detail"]["object"]);
    let (Some(bucket), Some(key)) = (bucket.as_str(), object["key"].as_str()) else {
        return ignored(None, "an event without bucket or key");
    };
    let kind = event["detail-type"].as_str().unwrap_or_default();
    if kind != "Object Created" {
        return ignored(Some(key.to_owned()), &format!("the event `{kind}` creates no object"));
    }
    let etag = object["etag"].as_str().map(str::to_owned);
    let arrived = Arrival { bucket: bucket.to_owned(), key: key.to_owned(), etag, at: time(&event["time"]) };
    arrival(arrived, object["size"].as_u64())
}

fn time(text: &Value) -> Option<Timestamp> {
    text.as_str()?.parse().ok()
}

fn arrival(arrived: Arrival, size: Option<u64>) -> Item {
    if arrived.key.ends_with('/') && size.unwrap_or(0) == 0 {
        return ignored(Some(arrived.key), "an empty object that represents a folder");
    }
    Item::Arrival(arrived)
}

fn ignored(key: Option<String>, reason: &str) -> Item {
    Item::Ignored { key, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
