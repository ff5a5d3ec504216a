//! One change of a pipeline: step its runs, save them with the pipeline, and carry out the effects.

use std::collections::BTreeMap;
use std::time::Instant;

use engine::{Effect, Event, Run, RunId, Step};
use store::{Batch, StoreError};
use tracing::{Instrument as _, Span};

use super::live_pipeline::RunState;
use super::race_retry::RaceError;
use super::{Driver, LivePipeline, PipelineGuard, StepError};
use crate::span;
use crate::worker_groups::Offer;

/// Copies of runs after their events, with the changes to save and the effects to carry out.
#[derive(Default)]
struct Stepped {
    copies: Vec<Run>,
    batch: Batch,
    effects: Vec<Effect>,
}

impl Driver {
    /// Steps a run by one event, saves the run, and carries out the effects.
    ///
    /// # Errors
    ///
    /// If the pipeline has no such run, the run refuses the event, or the store fails. No effect is then carried out.
    pub(crate) async fn step(
        &self,
        live: &mut PipelineGuard,
        run: &RunId,
        event: Event,
    ) -> Result<Step, StepError> {
        let span = span::step(&live.pipeline.id, Some(run));
        let step = self.step_one(live, run, event).instrument(span.clone()).await;
        end_step(&span, step.as_ref().err());
        step
    }

    async fn step_one(&self, live: &mut PipelineGuard, run: &RunId, event: Event) -> Result<Step, StepError> {
        let now = self.now();
        if !live.fetch(&*self.store, run).await? {
            return Err(StepError::NoRun(run.clone()));
        }
        let Some(stepped) = live.run_mut(run) else { return Err(StepError::NoRun(run.clone())) };
        let before = RunState::of(stepped);
        let step = match stepped.step(event, now) {
            Ok(step) => step,
            Err(illegal) => {
                live.drop_idle_runs();
                return Err(illegal.into());
            }
        };
        let has_changed_state = before != RunState::of(stepped);
        let mut batch = Batch::new().step(stepped, &step);
        if has_changed_state && live.derive_state(now) {
            batch = batch.pipeline(&live.pipeline);
        }
        if !step.is_empty() {
            self.save(live, batch).await?;
        }
        live.drop_idle_runs();
        self.act(live, &step.effects);
        if has_changed_state {
            self.begin_next_runs(live).await;
        }
        Ok(step)
    }

    /// Begins the scheduled runs for which a change made room.
    ///
    /// The change itself is saved already, and a failure here does not undo it. The runs then begin later.
    pub(crate) async fn begin_next_runs(&self, live: &mut PipelineGuard) {
        match self.catch_up(live).await {
            Ok(()) => self.set_timer(live),
            Err(error) => {
                live.must_reload = true;
                let id = &live.pipeline.id;
                if error.is_race() {
                    self.timers.set(id, Some(self.now()));
                } else {
                    tracing::error!(pipeline.id = %id, "the next scheduled run cannot begin, trying again: {error:#}");
                    self.wake_after_pause(id);
                }
            }
        }
    }

    /// Returns the run of the instance or attempt whose id is `object`, or `None` if there is no such run.
    pub(crate) async fn run_of(
        &self,
        live: &PipelineGuard,
        object: &str,
    ) -> Result<Option<RunId>, StoreError> {
        let attempt = engine::AttemptId::from(object).parts();
        let instance = attempt.map_or_else(|| engine::InstanceId::from(object), |(instance, _)| instance);
        if let Some(run) = live.run_of(instance.as_str()) {
            return Ok(Some(run.clone()));
        }
        if RunId::of_object(object).is_none() {
            return Ok(None);
        }
        self.store.run_of(&live.pipeline.id, &instance).await
    }

    /// Steps several runs and saves them together with the pipeline and with `batch`: all of them, or none.
    ///
    /// Each run gets the whole command as one event, so that an alarm for the end of the run fires only if the run ends
    /// after the whole command. The events happen to copies of the runs, so that no run changes if one of them refuses.
    pub(crate) async fn step_all(
        &self,
        live: &mut PipelineGuard,
        events: BTreeMap<RunId, Event>,
        batch: Batch,
    ) -> Result<(), StepError> {
        let span = span::step(&live.pipeline.id, None);
        let stepped = self.step_together(live, events, batch).instrument(span.clone()).await;
        end_step(&span, stepped.as_ref().err());
        stepped
    }

