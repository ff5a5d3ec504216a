//! Events: written with the object they tell of, kept until they are delivered.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;

use super::error::StoreError;
use super::model::S3Object;
use super::store::S3Store;
use super::writer::Tx;

/// The region that events name; the stack stands in this one.
const REGION: &str = "us-east-1";

/// What happened to an object, as AWS words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventName {
    CreatedPut,
    CreatedPost,
    CreatedCopy,
    CreatedCompleteMultipartUpload,
    RemovedDelete,
}

impl EventName {
    fn as_str(self) -> &'static str {
        match self {
            Self::CreatedPut => "ObjectCreated:Put",
            Self::CreatedPost => "ObjectCreated:Post",
            Self::CreatedCopy => "ObjectCreated:Copy",
            Self::CreatedCompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::RemovedDelete => "ObjectRemoved:Delete",
        }
    }
}

/// An event that waits to be delivered, or was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number; later events have higher ones.
    pub id: i64,
    /// `ObjectCreated:Put`, `ObjectRemoved:Delete`, …
    pub event_name: String,
    /// The whole document `{"Records":[…]}`, as AWS sends it.
    pub json: String,
    /// How often its delivery has failed.
    pub attempts: u32,
    /// Why it failed last.
    pub last_error: Option<String>,
}

/// Appends the event of `object` to the transaction that changes the object; at `now`.
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
    let told = match name {
        // A removal tells neither size nor ETag.
        EventName::RemovedDelete => json!({"key": key, "sequencer": sequencer}),
        _ => json!({"key": key, "size": object.size, "eTag": object.etag, "sequencer": sequencer}),
    };
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
            "object": told,
        },
    });
    json!({"Records": [record]}).to_string()
}

/// Encodes a key as S3 does in events: like an HTML form, slashes left alone.
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

impl S3Store {
    /// Returns the oldest events that wait to be delivered, those that failed before included.
    pub async fn pending_events(&self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(move |connection| select(connection, false, limit)).await
    }

    /// Returns the events that were given up, oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|connection| select(connection, true, usize::MAX)).await
    }

    /// Returns one event, waiting or given up.
    pub async fn event(&self, id: i64) -> Result<Option<StoredEvent>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT id, name, json, attempts, last_error FROM events WHERE id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([id], stored_event).optional()?)
        })
        .await
    }

    /// Forgets an event: it has been delivered.
    pub async fn event_delivered(&self, id: i64) -> Result<(), StoreError> {
        self.change_event(id, "DELETE FROM events WHERE id = ?1", None).await
    }

    /// Notes that a delivery failed; the event stays pending.
    pub async fn event_failed(&self, id: i64, error: &str) -> Result<(), StoreError> {
        let sql = "UPDATE events SET attempts = attempts + 1, last_error = ?2 WHERE id = ?1";
        self.change_event(id, sql, Some(error.to_owned())).await
    }

    /// Gives an event up: it is no longer pending, but kept.
    pub async fn move_to_dead_letters(&self, id: i64) -> Result<(), StoreError> {
        self.change_event(id, "UPDATE events SET dead = 1 WHERE id = ?1", None).await
    }

    /// Makes a dead letter pending again, its attempts counted anew.
    pub async fn redrive(&self, id: i64) -> Result<(), StoreError> {
        let sql = "UPDATE events SET dead = 0, attempts = 0 WHERE id = ?1 AND dead = 1";
        self.writer()
            .write(move |tx| {
                changed_one(id, tx.connection.prepare_cached(sql)?.execute([id])?)?;
                tx.announce();
                Ok(())
            })
            .await
    }

    /// Returns a counter that moves whenever events become pending.
    pub fn watch_events(&self) -> tokio::sync::watch::Receiver<u64> {
        self.events()
    }

    async fn change_event(&self, id: i64, sql: &'static str, text: Option<String>) -> Result<(), StoreError> {
        self.writer()
            .write(move |tx| {
                let mut statement = tx.connection.prepare_cached(sql)?;
                let changed = match text {
                    Some(text) => statement.execute(params![id, text])?,
                    None => statement.execute([id])?,
                };
                changed_one(id, changed)
            })
            .await
    }
}

fn changed_one(id: i64, changed: usize) -> Result<(), StoreError> {
    if changed == 0 { Err(StoreError::NoSuchEvent(id)) } else { Ok(()) }
}

fn select(connection: &Connection, dead: bool, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
    let sql = "SELECT id, name, json, attempts, last_error FROM events WHERE dead = ?1 ORDER BY id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![dead, i64::try_from(limit).unwrap_or(i64::MAX)], stored_event)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn stored_event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        id: row.get(0)?,
        event_name: row.get(1)?,
        json: row.get(2)?,
        attempts: row.get(3)?,
        last_error: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_forms_with_their_slashes() {
        assert_eq!(form_encoded("incoming/a b+c/day=1/ü.csv"), "incoming/a+b%2Bc/day%3D1/%C3%BC.csv");
    }
}
