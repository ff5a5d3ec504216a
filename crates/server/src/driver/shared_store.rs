//! Other servers on the same store.
//!
//! Whoever saves a change wakes the pipeline the next time; there is no leader. What a server that died has left is
//! overdue soon, and any other takes it up. A poller asks the store what is free when it comes, and again whenever
//! another server has work to spare or a second has passed. Two servers that do the same thing at once find out when
//! they save: one of them loads anew and sees that it is done.

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

use super::{Driver, StepError};
use crate::error::ServiceError;
use crate::worker_groups::Offer;

/// How often the store is asked for what others left.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What is overdue by less is still in the hands of the server that saved it last.
const GRACE: SignedDuration = SignedDuration::from_secs(1);
/// Overdue pipelines that one look takes up.
const MOST_OVERDUE: usize = 1000;
/// A pipeline that was woken in vain, since it waits for room for its next run, is not woken again for so long.
const IN_VAIN: Duration = Duration::from_secs(30);
/// Free attempts that are asked for at once: more than most groups have pollers here.
const MOST_FREE: usize = 64;
/// So often something is done anew that other servers come in the way of. One of them has got on each time.
const MOST_TRIES: u32 = 50;
/// The longest pause before that.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Groups with more work than pollers here, which the other servers have not been told of yet.
#[derive(Default)]
pub(super) struct Spare {
    groups: Mutex<HashSet<WorkerGroup>>,
    there_are: Notify,
}

impl Spare {
    fn push(&self, group: &WorkerGroup) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).insert(group.clone());
        self.there_are.notify_one();
    }

    fn take(&self) -> Vec<WorkerGroup> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let mut groups: Vec<_> = std::mem::take(&mut *groups).into_iter().collect();
        groups.sort_unstable();
        groups
    }
}

/// Whether another server was in the way, so that the same thing may succeed on what is there now.
pub(crate) trait Raced {
    fn is_raced(&self) -> bool;
}

impl Raced for anyhow::Error {
    fn is_raced(&self) -> bool {
        self.chain().any(|cause| match cause.downcast_ref::<StepError>() {
            // It speaks for the error within, which the chain leaves out.
            Some(StepError::Store(error)) => error.is_conflict(),
            _ => cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_conflict),
        })
    }
}

impl Raced for ServiceError {
    fn is_raced(&self) -> bool {
        matches!(self, Self::Internal(error) if error.is_raced())
    }
}

/// Tries at something that other servers may come in the way of.
#[derive(Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Returns, after a pause, whether to try again after this error.
    pub(crate) async fn another(&mut self, error: &impl Raced) -> bool {
        self.0 += 1;
        if self.0 == MOST_TRIES || !error.is_raced() {
            return false;
        }
        // None before the second try, which is the last mostly: what is there was loaded anew.
        tokio::time::sleep((Duration::from_millis(1) * (self.0 - 1)).min(LONGEST_PAUSE)).await;
        true
    }
}

/// Evaluates to what the future gives, made and awaited anew as long as another server comes in its way.
// A function that takes an async closure would do, but its future cannot be spawned (rust-lang/rust#100013).
macro_rules! unraced {
    ($work:expr) => {{
        let mut tries = $crate::driver::Tries::default();
        loop {
            match $work.await {
                Err(error) if tries.another(&error).await => {}
                answer => break answer,
            }
        }
    }};
}
pub(crate) use unraced;

impl Driver {
    /// Puts an attempt on offer: to the pollers here, and to the other servers if those are too few.
    pub(crate) fn offer(&self, group: &WorkerGroup, offer: Offer) {
        if !self.store.is_shared() {
            return self.waiting.offer(group, offer);
        }
        if !self.waiting.offer_to_pollers(group, offer) {
            self.spare.push(group);
        }
    }

    /// Looks in the store for what pollers of `group` may take, if others may have put it there.
    pub(crate) async fn look_for_work(&self, group: &WorkerGroup) -> Result<(), StoreError> {
        if self.store.is_shared() && self.waiting.is_empty(group) {
            for (pipeline, attempt) in self.store.free(group, MOST_FREE).await? {
                self.waiting.offer_to_pollers(group, Offer { pipeline, attempt });
            }
        }
        Ok(())
    }

    /// Shares the store with other servers until `shutdown`.
    pub(crate) async fn keep_company(self: Arc<Self>, shutdown: CancellationToken) {
        if !self.store.is_shared() {
            return shutdown.cancelled().await;
        }
        let mut look = tokio::time::interval(self.look_again);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut in_vain = HashMap::new();
        loop {
            let done = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = self.spare.there_are.notified() => self.store.tell(&self.spare.take()).await,
                group = self.store.hear() => self.look_for_work(&group).await,
                _ = look.tick() => self.look_around(&mut in_vain).await,
            };
            if let Err(error) = done {
                // The next look makes up for it.
                tracing::warn!("other servers' work cannot be seen: {error}");
            }
        }
    }

    /// Takes up what others left.
    async fn look_around(&self, in_vain: &mut HashMap<PipelineId, Instant>) -> Result<(), StoreError> {
        for group in self.waiting.polled() {
            self.look_for_work(&group).await?;
        }
        self.notice_waits.notify_one();
        let before = engine::time::whole_millis(self.now() - GRACE);
        let overdue = self.store.overdue(before, MOST_OVERDUE).await?;
        in_vain.retain(|id, until| *until > Instant::now() && overdue.contains(id));
        for id in overdue {
            if let Entry::Vacant(place) = in_vain.entry(id.clone()) {
                place.insert(Instant::now() + IN_VAIN);
                self.wake(&id).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_is_one_however_the_error_came_here() {
        let raced = || StoreError::Raced(PipelineId::from("df-1"));
        assert!(anyhow::Error::from(raced()).is_raced());
        assert!(anyhow::Error::from(raced()).context("waking").is_raced());
        assert!(anyhow::Error::from(StepError::from(raced())).is_raced());
        assert!(ServiceError::from(raced()).is_raced());
        // Deleted by another server: who loads it anew sees that.
        assert!(ServiceError::from(StoreError::NoPipeline(PipelineId::from("df-1"))).is_raced());
        assert!(!anyhow::Error::from(StepError::from(StoreError::Closed)).is_raced());
        assert!(!ServiceError::from(StoreError::Closed).is_raced());
    }
}
