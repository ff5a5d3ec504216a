//! The objects of a pipeline as clients see them: components, instances and attempts with their fields.

use std::collections::HashMap;
use std::sync::Arc;

use definition::{ObjectId, PipelineObject};
use engine::wire_objects::{self, Form};
use engine::{Instance, Plan, Run, RunId, WorkerGroup, time};
use jiff::Timestamp;
use store::DefinitionVersion;

use crate::driver::{Driver, PipelineGuard};
use crate::error::ServiceError;
use crate::secret;
use crate::service::Service;

/// How many runs before the newest one are searched for the latest completed run of a component.
const MOST_EARLIER_RUNS: usize = 20;

/// The objects of one pipeline. Runs and definitions that are not in memory are loaded once.
pub(crate) struct ObjectView<'a> {
    service: &'a Service,
    live: &'a PipelineGuard,
    ended: HashMap<RunId, Option<Arc<Run>>>,
    components: Option<Components>,
    /// The scheduled times of the runs before the newest one, the newest first; `None` until they are loaded.
    earlier_runs: Option<Vec<Timestamp>>,
}

/// The components of a pipeline, and the definition that states them.
struct Components {
    definition: definition::Definition,
    /// `None` if inheritance between the objects has errors. The objects are then returned as they were put.
    plan: Option<Plan>,
}

impl<'a> ObjectView<'a> {
    pub(crate) fn new(service: &'a Service, live: &'a PipelineGuard) -> Self {
        Self { service, live, ended: HashMap::new(), components: None, earlier_runs: None }
    }

    /// Returns the object `id`: a component, an instance or an attempt.
    pub(crate) async fn object(
        &mut self,
        id: &str,
        form: Form,
    ) -> Result<Option<PipelineObject>, ServiceError> {
        if let Some(run) = self.service.driver.run_of(self.live, id).await? {
            let driver = &self.service.driver;
            let Some(run) = self.run(&run).await? else { return Ok(None) };
            return Ok(run.object(id, form).map(|object| with_polls(driver, run, object)));
        }
        self.load_components().await?;
        let latest = self.live.pipeline.latest_run.map(RunId::at);
        if let Some(latest) = &latest {
            self.run(latest).await?;
        }
        let latest = latest.and_then(|id| self.loaded(&id));
        let components = self.components.as_ref();
        let object = components.and_then(|components| match &components.plan {
            Some(plan) => wire_objects::component(plan, id, latest, form),
            None => secret::masked(components.definition.clone()).object(id).cloned(),
        });
        let Some(mut object) = object else { return Ok(None) };
        if let Some(completed) = self.latest_completed(&object.id).await? {
            object.set("@latestCompletedRunTime", time::wire(completed));
        }
        Ok(Some(self.with_pipeline(object)))
    }

    /// Returns the scheduled time of the newest run in which the instance of a component is over. The runs of a backfill overlap, so
    /// this run may be much older than the newest run.
    async fn latest_completed(&mut self, component: &ObjectId) -> Result<Option<Timestamp>, ServiceError> {
        let Some(latest) = self.live.pipeline.latest_run else { return Ok(None) };
        let is_over = |run: &Run| run.instance_of_component(component).is_some_and(Instance::is_final);
        let newest = self.run(&RunId::at(latest)).await?;
        // Objects such as schedules have no instances.
        let Some(instance) = newest.and_then(|run| run.instance_of_component(component)) else {
            return Ok(None);
        };
        if instance.is_final() {
            return Ok(Some(latest));
        }
        for scheduled in self.earlier_runs(latest).await?.into_iter().take(MOST_EARLIER_RUNS) {
            if self.run(&RunId::at(scheduled)).await?.is_some_and(is_over) {
                return Ok(Some(scheduled));
            }
        }
        Ok(None)
    }

