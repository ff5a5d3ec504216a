//! The idle run that an operation read last.
//!
//! Idle runs are in the store only. A client that pages through a large run may read the same run a thousand times, so
//! the server caches the idle run that was read last. The cache holds one run only, since a run may be large.

use std::sync::{Arc, Mutex, PoisonError};

use engine::{PipelineId, Run, RunId};
use store::StoreError;

use super::{Driver, LivePipeline};

/// The idle run that was read last, with its pipeline and the pipeline's revision at that time.
#[derive(Default)]
pub(super) struct IdleRunCache(Mutex<Option<(PipelineId, u64, Arc<Run>)>>);

impl IdleRunCache {
    fn get(&self, live: &LivePipeline, id: &RunId) -> Option<Arc<Run>> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (pipeline, revision, run) = cached.as_ref()?;
        // If the pipeline has changed since the run was cached, the run may have changed too.
        let is_same = *pipeline == live.pipeline.id && *revision == live.revision && run.header().id == *id;
        is_same.then(|| Arc::clone(run))
    }

    fn keep(&self, live: &LivePipeline, run: Arc<Run>) {
        let cached = Some((live.pipeline.id.clone(), live.revision, run));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cached;
    }
}

impl Driver {
    /// Drops the cached run if it belongs to this pipeline, which was deleted.
    pub(super) fn forget_idle_run(&self, pipeline: &PipelineId) {
        let mut cached = self.idle_runs.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached.take_if(|(of, _, _)| of == pipeline);
    }

    /// Returns an idle run, for reading only: from the cache, or else from the store. `None` if there is no such run.
    pub(crate) async fn idle_run(
        &self,
        live: &LivePipeline,
        id: &RunId,
    ) -> Result<Option<Arc<Run>>, StoreError> {
        if let Some(run) = self.idle_runs.get(live, id) {
            return Ok(Some(run));
        }
        let run = self.store.load_run(&live.pipeline.id, id).await?.map(Arc::new);
        if let Some(run) = &run {
            self.idle_runs.keep(live, Arc::clone(run));
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use engine::{Activation, Occasion, Plan};
    use store::{Batch, Pipeline, SqliteStore, Store};

    use super::*;

    fn at() -> jiff::Timestamp {
        engine::time::parse("2030-01-31T22:00:00").expect("a time")
    }

    /// Returns a run of `df-1` that has no work, and so has ended.
    fn ended(latest: Option<jiff::Timestamp>) -> (Run, engine::Step) {
        let objects = r#"{"objects": [{"id": "In", "type": "S3DataNode", "filePath": "s3://b/in"}]}"#;
        let plan = Plan::of(definition::file::parse(objects).expect("a definition")).expect("a plan");
        let activation = Activation {
            pipeline: PipelineId::from("df-1"),
            pipeline_name: "p".to_owned(),
            version: 1,
            at: at(),
            occasion: Occasion::OnDemand { latest },
            paused: Default::default(),
        };
        engine::expand(Arc::new(plan), activation).expect("a run")
    }

    #[tokio::test]
    async fn an_idle_run_is_loaded_once_until_its_pipeline_changes() {
        let store = Arc::new(SqliteStore::in_memory().expect("a store"));
        let driver = Driver::new(store.clone(), Arc::new(at));
        let new = Pipeline::new("df-1".into(), "p", "p", at());
        store.create_pipeline(new).await.expect("it is created");
        let (run, step) = ended(None);
        store.save(Batch::new().new_run(&run, &step)).await.expect("it is saved");
        let id = &run.header().id;

        let live = driver.lock_pipeline("df-1").await.expect("it is there");
        let first = driver.idle_run(&live, id).await.expect("it reads").expect("it is there");
        let again = driver.idle_run(&live, id).await.expect("it reads").expect("it is there");
        assert!(Arc::ptr_eq(&first, &again));
        assert!(driver.idle_run(&live, &"elsewhen".into()).await.expect("it reads").is_none());

        let mut live = live;
        let (next, step) = ended(Some(at()));
        driver.begin(&mut live, next, &step, |_| Batch::new()).await.expect("it is saved");
        let after = driver.idle_run(&live, id).await.expect("it reads").expect("it is there");
        assert!(!Arc::ptr_eq(&first, &after));
    }
}
