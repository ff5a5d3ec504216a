//! The tables of subscriptions of HTTP endpoints: tokens of confirmation, and messages to deliver.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, Subscription, TopicStore, millis};

pub(super) const SCHEMA: &str = "
-- A subscription without a row needs no confirmation.
CREATE TABLE IF NOT EXISTS confirmation (
    subscription TEXT PRIMARY KEY REFERENCES subscription ON DELETE CASCADE,
    token TEXT NOT NULL UNIQUE,
    is_confirmed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS web_delivery (
    id INTEGER PRIMARY KEY,
    subscription TEXT NOT NULL REFERENCES subscription ON DELETE CASCADE,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    is_raw INTEGER NOT NULL,
    body TEXT NOT NULL,
    due INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS web_delivery_due ON web_delivery (due);
";

/// A message for an HTTP endpoint.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct WebMessage {
    pub(in super::super) message_id: String,
    /// The type of the message: `Notification` or `SubscriptionConfirmation`.
    pub(in super::super) kind: &'static str,
    /// Whether the body is the text of the publisher alone.
    pub(in super::super) is_raw: bool,
    pub(in super::super) body: String,
}

/// A message that waits for its delivery to an HTTP endpoint.
#[derive(Debug)]
pub(in super::super) struct WebDelivery {
    pub(in super::super) id: i64,
    pub(in super::super) subscription: String,
    pub(in super::super) topic: String,
    pub(in super::super) endpoint: String,
    pub(in super::super) message_id: String,
    pub(in super::super) kind: String,
    pub(in super::super) is_raw: bool,
    pub(in super::super) body: String,
    pub(in super::super) due: Timestamp,
    pub(in super::super) tries: u32,
}

/// Stores a message that is due at once.
pub(super) fn enqueue(connection: &Connection, subscription: &str, message: &WebMessage) -> Result<()> {
    let WebMessage { message_id, kind, is_raw, body } = message;
    connection.execute(
        "INSERT INTO web_delivery (subscription, message_id, kind, is_raw, body, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![subscription, message_id, kind, is_raw, body, Timestamp::now().as_millisecond()],
    )?;
    Ok(())
}

/// Makes a new subscription wait for its confirmation: gives it a token.
pub(super) fn expect_confirmation(connection: &Connection, subscription: &str) -> Result<()> {
    let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let insert = "INSERT INTO confirmation (subscription, token) VALUES (?1, ?2)";
    connection.execute(insert, [subscription, &token])?;
    Ok(())
}

impl TopicStore {
    /// Asks for a confirmation of a subscription. `message` makes the request of the token.
    pub(in super::super) fn ask_for_confirmation(
        &self,
        subscription: &Subscription,
        message: &dyn Fn(&str) -> WebMessage,
    ) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let select = "SELECT token FROM confirmation WHERE subscription = ?1";
        let token: String = transaction.query_row(select, [&subscription.arn], |row| row.get(0))?;
        enqueue(&transaction, &subscription.arn, &message(&token))?;
        transaction.commit()?;
        Ok(())
    }

    /// Confirms the subscription with this token, and returns its ARN; `None` if no subscription of the topic has the token.
    pub(in super::super) fn confirm(&self, topic: &str, token: &str) -> Result<Option<String>> {
        let connection = self.lock();
        let select = "SELECT arn FROM subscription JOIN confirmation ON subscription = arn WHERE topic = ?1 AND token = ?2";
        let found: Option<String> =
            connection.query_row(select, [topic, token], |row| row.get(0)).optional()?;
        if let Some(arn) = &found {
            connection.execute("UPDATE confirmation SET is_confirmed = 1 WHERE subscription = ?1", [arn])?;
        }
        Ok(found)
    }

    /// Returns the message that is delivered next, which may be due in the future; `None` if no message waits.
    pub(in super::super) fn next_web_delivery(&self) -> Result<Option<WebDelivery>> {
        let select = "SELECT id, subscription, topic, endpoint, message_id, kind, is_raw, body, due, tries
                      FROM web_delivery JOIN subscription ON subscription = arn ORDER BY due, id LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(WebDelivery {
                id: row.get(0)?,
                subscription: row.get(1)?,
                topic: row.get(2)?,
                endpoint: row.get(3)?,
                message_id: row.get(4)?,
                kind: row.get(5)?,
                is_raw: row.get(6)?,
                body: row.get(7)?,
                due: millis(row.get(8)?),
                tries: row.get(9)?,
            })
        };
        Ok(self.lock().query_row(select, [], read).optional()?)
    }

    /// Notes the end of a try to deliver a message. `next` is the time of the next try; `None` if no try follows.
    pub(in super::super) fn note_web_delivery(&self, id: i64, next: Option<Timestamp>) -> Result<()> {
        let connection = self.lock();
        match next {
            Some(next) => {
                connection.execute("UPDATE web_delivery SET tries = tries + 1 WHERE id = ?1", [id])?;
                // The other messages for the endpoint wait too, so that it does not hold up other endpoints for each of them.
                connection.execute(
                    "UPDATE web_delivery SET due = max(due, ?2)
                     WHERE subscription = (SELECT subscription FROM web_delivery WHERE id = ?1)",
                    params![id, next.as_millisecond()],
                )?
            }
            None => connection.execute("DELETE FROM web_delivery WHERE id = ?1", [id])?,
        };
        Ok(())
    }
}