    /// Returns the scheduled times of the runs before `latest`, the newest first.
    async fn earlier_runs(&mut self, latest: Timestamp) -> Result<Vec<Timestamp>, ServiceError> {
        if self.earlier_runs.is_none() {
            let headers = self.service.driver.store.runs(&self.live.pipeline.id).await?;
            let times = headers.iter().map(|header| header.scheduled);
            let mut times: Vec<_> = times.filter(|scheduled| *scheduled < latest).collect();
            times.sort_unstable_by(|one, other| other.cmp(one));
            self.earlier_runs = Some(times);
        }
        Ok(self.earlier_runs.clone().unwrap_or_default())
    }

    /// Returns the ids of the components, in the order of the definition.
    pub(crate) async fn component_ids(&mut self) -> Result<Vec<String>, ServiceError> {
        self.load_components().await?;
        let objects = self.components.iter().flat_map(|components| &components.definition.objects);
        Ok(objects.map(|object| object.id.to_string()).collect())
    }

    /// Returns a run of the pipeline.
    pub(crate) async fn run(&mut self, id: &RunId) -> Result<Option<&Run>, ServiceError> {
        if self.live.run(id).is_none() && !self.ended.contains_key(id) {
            let run = self.service.driver.idle_run(self.live, id).await?;
            self.ended.insert(id.clone(), run);
        }
        Ok(self.loaded(id))
    }

    fn loaded(&self, id: &RunId) -> Option<&Run> {
        self.live.run(id).or_else(|| self.ended.get(id)?.as_deref())
    }

    async fn load_components(&mut self) -> Result<(), ServiceError> {
        if self.components.is_some() {
            return Ok(());
        }
        let pipeline = &self.live.pipeline;
        let version =
            if pipeline.version > 0 { DefinitionVersion::Active } else { DefinitionVersion::Latest };
        let stored = self.service.driver.store.definition(&pipeline.id, version).await?;
        let definition = stored.unwrap_or_default();
        let plan = Plan::of(definition.clone()).ok();
        self.components = Some(Components { definition, plan });
        Ok(())
    }

    /// Sets `@status` of a component that a user has paused, and adds the runtime fields that the component lacks.
    fn with_pipeline(&self, mut object: PipelineObject) -> PipelineObject {
        let pipeline = &self.live.pipeline;
        let version = (pipeline.version > 0).then(|| pipeline.version.to_string());
        let status = if pipeline.version > 0 { "SCHEDULED" } else { "PENDING" };
        if pipeline.paused.contains(&object.id) {
            object.set("@status", "PAUSED");
        }
        let plan = self.components.as_ref().and_then(|components| components.plan.as_ref());
        let resolved = plan.and_then(|plan| plan.object(object.id.as_str()));
        let is_scheduled = resolved.is_some_and(|object| object.reference("schedule").is_some());
        let next = pipeline.next_run.filter(|_| is_scheduled);
        let known = [
            ("@nextRunTime", next.map(|next| time::wire(next.start))),
            ("@sphere", Some("COMPONENT".to_owned())),
            ("@pipelineId", Some(pipeline.id.to_string())),
            ("@version", version),
            ("@status", Some(status.to_owned())),
        ];
        for (key, value) in known {
            if let Some(value) = value.filter(|_| object.string(key).is_none()) {
                object.set(key, value);
            }
        }
        object
    }
}

/// Adds a fact to the wait reason of an instance that waits for a task runner: the time of the last poll of its group.
fn with_polls(driver: &Driver, run: &Run, mut object: PipelineObject) -> PipelineObject {
    // Work on a resource waits for the resource and for the workers on it, not for pollers of a group.
    let instance = run.instance(object.id.as_str()).filter(|instance| instance.runs_on.is_none());
    let attempt = instance.and_then(Instance::newest_attempt).filter(|attempt| attempt.is_free());
    let why = object.string(engine::WHY).map(str::to_owned);
    if let (Some(attempt), Some(why)) = (attempt, why)
        && attempt.group != WorkerGroup::service()
    {
        let last = match driver.worker_groups.polled_at(attempt.group.as_str()) {
            Some(at) => format!("it was polled last at {}", time::wire(at)),
            None if driver.store.is_shared() => {
                "no task runner has polled it at this server since the server started".to_owned()
            }
            None => "no task runner has polled it since the service started".to_owned(),
        };
        object.set(engine::WHY, format!("{why}; {last}"));
    }
    object
}
