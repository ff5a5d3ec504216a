//! The driver of pipelines: wake, step, save, act.
//!
//! The driver owns the pipelines in memory. It loads a pipeline when an operation first asks for it, keeps it, and
//! locks it while an operation works on it. The driver saves every change before it answers the caller and carries
//! out the effects of the change. When a save fails, the driver throws away its copy of the pipeline and reads it again.
//!
//! A future that calls [`Driver::step`] or a similar method must not be dropped before its end. A client that hangs up
//! drops its request, so [`crate::ops`] runs each request in a task of its own.

mod active_definition;
mod buckets;
mod claim;
mod expiry;
mod idle_run_cache;
mod live_pipeline;
mod machines;
mod notices;
mod pipeline_lock;
mod precondition_checks;
mod race_retry;
mod recovery;
mod schedule;
mod shared_store;
mod step;
mod step_error;
mod tables;
mod timers;
mod topic;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use store::Store;
use tokio::sync::Notify;

use crate::machine_keys::MachineKeys;
use crate::metrics::Metrics;
use crate::worker_groups::WorkerGroups;

pub(crate) use active_definition::ActiveDefinition;
pub(crate) use buckets::Buckets;
pub(crate) use claim::Claimed;
pub(crate) use live_pipeline::LivePipeline;
pub(crate) use pipeline_lock::PipelineGuard;
pub(crate) use precondition_checks::NO_DYNAMODB;
pub(crate) use race_retry::{Tries, retry_on_race};
pub(crate) use step_error::StepError;
pub(crate) use tables::Tables;
pub(crate) use topic::Topic;

/// The service's clock. Tests replace it by a clock that they set.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A function that is called with the name of each pipeline whose run has ended, or that was deleted or deactivated.
///
/// The call must return at once, because the driver holds the lock of the pipeline meanwhile.
pub type RunEnded = Arc<dyn Fn(&str) + Send + Sync>;

/// The pause before a wake-up that failed is tried again.
const RETRY_WAKE: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// The owner of the pipelines in memory.
pub(crate) struct Driver {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) worker_groups: WorkerGroups,
    now: Now,
    pipelines: pipeline_lock::PipelineCells,
    timers: timers::Timers,
    /// Notified when a notice may be pending in the store.
    notices_pending: Notify,
    spare_work: shared_store::SpareWork,
    /// How often this server reads from a shared store the work that other servers left undone.
    pub(crate) poll_store_every: Duration,
    /// Notified when a test set the clock, for loops that read the clock only now and then.
    clock_moved: Notify,
    machines: machines::Machines,
    idle_runs: idle_run_cache::IdleRunCache,
    /// Called for each run that has ended.
    run_ended: Option<RunEnded>,
    pub(crate) metrics: Arc<Metrics>,
    /// Derives the access keys of machines.
    pub(crate) machine_keys: Arc<MachineKeys>,
}

impl Driver {
    pub(crate) fn new(store: Arc<dyn Store>, now: Now) -> Self {
        Self {
            store,
            worker_groups: WorkerGroups::default(),
            now,
            pipelines: pipeline_lock::PipelineCells::default(),
            timers: timers::Timers::default(),
            notices_pending: Notify::new(),
            spare_work: shared_store::SpareWork::default(),
            poll_store_every: shared_store::POLL_STORE_EVERY,
            clock_moved: Notify::new(),
            machines: machines::Machines::default(),
            idle_runs: idle_run_cache::IdleRunCache::default(),
            metrics: Arc::default(),
            machine_keys: Arc::new(MachineKeys::new("", MachineKeys::fresh_secret())),
            run_ended: None,
        }
    }

    /// Returns the driver, which calls `run_ended` for each run that ends from now on.
    pub(crate) fn reporting_ends_to(self, run_ended: Option<RunEnded>) -> Self {
        Self { run_ended, ..self }
    }

    /// Reports that a run of the pipeline `name` has ended, or that the pipeline was deleted or deactivated.
    pub(crate) fn report_end(&self, name: &str) {
        if let Some(run_ended) = &self.run_ended {
            run_ended(name);
        }
    }

    /// Returns the service's time in whole milliseconds.
    pub(crate) fn now(&self) -> Timestamp {
        engine::time::whole_millis((self.now)())
    }
}
