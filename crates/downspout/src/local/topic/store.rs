//! The store of topics, subscriptions, notices and their deliveries, in SQLite.
//!
//! A notice and its deliveries are written in one transaction, so that publishing a notice again adds nothing. The same
//! transaction sets the name of each delivery's file, so that writing the mail again replaces the same file.

mod mails;
mod web;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

pub use mails::SentMail;
pub(crate) use mails::of_pipelines;
pub(super) use web::{WebDelivery, WebMessage};

/// The recipient if nobody has subscribed, so that every run leaves a mail.
pub(super) const NOBODY_SUBSCRIBED: &str = "you@localhost";

/// The beginning of the recipient of a mail with the whole document of the notice (`email-json`).
const JSON_RECIPIENT: &str = "email-json:";

/// The reason why the store failed.
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
CREATE TABLE IF NOT EXISTS topic_attribute (
    topic TEXT NOT NULL REFERENCES topic ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (topic, name)
) STRICT;
CREATE TABLE IF NOT EXISTS topic_tag (
    topic TEXT NOT NULL REFERENCES topic ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (topic, name)
) STRICT;
CREATE TABLE IF NOT EXISTS subscription_attribute (
    subscription TEXT NOT NULL REFERENCES subscription ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (subscription, name)
) STRICT;
-- The sender and the text of a delivery that differ from those of every mail and of the notice.
CREATE TABLE IF NOT EXISTS delivery_form (
    delivery INTEGER PRIMARY KEY REFERENCES delivery,
    sender TEXT NOT NULL,
    body TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_unwritten ON delivery (id) WHERE written = 0;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (smtp_due) WHERE smtp_due IS NOT NULL;
";

/// A notice to be published.
pub(super) struct Notice<'a> {
    pub(super) topic: &'a str,
    pub(super) id: &'a str,
    pub(super) subject: &'a str,
    pub(super) message: &'a str,
    /// The pipeline that the notice is about, if its publisher says so.
    pub(super) pipeline: Option<&'a str>,
    pub(super) at: Timestamp,
    pub(super) by_smtp: bool,
    /// The name of the sender in the mails; empty for the usual one.
    pub(super) sender: &'a str,
    /// Returns the part of the notice with this message id that a subscription receives; `None` if the subscription does not receive
    /// the notice.
    pub(super) part: &'a dyn Fn(&Subscription, &str) -> Option<Part>,
}

/// The part of a notice that a subscription receives.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// A mail with the message of the notice.
    Mail,
    /// A mail with another text.
    MailOf(String),
    /// A request to an HTTP endpoint.
    Web(WebMessage),
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
    /// The name of the sender; empty for the usual one.
    pub(super) sender: String,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subscription {
    pub(super) arn: String,
    pub(super) topic: String,
    pub(super) protocol: String,
    pub(super) endpoint: String,
    /// The attributes that were set, such as `FilterPolicy`.
    pub(super) attributes: BTreeMap<String, String>,
    /// Whether the endpoint still has to confirm the subscription.
    pub(super) is_pending: bool,
}

impl Subscription {
    /// Returns whether the subscription receives mails.
    pub(super) fn is_by_mail(&self) -> bool {
        self.protocol.starts_with("email")
    }
}

/// A table of names and values that belong to a topic or a subscription.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table {
    TopicAttributes,
    TopicTags,
    SubscriptionAttributes,
}

