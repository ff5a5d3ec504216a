//! The operations of SNS. Each operation reads its call, asks the store, and returns the response.

use super::query::Call;
use super::response::{SnsError, SnsResponse, element, text};
use super::store::{Notice, Subscription, TopicStoreError};
use super::{Topic, outbox};

/// The message attribute that identifies a notice, so that the notice is delivered once.
const NOTICE_ID: &str = "downspout-notice-id";
/// The length of the longest subject that SNS accepts, in characters.
const SUBJECT_CHARS: usize = 100;
/// The size of the largest message that SNS accepts, in bytes.
const MESSAGE_BYTES: usize = 256 * 1024;

type SnsResult = Result<SnsResponse, SnsError>;

impl From<TopicStoreError> for SnsError {
    fn from(error: TopicStoreError) -> Self {
        Self::internal(format!("{:#}", anyhow::Error::from(error)))
    }
}

impl Topic {
    /// Performs one call. The caller has checked the signature.
    pub(super) fn perform(&self, call: &Call) -> SnsResult {
        match call.action() {
            "CreateTopic" => self.create_topic(call),
            "ListTopics" => self.list_topics(),
            "GetTopicAttributes" => self.topic_attributes(call),
            "DeleteTopic" => self.delete_topic(call),
            "Subscribe" => self.subscribe(call),
            "Unsubscribe" => self.unsubscribe(call),
            "ListSubscriptions" => self.list_subscriptions("ListSubscriptions", None),
            "ListSubscriptionsByTopic" => {
                let topic = self.known_topic(call)?;
                self.list_subscriptions("ListSubscriptionsByTopic", Some(&topic))
            }
            "Publish" => self.publish(call),
            action => Err(SnsError::unknown_action(action)),
        }
    }

    fn create_topic(&self, call: &Call) -> SnsResult {
        let name = call.require("Name")?;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.len() > 256 || !name.chars().all(legal) {
            return Err(SnsError::invalid("Invalid parameter: Topic Name"));
        }
        let arn = format!("arn:aws:sns:{}:{}:{name}", self.region, self.account);
        self.store.create_topic(&arn, (self.now)())?;
        Ok(SnsResponse { action: "CreateTopic", result: Some(text("TopicArn", &arn)) })
    }

    fn list_topics(&self) -> SnsResult {
        let members = self
            .store
            .topics()?
            .iter()
            .map(|arn| element("member", &text("TopicArn", arn)))
            .collect::<String>();
        Ok(SnsResponse { action: "ListTopics", result: Some(element("Topics", &members)) })
    }

    fn topic_attributes(&self, call: &Call) -> SnsResult {
        let arn = self.known_topic(call)?;
        let confirmed = self.store.subscriptions(Some(&arn))?.len().to_string();
        let attributes = [
            ("TopicArn", arn.as_str()),
            ("Owner", &self.account),
            ("DisplayName", ""),
            ("SubscriptionsConfirmed", &confirmed),
            ("SubscriptionsPending", "0"),
            ("SubscriptionsDeleted", "0"),
        ];
        let entry =
            |(key, value): &(&str, &str)| element("entry", &(text("key", key) + &text("value", value)));
        let entries = attributes.iter().map(entry).collect::<String>();
        Ok(SnsResponse { action: "GetTopicAttributes", result: Some(element("Attributes", &entries)) })
    }

    fn delete_topic(&self, call: &Call) -> SnsResult {
        // As in SNS, deleting a missing topic succeeds.
        self.store.delete_topic(call.require("TopicArn")?)?;
        Ok(SnsResponse { action: "DeleteTopic", result: None })
    }

