//! The forms in which S3 events reach a Lambda function on AWS, and the part of its answer about each event.

use std::collections::HashMap;

use clap::ValueEnum;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::QueuedEvent;

/// The most messages that SQS puts into one batch, unless the function waits for a larger one.
const BATCH: usize = 10;

/// The way that S3 events take to the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EventForm {
    /// S3 invokes the function
    #[default]
    Direct,
    /// S3 sends to a queue of SQS, from which the function gets batches of up to ten messages
    Sqs,
    /// S3 publishes to a topic of SNS, which invokes the function
    Sns,
    /// S3 sends to EventBridge, whose rule invokes the function
    Eventbridge,
}

/// The account, region and names in the documents.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) region: String,
    pub(super) account: String,
}

impl Place {
    fn arn(&self, service: &str, name: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{name}", self.region, self.account)
    }
}

impl EventForm {
    /// Returns how many events one invocation may get.
    pub(super) fn batch(self) -> usize {
        if self == Self::Sqs { BATCH } else { 1 }
    }

    /// Returns the document with which the function is invoked for `events`. There is at least one event.
    ///
    /// Every form but that of SQS carries one event.
    pub(super) fn document(self, events: &[QueuedEvent], place: &Place) -> Value {
        let first = events.first();
        let event = || first.map(|queued| &queued.event).unwrap_or(&Value::Null);
        match self {
            Self::Direct => event().clone(),
            Self::Sqs => json!({"Records": events.iter().map(|event| sqs(event, place)).collect::<Vec<_>>()}),
            Self::Sns => sns(event(), place),
            Self::Eventbridge => event_bridge(event(), place),
        }
    }

    /// Returns the events that were not handled, each with the reason, by the answer of the function.
    ///
    /// A batch is handled as a whole unless the answer names failures. As on AWS, an answer that names a message which is
    /// not in the batch makes the whole batch fail.
    pub(super) fn failed(self, events: &[QueuedEvent], answer: &Value) -> HashMap<i64, String> {
        let Some(failures) = answer["batchItemFailures"].as_array().filter(|_| self == Self::Sqs) else {
            return HashMap::new();
        };
        let reason = |event: &QueuedEvent| {
            let reason = answer["errors"][message_id(event.id)].as_str();
            (event.id, reason.unwrap_or("the answer names it as failed").to_owned())
        };
        let failure = |failure: &Value| {
            let named = failure["itemIdentifier"].as_str()?;
            events.iter().find(|event| message_id(event.id) == named).map(reason)
        };
        let failed: Option<_> = failures.iter().map(failure).collect();
        failed.unwrap_or_else(|| events.iter().map(reason).collect())
    }
}

/// Returns the id of the message that carries an event.
fn message_id(id: i64) -> String {
    uuid::Uuid::from_u128(u128::from(id.unsigned_abs())).to_string()
}

fn sqs(queued: &QueuedEvent, place: &Place) -> Value {
    let first = &queued.event["Records"][0];
    let sent = first["eventTime"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let sent = sent.unwrap_or_default().as_millisecond().to_string();
    json!({
        "messageId": message_id(queued.id),
        "receiptHandle": format!("downspout-{}-{}", queued.id, queued.failed_tries),
        "body": queued.event.to_string(),
        "attributes": {
            "ApproximateReceiveCount": (queued.failed_tries + 1).to_string(),
            "SentTimestamp": sent,
            "SenderId": "DOWNSPOUT",
            "ApproximateFirstReceiveTimestamp": sent,
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": place.arn("sqs", "downspout-drops"),
        "awsRegion": place.region,
    })
}

fn sns(event: &Value, place: &Place) -> Value {
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": place.arn("sns", "downspout-drops:00000000-0000-0000-0000-000000000000"),
        "Sns": {
            "Type": "Notification",
            "MessageId": uuid::Uuid::new_v4().to_string(),
            "TopicArn": place.arn("sns", "downspout-drops"),
            "Subject": "Amazon S3 Notification",
            "Message": event.to_string(),
            "Timestamp": event["Records"][0]["eventTime"],
            "MessageAttributes": {},
        },
    }]})
}

