//! Removes runs that ended long ago.
//!
//! The removal is slow on purpose: nothing waits for it, and saves of other runs must not wait for it. Several servers
//! may remove runs from one store. If a server ends in the middle of a removal, the next check of any server completes
//! it.

use std::sync::Arc;
use std::time::Duration;

use definition::period::Period;
use jiff::SignedDuration;
use store::StoreError;
use tokio_util::sync::CancellationToken;

use super::Driver;

/// The time between two checks for expired runs, by the service's clock.
const CHECK_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// How often the clock is read, unless a test sets it.
const READ_CLOCK_EVERY: Duration = Duration::from_secs(60);
/// The pause between two steps of the removal, in which others use the store.
const PAUSE: Duration = Duration::from_millis(20);

impl Driver {
    /// Removes the runs that ended longer than `keep` ago, again and again until `shutdown`.
    pub(crate) async fn let_runs_expire(self: Arc<Self>, keep: Period, shutdown: CancellationToken) {
        let work = async {
            loop {
                let next = self.now() + CHECK_EVERY;
                // The next check tries the failed removal again.
                if let Err(error) = self.remove_expired(keep).await {
                    tracing::warn!("expired runs cannot be removed now: {:#}", anyhow::Error::new(error));
                }
                while self.now() < next {
                    tokio::select! {
                        biased;
                        () = self.clock_moved.notified() => {}
                        () = tokio::time::sleep(READ_CLOCK_EVERY) => {}
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    async fn remove_expired(&self, keep: Period) -> Result<(), StoreError> {
        self.clear_expired().await?;
        // If the period reaches back before the earliest time that a timestamp can hold, runs are kept for ever.
        let Some(ended_before) = keep.nth_after(self.now(), -1) else { return Ok(()) };
        let mut from = None;
        loop {
            let expired = self.store.expire_runs(ended_before, from).await?;
            if !expired.runs.is_empty() {
                tracing::info!(runs = expired.runs.len(), "removed runs that ended longer than {keep} ago");
                self.clear_expired().await?;
            }
            from = expired.next;
            if from.is_none() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn clear_expired(&self) -> Result<(), StoreError> {
        while self.store.clear_expired().await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
