//! Publish and PublishBatch.

use std::collections::BTreeSet;

use super::filter::Policy;
use super::message::{MESSAGE_BYTES, Message};
use super::query::Call;
use super::response::{SnsError, SnsResponse, element, text};
use super::store::{Notice, Part, Subscription, Table, WebMessage};
use super::{Topic, outbox};

/// The message attribute that identifies a notice, so that the notice is delivered once.
const NOTICE_ID: &str = "downspout-notice-id";
/// The message attribute with the pipeline that a notice is about.
const PIPELINE_ID: &str = "pipelineId";
/// The most entries of a batch.
const MAX_ENTRIES: usize = 10;

impl Topic {
    pub(super) fn publish(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        if call.get("PhoneNumber").is_some() {
            return Err(SnsError::invalid(
                "Invalid parameter: PhoneNumber Reason: nothing here sends SMS messages",
            ));
        }
        let topic = self.known_topic(call)?;
        let message_id = self.store_message(&topic, &Message::read(call)?)?;
        self.deliver()?;
        Ok(SnsResponse { action: "Publish", result: Some(text("MessageId", &message_id)) })
    }

    pub(super) fn publish_batch(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let topic = self.known_topic(call)?;
        let entries = call.items("PublishBatchRequestEntries.member");
        check_batch(&entries)?;
        let read: Vec<(&str, Result<Message, SnsError>)> =
            entries.iter().map(|entry| (entry.get("Id").unwrap_or_default(), Message::read(entry))).collect();
        let size: usize = read.iter().filter_map(|(_, read)| read.as_ref().ok()).map(Message::size).sum();
        if size > MESSAGE_BYTES {
            let message = "The length of all the messages put together is more than the limit.";
            return Err(SnsError::refused("BatchRequestTooLong", message));
        }
        let (mut successful, mut failed) = (String::new(), String::new());
        for (id, read) in read {
            match read.and_then(|message| self.store_message(&topic, &message)) {
                Ok(message_id) => {
                    let fields = text("Id", id) + &text("MessageId", &message_id);
                    successful += &element("member", &fields);
                }
                Err(error) => {
                    let is_senders = (!error.status.is_server_error()).to_string();
                    let fields = [
                        text("Id", id),
                        text("Code", error.code),
                        text("Message", &error.message),
                        text("SenderFault", &is_senders),
                    ];
                    failed += &element("member", &fields.concat());
                }
            }
        }
        self.deliver()?;
        let result = element("Successful", &successful) + &element("Failed", &failed);
        Ok(SnsResponse { action: "PublishBatch", result: Some(result) })
    }

    /// Stores a message with the part of it that each subscription receives. Returns the id of the message.
    fn store_message(&self, topic: &str, message: &Message) -> Result<String, SnsError> {
        let pipeline = message.attributes.iter().find(|attribute| attribute.name == PIPELINE_ID);
        let fresh = uuid::Uuid::new_v4().to_string();
        let given = message.attributes.iter().find(|attribute| attribute.name == NOTICE_ID);
        let given = given.map(|attribute| attribute.value.as_str()).filter(|id| outbox::is_message_id(id));
        let sender =
            self.store.values(Table::TopicAttributes, topic)?.remove("DisplayName").unwrap_or_default();
        let at = (self.now)();
        let part = |subscription: &Subscription, message_id: &str| {
            if subscription.is_pending || !receives(subscription, message) {
                return None;
            }
            let protocol = subscription.protocol.as_str();
            let document = || message.document(protocol, topic, message_id, at);
            Some(match protocol {
                "email" => Part::Mail,
                "email-json" => Part::MailOf(document()),
                _ => {
                    let raw = subscription.attributes.get("RawMessageDelivery");
                    let is_raw = raw.is_some_and(|raw| raw.eq_ignore_ascii_case("true"));
                    let body = if is_raw { message.text(protocol).to_owned() } else { document() };
                    Part::Web(WebMessage {
                        message_id: message_id.to_owned(),
                        kind: "Notification",
                        is_raw,
                        body,
                    })
                }
            })
        };
        let stored = self.store.publish(&Notice {
            topic,
            id: given.unwrap_or(&fresh),
            subject: &message.subject,
            message: message.text("email"),
            pipeline: pipeline.map(|attribute| attribute.value.as_str()),
            at,
            by_smtp: self.sends_by_smtp,
            sender: &sender,
            part: &part,
        });
        Ok(stored?)
    }

    /// Writes the mails of stored messages. If a mail cannot be written, the publish is not acknowledged. The publisher then
    /// publishes the same notice again.
    fn deliver(&self) -> Result<(), SnsError> {
        self.write_outbox().map_err(|error| SnsError::internal(format!("{error:#}")))?;
        self.mail_waits.notify_one();
        self.web_waits.notify_one();
        Ok(())
    }
}

/// Returns whether the filter policy of the subscription, if it has one, accepts the message.
fn receives(subscription: &Subscription, message: &Message) -> bool {
    let Some(policy) = subscription.attributes.get("FilterPolicy") else { return true };
    let scope = subscription.attributes.get("FilterPolicyScope");
    let policy = Policy::parse(policy, scope.is_some_and(|scope| scope == "MessageBody"));
    // A policy is checked when it is set. If a later version cannot read it, nobody loses a mail.
    policy.map_or(true, |policy| policy.accepts(message.text(&subscription.protocol), &message.attributes))
}

/// Checks the ids and the number of the entries of a batch, which the whole batch depends on.
fn check_batch(entries: &[Call]) -> Result<(), SnsError> {
    if entries.is_empty() {
        let message = "The batch request doesn't contain any entries.";
        return Err(SnsError::refused("EmptyBatchRequest", message));
    }
    if entries.len() > MAX_ENTRIES {
        let message = "The batch request contains more entries than permissible.";
        return Err(SnsError::refused("TooManyEntriesInBatchRequest", message));
    }
    let mut ids = BTreeSet::new();
    for entry in entries {
        let id = entry.require("Id")?;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.len() > 80 || !id.chars().all(legal) {
            let message = "The Id of a batch entry in a batch request doesn't abide by the specification.";
            return Err(SnsError::refused("InvalidBatchEntryId", message));
        }
        if !ids.insert(id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return Err(SnsError::refused("BatchEntryIdsNotDistinct", message));
        }
    }
    Ok(())
}
