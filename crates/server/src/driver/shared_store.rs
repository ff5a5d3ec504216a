//! The part of the driver that shares a store with other servers.
//!
//! There is no leader. The server that saves a change of a pipeline also wakes it the next time. If that server dies,
//! the pipeline is soon overdue, and any other server takes it over. A server reads from the store which attempts are
//! free when a poller arrives, again when another server says that it has work to spare, and again every second. Two
//! servers may begin the same action at once: the second of them cannot save, loads the pipeline again, and sees that
//! the action is done.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{PipelineId, WorkerGroup};
use jiff::SignedDuration;
use store::StoreError;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Driver;
use crate::worker_groups::Offer;

/// How often the store is read for work and pipelines that other servers left.
pub(super) const POLL_STORE_EVERY: Duration = Duration::from_secs(1);
/// Grace period: within it, the server that saved the pipeline last is expected to wake it.
const GRACE: SignedDuration = SignedDuration::from_secs(1);
/// The limit of overdue pipelines that are read at once.
const MOST_OVERDUE: usize = 1000;
/// The pause before an overdue pipeline is woken again. A pipeline stays overdue while its next run has to wait until
/// another run has ended.
const WAKE_AGAIN: Duration = Duration::from_secs(30);
/// The limit of free attempts that are read at once. Most groups have fewer pollers than this at one server.
const MOST_FREE: usize = 64;

/// The worker groups that have more free attempts than pollers at this server, and that were not announced to the other
/// servers yet.
#[derive(Default)]
pub(super) struct SpareWork {
    groups: Mutex<HashSet<WorkerGroup>>,
    added: Notify,
}

impl SpareWork {
    fn push(&self, group: &WorkerGroup) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).insert(group.clone());
        self.added.notify_one();
    }

    fn take(&self) -> Vec<WorkerGroup> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let mut groups: Vec<_> = std::mem::take(&mut *groups).into_iter().collect();
        groups.sort_unstable();
        groups
    }
}

impl Driver {
    /// Offers an attempt to the pollers at this server, or to the other servers if this one has too few.
    pub(crate) fn offer(&self, group: &WorkerGroup, offer: Offer) {
        if !self.store.is_shared() {
            return self.worker_groups.offer(group, offer);
        }
        if !self.worker_groups.offer_to_pollers(group, offer) {
            self.spare_work.push(group);
        }
    }

    /// Reads from a shared store the free attempts that pollers of `group` may take, if this server has no offers for them.
    pub(crate) async fn read_free_work(&self, group: &WorkerGroup) -> Result<(), StoreError> {
        if self.store.is_shared() && self.worker_groups.is_empty(group) {
            for (pipeline, attempt) in self.store.free(group, MOST_FREE).await? {
                self.worker_groups.offer_to_pollers(group, Offer { pipeline, attempt });
            }
        }
        Ok(())
    }

    /// Exchanges work with the other servers on the store until `shutdown`.
    pub(crate) async fn share_store(self: Arc<Self>, shutdown: CancellationToken) {
        if !self.store.is_shared() {
            return shutdown.cancelled().await;
        }
        let mut ticks = tokio::time::interval(self.poll_store_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut woken = HashMap::new();
        loop {
            let done = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.spare_work.added.notified() => self.store.announce(&self.spare_work.take()).await,
                group = self.store.hear() => self.read_free_work(&group).await,
                _ = ticks.tick() => self.take_over(&mut woken).await,
            };
            if let Err(error) = done {
                // Nothing is lost: at its next tick, each server reads the free work from the store.
                tracing::warn!("work cannot be exchanged with the other servers, trying again: {error}");
            }
        }
    }

    /// Takes over the work, notices and pipelines that other servers left. `woken` holds the overdue pipelines that this
    /// server has woken, each with the time before which it is not woken again.
    async fn take_over(&self, woken: &mut HashMap<PipelineId, Instant>) -> Result<(), StoreError> {
        for group in self.worker_groups.polled() {
            self.read_free_work(&group).await?;
        }
        self.notices_pending.notify_one();
        let before = engine::time::whole_millis(self.now() - GRACE);
        let overdue = self.store.overdue(before, MOST_OVERDUE).await?;
        woken.retain(|id, until| *until > Instant::now() && overdue.contains(id));
        for id in overdue {
            if let Entry::Vacant(entry) = woken.entry(id.clone()) {
                entry.insert(Instant::now() + WAKE_AGAIN);
                self.wake(&id).await;
            }
        }
        Ok(())
    }
}
