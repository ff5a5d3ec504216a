//! Notices on their way to SNS: published until the topic took them, also over restarts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_sns::error::DisplayErrorContext;
use aws_sdk_sns::types::MessageAttributeValue;
use engine::{Notice, NoticeId};
use tokio_util::sync::CancellationToken;

use super::Driver;

/// By this attribute the receiving end knows a notice that was published twice.
const ID_ATTRIBUTE: &str = "downspout-notice-id";
/// The first pause after a refusal; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A topic that is away is asked this often at least.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// SNS answers within seconds or not at all.
const PUBLISH_WAIT: Duration = Duration::from_secs(20);

/// When a notice that was refused is tried next.
struct Pause {
    until: Instant,
    length: Duration,
}

impl Driver {
    /// Publishes what is pending until `shutdown`.
    ///
    /// Each notice waits by itself: one topic that is away does not hold up another.
    pub(crate) async fn publish_notices(
        &self,
        sns: Option<aws_sdk_sns::Client>,
        shutdown: CancellationToken,
    ) {
        let Some(sns) = sns else {
            tracing::warn!("no SNS client is configured: notices are kept until there is one");
            return;
        };
        let mut pauses: HashMap<NoticeId, Pause> = HashMap::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.notice_waits.notified() => {}
                () = first_pause_over(&pauses) => {}
            }
            let round = self.publish_pending(&sns, &mut pauses);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = round => {}
            }
        }
    }

    async fn publish_pending(&self, sns: &aws_sdk_sns::Client, pauses: &mut HashMap<NoticeId, Pause>) {
        let pending = match self.store.pending_notices().await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!("pending notices cannot be read: {error}");
                return;
            }
        };
        pauses.retain(|id, _| pending.iter().any(|notice| notice.id == *id));
        for notice in pending {
            if pauses.get(&notice.id).is_some_and(|pause| pause.until > Instant::now()) {
                continue;
            }
            if let Err(cause) = self.publish_one(sns, &notice).await {
                let pause = pauses.get(&notice.id).map_or(FIRST_PAUSE, |pause| pause.length * 2);
                let length = pause.min(LONGEST_PAUSE);
                tracing::warn!(
                    notice.id = %notice.id, pipeline.id = %notice.pipeline, topic.arn = notice.topic_arn,
                    retry_secs = length.as_secs_f32(), "a notice was not taken, trying again: {cause}"
                );
                pauses.insert(notice.id, Pause { until: Instant::now() + length, length });
            }
        }
    }

    /// Publishes and, once taken, forgets. A crash in between publishes again, under the same id.
    async fn publish_one(&self, sns: &aws_sdk_sns::Client, notice: &Notice) -> Result<(), String> {
        let id = MessageAttributeValue::builder().data_type("String").string_value(notice.id.as_str());
        let id = id.build().map_err(|error| error.to_string())?;
        let publish = sns
            .publish()
            .topic_arn(&notice.topic_arn)
            // SNS refuses an empty subject or message.
            .set_subject(Some(notice.subject.clone()).filter(|subject| !subject.is_empty()))
            .message(if notice.message.is_empty() { " " } else { &notice.message })
            .message_attributes(ID_ATTRIBUTE, id)
            .send();
        let sent = tokio::time::timeout(PUBLISH_WAIT, publish).await.map_err(|_| "no answer".to_owned())?;
        sent.map_err(|error| DisplayErrorContext(&error).to_string())?;
        tracing::info!(notice.id = %notice.id, pipeline.id = %notice.pipeline, "published a notice");
        self.store.notice_done(&notice.id).await.map_err(|error| error.to_string())
    }
}

async fn first_pause_over(pauses: &HashMap<NoticeId, Pause>) {
    match pauses.values().map(|pause| pause.until).min() {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}
