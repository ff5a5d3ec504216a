//! The queue of events: each is kept until the orchestrator has handled it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::store::S3Store;

/// An event that waits for the orchestrator, or that became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The number of the event. A later event has a higher number.
    pub id: i64,
    /// The kind of the change: `ObjectCreated:Put`, `ObjectRemoved:Delete`, …
    pub event_name: String,
    /// The whole document `{"Records":[…]}`, as AWS sends it.
    pub json: String,
    /// How many tries have failed.
    pub attempts: u32,
    /// The error of the last failed try.
    pub last_error: Option<String>,
}

impl S3Store {
    /// Returns the oldest waiting events, at most `limit`. Events that have failed and wait for another try are among
    /// them.
    pub async fn pending_events(&self, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(move |connection| select(connection, false, limit)).await
    }

    /// Returns the dead letters, oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|connection| select(connection, true, usize::MAX)).await
    }

    /// Returns the event `id`, which waits or is a dead letter, or `None` if there is no such event.
    pub async fn event(&self, id: i64) -> Result<Option<StoredEvent>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT id, name, json, attempts, last_error FROM events WHERE id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([id], stored_event).optional()?)
        })
        .await
    }

    /// Removes an event that was handled.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchEvent`], or a failure of the index.
    pub async fn event_delivered(&self, id: i64) -> Result<(), StoreError> {
        self.change_event(id, "DELETE FROM events WHERE id = ?1", None).await
    }

    /// Notes a failed try. The event goes on waiting.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchEvent`], or a failure of the index.
    pub async fn event_failed(&self, id: i64, error: &str) -> Result<(), StoreError> {
        let sql = "UPDATE events SET attempts = attempts + 1, last_error = ?2 WHERE id = ?1";
        self.change_event(id, sql, Some(error.to_owned())).await
    }

    /// Makes an event a dead letter. A dead letter is kept, but not delivered any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchEvent`], or a failure of the index.
    pub async fn move_to_dead_letters(&self, id: i64) -> Result<(), StoreError> {
        self.change_event(id, "UPDATE events SET dead = 1 WHERE id = ?1", None).await
    }

    /// Makes a dead letter a waiting event again, with no failed tries.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchEvent`] if there is no dead letter with this number, or a failure of the index.
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

    /// Returns a counter that changes whenever an event starts to wait.
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
