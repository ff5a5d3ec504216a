//! Wakes pipelines when a deadline or the next run of a schedule is due.

use std::sync::Arc;

use engine::{Event, PipelineId, RunId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Driver, LivePipeline, RETRY_WAKE, retry_on_race};
use crate::error::ServiceError;
use crate::span;

impl Driver {
    /// Wakes each pipeline when it is due, until `shutdown`. A test that sets the clock notifies `clock_set`.
    pub(crate) async fn keep_time(&self, clock_set: Arc<Notify>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            for pipeline in self.timers.take(self.now()) {
                self.wake(&pipeline).await;
            }
            tokio::select! {
                biased;
                () = self.timers.wait(self.now()) => {}
                () = clock_set.notified() => self.clock_moved.notify_one(),
                () = shutdown.cancelled() => {}
            }
        }
    }

    pub(super) async fn wake(&self, id: &PipelineId) {
        let span = span::wake(id);
        let wake = async { retry_on_race!(self.try_wake(id)) };
        let woken = wake.instrument(span.clone()).await;
        span::end(&span, if woken.is_ok() { "ok" } else { "failed" }, woken.is_err());
        if let Err(error) = woken {
            tracing::error!(pipeline.id = %id, "waking a run failed, trying again: {error:#}");
            self.wake_after_pause(id);
        }
    }

    async fn try_wake(&self, id: &PipelineId) -> anyhow::Result<()> {
        let mut live = match self.lock_pipeline(id.as_str()).await {
            // A pipeline that was deleted meanwhile needs no wake-up.
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(()),
            live => live?,
        };
        let runs: Vec<RunId> = live.awake_runs().map(|run| run.header().id.clone()).collect();
        for run in runs {
            self.step(&mut live, &run, Event::Woke).await?;
        }
        self.catch_up(&mut live).await?;
        // A timer that has fired is no longer set, so it must be set again even if nothing has changed.
        self.set_timer(&live);
        Ok(())
    }

    /// Sets the timer of the pipeline to its next wake-up.
    pub(crate) fn set_timer(&self, live: &LivePipeline) {
        self.timers.set(&live.pipeline.id, live.next_wake());
    }

    /// Sets the timer of the pipeline to a short pause from now, because its last wake-up failed.
    pub(super) fn wake_after_pause(&self, id: &PipelineId) {
        self.timers.set(id, Some(engine::time::whole_millis(self.now() + RETRY_WAKE)));
    }
}
