//! The start of a server: what was unfinished when the last one ended goes on.

use std::sync::Arc;

use anyhow::Context as _;
use engine::{Attempt, Event, PipelineId, Run, RunId, RunnerId, WorkerGroup};
use tokio::task::JoinSet;

use super::{Driver, Live, RETRY_WAKE, unraced};
use crate::error::ServiceError;

/// Pipelines that are recovered at once: while one is fetched, others are read.
const RECOVERED_AT_ONCE: usize = 8;

impl Driver {
    /// Brings every unfinished run on: puts its free work on offer, and steps it with what time has done.
    ///
    /// What runners with a name beginning with `own_runners` held is free again at once: they ended with us.
    pub(crate) async fn recover(self: &Arc<Self>, own_runners: Option<&str>) -> anyhow::Result<()> {
        let scheduled = self.recover_schedules(&*self.store).await?;
        let own_runners: Option<Arc<str>> = own_runners.map(Arc::from);
        let mut pipelines: Vec<PipelineId> =
            self.store.open_runs().await?.into_iter().map(|(id, _)| id).collect();
        pipelines.sort_unstable();
        pipelines.dedup();
        let (count, mut left, mut under_way) = (pipelines.len(), pipelines.into_iter(), JoinSet::new());
        loop {
            for id in left.by_ref().take(RECOVERED_AT_ONCE - under_way.len()) {
                under_way.spawn(Arc::clone(self).recover_pipeline(id, own_runners.clone()));
            }
            let Some(recovered) = under_way.join_next().await else { break };
            recovered.context("recovering a pipeline broke down")?;
        }
        self.notice_waits.notify_one();
        tracing::info!(pipelines = count, scheduled, "recovered unfinished runs");
        Ok(())
    }

    async fn recover_pipeline(self: Arc<Self>, id: PipelineId, own_runners: Option<Arc<str>>) {
        // One run that does not read must not keep the others from going on.
        if let Err(error) = unraced!(self.recover_one(&id, own_runners.as_deref())) {
            tracing::error!(pipeline.id = %id, "an unfinished run cannot be taken up, trying again: {error:#}");
            self.timers.set(&id, Some(engine::time::whole_millis(self.now() + RETRY_WAKE)));
        }
    }

    async fn recover_one(&self, id: &PipelineId, own_runners: Option<&str>) -> anyhow::Result<()> {
        // Loading puts free work on offer.
        let mut held = match self.hold(id.as_str()).await {
            // Another server deleted it meanwhile.
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(()),
            held => held?,
        };
        // What the service itself holds may be another server's.
        let released = held_by_us(&held, own_runners, !self.store.is_shared());
        for (run, event) in released {
            self.step(&mut held, &run, event).await?;
        }
        drop(held);
        self.wake(id).await;
        Ok(())
    }
}

/// Returns the events that free what the service itself and runners with such names hold.
fn held_by_us(live: &Live, prefix: Option<&str>, is_alone: bool) -> Vec<(RunId, Event)> {
    let is_ours = |attempt: &Attempt, runner: &RunnerId| {
        let is_own = prefix.is_some_and(|prefix| runner.as_str().starts_with(prefix));
        is_own || is_alone && attempt.group == WorkerGroup::service()
    };
    let of_run = |run: &Run| {
        let id = run.header().id.clone();
        let own = run.handed_out().filter(|(attempt, runner)| is_ours(attempt, runner));
        own.map(|(attempt, _)| (id.clone(), Event::Released { attempt: attempt.id.clone() }))
            .collect::<Vec<_>>()
    };
    live.open_runs().flat_map(of_run).collect()
}
