//! The pipelines in memory, and the lock on each of them.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::PipelineId;
use store::StoreError;
use tokio::sync::OwnedMutexGuard;

use super::{Driver, LivePipeline};
use crate::error::ServiceError;
use crate::worker_groups::Offer;

/// Idle pipelines are dropped from memory once this number of pipelines is in memory.
const MOST_IN_MEMORY: usize = 1024;

/// The pipelines in memory, by id.
#[derive(Default)]
pub(super) struct PipelineCells(Mutex<HashMap<PipelineId, PipelineCell>>);

/// A pipeline under its lock; empty until it is loaded, and again after it was deleted.
type PipelineCell = Arc<tokio::sync::Mutex<Option<LivePipeline>>>;

/// A locked pipeline: only the owner of the guard may read or change it.
pub(crate) struct PipelineGuard {
    cell: OwnedMutexGuard<Option<LivePipeline>>,
}

impl Deref for PipelineGuard {
    type Target = LivePipeline;

    fn deref(&self) -> &LivePipeline {
        self.cell.as_ref().expect("a guard is made only of a cell that is filled")
    }
}

impl DerefMut for PipelineGuard {
    fn deref_mut(&mut self) -> &mut LivePipeline {
        self.cell.as_mut().expect("a guard is made only of a cell that is filled")
    }
}

impl PipelineCells {
    /// Returns the cell of a pipeline. Drops idle pipelines first if there are too many.
    fn cell(&self, id: &PipelineId) -> PipelineCell {
        let mut cells = self.lock();
        if cells.len() >= MOST_IN_MEMORY && !cells.contains_key(id) {
            cells.retain(|_, cell| Arc::strong_count(cell) > 1 || !is_idle(cell));
        }
        Arc::clone(cells.entry(id.clone()).or_default())
    }

    /// Drops the cell of a pipeline that does not exist: ids that clients make up must not fill the memory.
    fn drop_empty(&self, id: &PipelineId) {
        let mut cells = self.lock();
        if cells.get(id).is_some_and(|cell| Arc::strong_count(cell) == 1 && is_idle(cell)) {
            cells.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PipelineId, PipelineCell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether the pipeline in the cell need not stay in memory: nobody has locked it, and it has no open run. An
/// empty cell is idle too, unless it is locked.
fn is_idle(cell: &PipelineCell) -> bool {
    cell.try_lock().is_ok_and(|live| live.as_ref().is_none_or(|live| live.open_runs().next().is_none()))
}

impl Driver {
    /// Locks the pipeline `id`. Loads it first if it is not in memory, or if another server has changed it since.
    pub(crate) async fn lock_pipeline(&self, id: &str) -> Result<PipelineGuard, ServiceError> {
        let key = PipelineId::from(id);
        let mut cell = self.pipelines.cell(&key).lock_owned().await;
        if !self.is_fresh(cell.as_ref()).await? {
            *cell = LivePipeline::load(&*self.store, &key).await?;
            match &*cell {
                Some(live) => self.offer_free(live),
                None => {
                    drop(cell);
                    return Err(self.missing(key).await);
                }
            }
        }
        Ok(PipelineGuard { cell })
    }

    /// Returns whether `live` is loaded and still as the store has the pipeline, so that it need not be loaded again.
    async fn is_fresh(&self, live: Option<&LivePipeline>) -> Result<bool, StoreError> {
        match live.filter(|live| !live.must_reload) {
            Some(live) if self.store.is_shared() => {
                Ok(self.store.revision(&live.pipeline.id).await? == Some(live.revision))
            }
            live => Ok(live.is_some()),
        }
    }

    /// Drops a pipeline from memory after it was deleted.
    pub(crate) fn forget(&self, mut live: PipelineGuard) {
        self.timers.set(&live.pipeline.id, None);
        self.forget_idle_run(&live.pipeline.id);
        *live.cell = None;
    }

    /// Returns the error for a pipeline that is not in the store, because it was deleted or never existed.
    async fn missing(&self, id: PipelineId) -> ServiceError {
        self.pipelines.drop_empty(&id);
        match self.store.deleted_pipeline(&id).await {
            Ok(Some(_)) => ServiceError::PipelineDeleted(id.to_string()),
            Ok(None) => ServiceError::PipelineNotFound(id.to_string()),
            Err(error) => error.into(),
        }
    }

    /// Offers the free attempts of a pipeline that was just loaded, notes its machines, and sets its wake-up.
    fn offer_free(&self, live: &LivePipeline) {
        for run in live.open_runs() {
            for (attempt, group) in run.offers() {
                let offer = Offer { pipeline: live.pipeline.id.clone(), attempt: attempt.clone() };
                self.offer(group, offer);
            }
        }
        self.note_machines(live);
        self.timers.set(&live.pipeline.id, live.next_wake());
    }
}
