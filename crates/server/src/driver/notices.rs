//! Notices on their way to SNS: published until the topic took them, also over restarts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Notice, NoticeId};
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Driver, Topic};

/// The first pause after a refusal; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A topic that is away is asked this often at least.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// SNS answers within seconds or not at all.
const PUBLISH_WAIT: Duration = Duration::from_secs(20);

/// So many are on their way at once, at most: enough for a burst, and few connections.
const MOST_AT_ONCE: usize = 16;
/// What cannot be read from the store now is asked for again after this long.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// When a notice that was refused is tried next.
struct Pause {
    until: Instant,
    length: Duration,
}

/// Notices between store and topic, each by itself: a topic that is away does not hold up another.
#[derive(Default)]
struct Publishing {
    tasks: JoinSet<Result<(), Unsent>>,
    at_work: HashMap<task::Id, NoticeId>,
    pauses: HashMap<NoticeId, Pause>,
    /// When the store is to be read again after it could not be.
    read_again: Option<Instant>,
}

/// Why a notice was not published.
enum Unsent {
    /// Another server is about to; it is looked at again in case that one dies.
    Claimed,
    Refused(String),
}

impl From<String> for Unsent {
    fn from(cause: String) -> Self {
        Self::Refused(cause)
    }
}

impl Publishing {
    /// Waits until one is published or refused; for ever when none is under way.
    async fn one_ended(&mut self) {
        let (task, cause) = match self.tasks.join_next_with_id().await {
            Some(Ok((task, Ok(())))) => {
                self.at_work.remove(&task);
                return;
            }
            Some(Ok((task, Err(cause)))) => (task, cause),
            Some(Err(panic)) => (panic.id(), Unsent::Refused(panic.to_string())),
            None => std::future::pending().await,
        };
        let Some(id) = self.at_work.remove(&task) else { return };
        let length = self.pauses.get(&id).map_or(FIRST_PAUSE, |pause| pause.length * 2).min(LONGEST_PAUSE);
        if let Unsent::Refused(cause) = cause {
            let retry_secs = length.as_secs_f32();
            tracing::warn!(notice.id = %id, retry_secs, "a notice was not taken, trying again: {cause}");
        }
        self.pauses.insert(id, Pause { until: Instant::now() + length, length });
    }

    /// Returns when something is to be begun though nothing happens.
    fn due(&self) -> Option<Instant> {
        if self.read_again.is_some() || self.tasks.len() >= MOST_AT_ONCE {
            // Nothing can begin before.
            return self.read_again;
        }
        let waiting = self.pauses.iter().filter(|(id, _)| !self.is_at_work(id));
        waiting.map(|(_, pause)| pause.until).min()
    }

    fn is_at_work(&self, id: &NoticeId) -> bool {
        self.at_work.values().any(|other| other == id)
    }
}

impl Driver {
    /// Publishes what is pending until `shutdown`.
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
                () = self.notice_waits.notified() => {}
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
        // What was never tried goes before what was refused: a topic that hangs holds nobody up for long.
        pending.sort_by_key(|notice| publishing.pauses.get(&notice.id).map(|pause| pause.until));
        for notice in pending {
            let pause = publishing.pauses.get(&notice.id);
            let is_paused = pause.is_some_and(|pause| pause.until > Instant::now());
            if is_paused || publishing.is_at_work(&notice.id) || publishing.tasks.len() >= MOST_AT_ONCE {
                continue;
            }
            let (driver, sns, id) = (Arc::clone(self), sns.clone(), notice.id.clone());
            let task = publishing.tasks.spawn(async move { driver.publish_one(&sns, &notice).await });
            publishing.at_work.insert(task.id(), id);
        }
    }

    /// Publishes and, once taken, forgets. A crash in between publishes again, under the same id.
    async fn publish_one(&self, sns: &impl Topic, notice: &Notice) -> Result<(), Unsent> {
        if !self.store.claim_notice(&notice.id).await.map_err(|error| error.chain())? {
            return Err(Unsent::Claimed);
        }
        let sent = tokio::time::timeout(PUBLISH_WAIT, sns.publish(notice)).await;
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
