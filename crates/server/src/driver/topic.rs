//! The call to SNS that publishes a notice.

use aws_sdk_sns::error::{DisplayErrorContext, SdkError};
use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};
use aws_sdk_sns::types::MessageAttributeValue;
use engine::Notice;

/// The message attribute with the notice's id. By this id, a receiver recognizes a notice that was published twice.
const ID_ATTRIBUTE: &str = "downspout-notice-id";

/// The message attribute with the id of the notice's pipeline. Subscriptions can filter by this attribute.
const PIPELINE_ATTRIBUTE: &str = "pipelineId";

/// Publishes notices.
pub(crate) trait Topic: Clone + Send + Sync + 'static {
    /// Publishes the notice under its id, or returns a sentence that says what failed. Even after an error,
    /// the topic may have accepted the notice.
    fn publish(&self, notice: &Notice) -> impl Future<Output = Result<(), String>> + Send;
}

impl Topic for aws_sdk_sns::Client {
    async fn publish(&self, notice: &Notice) -> Result<(), String> {
        let first = publish(self, notice, &notice.subject).await?;
        let published = match first {
            // Topics that follow the older rule of SNS take ASCII only. A poor subject is better than no mail.
            Err(error) if is_invalid(&error) && !notice.subject.is_ascii() => {
                publish(self, notice, &ascii(&notice.subject)).await?
            }
            first => first,
        };
        published.map(|_| ()).map_err(|error| DisplayErrorContext(&error).to_string())
    }
}

type Published = Result<PublishOutput, SdkError<PublishError>>;

async fn publish(client: &aws_sdk_sns::Client, notice: &Notice, subject: &str) -> Result<Published, String> {
    let text = |text: &str| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(text);
        value.build().map_err(|error| error.to_string())
    };
    let (id, pipeline) = (text(notice.id.as_str())?, text(notice.pipeline.as_str())?);
    let publish = client
        .publish()
        .topic_arn(&notice.topic_arn)
        // SNS refuses an empty subject or message.
        .set_subject(Some(subject.to_owned()).filter(|subject| !subject.is_empty()))
        .message(if notice.message.is_empty() { " " } else { &notice.message })
        .message_attributes(ID_ATTRIBUTE, id)
        .message_attributes(PIPELINE_ATTRIBUTE, pipeline);
    Ok(publish.send().await)
}

fn is_invalid(error: &SdkError<PublishError>) -> bool {
    error.as_service_error().is_some_and(PublishError::is_invalid_parameter_exception)
}

fn ascii(subject: &str) -> String {
    subject.chars().map(|character| if character.is_ascii() { character } else { '?' }).collect()
}
