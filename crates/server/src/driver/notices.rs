//! Publishes notices to SNS. Each notice is tried again until the topic has accepted it, also after restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Notice, NoticeId};
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Driver, Topic};
use crate::span;

/// The pause after the first failed try. The pause doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries. The pause reaches this length when the topic is down for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The time limit of a publish. SNS answers within seconds or not at all.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(20);

/// The limit of notices that are published at once: enough for a burst, with few connections.
const MOST_AT_ONCE: usize = 16;
/// The pause before the store is read again after a read failed.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// The pause of a notice that was not published.
struct Pause {
    until: Instant,
    length: Duration,
}

/// The notices between store and topic. Each notice is published by a task of its own, so that a notice without an answer
/// does not delay the others.
#[derive(Default)]
struct Publishing {
    tasks: JoinSet<Result<(), Unsent>>,
    under_way: HashMap<task::Id, NoticeId>,
    pauses: HashMap<NoticeId, Pause>,
    /// The time at which the store is read again after a read failed.
    read_again: Option<Instant>,
}

/// The reason why a notice was not published.
enum Unsent {
    /// Another server is about to publish the notice. This server tries again later, in case the other server dies.
    Claimed,
    Refused(String),
}

impl From<String> for Unsent {
    fn from(cause: String) -> Self {
        Self::Refused(cause)
    }
}

impl Publishing {
    /// Waits until one notice was published or refused; for ever if none is under way.
    async fn one_ended(&mut self) {
        let (task, cause) = match self.tasks.join_next_with_id().await {
            Some(Ok((task, Ok(())))) => {
                self.under_way.remove(&task);
                return;
            }
            Some(Ok((task, Err(cause)))) => (task, cause),
            Some(Err(panic)) => (panic.id(), Unsent::Refused(panic.to_string())),
            None => std::future::pending().await,
        };
        let Some(id) = self.under_way.remove(&task) else { return };
        let length = self.pauses.get(&id).map_or(FIRST_PAUSE, |pause| pause.length * 2).min(LONGEST_PAUSE);
        if let Unsent::Refused(cause) = cause {
            let retry_secs = length.as_secs_f32();
            tracing::warn!(notice.id = %id, retry_secs, "a notice was not accepted, trying again: {cause}");
        }
        self.pauses.insert(id, Pause { until: Instant::now() + length, length });
    }

    /// Returns when to begin a publish if nothing else happens before.
    fn due(&self) -> Option<Instant> {
        if self.read_again.is_some() || self.tasks.len() >= MOST_AT_ONCE {
            // No publish can begin before the store can be read again, or before another publish has ended.
            return self.read_again;
        }
        let waiting = self.pauses.iter().filter(|(id, _)| !self.is_under_way(id));
        waiting.map(|(_, pause)| pause.until).min()
    }

    fn is_under_way(&self, id: &NoticeId) -> bool {
        self.under_way.values().any(|other| other == id)
    }
}

impl Driver {
    /// Publishes pending notices until `shutdown`.
    pub(crate) async fn publish_notices(
        self: Arc<Self>,
        sns: Option<impl Topic>,
        shutdown: CancellationToken,
    ) {
        let Some(sns) = sns else {
            tracing::warn!("no SNS client is configured: notices are kept until there is one");
            return shutdown.cancelled().await;
        };
        let mut publishing = Publishing::default();
        loop {
            let due = publishing.due();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = publishing.one_ended() => {}
                () = self.notices_pending.notified() => {}
                () = sleep_until(due) => {}
            }
            self.begin_pending(&sns, &mut publishing).await;
        }
    }

    /// Begins to publish every pending notice that is neither under way nor paused.
    async fn begin_pending(self: &Arc<Self>, sns: &impl Topic, publishing: &mut Publishing) {
        publishing.read_again = None;
        let mut pending = match self.store.pending_notices().await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!("pending notices cannot be read, trying again: {}", error.chain());
                publishing.read_again = Some(Instant::now() + READ_AGAIN);
                return;
            }
        };
        publishing.pauses.retain(|id, _| pending.iter().any(|notice| notice.id == *id));
        // New notices come before those that failed, so that a notice without an answer delays the new ones only once.
        pending.sort_by_key(|notice| publishing.pauses.get(&notice.id).map(|pause| pause.until));
        for notice in pending {
            let pause = publishing.pauses.get(&notice.id);
            let is_paused = pause.is_some_and(|pause| pause.until > Instant::now());
            if is_paused || publishing.is_under_way(&notice.id) || publishing.tasks.len() >= MOST_AT_ONCE {
                continue;
            }
            let (driver, sns, id) = (Arc::clone(self), sns.clone(), notice.id.clone());
            let task = publishing.tasks.spawn(async move { driver.publish(&sns, &notice).await });
            publishing.under_way.insert(task.id(), id);
        }
    }

    /// Publishes a notice in a span of its own.
    async fn publish(&self, sns: &impl Topic, notice: &Notice) -> Result<(), Unsent> {
        let span = span::publish(&notice.id, &notice.pipeline);
        let published = self.publish_one(sns, notice).instrument(span.clone()).await;
        let result = match &published {
            Ok(()) => "ok",
            Err(Unsent::Claimed) => "claimed by another server",
            Err(Unsent::Refused(_)) => "failed",
        };
        span::end(&span, result, matches!(published, Err(Unsent::Refused(_))));
        published
    }

    /// Publishes a notice, and removes it from the store once the topic has accepted it. After a crash between the two,
    /// the notice is published again under the same id.
    async fn publish_one(&self, sns: &impl Topic, notice: &Notice) -> Result<(), Unsent> {
        if !self.store.claim_notice(&notice.id).await.map_err(|error| error.chain())? {
            return Err(Unsent::Claimed);
        }
        let sent = tokio::time::timeout(PUBLISH_TIMEOUT, sns.publish(notice)).await;
        sent.map_err(|_| "no answer".to_owned())??;
        tracing::info!(notice.id = %notice.id, pipeline.id = %notice.pipeline, "published a notice");
        Ok(self.store.notice_done(&notice.id).await.map_err(|error| error.chain())?)
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
