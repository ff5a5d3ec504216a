//! Wake, step, save, act.
//!
//! The one owner of live pipelines. A pipeline is loaded when it is first asked for and kept, locked while
//! it is worked on; every change goes to the store before anybody hears of it, and only then are its
//! effects carried out. When a save fails, what memory holds is thrown away and read anew.
//!
//! What [`Driver::step`] and its like are called from must not be dropped half way (a client that hangs up
//! drops its request): [`crate::ops`] runs them on tasks of their own.

mod buckets;
mod expiry;
mod idle_run_cache;
mod live_pipeline;
mod machines;
mod notices;
mod precondition_checks;
mod recovery;
mod schedule;
mod shared_store;
mod step_error;
mod tables;
mod timers;
mod topic;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Effect, Event, PipelineId, Run, RunId, RunnerId, Step, TaskId};
use jiff::Timestamp;
use store::{Batch, Store, StoreError};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use crate::error::ServiceError;
use crate::worker_groups::{Offer, Waiting};

pub(crate) use buckets::Buckets;
use live_pipeline::Standing;

pub(crate) use live_pipeline::Live;
pub(crate) use precondition_checks::NO_DYNAMODB;
pub(crate) use schedule::Active;
pub(crate) use shared_store::{Raced, Tries, unraced};
pub(crate) use step_error::StepError;
pub(crate) use tables::Tables;
pub(crate) use topic::Topic;

/// The service's clock; tests wind it.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// So many pipelines may rest in memory before those that do nothing are forgotten.
const MOST_RESTING: usize = 1024;
/// How long a wake-up that could not be saved waits for the next try.
const RETRY_WAKE: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// Owner of the live pipelines.
pub(crate) struct Driver {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) waiting: Waiting,
    now: Now,
    slots: Mutex<HashMap<PipelineId, Slot>>,
    timers: timers::Timers,
    notice_waits: Notify,
    spare: shared_store::Spare,
    /// How often the store is asked for what other servers left.
    pub(crate) look_again: Duration,
    /// The clock was wound, for who looks at it seldom.
    clock_moved: Notify,
    machines: machines::Machines,
    seen: idle_run_cache::Seen,
}

type Slot = Arc<tokio::sync::Mutex<Option<Live>>>;

/// A pipeline that the holder alone may change.
pub(crate) struct Held {
    slot: OwnedMutexGuard<Option<Live>>,
}

impl std::ops::Deref for Held {
    type Target = Live;

    fn deref(&self) -> &Live {
        self.slot.as_ref().expect("a slot is held only when it is filled")
    }
}

impl std::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Live {
        self.slot.as_mut().expect("a slot is held only when it is filled")
    }
}

impl Driver {
    pub(crate) fn new(store: Arc<dyn Store>, now: Now) -> Self {
        Self {
            store,
            waiting: Waiting::default(),
            now,
            slots: Mutex::default(),
            timers: timers::Timers::default(),
            notice_waits: Notify::new(),
            spare: shared_store::Spare::default(),
            look_again: shared_store::LOOK_AGAIN,
            clock_moved: Notify::new(),
            machines: machines::Machines::default(),
            seen: idle_run_cache::Seen::default(),
        }
    }

    /// Returns the service's time in whole milliseconds.
    pub(crate) fn now(&self) -> Timestamp {
        engine::time::whole_millis((self.now)())
    }

