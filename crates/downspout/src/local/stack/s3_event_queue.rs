//! The event queue of the local S3 as the queue of the Lambda runner.

use anyhow::Context;
use tokio::sync::watch;

use crate::local::lambda::{EventQueue, QueuedEvent};
use crate::local::s3::S3Store;

/// The queue of the events in a store.
pub(super) struct S3EventQueue(pub(super) S3Store);

impl EventQueue for S3EventQueue {
    async fn waiting(&self, limit: usize) -> anyhow::Result<Vec<QueuedEvent>> {
        let events = self.0.pending_events(limit).await?;
        events
            .into_iter()
            .map(|event| {
                let json = serde_json::from_str(&event.json)
                    .with_context(|| format!("reading event {}", event.id))?;
                Ok(QueuedEvent { id: event.id, failed_tries: event.attempts, event: json })
            })
            .collect()
    }

    async fn handled(&self, id: i64) -> anyhow::Result<()> {
        Ok(self.0.event_delivered(id).await?)
    }

    async fn failed(&self, id: i64, error: &str, dead: bool) -> anyhow::Result<()> {
        self.0.event_failed(id, error).await?;
        if dead {
            self.0.move_to_dead_letters(id).await?;
        }
        Ok(())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.watch_events()
    }
}
