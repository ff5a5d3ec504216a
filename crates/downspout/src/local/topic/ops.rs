//! The operations of SNS, by their names.

use super::Topic;
use super::query::Call;
use super::response::{SnsError, SnsResponse};
use super::store::TopicStoreError;

impl From<TopicStoreError> for SnsError {
    fn from(error: TopicStoreError) -> Self {
        Self::internal(format!("{:#}", anyhow::Error::from(error)))
    }
}

impl Topic {
    /// Performs one call. The caller has checked the signature.
    pub(super) fn perform(&self, call: &Call) -> Result<SnsResponse, SnsError> {
        match call.action() {
            "CreateTopic" => self.create_topic(call),
            "ListTopics" => self.list_topics(call),
            "GetTopicAttributes" => self.topic_attributes(call),
            "SetTopicAttributes" => self.set_topic_attributes(call),
            "DeleteTopic" => self.delete_topic(call),
            "ListTagsForResource" => self.list_tags(call),
            "TagResource" => self.tag(call),
            "UntagResource" => self.untag(call),
            "Subscribe" => self.subscribe(call),
            "ConfirmSubscription" => self.confirm_subscription(call),
            "Unsubscribe" => self.unsubscribe(call),
            "GetSubscriptionAttributes" => self.subscription_attributes(call),
            "SetSubscriptionAttributes" => self.set_subscription_attributes(call),
            "ListSubscriptions" => self.list_subscriptions("ListSubscriptions", None, call),
            "ListSubscriptionsByTopic" => {
                let topic = self.known_topic(call)?;
                self.list_subscriptions("ListSubscriptionsByTopic", Some(&topic), call)
            }
            "Publish" => self.publish(call),
            "PublishBatch" => self.publish_batch(call),
            action => Err(SnsError::unknown_action(action)),
        }
    }
}
