//! Old runs: kept for a set time after they ended, then forgotten bit by bit.
//!
//! Slow on purpose: nothing waits for it, and whoever saves a run must not wait for it either. Several servers may do it
//! on one store. What one had begun when it ended is gone on with by the next to look.

use std::sync::Arc;
use std::time::Duration;

use definition::period::Period;
use jiff::SignedDuration;
use store::StoreError;
use tokio_util::sync::CancellationToken;

use super::Driver;

/// From one look to the next, by the service's clock.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(10);
/// The clock is looked at this often, unless somebody winds it.
const READ_CLOCK: Duration = Duration::from_secs(60);
/// Between two steps others have their turn.
const PAUSE: Duration = Duration::from_millis(20);

impl Driver {
    /// Lets runs expire that ended longer than `keep` ago, until `shutdown`.
    pub(crate) async fn let_runs_expire(self: Arc<Self>, keep: Period, shutdown: CancellationToken) {
        let work = async {
            loop {
                let next = self.now() + LOOK_EVERY;
                // What could not be done is done at the next look.
                if let Err(error) = self.expire_old(keep).await {
                    tracing::warn!("old runs cannot be forgotten now: {:#}", anyhow::Error::new(error));
                }
                while self.now() < next {
                    tokio::select! {
                        biased;
                        () = self.clock_moved.notified() => {}
                        () = tokio::time::sleep(READ_CLOCK) => {}
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

    async fn expire_old(&self, keep: Period) -> Result<(), StoreError> {
        self.clear_expired().await?;
        // Before time began: for ever.
        let Some(ended_before) = keep.nth_after(self.now(), -1) else { return Ok(()) };
        let mut from = None;
        loop {
            let expired = self.store.expire_runs(ended_before, from).await?;
            if !expired.runs.is_empty() {
                tracing::info!(
                    runs = expired.runs.len(),
                    "runs that ended longer than {keep} ago are forgotten"
                );
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
