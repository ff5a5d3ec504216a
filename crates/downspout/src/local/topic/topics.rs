//! The operations on topics: their attributes and their tags.

use std::collections::BTreeMap;

use super::Topic;
use super::page::page;
use super::query::Call;
use super::response::{SnsError, SnsResponse, element, entries, text};
use super::store::Table;

/// The attributes of a topic that a user can set. All but `DisplayName` are kept and have no effect here.
const SETTABLE: [&str; 6] =
    ["DeliveryPolicy", "DisplayName", "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig"];
/// The attributes whose value is a JSON object.
const JSON: [&str; 2] = ["DeliveryPolicy", "Policy"];
/// The services whose deliveries SNS logs, if a user sets attributes that begin with these names.
const LOGGED: [&str; 5] = ["Application", "Firehose", "HTTP", "Lambda", "SQS"];
/// The longest display name, in characters.
const DISPLAY_NAME_CHARS: usize = 100;
/// The most tags of a topic.
const MAX_TAGS: usize = 50;

impl Topic {
    pub(super) fn create_topic(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let name = call.require("Name")?;
        let mut attributes = call.map("Attributes");
        let is_fifo = attributes.remove("FifoTopic").is_some_and(|fifo| fifo.eq_ignore_ascii_case("true"));
        if is_fifo || name.ends_with(".fifo") {
            return Err(SnsError::invalid(
                "Invalid parameter: Attributes Reason: FIFO topics deliver to SQS alone, which is not here; create a standard \
                 topic",
            ));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.len() > 256 || !name.chars().all(legal) {
            return Err(SnsError::invalid("Invalid parameter: Topic Name"));
        }
        attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))?;
        let tags = read_tags(call)?;
        let arn = format!("arn:aws:sns:{}:{}:{name}", self.region, self.account);
        if self.store.has_topic(&arn)? {
            let given = !call.items("Tags.member").is_empty();
            if given && self.store.values(Table::TopicTags, &arn)? != tags {
                let message = "Invalid parameter: Tags Reason: Topic already exists with different tags";
                return Err(SnsError::invalid(message));
            }
            let known = self.store.values(Table::TopicAttributes, &arn)?;
            if attributes.iter().any(|(name, value)| known.get(name) != Some(value)) {
                let message =
                    "Invalid parameter: Attributes Reason: Topic already exists with different attributes";
                return Err(SnsError::invalid(message));
            }
        }
        self.store.create_topic(&arn, (self.now)(), &attributes, &tags)?;
        Ok(SnsResponse { action: "CreateTopic", result: Some(text("TopicArn", &arn)) })
    }

    pub(super) fn list_topics(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let (topics, next) = page(self.store.topics()?, call)?;
        let members = topics.iter().map(|arn| element("member", &text("TopicArn", arn))).collect::<String>();
        Ok(SnsResponse { action: "ListTopics", result: Some(element("Topics", &members) + &next) })
    }

    pub(super) fn topic_attributes(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let arn = self.known_topic(call)?;
        let subscriptions = self.store.subscriptions(Some(&arn))?;
        let pending = subscriptions.iter().filter(|subscription| subscription.is_pending).count();
        let (confirmed, pending) = ((subscriptions.len() - pending).to_string(), pending.to_string());
        let policy = self.default_policy(&arn);
        let mut attributes = BTreeMap::from([
            ("TopicArn", arn.as_str()),
            ("Owner", &self.account),
            ("DisplayName", ""),
            ("Policy", &policy),
            ("SubscriptionsConfirmed", &confirmed),
            ("SubscriptionsPending", &pending),
            ("SubscriptionsDeleted", "0"),
        ]);
        let set = self.store.values(Table::TopicAttributes, &arn)?;
        attributes.extend(set.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(SnsResponse { action: "GetTopicAttributes", result: Some(entries(attributes)) })
    }

    pub(super) fn set_topic_attributes(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let arn = self.known_topic(call)?;
        let name = call.require("AttributeName")?;
        let value = call.get("AttributeValue").unwrap_or_default();
        check_attribute(name, value)?;
        let set = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        self.store.change(Table::TopicAttributes, &arn, &set, &[])?;
        Ok(SnsResponse { action: "SetTopicAttributes", result: None })
    }

    pub(super) fn delete_topic(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        // As in SNS, deleting a missing topic succeeds.
        self.store.delete_topic(call.require("TopicArn")?)?;
        Ok(SnsResponse { action: "DeleteTopic", result: None })
    }

    pub(super) fn list_tags(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let arn = self.tagged_topic(call)?;
        let tags = self.store.values(Table::TopicTags, &arn)?;
        let member =
            |(key, value): (&String, &String)| element("member", &(text("Key", key) + &text("Value", value)));
        let members = tags.iter().map(member).collect::<String>();
        Ok(SnsResponse { action: "ListTagsForResource", result: Some(element("Tags", &members)) })
    }

    pub(super) fn tag(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let arn = self.tagged_topic(call)?;
        let new = read_tags(call)?;
        let mut tags = self.store.values(Table::TopicTags, &arn)?;
        tags.extend(new.clone());
        check_count(&tags)?;
        self.store.change(Table::TopicTags, &arn, &new, &[])?;
        Ok(SnsResponse { action: "TagResource", result: Some(String::new()) })
    }

    pub(super) fn untag(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        let arn = self.tagged_topic(call)?;
        let keys = call.items("TagKeys.member").into_iter();
        let keys: Vec<String> = keys.filter_map(|key| key.get("").map(str::to_owned)).collect();
        self.store.change(Table::TopicTags, &arn, &BTreeMap::new(), &keys)?;
        Ok(SnsResponse { action: "UntagResource", result: Some(String::new()) })
    }

    /// Returns the ARN of the call's topic, which must exist.
    pub(super) fn known_topic(&self, call: &Call) -> Result<String, SnsError> {
        let arn =
            call.require("TopicArn").or_else(|refusal| call.require("TargetArn").map_err(|_| refusal))?;
        let parts = arn.split(':').count();
        if parts < 6 {
            let reason = format!("An ARN must have at least 6 elements, not {parts}");
            return Err(SnsError::invalid(format!("Invalid parameter: TopicArn Reason: {reason}")));
        }
        if self.store.has_topic(arn)? { Ok(arn.to_owned()) } else { Err(SnsError::not_found("Topic")) }
    }

    fn tagged_topic(&self, call: &Call) -> Result<String, SnsError> {
        let arn = call.require("ResourceArn")?;
        if self.store.has_topic(arn)? { Ok(arn.to_owned()) } else { Err(SnsError::no_resource()) }
    }

    /// Returns the policy of a topic that a user has given none: everybody of the account may do everything.
    fn default_policy(&self, arn: &str) -> String {
        let policy = serde_json::json!({
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [{
                "Effect": "Allow", "Sid": "__default_statement_ID", "Principal": {"AWS": "*"},
                "Action": [
                    "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                    "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"
                ],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": self.account}}
            }]
        });
        policy.to_string()
    }
}

