//! The mails about pipelines: when each was sent, or why it was not.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use super::{Result, millis};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS notice_pipeline (
    topic TEXT NOT NULL,
    notice TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    PRIMARY KEY (topic, notice)
) STRICT;
CREATE INDEX IF NOT EXISTS notice_of_pipeline ON notice_pipeline (pipeline);
-- When the mail server took a mail.
CREATE TABLE IF NOT EXISTS delivery_sent (
    delivery INTEGER PRIMARY KEY REFERENCES delivery,
    at INTEGER NOT NULL
) STRICT;
";

/// A mail about a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentMail {
    /// The pipeline.
    pub pipeline_id: String,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The time at which the mail was sent: taken by the mail server, or written into the outbox if there is no mail server.
    pub sent: Option<Timestamp>,
    /// How often the mail server did not take the mail.
    pub failed_tries: u32,
    /// The reason why the mail server did not take the mail at the last try.
    pub error: Option<String>,
    /// The time at which the next try follows.
    pub next_try: Option<Timestamp>,
}

pub(super) fn note_pipeline(
    connection: &Connection,
    topic: &str,
    notice: &str,
    pipeline: Option<&str>,
) -> rusqlite::Result<()> {
    if let Some(pipeline) = pipeline {
        let insert = "INSERT OR IGNORE INTO notice_pipeline VALUES (?1, ?2, ?3)";
        connection.execute(insert, params![topic, notice, pipeline])?;
    }
    Ok(())
}

pub(super) fn note_sent(connection: &Connection, delivery: i64, at: Timestamp) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO delivery_sent VALUES (?1, ?2)";
    connection.execute(insert, params![delivery, at.as_millisecond()]).map(drop)
}

/// Returns the mails about a pipeline, or about every pipeline, oldest first, from the database of a running SNS.
///
/// # Errors
///
/// If the database cannot be read.
pub(crate) fn of_pipelines(database: &Path, pipeline: Option<&str>) -> Result<Vec<SentMail>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut statement = connection.prepare(
        "SELECT pipeline, recipient, subject, published_at, at, smtp_due, smtp_tries, smtp_error
         FROM notice_pipeline AS about
         JOIN notice ON notice.topic = about.topic AND notice.id = about.notice
         JOIN delivery ON delivery.topic = about.topic AND delivery.notice = about.notice
         LEFT JOIN delivery_sent ON delivery_sent.delivery = delivery.id
         WHERE ?1 IS NULL OR pipeline = ?1 ORDER BY delivery.id",
    )?;
    let rows = statement.query_map([pipeline], |row| {
        let (published, sent): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
        let (due, tries): (Option<i64>, u32) = (row.get(5)?, row.get(6)?);
        let is_in_outbox_only = tries == 0 && due.is_none();
        let sent = sent.or(is_in_outbox_only.then_some(published));
        let recipient: String = row.get(1)?;
        Ok(SentMail {
            pipeline_id: row.get(0)?,
            to: recipient.strip_prefix(super::JSON_RECIPIENT).map(str::to_owned).unwrap_or(recipient),
            subject: row.get(2)?,
            sent: sent.map(millis),
            failed_tries: tries.saturating_sub(u32::from(sent.is_some())),
            error: row.get(7)?,
            next_try: due.filter(|_| tries > 0).map(millis),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
