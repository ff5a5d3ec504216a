//! Reconciles the machines that runs want with the machines that the host has.
//!
//! Every machine that a run wants, or wanted, is queued here by its id. It is reconciled after a change of its run, when
//! the host may have made progress, and after a failure. A reconciliation reads what the run wants, asks the host for
//! it, and reports the host's answer to the run. A reconciliation decides nothing. So it does no harm if it happens
//! twice, late, or right after a start of the service.

mod queue;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use definition::kind::Kind;
use engine::{AttemptId, Event, resource};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Driver, LivePipeline, StepError, retry_on_race};
use crate::error::ServiceError;
use crate::host::{Host, MachineState, Resource, ResourceId};
use queue::{Next, Queue};
use tasks::Tasks;

/// The limit of reconciliations under way at once, so that a slow host is not asked for hundreds of machines.
const MOST_AT_ONCE: usize = 16;
/// The time within which a host must answer; after it, the host is asked again.
const HOST_TIMEOUT: Duration = Duration::from_secs(60);

/// The machines to reconcile.
#[derive(Default)]
pub(super) struct Machines {
    queue: Queue,
    queued: Notify,
}

/// The state in which a run wants a machine.
enum WantedState {
    /// The machine must exist.
    Present(Box<Resource>),
    /// The machine must end, and the run waits for the report of its end.
    Ended,
    /// The machine must end, and no run waits for it.
    Unwanted,
}

impl Machines {
    fn note(&self, id: ResourceId) {
        self.queue.note(id);
        self.queued.notify_one();
    }

    fn note_first(&self, id: ResourceId) {
        self.queue.note_first(id);
        self.queued.notify_one();
    }
}

impl Driver {
    /// Queues the machine of an attempt.
    pub(super) fn note_machine(&self, live: &LivePipeline, attempt: &AttemptId) {
        let id = ResourceId { pipeline: live.pipeline.id.clone(), attempt: attempt.clone() };
        self.machines.note(id);
    }

    /// Queues every machine of a pipeline that was just loaded or deleted.
    pub(crate) fn note_machines(&self, live: &LivePipeline) {
        for attempt in live.open_runs().flat_map(engine::Run::machines) {
            let id = ResourceId { pipeline: live.pipeline.id.clone(), attempt: attempt.id.clone() };
            match attempt.machine() {
                Some(resource::MachineStatus::Running { .. }) => self.machines.note_first(id),
                _ => self.machines.note(id),
            }
        }
    }

    /// Asks `host` to create, keep and end machines as runs want them, until `shutdown`.
    pub(crate) async fn keep_machines(
        self: Arc<Self>,
        host: Option<Arc<dyn Host>>,
        shutdown: CancellationToken,
    ) {
        let Some(host) = host else {
            return self.clear_machines(shutdown).await;
        };
        let mut tasks = Tasks::default();
        let mut changed = host.changed();
        // The host may have machines from an earlier life of the service or of another server, also for pipelines that were
        // deleted. So its machines are listed at the start and after each change.
        let mut has_listed = false;
        loop {
            if !has_listed {
                has_listed = self.list_machines(&*host).await;
            }
            let now = Instant::now();
            for id in self.machines.queue.take(MOST_AT_ONCE - tasks.len(), now) {
                tasks.begin(Arc::clone(&self), Arc::clone(&host), id);
            }
            let again =
                if has_listed { self.machines.queue.next_retry() } else { Some(now + queue::RETRY_PAUSE) };
            tokio::select! {
                () = shutdown.cancelled() => return,
                (id, next) = tasks.one_ended() => self.machines.queue.done(&id, next, Instant::now()),
                () = self.machines.queued.notified() => {}
                () = &mut changed => {
                    changed = host.changed();
                    has_listed = false;
                    self.machines.queue.note_all();
                }
                () = sleep_until(again) => {}
            }
        }
    }