    /// Wakes pipelines in time until `shutdown`; `wound` says that the clock was moved.
    pub(crate) async fn keep_time(&self, wound: Arc<Notify>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            for pipeline in self.timers.take(self.now()) {
                self.wake(&pipeline).await;
            }
            tokio::select! {
                biased;
                () = self.timers.wait(self.now()) => {}
                () = wound.notified() => self.clock_moved.notify_one(),
                () = shutdown.cancelled() => {}
            }
        }
    }

    async fn wake(&self, id: &PipelineId) {
        if let Err(error) = unraced!(self.try_wake(id)) {
            tracing::error!(pipeline.id = %id, "waking a run failed, trying again: {error:#}");
            self.timers.set(id, Some(engine::time::whole_millis(self.now() + RETRY_WAKE)));
        }
    }

    async fn try_wake(&self, id: &PipelineId) -> anyhow::Result<()> {
        let mut held = match self.hold(id.as_str()).await {
            // What was deleted meanwhile wants no wake-up.
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(()),
            held => held?,
        };
        let runs: Vec<RunId> = held.awake_runs().map(|run| run.header().id.clone()).collect();
        for run in runs {
            self.step(&mut held, &run, Event::Woke).await?;
        }
        self.catch_up(&mut held).await?;
        // Also when there was nothing to do: the wake-up was taken from the clock.
        self.timers.set(id, held.next_wake());
        Ok(())
    }

    /// Takes hold of the pipeline `id`, loading it if need be.
    pub(crate) async fn hold(&self, id: &str) -> Result<Held, ServiceError> {
        let key = PipelineId::from(id);
        let mut slot = self.slot(&key).lock_owned().await;
        if !self.is_fresh(slot.as_ref()).await? {
            *slot = Live::load(&*self.store, &key).await?;
            match &*slot {
                Some(live) => self.offer_free(live),
                None => {
                    drop(slot);
                    return Err(self.missing(key).await);
                }
            }
        }
        Ok(Held { slot })
    }

    /// Returns whether memory holds what the store does.
    async fn is_fresh(&self, live: Option<&Live>) -> Result<bool, StoreError> {
        match live.filter(|live| !live.is_stale) {
            Some(live) if self.store.is_shared() => {
                Ok(self.store.revision(&live.pipeline.id).await? == Some(live.revision))
            }
            live => Ok(live.is_some()),
        }
    }

    /// Forgets the pipeline that `held` holds, after it was deleted.
    pub(crate) fn forget(&self, mut held: Held) {
        self.timers.set(&held.pipeline.id, None);
        self.forget_seen(&held.pipeline.id);
        *held.slot = None;
    }

    /// Says whether a pipeline was never there or is no longer.
    async fn missing(&self, id: PipelineId) -> ServiceError {
        self.drop_empty_slot(&id);
        match self.store.was_deleted(&id).await {
            Ok(true) => ServiceError::PipelineDeleted(id.to_string()),
            Ok(false) => ServiceError::PipelineNotFound(id.to_string()),
            Err(error) => error.into(),
        }
    }

    /// Ids that name nothing must not fill the map.
    fn drop_empty_slot(&self, id: &PipelineId) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.get(id).is_some_and(|slot| Arc::strong_count(slot) == 1 && rests(slot)) {
            slots.remove(id);
        }
    }

    fn slot(&self, id: &PipelineId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST_RESTING && !slots.contains_key(id) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || !rests(slot));
        }
        Arc::clone(slots.entry(id.clone()).or_default())
    }

    fn offer_free(&self, live: &Live) {
        for run in live.open_runs() {
            for (attempt, group) in run.offers() {
                let offer = Offer { pipeline: live.pipeline.id.clone(), attempt: attempt.clone() };
                self.offer(group, offer);
            }
        }
        self.note_machines(live);
        self.timers.set(&live.pipeline.id, live.next_wake());
    }

    /// Steps a run by one event, saves, and acts.
    pub(crate) async fn step(&self, held: &mut Held, run: &RunId, event: Event) -> Result<Step, StepError> {
        let now = self.now();
        if !held.fetch(&*self.store, run).await? {
            return Err(StepError::NoRun(run.clone()));
        }
        let Some(stepped) = held.run_mut(run) else { return Err(StepError::NoRun(run.clone())) };
        let before = Standing::of(stepped);
        let step = match stepped.step(event, now) {
            Ok(step) => step,
            Err(illegal) => {
                held.forget_ended();
                return Err(illegal.into());
            }
        };
        let has_turned = before != Standing::of(stepped);
        let mut batch = Batch::new().step(stepped, &step);
        if has_turned && held.settle(now) {
            batch = batch.pipeline(&held.pipeline);
        }
        if !step.is_empty() {
            self.save(held, batch).await?;
        }
        held.forget_ended();
        self.act(held, &step.effects);
        if has_turned {
            self.make_room_used(held).await;
        }
        Ok(step)
    }

    /// Where a run ended there is room for the next one. What was saved is not undone when that cannot begin.
    pub(crate) async fn make_room_used(&self, held: &mut Held) {
        match self.catch_up(held).await {
            Ok(()) => self.set_clock(held),
            Err(error) => {
                held.is_stale = true;
                let mut again = self.now();
                if !error.is_raced() {
                    let id = &held.pipeline.id;
                    tracing::error!(pipeline.id = %id, "the next scheduled run cannot begin: {error:#}");
                    again = engine::time::whole_millis(again + RETRY_WAKE);
                }
                self.timers.set(&held.pipeline.id, Some(again));
            }
        }
    }

    /// Returns the run that holds the instance or attempt `object`, by its id.
    pub(crate) async fn run_of(&self, held: &Held, object: &str) -> Result<Option<RunId>, StoreError> {
        let attempt = engine::AttemptId::from(object).parts();
        let instance = attempt.map_or_else(|| engine::InstanceId::from(object), |(instance, _)| instance);
        if let Some(run) = held.run_of(instance.as_str()) {
            return Ok(Some(run.clone()));
        }
        if RunId::of_object(object).is_none() {
            return Ok(None);
        }
        self.store.run_of(&held.pipeline.id, &instance).await
    }

    /// Steps several runs, all or none, as one save with the pipeline and what `batch` holds already. Each takes all that is
    /// asked of it in one event, so that no more than the run's end after that is told of. Costs a copy of each run.
    pub(crate) async fn step_all(
        &self,
        held: &mut Held,
        events: BTreeMap<RunId, Event>,
        batch: Batch,
    ) -> Result<(), StepError> {
        let stepped = self.step_copies(held, events, batch).await;
        if stepped.is_err() {
            held.forget_ended();
        }
        let Stepped { copies, batch, effects } = stepped?;
        copies.into_iter().for_each(|copy| held.keep(copy));
        held.settle(self.now());
        let batch = batch.pipeline(&held.pipeline);
        self.save(held, batch).await?;
        held.forget_ended();
        self.act(held, &effects);
        self.make_room_used(held).await;
        Ok(())
    }

    async fn step_copies(
        &self,
        held: &mut Held,
        events: BTreeMap<RunId, Event>,
        batch: Batch,
    ) -> Result<Stepped, StepError> {
        let now = self.now();
        let mut stepped = Stepped { batch, ..Stepped::default() };
        for (id, event) in events {
            if !held.fetch(&*self.store, &id).await? {
                return Err(StepError::NoRun(id));
            }
            let Some(original) = held.run(&id) else { return Err(StepError::NoRun(id)) };
            let mut copy = original.clone();
            let step = copy.step(event, now)?;
            stepped.batch = stepped.batch.step(&copy, &step);
            stepped.effects.extend(step.effects);
            stepped.copies.push(copy);
        }
        Ok(stepped)
    }

    /// Takes a new run into the pipeline, saving it together with what `batch` holds already.
    pub(crate) async fn begin(
        &self,
        held: &mut Held,
        run: Run,
        step: &Step,
        batch: impl FnOnce(&Live) -> Batch,
    ) -> Result<(), StoreError> {
        let id = run.header().id.clone();
        held.keep(run);
        held.settle(self.now());
        // It was kept just now; a copy of a large run would cost as much as all the rest.
        let batch = held.run(&id).into_iter().fold(batch(held), |batch, run| batch.new_run(run, step));
        self.save(held, batch).await?;
        held.forget_ended();
        self.act(held, &step.effects);
        Ok(())
    }

    /// Saves a change of a pipeline. When that fails, memory is read anew from the store at the next use.
    pub(crate) async fn save(&self, held: &mut Held, batch: Batch) -> Result<(), StoreError> {
        let saved = self.store.save(batch.since(&held.pipeline.id, held.revision)).await;
        match &saved {
            Ok(()) => held.revision += 1,
            Err(error) => {
                held.is_stale = true;
                if !error.is_conflict() {
                    let id = &held.pipeline.id;
                    tracing::error!(pipeline.id = %id, "a change could not be saved: {}", error.chain());
                    // It may have been saved all the same (a connection that broke): what it owes is looked for.
                    self.notice_waits.notify_one();
                    self.timers.set(id, Some(engine::time::whole_millis(self.now() + RETRY_WAKE)));
                }
            }
        }
        saved
    }

    /// Sets the pipeline's wake-up.
    pub(crate) fn set_clock(&self, held: &Held) {
        self.timers.set(&held.pipeline.id, held.next_wake());
    }

    fn act(&self, held: &Held, effects: &[Effect]) {
        let pipeline = &held.pipeline.id;
        for effect in effects {
            match effect {
                Effect::Offer { attempt, group } => {
                    let offer = Offer { pipeline: pipeline.clone(), attempt: attempt.clone() };
                    self.offer(group, offer);
                }
                Effect::Resource { attempt } => self.note_machine(held, attempt),
                // Saved with the step; the publisher reads it from the store.
                Effect::Publish(_) => self.notice_waits.notify_one(),
                Effect::Ended(outcome) => {
                    tracing::info!(pipeline.id = %pipeline, run.outcome = %outcome.word(), "a run ended");
                }
            }
        }
        self.set_clock(held);
    }

    /// Hands the attempt of `offer` to `runner`; `None` if it is not to be had any more.
    pub(crate) async fn claim(
        &self,
        offer: &Offer,
        runner: RunnerId,
    ) -> Result<Option<Claimed>, ServiceError> {
        unraced!(self.try_claim(offer, runner.clone()))
    }

    async fn try_claim(&self, offer: &Offer, runner: RunnerId) -> Result<Option<Claimed>, ServiceError> {
        let mut held = match self.hold(offer.pipeline.as_str()).await {
            Ok(held) => held,
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(run) = self.run_of(&held, offer.attempt.as_str()).await? else { return Ok(None) };
        let event = Event::Claimed { attempt: offer.attempt.clone(), runner };
        match self.step(&mut held, &run, event).await {
            Ok(_) => {}
            // Canceled, or handed out already.
            Err(StepError::Illegal(_) | StepError::NoRun(_)) => return Ok(None),
            Err(StepError::Store(error)) => return Err(error.into()),
        }
        let claimed = held.run(&run).and_then(|run| {
            let lease = run.attempt(&offer.attempt)?.leases;
            let task = TaskId { pipeline: offer.pipeline.clone(), attempt: offer.attempt.clone(), lease };
            Some(Claimed { task, objects: run.task_objects(&offer.attempt) })
        });
        Ok(claimed)
    }

    /// Frees an attempt whose poller hung up before it could be told.
    pub(crate) async fn release(&self, task: &TaskId) {
        // If this is lost too, the acknowledgement window frees the attempt.
        if let Err(error) = unraced!(self.try_release(task)) {
            tracing::warn!(pipeline.id = %task.pipeline, "an unheard task is freed by its time limit: {error:#}");
        }
    }

    async fn try_release(&self, task: &TaskId) -> anyhow::Result<()> {
        let mut held = self.hold(task.pipeline.as_str()).await?;
        let Some(run) = self.run_of(&held, task.attempt.as_str()).await? else { return Ok(()) };
        let current = held.run(&run).and_then(|run| run.attempt(&task.attempt)).map(|attempt| attempt.leases);
        if current == Some(task.lease) {
            self.step(&mut held, &run, Event::Released { attempt: task.attempt.clone() }).await?;
        }
        Ok(())
    }
}

/// Runs as events made them, not saved yet.
#[derive(Default)]
struct Stepped {
    copies: Vec<Run>,
    batch: Batch,
    effects: Vec<Effect>,
}

/// An attempt in a runner's hands.
pub(crate) struct Claimed {
    pub(crate) task: TaskId,
    pub(crate) objects: std::collections::BTreeMap<definition::ObjectId, definition::PipelineObject>,
}

/// Returns whether nothing in the pipeline of this slot needs it in memory.
fn rests(slot: &Slot) -> bool {
    slot.try_lock().is_ok_and(|live| live.as_ref().is_none_or(|live| live.open_runs().next().is_none()))
}
