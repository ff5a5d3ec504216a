//! The run at rest that was looked at last.
//!
//! A run at rest is not in memory. Whoever pages through a large one asks for it a thousand times, so the last is kept: one
//! in all, as it may be large.

use std::sync::{Arc, Mutex, PoisonError};

use engine::{PipelineId, Run, RunId};
use store::StoreError;

use super::{Driver, Live};

/// The run, and its pipeline as of which revision.
#[derive(Default)]
pub(super) struct Seen(Mutex<Option<(PipelineId, u64, Arc<Run>)>>);

impl Seen {
    fn get(&self, live: &Live, id: &RunId) -> Option<Arc<Run>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (pipeline, revision, run) = seen.as_ref()?;
        // Whoever changed anything of the pipeline since may have changed the run.
        let is_same = *pipeline == live.pipeline.id && *revision == live.revision && run.header().id == *id;
        is_same.then(|| Arc::clone(run))
    }

    fn keep(&self, live: &Live, run: Arc<Run>) {
        let seen = Some((live.pipeline.id.clone(), live.revision, run));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

impl Driver {
    /// Forgets the run that was looked at last if it is of the pipeline, which is gone.
    pub(super) fn forget_seen(&self, pipeline: &PipelineId) {
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take_if(|(of, _, _)| of == pipeline);
    }

    /// Returns a run that is not in memory, to look at.
    pub(crate) async fn at_rest(&self, live: &Live, id: &RunId) -> Result<Option<Arc<Run>>, StoreError> {
        if let Some(run) = self.seen.get(live, id) {
            return Ok(Some(run));
        }
        let run = self.store.load_run(&live.pipeline.id, id).await?.map(Arc::new);
        if let Some(run) = &run {
            self.seen.keep(live, Arc::clone(run));
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

    /// A run of `df-1` without work, which has ended.
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
    async fn a_run_at_rest_is_loaded_once_until_something_of_its_pipeline_changes() {
        let store = Arc::new(SqliteStore::in_memory().expect("a store"));
        let driver = Driver::new(store.clone(), Arc::new(at));
        let new = Pipeline::new("df-1".into(), "p", "p", at());
        store.create_pipeline(new).await.expect("it is created");
        let (run, step) = ended(None);
        store.save(Batch::new().new_run(&run, &step)).await.expect("it is saved");
        let id = &run.header().id;

        let held = driver.hold("df-1").await.expect("it is there");
        let first = driver.at_rest(&held, id).await.expect("it reads").expect("it is there");
        let again = driver.at_rest(&held, id).await.expect("it reads").expect("it is there");
        assert!(Arc::ptr_eq(&first, &again));
        assert!(driver.at_rest(&held, &"elsewhen".into()).await.expect("it reads").is_none());

        let mut held = held;
        let (next, step) = ended(Some(at()));
        driver.begin(&mut held, next, &step, |_| Batch::new()).await.expect("it is saved");
        let after = driver.at_rest(&held, id).await.expect("it reads").expect("it is there");
        assert!(!Arc::ptr_eq(&first, &after));
    }
}
