//! Events: written with the object they tell of, kept until they are delivered.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::store::S3Store;

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