impl Table {
    /// Returns the name of the table, and the column with the ARN of the owner.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::TopicAttributes => ("topic_attribute", "topic"),
            Self::TopicTags => ("topic_tag", "topic"),
            Self::SubscriptionAttributes => ("subscription_attribute", "subscription"),
        }
    }
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
        connection.execute_batch(web::SCHEMA)?;
        connection.execute_batch(mails::SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic of another call leaves nothing half done, because SQLite rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a topic with its attributes and tags. If the topic exists, nothing changes.
    pub(super) fn create_topic(
        &self,
        arn: &str,
        at: Timestamp,
        attributes: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let insert = "INSERT OR IGNORE INTO topic VALUES (?1, ?2)";
        if transaction.execute(insert, params![arn, at.as_millisecond()])? > 0 {
            put(&transaction, Table::TopicAttributes, arn, attributes)?;
            put(&transaction, Table::TopicTags, arn, tags)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Returns the names and values of an owner.
    pub(super) fn values(&self, table: Table, owner: &str) -> Result<BTreeMap<String, String>> {
        values(&self.lock(), table, owner)
    }

    /// Sets values of an owner, and removes the values of the names in `removed`.
    pub(super) fn change(
        &self,
        table: Table,
        owner: &str,
        set: &BTreeMap<String, String>,
        removed: &[String],
    ) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let (name, column) = table.names();
        for key in removed {
            let delete = format!("DELETE FROM {name} WHERE {column} = ?1 AND name = ?2");
            transaction.execute(&delete, [owner, key])?;
        }
        put(&transaction, table, owner, set)?;
        transaction.commit()?;
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

    /// Adds a subscription, and returns it. If there is one of this topic, protocol and endpoint, returns that one instead.
    pub(super) fn subscribe(&self, new: &Subscription) -> Result<Subscription> {
        let Subscription { arn, topic, protocol, endpoint, attributes, .. } = new;
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let insert = "INSERT OR IGNORE INTO subscription VALUES (?1, ?2, ?3, ?4)";
        if transaction.execute(insert, [arn, topic, protocol, endpoint])? > 0 {
            put(&transaction, Table::SubscriptionAttributes, arn, attributes)?;
            if !new.is_by_mail() {
                web::expect_confirmation(&transaction, arn)?;
            }
        }
        let known = subscriptions(&transaction, Some(topic))?;
        let found = known.into_iter().find(|it| it.protocol == *protocol && it.endpoint == *endpoint);
        transaction.commit()?;
        Ok(found.unwrap_or_else(|| new.clone()))
    }

    /// Returns the subscription with this ARN.
    pub(super) fn subscription(&self, arn: &str) -> Result<Option<Subscription>> {
        Ok(subscriptions(&self.lock(), None)?.into_iter().find(|subscription| subscription.arn == arn))
    }

    pub(super) fn unsubscribe(&self, arn: &str) -> Result<()> {
        self.lock().execute("DELETE FROM subscription WHERE arn = ?1", [arn])?;
        Ok(())
    }

    /// Returns the subscriptions to `topic`, or all subscriptions if `topic` is `None`.
    pub(super) fn subscriptions(&self, topic: Option<&str>) -> Result<Vec<Subscription>> {
        subscriptions(&self.lock(), topic)
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
        let Notice { topic, id, subject, message, pipeline, at, by_smtp, sender, part } = notice;
        transaction.execute(
            "INSERT INTO notice VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![topic, id, message_id, subject, message, at.as_millisecond()],
        )?;
        mails::note_pipeline(&transaction, topic, id, *pipeline)?;
        let subscribed = subscriptions(&transaction, Some(topic))?;
        let mut mails: Vec<(String, Option<String>)> = Vec::new();
        for subscription in &subscribed {
            match part(subscription, &message_id) {
                Some(Part::Mail) => mails.push((recipient(subscription), None)),
                Some(Part::MailOf(text)) => mails.push((recipient(subscription), Some(text))),
                Some(Part::Web(message)) => web::enqueue(&transaction, &subscription.arn, &message)?,
                None => {}
            }
        }
        if !subscribed.iter().any(Subscription::is_by_mail) {
            mails.push((NOBODY_SUBSCRIBED.to_owned(), None));
        }
        for (recipient, body) in mails {
            let file = file_name(*at, topic, id, &recipient);
            let due =
                by_smtp.then(|| Timestamp::now().as_millisecond()).filter(|_| recipient != NOBODY_SUBSCRIBED);
            transaction.execute(
                "INSERT INTO delivery (topic, notice, recipient, file, smtp_due) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![topic, id, recipient, file, due],
            )?;
            if body.is_some() || !sender.is_empty() {
                transaction.execute(
                    "INSERT INTO delivery_form VALUES (?1, ?2, ?3)",
                    params![transaction.last_insert_rowid(), sender, body],
                )?;
            }
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
    /// `error` says why the try failed; `None` if the mail server took the mail at `now`. `next` is the time of the next try;
    /// `None` if no try follows.
    pub(super) fn note_smtp(
        &self,
        delivery: i64,
        error: Option<&str>,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute(
            "UPDATE delivery SET smtp_due = ?2, smtp_error = ?3, smtp_tries = smtp_tries + 1 WHERE id = ?1",
            params![delivery, next.map(Timestamp::as_millisecond), error],
        )?;
        if error.is_none() {
            mails::note_sent(&transaction, delivery, now)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn deliveries(&self, rest: &str, parameters: impl rusqlite::Params) -> Result<Vec<Delivery>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT delivery.id, notice, recipient, file, subject, coalesce(body, message), published_at, smtp_tries,
                 coalesce(sender, '')
             FROM delivery JOIN notice ON notice.topic = delivery.topic AND notice.id = delivery.notice
             LEFT JOIN delivery_form ON delivery_form.delivery = delivery.id {rest}"
        ))?;
        let rows = statement.query_map(parameters, |row| {
            let recipient: String = row.get(2)?;
            Ok(Delivery {
                id: row.get(0)?,
                notice: row.get(1)?,
                recipient: recipient.strip_prefix(JSON_RECIPIENT).map(str::to_owned).unwrap_or(recipient),
                file: row.get(3)?,
                subject: row.get(4)?,
                message: row.get(5)?,
                published_at: millis(row.get(6)?),
                smtp_tries: row.get(7)?,
                sender: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// Returns the recipient of a subscription in the table of deliveries. One address may have a subscription of each protocol.
fn recipient(subscription: &Subscription) -> String {
    let prefix = if subscription.protocol == "email-json" { JSON_RECIPIENT } else { "" };
    format!("{prefix}{}", subscription.endpoint)
}

fn put(connection: &Connection, table: Table, owner: &str, pairs: &BTreeMap<String, String>) -> Result<()> {
    let (name, _) = table.names();
    let insert = format!("INSERT OR REPLACE INTO {name} VALUES (?1, ?2, ?3)");
    for (key, value) in pairs {
        connection.execute(&insert, [owner, key, value])?;
    }
    Ok(())
}

fn values(connection: &Connection, table: Table, owner: &str) -> Result<BTreeMap<String, String>> {
    let (name, column) = table.names();
    let select = format!("SELECT name, value FROM {name} WHERE {column} = ?1");
    let mut statement = connection.prepare_cached(&select)?;
    let rows = statement.query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn subscriptions(connection: &Connection, topic: Option<&str>) -> Result<Vec<Subscription>> {
    let select = "SELECT arn, topic, protocol, endpoint, coalesce(is_confirmed, 1) FROM subscription
                  LEFT JOIN confirmation ON confirmation.subscription = arn
                  WHERE ?1 IS NULL OR topic = ?1 ORDER BY topic, endpoint, protocol";
    let mut statement = connection.prepare_cached(select)?;
    let rows = statement.query_map([topic], |row| {
        Ok(Subscription {
            arn: row.get(0)?,
            topic: row.get(1)?,
            protocol: row.get(2)?,
            endpoint: row.get(3)?,
            attributes: BTreeMap::new(),
            is_pending: row.get::<_, i64>(4)? == 0,
        })
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<Subscription>>>()?;
    for subscription in &mut found {
        subscription.attributes = values(connection, Table::SubscriptionAttributes, &subscription.arn)?;
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
