//! Claims: hands a free attempt to one runner, or takes it back.

use std::collections::BTreeMap;

use definition::{ObjectId, PipelineObject};
use engine::{Event, RunnerId, TaskId};
use tracing::Instrument as _;

use super::{Driver, StepError, retry_on_race};
use crate::error::ServiceError;
use crate::span;
use crate::worker_groups::Offer;

/// An attempt that was handed to a runner.
pub(crate) struct Claimed {
    pub(crate) task: TaskId,
    pub(crate) objects: BTreeMap<ObjectId, PipelineObject>,
}

impl Driver {
    /// Hands the attempt of `offer` to `runner`. Returns `None` if the attempt is not free any more.
    pub(crate) async fn claim(
        &self,
        offer: &Offer,
        runner: RunnerId,
    ) -> Result<Option<Claimed>, ServiceError> {
        let span = span::claim(offer);
        let claim = async { retry_on_race!(self.try_claim(offer, runner.clone())) };
        let claimed = claim.instrument(span.clone()).await;
        let result = match &claimed {
            Ok(Some(_)) => "ok",
            Ok(None) => "not free",
            Err(_) => "failed",
        };
        span::end(&span, result, claimed.is_err());
        claimed
    }

    async fn try_claim(&self, offer: &Offer, runner: RunnerId) -> Result<Option<Claimed>, ServiceError> {
        let mut live = match self.lock_pipeline(offer.pipeline.as_str()).await {
            Ok(live) => live,
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(run) = self.run_of(&live, offer.attempt.as_str()).await? else { return Ok(None) };
        let event = Event::Claimed { attempt: offer.attempt.clone(), runner };
        match self.step(&mut live, &run, event).await {
            Ok(_) => {}
            // The attempt was canceled, or another runner has it.
            Err(StepError::Illegal(_) | StepError::NoRun(_)) => return Ok(None),
            Err(StepError::Store(error)) => return Err(error.into()),
        }
        let claimed = live.run(&run).and_then(|run| {
            let handout = run.attempt(&offer.attempt)?.handouts;
            let task = TaskId { pipeline: offer.pipeline.clone(), attempt: offer.attempt.clone(), handout };
            Some(Claimed { task, objects: run.task_objects(&offer.attempt) })
        });
        Ok(claimed)
    }

    /// Frees an attempt whose poller hung up before it received `task`. Does nothing if the attempt was handed out again.
    pub(crate) async fn take_back(&self, task: &TaskId) {
        // If the attempt cannot be freed now, it becomes free when its time to acknowledge is over.
        if let Err(error) = retry_on_race!(self.try_take_back(task)) {
            tracing::warn!(
                pipeline.id = %task.pipeline,
                "a task whose poller hung up stays handed out until its time to acknowledge is over: {error:#}"
            );
        }
    }

    async fn try_take_back(&self, task: &TaskId) -> anyhow::Result<()> {
        let mut live = self.lock_pipeline(task.pipeline.as_str()).await?;
        let Some(run) = self.run_of(&live, task.attempt.as_str()).await? else { return Ok(()) };
        let current =
            live.run(&run).and_then(|run| run.attempt(&task.attempt)).map(|attempt| attempt.handouts);
        if current == Some(task.handout) {
            self.step(&mut live, &run, Event::Released { attempt: task.attempt.clone() }).await?;
        }
        Ok(())
    }
}
