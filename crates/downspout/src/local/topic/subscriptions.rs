//! The operations on subscriptions.

use std::collections::BTreeMap;

use super::Topic;
use super::filter::Policy;
use super::page::page;
use super::query::Call;
use super::response::{SnsError, SnsResponse, element, entries, text};
use super::store::{Subscription, Table, WebMessage};
use super::web;

/// The protocols of SNS to which nothing here delivers.
const NOT_HERE: [&str; 5] = ["application", "firehose", "lambda", "sms", "sqs"];
/// The ARN that SNS shows for a subscription that waits for its confirmation.
const PENDING: &str = "PendingConfirmation";
/// The attributes of a subscription that a user can set.
const SETTABLE: [&str; 6] = [
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
];

impl Topic {
    /// Adds a subscription. A subscription by e-mail is confirmed at once, because a mail in the outbox is only a
    /// file, and no person would follow a link in it. An HTTP endpoint gets a token, with which it confirms.
    pub(super) fn subscribe(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let topic = self.known_topic(call)?;
        let protocol = call.require("Protocol")?;
        let endpoint = call.require("Endpoint")?;
        self.check_endpoint(protocol, endpoint)?;
        let attributes = call.map("Attributes");
        let reason = |refusal: SnsError| {
            let rest = refusal.message.trim_start_matches("Invalid parameter: ").to_owned();
            SnsError { message: format!("Invalid parameter: Attributes Reason: {rest}"), ..refusal }
        };
        for (name, value) in &attributes {
            check_attribute(protocol, name, value, &attributes).map_err(reason)?;
        }
        let new = Subscription {
            arn: format!("{topic}:{}", uuid::Uuid::new_v4()),
            topic,
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            attributes,
            is_pending: false,
        };
        let stored = self.store.subscribe(&new)?;
        if stored.arn != new.arn && !new.attributes.is_empty() && stored.attributes != new.attributes {
            let message =
                "Invalid parameter: Attributes Reason: Subscription already exists with different attributes";
            return Err(SnsError::invalid(message));
        }
        let is_new = stored.arn == new.arn;
        let must_confirm = !stored.is_by_mail() && (is_new || stored.is_pending);
        if must_confirm {
            self.ask_for_confirmation(&stored)?;
        }
        let wants_arn =
            call.get("ReturnSubscriptionArn").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let shown = if must_confirm && !wants_arn { "pending confirmation" } else { &stored.arn };
        Ok(SnsResponse { action: "Subscribe", result: Some(text("SubscriptionArn", shown)) })
    }