fn check_attribute(name: &str, value: &str) -> Result<(), SnsError> {
    match delivery_log_attribute(name) {
        Some("SuccessFeedbackSampleRate") => {
            let is_percentage = value.is_empty() || value.parse::<u8>().is_ok_and(|rate| rate <= 100);
            return if is_percentage { Ok(()) } else { Err(SnsError::parameter("AttributeValue")) };
        }
        Some("SuccessFeedbackRoleArn" | "FailureFeedbackRoleArn") => return Ok(()),
        _ if !SETTABLE.contains(&name) => return Err(SnsError::parameter("AttributeName")),
        _ => {}
    }
    let is_object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(value).is_ok();
    if JSON.contains(&name) && !value.is_empty() && !is_object() {
        return Err(SnsError::invalid(format!("Invalid parameter: {name}: failed to parse JSON.")));
    }
    let is_too_long = value.chars().count() > DISPLAY_NAME_CHARS || value.contains(char::is_control);
    if name == "DisplayName" && is_too_long {
        return Err(SnsError::parameter("DisplayName"));
    }
    Ok(())
}

/// Returns the part of an attribute's name behind the service, if it is an attribute of a delivery log. Nothing is logged here;
/// Terraform sets these attributes of every topic.
fn delivery_log_attribute(name: &str) -> Option<&str> {
    LOGGED.iter().find_map(|service| name.strip_prefix(service))
}

fn read_tags(call: &Call) -> Result<BTreeMap<String, String>, SnsError> {
    let mut tags = BTreeMap::new();
    for tag in call.items("Tags.member") {
        let (key, value) = (tag.require("Key")?, tag.get("Value").unwrap_or_default());
        if key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(SnsError::parameter("Tags"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            let reason = "Duplicated keys are not allowed.";
            return Err(SnsError::invalid(format!("Invalid parameter: Tags Reason: {reason}")));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), SnsError> {
    if tags.len() <= MAX_TAGS {
        return Ok(());
    }
    Err(SnsError::refused(
        "TagLimitExceeded",
        "Could not complete request: tag quota of per resource exceeded",
    ))
}