/// Returns the event of EventBridge for a notification of S3. Its key is not encoded, and some names differ.
fn event_bridge(event: &Value, place: &Place) -> Value {
    let record = &event["Records"][0];
    let (bucket, object) = (&record["s3"]["bucket"]["name"], &record["s3"]["object"]);
    let name = record["eventName"].as_str().unwrap_or_default();
    let reason = match name {
        "ObjectCreated:Post" => "POST Object",
        "ObjectCreated:Copy" => "CopyObject",
        "ObjectCreated:CompleteMultipartUpload" => "CompleteMultipartUpload",
        "ObjectCreated:Put" => "PutObject",
        _ => "DeleteObject",
    };
    let mut described = json!({"key": decoded(object["key"].as_str().unwrap_or_default())});
    for (here, there) in
        [("size", "size"), ("eTag", "etag"), ("versionId", "version-id"), ("sequencer", "sequencer")]
    {
        if let Some(value) = object.get(here) {
            described[there] = value.clone();
        }
    }
    let mut detail = json!({
        "version": "0",
        "bucket": {"name": bucket},
        "object": described,
        "request-id": record["responseElements"]["x-amz-request-id"],
        "requester": place.account,
        "source-ip-address": "127.0.0.1",
        "reason": reason,
    });
    let kind = match name {
        "ObjectRemoved:Delete" => Some("Permanently Deleted"),
        "ObjectRemoved:DeleteMarkerCreated" => Some("Delete Marker Created"),
        _ => None,
    };
    if let Some(kind) = kind {
        detail["deletion-type"] = kind.into();
    }
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": if kind.is_some() { "Object Deleted" } else { "Object Created" },
        "source": "aws.s3",
        "account": place.account,
        "time": record["eventTime"],
        "region": place.region,
        "resources": [format!("arn:aws:s3:::{}", bucket.as_str().unwrap_or_default())],
        "detail": detail,
    })
}

/// Decodes a key of a notification, which is encoded like a form.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { region: "us-east-1".to_owned(), account: "000000000000".to_owned() }
    }

    fn queued(id: i64, name: &str, key: &str) -> QueuedEvent {
        let event = json!({"Records": [{
            "eventSource": "aws:s3", "eventName": name, "eventTime": "2026-11-20T14:00:00.000Z",
            "responseElements": {"x-amz-request-id": "1"},
            "s3": {"bucket": {"name": "drop"}, "object": {"key": key, "size": 5, "eTag": "e", "sequencer": "1"}}
        }]});
        QueuedEvent { id, failed_tries: 0, event }
    }

    #[test]
    fn every_form_but_that_of_sqs_carries_one_event() {
        let put = queued(1, "ObjectCreated:Put", "in/a+b%2B.csv");
        let direct = EventForm::Direct.document(std::slice::from_ref(&put), &place());
        assert_eq!(direct, put.event);
        let sns = EventForm::Sns.document(std::slice::from_ref(&put), &place());
        assert_eq!(sns["Records"][0]["Sns"]["Message"], put.event.to_string());
        assert_eq!(EventForm::Sns.failed(&[put], &json!({"batchItemFailures": [{}]})), HashMap::new());
    }

    #[test]
    fn eventbridge_has_names_of_its_own_and_plain_keys() {
        let document = |name| {
            let event = queued(1, name, "in/a+b%2B%C3%A4.csv");
            EventForm::Eventbridge.document(&[event], &place())
        };
        let created = document("ObjectCreated:Copy");
        assert_eq!(created["detail-type"], "Object Created");
        assert_eq!(created["detail"]["object"]["key"], "in/a b+ä.csv");
        assert_eq!(created["detail"]["object"]["etag"], "e");
        assert_eq!(created["detail"]["reason"], "CopyObject");
        let removed = document("ObjectRemoved:DeleteMarkerCreated");
        assert_eq!(removed["detail-type"], "Object Deleted");
        assert_eq!(removed["detail"]["deletion-type"], "Delete Marker Created");
    }

    #[test]
    fn the_answer_of_a_batch_names_what_failed() {
        let events = [1, 2, 3].map(|id| queued(id, "ObjectCreated:Put", "a.csv"));
        let document = EventForm::Sqs.document(&events, &place());
        let second = &document["Records"][1]["messageId"];
        let failed = |answer: Value| {
            let mut failed: Vec<_> = EventForm::Sqs.failed(&events, &answer).into_keys().collect();
            failed.sort_unstable();
            failed
        };
        let named =
            json!({"batchItemFailures": [{"itemIdentifier": second}], "errors": {message_id(2): "why"}});
        assert_eq!(EventForm::Sqs.failed(&events, &named)[&2], "why");
        assert_eq!(failed(named), [2]);
        assert_eq!(failed(json!({"batchItemFailures": []})), [0; 0]);
        assert_eq!(failed(json!(null)), [0; 0], "an answer without failures handles the whole batch");
        for unknown in [json!({"itemIdentifier": "x"}), json!({"itemIdentifier": ""}), json!({})] {
            assert_eq!(failed(json!({"batchItemFailures": [unknown]})), [1, 2, 3]);
        }
    }
}
