//! DescribeObjects: components, instances and attempts with their fields, in the order asked for.

use std::collections::HashMap;
use std::sync::Arc;

use definition::PipelineObject;
use engine::wire_objects::{self, Form};
use engine::{Instance, Plan, Run, RunId, WorkerGroup, time};
use serde::{Deserialize, Serialize};
use store::DefinitionVersion;

use crate::driver::{Driver, Held};
use crate::error::ServiceError;
use crate::secret;
use crate::service::Service;
use crate::wire::check::{Check, ID};
use crate::wire::object::{WireObject, read_ids};

/// Documented are 25, but the AWS CLI's `list-runs` sends 100 and reads one page.
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    object_ids: Option<Vec<String>>,
    evaluate_expressions: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pipeline_objects: Vec<WireObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
    has_more_results: bool,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let ids = read_ids("objectIds", request.object_ids, &mut check);
    check.finish()?;
    if ids.len() > MOST {
        let text = format!("{} object ids were given; DescribeObjects takes {MOST} at most", ids.len());
        return Err(ServiceError::InvalidRequest(text));
    }
    let form = Form { evaluated: request.evaluate_expressions.unwrap_or(false), secrets_clear: false };
    let held = service.driver.hold(&id).await?;
    let mut view = View::new(service, &held);
    let mut objects = Vec::with_capacity(ids.len());
    for object in &ids {
        let found = view.object(object, form).await?;
        let missing =
            || ServiceError::InvalidRequest(format!("pipeline {id} has no object with id '{object}'"));
        objects.push(found.ok_or_else(missing)?.into());
    }
    Ok(Response { pipeline_objects: objects, marker: None, has_more_results: false })
}

/// Adds to the words on an instance that waits for a task runner when there was one.
fn with_polls(driver: &Driver, run: &Run, mut object: PipelineObject) -> PipelineObject {
    // What runs on a resource waits for that, and for its own workers.
    let instance = run.instance(object.id.as_str()).filter(|instance| instance.runs_on.is_none());
    let head = instance.and_then(Instance::newest_attempt).filter(|head| head.is_free());
    let why = object.string(engine::WHY).map(str::to_owned);
    if let (Some(head), Some(why)) = (head, why)
        && head.group != WorkerGroup::service()
    {
        let last = match driver.waiting.polled_at(head.group.as_str()) {
            Some(at) => format!("it was polled last at {}", time::wire(at)),
            None if driver.store.is_shared() => {
                "nobody has polled it at this server since that began".to_owned()
            }
            None => "nobody has polled it since the service began".to_owned(),
        };
        object.set(engine::WHY, format!("{why}; {last}"));
    }
    object
}

/// The objects of one pipeline; what has to be loaded is loaded once.
pub(super) struct View<'a> {
    service: &'a Service,
    held: &'a Held,
    ended: HashMap<RunId, Option<Arc<Run>>>,
    components: Option<Components>,
}

/// The definition whose components are shown.
struct Components {
    definition: definition::Definition,
    /// Absent while the objects do not inherit as they say: then they are shown as they were put.
    plan: Option<Plan>,
}

impl<'a> View<'a> {
    pub(super) fn new(service: &'a Service, held: &'a Held) -> Self {
        Self { service, held, ended: HashMap::new(), components: None }
    }

    /// Returns the object `id` of whatever sphere.
    pub(super) async fn object(
        &mut self,
        id: &str,
        form: Form,
    ) -> Result<Option<PipelineObject>, ServiceError> {
        if let Some(run) = self.service.driver.run_of(self.held, id).await? {
            let driver = &self.service.driver;
            let Some(run) = self.run(&run).await? else { return Ok(None) };
            return Ok(run.object(id, form).map(|object| with_polls(driver, run, object)));
        }
        self.load_components().await?;
        let latest = self.held.pipeline.latest_run.map(RunId::at);
        if let Some(latest) = &latest {
            self.run(latest).await?;
        }
        let latest = latest.and_then(|id| self.loaded(&id));
        let components = self.components.as_ref();
        let object = components.and_then(|components| match &components.plan {
            Some(plan) => wire_objects::component(plan, id, latest, form),
            None => secret::masked(components.definition.clone()).object(id).cloned(),
        });
        Ok(object.map(|object| self.with_pipeline(object)))
    }

    /// Returns the ids of the components in the order of the definition.
    pub(super) async fn component_ids(&mut self) -> Result<Vec<String>, ServiceError> {
        self.load_components().await?;
        let objects = self.components.iter().flat_map(|components| &components.definition.objects);
        Ok(objects.map(|object| object.id.to_string()).collect())
    }

    /// Returns a run of the pipeline.
    pub(super) async fn run(&mut self, id: &RunId) -> Result<Option<&Run>, ServiceError> {
        if self.held.run(id).is_none() && !self.ended.contains_key(id) {
            let run = self.service.driver.at_rest(self.held, id).await?;
            self.ended.insert(id.clone(), run);
        }
        Ok(self.loaded(id))
    }

    fn loaded(&self, id: &RunId) -> Option<&Run> {
        self.held.run(id).or_else(|| self.ended.get(id)?.as_deref())
    }

    async fn load_components(&mut self) -> Result<(), ServiceError> {
        if self.components.is_some() {
            return Ok(());
        }
        let pipeline = &self.held.pipeline;
        let version =
            if pipeline.version > 0 { DefinitionVersion::Active } else { DefinitionVersion::Latest };
        let stored = self.service.driver.store.definition(&pipeline.id, version).await?;
        let definition = stored.unwrap_or_default();
        let plan = Plan::of(definition.clone()).ok();
        self.components = Some(Components { definition, plan });
        Ok(())
    }

    /// A component of a pipeline that never ran knows no run that would tell these.
    fn with_pipeline(&self, mut object: PipelineObject) -> PipelineObject {
        let pipeline = &self.held.pipeline;
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
