//! The call to SNS that publishes a notice.

use aws_sdk_sns::error::DisplayErrorContext;
use aws_sdk_sns::types::MessageAttributeValue;
use engine::Notice;

/// The message attribute with the notice's id, by which a receiver recognizes a notice that was published twice.
const ID_ATTRIBUTE: &str = "downspout-notice-id";

/// Publishes notices.
pub(crate) trait Topic: Clone + Send + Sync + 'static {
    /// Publishes the notice under its id, or returns a sentence that says what failed. Even after an error,
    /// the topic may have accepted the notice.
    fn publish(&self, notice: &Notice) -> impl Future<Output = Result<(), String>> + Send;
}

impl Topic for aws_sdk_sns::Client {
    async fn publish(&self, notice: &Notice) -> Result<(), String> {
        let id = MessageAttributeValue::builder().data_type("String").string_value(notice.id.as_str());
        let id = id.build().map_err(|error| error.to_string())?;
        let publish = self
            .publish()
            .topic_arn(&notice.topic_arn)
            // SNS refuses an empty subject or message.
            .set_subject(Some(notice.subject.clone()).filter(|subject| !subject.is_empty()))
            .message(if notice.message.is_empty() { " " } else { &notice.message })
            .message_attributes(ID_ATTRIBUTE, id);
        let published = publish.send().await;
        published.map(|_| ()).map_err(|error| DisplayErrorContext(&error).to_string())
    }
}