    /// Keeps the queue empty if this server has no host. The server may still load pipelines whose machines belong to the
    /// host of another server.
    async fn clear_machines(&self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.machines.queued.notified() => self.machines.queue.clear(),
            }
        }
    }

    /// Queues the machines that the host has. Returns whether the host listed them.
    async fn list_machines(&self, host: &dyn Host) -> bool {
        match within_timeout(host.existing()).await {
            Ok(existing) => {
                existing.into_iter().for_each(|id| self.machines.note(id));
                true
            }
            Err(error) => {
                tracing::warn!("the host cannot list its machines, asking again: {error:#}");
                false
            }
        }
    }

    async fn reconcile(&self, host: &dyn Host, id: &ResourceId) -> anyhow::Result<Next> {
        match self.wanted_state(id).await? {
            WantedState::Present(resource) => {
                let attempt = id.attempt.clone();
                let event = match within_timeout(host.create(&resource)).await? {
                    MachineState::Creating(fields) => Event::ResourceReported { attempt, fields },
                    MachineState::Running(fields) => Event::ResourceCreated { attempt, fields },
                    MachineState::Gone(reason) => Event::ResourceGone { attempt, reason },
                };
                retry_on_race!(self.report(id, event.clone()))?;
                Ok(Next::Wait)
            }
            WantedState::Ended => {
                if !within_timeout(host.terminate(id)).await? {
                    return Ok(Next::Wait);
                }
                let (attempt, reason) = (id.attempt.clone(), "it was ended".to_owned());
                let gone = Event::ResourceGone { attempt, reason };
                retry_on_race!(self.report(id, gone.clone()))?;
                Ok(Next::Forget)
            }
            WantedState::Unwanted if within_timeout(host.terminate(id)).await? => Ok(Next::Forget),
            WantedState::Unwanted => Ok(Next::Wait),
        }
    }

    async fn wanted_state(&self, id: &ResourceId) -> anyhow::Result<WantedState> {
        let live = match self.lock_pipeline(id.pipeline.as_str()).await {
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => {
                return Ok(WantedState::Unwanted);
            }
            live => live?,
        };
        // A run that is not in memory has ended, and wants no machine.
        let Some(run) = self.run_of(&live, id.attempt.as_str()).await? else {
            return Ok(WantedState::Unwanted);
        };
        let Some(run) = live.run(&run) else { return Ok(WantedState::Unwanted) };
        let attempt = run.attempt(&id.attempt);
        let Some((attempt, machine)) = attempt.and_then(|it| Some((it, it.machine()?))) else {
            return Ok(WantedState::Unwanted);
        };
        match machine {
            resource::MachineStatus::Creating { .. } | resource::MachineStatus::Running { .. } => {
                let object = run.machine_object(&id.attempt);
                let wanted = object.and_then(|object| {
                    let (worker_group, kind) = (attempt.group.clone(), Kind::of(&object)?);
                    let party = self.machines.queue.party(id, || run.party_of(&attempt.instance))?;
                    Some(Resource {
                        id: id.clone(),
                        kind,
                        worker_group,
                        party,
                        since: attempt.created,
                        object,
                        tags: live.pipeline.tags.clone(),
                        credentials: self.machine_keys.credentials(id),
                    })
                });
                let wanted = wanted.map(|resource| WantedState::Present(Box::new(resource)));
                Ok(wanted.unwrap_or(WantedState::Unwanted))
            }
            resource::MachineStatus::ShuttingDown { .. } => Ok(WantedState::Ended),
            resource::MachineStatus::Finished
            | resource::MachineStatus::Failed(_)
            | resource::MachineStatus::TimedOut
            | resource::MachineStatus::Canceled => Ok(WantedState::Unwanted),
        }
    }

    /// Reports the answer of the host to the run of a machine.
    async fn report(&self, id: &ResourceId, event: Event) -> anyhow::Result<()> {
        let mut live = match self.lock_pipeline(id.pipeline.as_str()).await {
            // The pipeline was deleted meanwhile, and the deletion queued the machine.
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(()),
            live => live?,
        };
        let Some(run) = self.run_of(&live, id.attempt.as_str()).await? else { return Ok(()) };
        match self.step(&mut live, &run, event).await {
            // The run changed meanwhile, and its change queued the machine again.
            Ok(_) | Err(StepError::Illegal(_) | StepError::NoRun(_)) => Ok(()),
            Err(StepError::Store(error)) => Err(error.into()),
        }
    }
}

async fn within_timeout<T>(asked: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let answered = tokio::time::timeout(HOST_TIMEOUT, asked).await;
    answered.map_err(|_| anyhow::anyhow!("the host did not answer within {} s", HOST_TIMEOUT.as_secs()))?
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