    /// Sends the endpoint a token, as SNS does.
    fn ask_for_confirmation(&self, subscription: &Subscription) -> Result<(), SnsError> {
        let (message_id, at) = (uuid::Uuid::new_v4().to_string(), (self.now)());
        let message = |token: &str| {
            let topic = &subscription.topic;
            let query = [("Action", "ConfirmSubscription"), ("TopicArn", topic.as_str()), ("Token", token)];
            let query = serde_urlencoded::to_string(query).unwrap_or_default();
            let document = serde_json::json!({
                "Type": "SubscriptionConfirmation",
                "MessageId": message_id,
                "Token": token,
                "TopicArn": topic,
                "Message": format!(
                    "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL \
                     included in this message."
                ),
                "SubscribeURL": format!("{}/?{query}", self.address),
                "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            });
            let body = serde_json::to_string_pretty(&document).unwrap_or_default();
            WebMessage {
                message_id: message_id.clone(),
                kind: "SubscriptionConfirmation",
                is_raw: false,
                body,
            }
        };
        self.store.ask_for_confirmation(subscription, &message)?;
        self.web_waits.notify_one();
        Ok(())
    }

    pub(super) fn confirm_subscription(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let topic = self.known_topic(call)?;
        let confirmed = self.store.confirm(&topic, call.require("Token")?)?;
        let arn = confirmed.ok_or_else(|| SnsError::parameter("Token"))?;
        Ok(SnsResponse { action: "ConfirmSubscription", result: Some(text("SubscriptionArn", &arn)) })
    }

    pub(super) fn unsubscribe(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let arn = call.require("SubscriptionArn")?;
        // As in SNS, ending a subscription that does not exist succeeds.
        check_arn(arn)?;
        self.store.unsubscribe(arn)?;
        Ok(SnsResponse { action: "Unsubscribe", result: None })
    }

    pub(super) fn subscription_attributes(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let Subscription { arn, topic, protocol, endpoint, attributes, is_pending } =
            self.known_subscription(call)?;
        let is_pending = is_pending.to_string();
        let mut shown = BTreeMap::from([
            ("SubscriptionArn", arn.as_str()),
            ("TopicArn", &topic),
            ("Owner", &self.account),
            ("Protocol", &protocol),
            ("Endpoint", &endpoint),
            ("ConfirmationWasAuthenticated", "true"),
            ("PendingConfirmation", &is_pending),
            ("RawMessageDelivery", "false"),
        ]);
        if attributes.contains_key("FilterPolicy") {
            shown.insert("FilterPolicyScope", "MessageAttributes");
        }
        shown.extend(attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(SnsResponse { action: "GetSubscriptionAttributes", result: Some(entries(shown)) })
    }

    pub(super) fn set_subscription_attributes(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let subscription = self.known_subscription(call)?;
        let name = call.require("AttributeName")?;
        let value = call.get("AttributeValue").unwrap_or_default();
        let mut attributes = subscription.attributes;
        attributes.insert(name.to_owned(), value.to_owned());
        check_attribute(&subscription.protocol, name, value, &attributes)?;
        // An empty policy removes the filter.
        let is_removed = value.is_empty() || (name == "FilterPolicy" && value.trim() == "{}");
        let (set, removed) = match is_removed {
            true => (BTreeMap::new(), vec![name.to_owned()]),
            false => (BTreeMap::from([(name.to_owned(), value.to_owned())]), Vec::new()),
        };
        self.store.change(Table::SubscriptionAttributes, &subscription.arn, &set, &removed)?;
        Ok(SnsResponse { action: "SetSubscriptionAttributes", result: None })
    }

    pub(super) fn list_subscriptions(
        &self,
        action: &'static str,
        topic: Option<&str>,
        call: &Call,
    ) -> Result<SnsResponse, SnsError> {
        let member = |subscription: &Subscription| {
            let fields = [
                text("Owner", &self.account),
                text("Endpoint", &subscription.endpoint),
                text("Protocol", &subscription.protocol),
                text("TopicArn", &subscription.topic),
                text("SubscriptionArn", if subscription.is_pending { PENDING } else { &subscription.arn }),
            ];
            element("member", &fields.concat())
        };
        let (subscriptions, next) = page(self.store.subscriptions(topic)?, call)?;
        let members = subscriptions.iter().map(member).collect::<String>();
        Ok(SnsResponse { action, result: Some(element("Subscriptions", &members) + &next) })
    }

    fn check_endpoint(&self, protocol: &str, endpoint: &str) -> Result<(), SnsError> {
        match protocol {
            "email" | "email-json" if endpoint.parse::<lettre::Address>().is_ok() => Ok(()),
            "email" | "email-json" => Err(SnsError::invalid("Invalid parameter: Email address")),
            "http" | "https" if web::allowed(&self.web_origins, protocol, endpoint).is_some() => Ok(()),
            "http" | "https" => Err(SnsError::invalid(
                "Invalid parameter: Endpoint: subscriptions may only name addresses that `downspout up --notify-http ADDRESS` \
                 allows, without user and password",
            )),
            _ if NOT_HERE.contains(&protocol) => Err(SnsError::invalid(format!(
                "Invalid parameter: Protocol: nothing here delivers to {protocol}; the local SNS delivers to email, email-json, \
                 http and https"
            ))),
            _ => Err(SnsError::invalid(format!(
                "Invalid parameter: Amazon SNS does not support this protocol string: {protocol}"
            ))),
        }
    }

    fn known_subscription(&self, call: &Call) -> Result<Subscription, SnsError> {
        let arn = call.require("SubscriptionArn")?;
        check_arn(arn)?;
        self.store.subscription(arn)?.ok_or_else(|| SnsError::not_found("Subscription"))
    }
}

fn check_arn(arn: &str) -> Result<(), SnsError> {
    let parts = arn.split(':').count();
    if parts >= 6 {
        return Ok(());
    }
    let reason = format!("An ARN must have at least 6 elements, not {parts}");
    Err(SnsError::invalid(format!("Invalid parameter: SubscriptionArn Reason: {reason}")))
}

/// Checks an attribute of a subscription. `all` has all attributes that the subscription will have.
fn check_attribute(
    protocol: &str,
    name: &str,
    value: &str,
    all: &BTreeMap<String, String>,
) -> Result<(), SnsError> {
    let refused = |reason: &str| Err(SnsError::invalid(format!("Invalid parameter: {reason}")));
    let is_of_body = all.get("FilterPolicyScope").is_some_and(|scope| scope == "MessageBody");
    match name {
        "FilterPolicyScope" if !["MessageAttributes", "MessageBody"].contains(&value) => refused(&format!(
            "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
        )),
        "FilterPolicy" | "FilterPolicyScope" => {
            let policy = all.get("FilterPolicy").filter(|policy| !policy.is_empty());
            let read = policy.map_or(Ok(()), |policy| Policy::parse(policy, is_of_body).map(drop));
            read.or_else(|why| refused(&format!("FilterPolicy: {why}")))
        }
        "RawMessageDelivery" if value.eq_ignore_ascii_case("false") => Ok(()),
        "RawMessageDelivery" if value.eq_ignore_ascii_case("true") && protocol.starts_with("http") => Ok(()),
        "RawMessageDelivery" if value.eq_ignore_ascii_case("true") => {
            refused(&format!("Delivery protocol [{protocol}] does not support raw message delivery."))
        }
        "RawMessageDelivery" => {
            refused(&format!("RawMessageDelivery: Invalid value [{value}]. Must be true or false."))
        }
        "RedrivePolicy" | "ReplayPolicy" if !value.is_empty() => {
            refused(&format!("{name}: the attribute needs SQS or an archive, which are not here"))
        }
        _ if SETTABLE.contains(&name) => Ok(()),
        _ => Err(SnsError::parameter("AttributeName")),
    }
}