    /// Adds a subscription. The subscription is confirmed at once, because nobody can click a link in the outbox.
    fn subscribe(&self, call: &Call) -> SnsResult {
        let topic = self.known_topic(call)?;
        let protocol = call.require("Protocol")?;
        if protocol != "email" && protocol != "email-json" {
            return Err(SnsError::invalid(
                "Invalid parameter: Protocol: the local SNS delivers to `email` only",
            ));
        }
        let endpoint = call.require("Endpoint")?;
        if endpoint.parse::<lettre::Address>().is_err() {
            return Err(SnsError::invalid("Invalid parameter: Endpoint: not an e-mail address"));
        }
        let arn = self.store.subscribe(&Subscription {
            arn: format!("{topic}:{}", uuid::Uuid::new_v4()),
            topic,
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
        })?;
        Ok(SnsResponse { action: "Subscribe", result: Some(text("SubscriptionArn", &arn)) })
    }

    fn unsubscribe(&self, call: &Call) -> SnsResult {
        self.store.unsubscribe(call.require("SubscriptionArn")?)?;
        Ok(SnsResponse { action: "Unsubscribe", result: None })
    }

    fn list_subscriptions(&self, action: &'static str, topic: Option<&str>) -> SnsResult {
        let member = |subscription: &Subscription| {
            let fields = [
                text("Owner", &self.account),
                text("Endpoint", &subscription.endpoint),
                text("Protocol", &subscription.protocol),
                text("TopicArn", &subscription.topic),
                text("SubscriptionArn", &subscription.arn),
            ];
            element("member", &fields.concat())
        };
        let members = self.store.subscriptions(topic)?.iter().map(member).collect::<String>();
        Ok(SnsResponse { action, result: Some(element("Subscriptions", &members)) })
    }

    fn publish(&self, call: &Call) -> SnsResult {
        let topic = self.known_topic(call)?;
        let message = for_mail(call)?;
        let subject = call.get("Subject").unwrap_or_default();
        check_subject(subject)?;
        let fresh = uuid::Uuid::new_v4().to_string();
        let message_id = self.store.publish(&Notice {
            topic: &topic,
            id: call.message_attribute(NOTICE_ID).filter(|id| outbox::is_message_id(id)).unwrap_or(&fresh),
            subject,
            message: &message,
            at: (self.now)(),
            by_smtp: self.sends_by_smtp,
        })?;
        // If the mail cannot be written, the publish is not acknowledged. The publisher then publishes the same notice again.
        self.write_outbox().map_err(|error| SnsError::internal(format!("{error:#}")))?;
        self.mail_waits.notify_one();
        Ok(SnsResponse { action: "Publish", result: Some(text("MessageId", &message_id)) })
    }

    fn known_topic(&self, call: &Call) -> Result<String, SnsError> {
        let arn =
            call.require("TopicArn").or_else(|refusal| call.require("TargetArn").map_err(|_| refusal))?;
        if self.store.has_topic(arn)? { Ok(arn.to_owned()) } else { Err(SnsError::not_found("Topic")) }
    }
}

/// Returns the text for e-mail. With `MessageStructure=json`, a message can have one text for e-mail and another as the
/// default.
fn for_mail(call: &Call) -> Result<String, SnsError> {
    let message = call.require("Message")?;
    if message.len() > MESSAGE_BYTES {
        return Err(SnsError::invalid("Invalid parameter: Message too long"));
    }
    if call.get("MessageStructure") != Some("json") {
        return Ok(message.to_owned());
    }
    let parts: serde_json::Value = serde_json::from_str(message).map_err(|_| {
        SnsError::invalid("Invalid parameter: Message Structure - JSON message body failed to parse")
    })?;
    let missing = "Invalid parameter: Message Structure - No default entry in JSON message body";
    let default = parts["default"].as_str().ok_or_else(|| SnsError::invalid(missing))?;
    Ok(parts["email"].as_str().unwrap_or(default).to_owned())
}

// The SNS API reference, Publish: a subject is UTF-8 text of at most 100 characters, without line breaks and control
// characters.
fn check_subject(subject: &str) -> Result<(), SnsError> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if subject.chars().count() > SUBJECT_CHARS || subject.contains(breaks) || subject.starts_with(' ') {
        return Err(SnsError::parameter("Subject"));
    }
    Ok(())
}
