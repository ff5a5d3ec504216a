//! Recovery at the start of a server: continues the runs that were open when the previous server ended.

use std::sync::Arc;

use anyhow::Context as _;
use engine::{Attempt, Event, PipelineId, Run, RunId, RunnerId, WorkerGroup};
use tokio::task::JoinSet;

use super::{Driver, LivePipeline, retry_on_race};
use crate::error::ServiceError;

/// The limit of pipelines that are recovered at once: while one is read from the store, others are stepped.
const RECOVERED_AT_ONCE: usize = 8;

impl Driver {
    /// Recovers every pipeline with an open run: offers its free work, and steps its runs to the present time.
    ///
    /// Frees at once the attempts of runners whose names begin with `own_runners`: these runners ended together with the
    /// previous server.
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
            recovered.context("a task that recovers a pipeline panicked")?;
        }
        self.notices_pending.notify_one();
        tracing::info!(pipelines = count, scheduled, "recovered unfinished runs");
        Ok(())
    }

    async fn recover_pipeline(self: Arc<Self>, id: PipelineId, own_runners: Option<Arc<str>>) {
        // A run that cannot be read must not stop the others.
        if let Err(error) = retry_on_race!(self.try_recover(&id, own_runners.as_deref())) {
            tracing::error!(pipeline.id = %id, "an unfinished run cannot be taken up, trying again: {error:#}");
            self.wake_after_pause(&id);
        }
    }

    async fn try_recover(&self, id: &PipelineId, own_runners: Option<&str>) -> anyhow::Result<()> {
        // Loading a pipeline also offers its free work.
        let mut live = match self.lock_pipeline(id.as_str()).await {
            // Another server deleted the pipeline meanwhile.
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(()),
            live => live?,
        };
        // On a shared store, another server may be at work on a precondition check.
        let released = events_to_free(&live, own_runners, !self.store.is_shared());
        for (run, event) in released {
            self.step(&mut live, &run, event).await?;
        }
        drop(live);
        self.wake(id).await;
        Ok(())
    }
}

/// Returns the events that free the attempts of runners that ended together with the previous server. These are the
/// runners whose names begin with `own_runners`, and the service itself unless other servers share the store.
fn events_to_free(live: &LivePipeline, own_runners: Option<&str>, is_alone: bool) -> Vec<(RunId, Event)> {
    let has_ended = |attempt: &Attempt, runner: &RunnerId| {
        let is_own = own_runners.is_some_and(|prefix| runner.as_str().starts_with(prefix));
        is_own || is_alone && attempt.group == WorkerGroup::service()
    };
    let of_run = |run: &Run| {
        let id = run.header().id.clone();
        let own = run.handed_out().filter(|(attempt, runner)| has_ended(attempt, runner));
        own.map(|(attempt, _)| (id.clone(), Event::Released { attempt: attempt.id.clone() }))
            .collect::<Vec<_>>()
    };
    live.open_runs().flat_map(of_run).collect()
}