    async fn step_together(
        &self,
        live: &mut PipelineGuard,
        events: BTreeMap<RunId, Event>,
        batch: Batch,
    ) -> Result<(), StepError> {
        let stepped = self.step_copies(live, events, batch).await;
        if stepped.is_err() {
            live.drop_idle_runs();
        }
        let Stepped { copies, batch, effects } = stepped?;
        copies.into_iter().for_each(|copy| live.keep(copy));
        live.derive_state(self.now());
        let batch = batch.pipeline(&live.pipeline);
        self.save(live, batch).await?;
        live.drop_idle_runs();
        self.act(live, &effects);
        self.begin_next_runs(live).await;
        Ok(())
    }

    async fn step_copies(
        &self,
        live: &mut PipelineGuard,
        events: BTreeMap<RunId, Event>,
        batch: Batch,
    ) -> Result<Stepped, StepError> {
        let now = self.now();
        let mut stepped = Stepped { batch, ..Stepped::default() };
        for (id, event) in events {
            if !live.fetch(&*self.store, &id).await? {
                return Err(StepError::NoRun(id));
            }
            let Some(original) = live.run(&id) else { return Err(StepError::NoRun(id)) };
            let mut copy = original.clone();
            let step = copy.step(event, now)?;
            stepped.batch = stepped.batch.step(&copy, &step);
            stepped.effects.extend(step.effects);
            stepped.copies.push(copy);
        }
        Ok(stepped)
    }

    /// Adds a new run to the pipeline, saves the run together with the changes that `batch` returns, and carries out
    /// the effects of `step`.
    pub(crate) async fn begin(
        &self,
        live: &mut PipelineGuard,
        run: Run,
        step: &Step,
        batch: impl FnOnce(&LivePipeline) -> Batch,
    ) -> Result<(), StoreError> {
        let id = run.header().id.clone();
        live.keep(run);
        live.derive_state(self.now());
        // The run is read back from `live`: a copy of a large run would cost as much as everything else here.
        let batch = live.run(&id).into_iter().fold(batch(live), |batch, run| batch.new_run(run, step));
        let span = span::begin(&live.pipeline.id, &id);
        self.save(live, batch).instrument(span).await?;
        live.drop_idle_runs();
        self.act(live, &step.effects);
        Ok(())
    }

    /// Saves a change of a pipeline. When the save fails, the next use reads the pipeline again from the store.
    pub(crate) async fn save(&self, live: &mut PipelineGuard, batch: Batch) -> Result<(), StoreError> {
        let ended: Vec<_> = batch.ended_attempts().collect();
        let (begun, span) = (Instant::now(), span::save(&live.pipeline.id));
        let batch = batch.since(&live.pipeline.id, live.revision);
        let saved = self.store.save(batch).instrument(span.clone()).await;
        let result = match &saved {
            Ok(()) => "ok",
            Err(error) if error.is_conflict() => "conflict",
            Err(_) => "failed",
        };
        self.metrics.count_save(result, begun.elapsed());
        span::end(&span, result, result == "failed");
        match &saved {
            Ok(()) => {
                live.revision += 1;
                ended.into_iter().for_each(|status| self.metrics.count_attempt(status.as_str()));
            }
            Err(error) => {
                live.must_reload = true;
                if !error.is_conflict() {
                    let id = &live.pipeline.id;
                    tracing::error!(pipeline.id = %id, "a change could not be saved: {}", error.chain());
                    // The change may have been saved all the same (the connection broke before the answer), so its
                    // notices and its next wake-up are read from the store.
                    self.notices_pending.notify_one();
                    self.wake_after_pause(id);
                }
            }
        }
        saved
    }

    fn act(&self, live: &PipelineGuard, effects: &[Effect]) {
        let pipeline = &live.pipeline.id;
        for effect in effects {
            match effect {
                Effect::Offer { attempt, group } => {
                    let offer = Offer { pipeline: pipeline.clone(), attempt: attempt.clone() };
                    self.offer(group, offer);
                }
                Effect::Resource { attempt } => self.note_machine(live, attempt),
                // The notice was saved with the step; the publisher reads it from the store.
                Effect::Publish(_) => self.notices_pending.notify_one(),
                Effect::Ended(outcome) => {
                    tracing::info!(pipeline.id = %pipeline, run.outcome = %outcome.wire_status(), "a run ended");
                    self.metrics.count_run(outcome.wire_status().as_str());
                    self.report_end(&live.pipeline.name);
                }
            }
        }
        self.set_timer(live);
    }
}

/// Notes how a step ended. Runs often refuse events, such as late reports, so a refusal is no error of the service.
fn end_step(span: &Span, error: Option<&StepError>) {
    match error {
        None => span::end(span, "ok", false),
        Some(StepError::Illegal(_) | StepError::NoRun(_)) => span::end(span, "refused", false),
        Some(StepError::Store(error)) if error.is_conflict() => span::end(span, "conflict", false),
        Some(StepError::Store(_)) => span::end(span, "failed", true),
    }
}
