//! The store of topics, subscriptions, notices and their deliveries, in SQLite.
//!
//! A notice and its deliveries are written in one transaction, so that publishing a notice again adds nothing. The same
//! transaction sets the name of each delivery's file, so that writing the mail again replaces the same file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// The recipient if nobody has subscribed, so that every run leaves a mail.
pub(super) const NOBODY_SUBSCRIBED: &str = "you@localhost";

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
#[error("the database of the local SNS failed")]
pub struct TopicStoreError(#[from] rusqlite::Error);

type Result<T> = std::result::Result<T, TopicStoreError>;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS topic (arn TEXT PRIMARY KEY, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS subscription (
    arn TEXT PRIMARY KEY,
    topic TEXT NOT NULL REFERENCES topic ON DELETE CASCADE,
    protocol TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    UNIQUE (topic, protocol, endpoint)
) STRICT;
CREATE TABLE IF NOT EXISTS notice (
    topic TEXT NOT NULL,
    id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    message TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (topic, id)
) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    notice TEXT NOT NULL,
    recipient TEXT NOT NULL,
    file TEXT NOT NULL UNIQUE,
    written INTEGER NOT NULL DEFAULT 0,
    smtp_due INTEGER,
    smtp_tries INTEGER NOT NULL DEFAULT 0,
    smtp_error TEXT,
    UNIQUE (topic, notice, recipient)
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_unwritten ON delivery (id) WHERE written = 0;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (smtp_due) WHERE smtp_due IS NOT NULL;
";

/// A notice to be published.
#[derive(Debug)]
pub(super) struct Notice<'a> {
    pub(super) topic: &'a str,
    pub(super) id: &'a str,
    pub(super) subject: &'a str,
    pub(super) message: &'a str,
    pub(super) at: Timestamp,
    pub(super) by_smtp: bool,
}

/// One mail: a notice for one recipient.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) id: i64,
    pub(super) notice: String,
    pub(super) recipient: String,
    pub(super) file: String,
    pub(super) subject: String,
    pub(super) message: String,
    pub(super) published_at: Timestamp,
    pub(super) smtp_tries: u32,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subscription {
    pub(super) arn: String,
    pub(super) topic: String,
    pub(super) protocol: String,
    pub(super) endpoint: String,
}

pub(super) struct TopicStore {
    connection: Mutex<Connection>,
}

impl TopicStore {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // With FULL, an acknowledged notice survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic of another call leaves nothing half done, because SQLite rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn create_topic(&self, arn: &str, at: Timestamp) -> Result<()> {
        self.lock()
            .execute("INSERT OR IGNORE INTO topic VALUES (?1, ?2)", params![arn, at.as_millisecond()])?;
        Ok(())
    }

    pub(super) fn delete_topic(&self, arn: &str) -> Result<()> {
        self.lock().execute("DELETE FROM topic WHERE arn = ?1", [arn])?;
        Ok(())
    }

    pub(super) fn topics(&self) -> Result<Vec<String>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT arn FROM topic ORDER BY arn")?;
        let arns = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(arns)
    }

    pub(super) fn has_topic(&self, arn: &str) -> Result<bool> {
        let found =
            self.lock().query_row("SELECT 1 FROM topic WHERE arn = ?1", [arn], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }

    /// Adds a subscription, and returns its ARN. If the subscription exists, nothing is added.
    pub(super) fn subscribe(&self, new: &Subscription) -> Result<String> {
        let Subscription { arn, topic, protocol, endpoint } = new;
        let connection = self.lock();
        connection.execute(
            "INSERT OR IGNORE INTO subscription VALUES (?1, ?2, ?3, ?4)",
            [arn, topic, protocol, endpoint],
        )?;
        let select = "SELECT arn FROM subscription WHERE topic = ?1 AND protocol = ?2 AND endpoint = ?3";
        Ok(connection.query_row(select, [topic, protocol, endpoint], |row| row.get(0))?)
    }

    pub(super) fn unsubscribe(&self, arn: &str) -> Result<()> {
        self.lock().execute("DELETE FROM subscription WHERE arn = ?1", [arn])?;
        Ok(())
    }

    /// Returns the subscriptions to `topic`, or all subscriptions if `topic` is `None`.
    pub(super) fn subscriptions(&self, topic: Option<&str>) -> Result<Vec<Subscription>> {
        let connection = self.lock();
        let select = "SELECT arn, topic, protocol, endpoint FROM subscription
                      WHERE ?1 IS NULL OR topic = ?1 ORDER BY topic, endpoint";
        let mut statement = connection.prepare_cached(select)?;
        let rows = statement.query_map([topic], |row| {
            Ok(Subscription {
                arn: row.get(0)?,
                topic: row.get(1)?,
                protocol: row.get(2)?,
                endpoint: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Stores a notice with one delivery per subscriber, and returns its message id. A known notice adds nothing.
    pub(super) fn publish(&self, notice: &Notice<'_>) -> Result<String> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let known = transaction
            .query_row(
                "SELECT message_id FROM notice WHERE topic = ?1 AND id = ?2",
                [notice.topic, notice.id],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(message_id) = known {
            return Ok(message_id);
        }
        let message_id = uuid::Uuid::new_v4().to_string();
        let Notice { topic, id, subject, message, at, by_smtp } = notice;
        transaction.execute(
            "INSERT INTO notice VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![topic, id, message_id, subject, message, at.as_millisecond()],
        )?;
        for recipient in recipients(&transaction, topic)? {
            let file = file_name(*at, topic, id, &recipient);
            let due =
                by_smtp.then(|| Timestamp::now().as_millisecond()).filter(|_| recipient != NOBODY_SUBSCRIBED);
            transaction.execute(
                "INSERT INTO delivery (topic, notice, recipient, file, smtp_due) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![topic, id, recipient, file, due],
            )?;
        }
        transaction.commit()?;
        Ok(message_id)
    }

    /// Returns the deliveries that are not in the outbox, oldest first.
    pub(super) fn unwritten(&self) -> Result<Vec<Delivery>> {
        self.deliveries("WHERE delivery.written = 0 ORDER BY delivery.id", [])
    }

    pub(super) fn mark_written(&self, delivery: i64) -> Result<()> {
        self.lock().execute("UPDATE delivery SET written = 1 WHERE id = ?1", [delivery])?;
        Ok(())
    }

    /// Returns the mail that is sent to the mail server next, and the time of that try, which may be in the future.
    ///
    /// Returns `None` if no mail waits.
    pub(super) fn next_by_smtp(&self) -> Result<Option<(Timestamp, Delivery)>> {
        let due: Option<(i64, i64)> = self
            .lock()
            .query_row(
                "SELECT id, smtp_due FROM delivery WHERE smtp_due IS NOT NULL ORDER BY smtp_due, id LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((id, due)) = due else { return Ok(None) };
        let delivery = self.deliveries("WHERE delivery.id = ?1", [id])?.pop();
        Ok(delivery.map(|delivery| (millis(due), delivery)))
    }

    /// Notes the end of a try to send a mail.
    ///
    /// `error` says why the try failed; `None` if the mail server took the mail. `next` is the time of the next try; `None` if
    /// no try follows.
    pub(super) fn note_smtp(
        &self,
        delivery: i64,
        error: Option<&str>,
        next: Option<Timestamp>,
    ) -> Result<()> {
        self.lock().execute(
            "UPDATE delivery SET smtp_due = ?2, smtp_error = ?3, smtp_tries = smtp_tries + 1 WHERE id = ?1",
            params![delivery, next.map(Timestamp::as_millisecond), error],
        )?;
        Ok(())
    }

    fn deliveries(&self, rest: &str, parameters: impl rusqlite::Params) -> Result<Vec<Delivery>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT delivery.id, notice, recipient, file, subject, message, published_at, smtp_tries
             FROM delivery JOIN notice ON notice.topic = delivery.topic AND notice.id = delivery.notice {rest}"
        ))?;
        let rows = statement.query_map(parameters, |row| {
            Ok(Delivery {
                id: row.get(0)?,
                notice: row.get(1)?,
                recipient: row.get(2)?,
                file: row.get(3)?,
                subject: row.get(4)?,
                message: row.get(5)?,
                published_at: millis(row.get(6)?),
                smtp_tries: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

fn recipients(connection: &Connection, topic: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT endpoint FROM subscription WHERE topic = ?1 AND protocol IN ('email', 'email-json') ORDER BY endpoint",
    )?;
    let mut found: Vec<String> =
        statement.query_map([topic], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    found.dedup();
    if found.is_empty() {
        found.push(NOBODY_SUBSCRIBED.to_owned());
    }
    Ok(found)
}

/// Returns `<time>-<short id>.eml`. The names sort by time, and a notice for a recipient always has the same name.
fn file_name(at: Timestamp, topic: &str, notice: &str, recipient: &str) -> String {
    let digest = Sha256::digest(format!("{topic}\n{notice}\n{recipient}"));
    format!("{}-{}.eml", at.strftime("%Y%m%dT%H%M%S%3fZ"), hex::encode(&digest[..5]))
}

fn millis(value: i64) -> Timestamp {
    Timestamp::from_millisecond(value).unwrap_or(Timestamp::UNIX_EPOCH)
}
