//! SetStatus: cancels, reruns or marks instances as finished; pauses and resumes components.

use std::collections::{BTreeMap, BTreeSet};

use definition::ObjectId;
use engine::{Event, InstanceId, PipelineState, RunId};
use serde::Deserialize;
use store::{Batch, DefinitionVersion};

use crate::driver::{PipelineGuard, StepError};
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::object::read_ids;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    object_ids: Option<Vec<String>>,
    status: Option<String>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<(), ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let objects = read_ids("objectIds", request.object_ids, &mut check);
    let status = check.required("status", request.status, STRING);
    check.finish()?;
    let mut live = service.driver.lock_pipeline(&id).await?;
    if live.pipeline.state == PipelineState::Finished {
        let text = format!("pipeline {id} is FINISHED: activate it to run it again");
        return Err(ServiceError::InvalidRequest(text));
    }
    let word = status.to_ascii_uppercase();
    match word.as_str() {
        "PAUSE" | "RESUME" => pause(service, &mut live, &objects, word == "PAUSE").await,
        _ => command(service, &mut live, &objects, &status).await,
    }
}

/// Pauses or resumes components, in the unsettled runs and in later runs. Instances of a paused component do not start.
async fn pause(
    service: &Service,
    live: &mut PipelineGuard,
    components: &[String],
    is_paused: bool,
) -> Result<(), ServiceError> {
    let active = service.driver.store.definition(&live.pipeline.id, DefinitionVersion::Active).await?;
    let definition = active.unwrap_or_default();
    // An open run may have components that the active definition no longer has.
    let is_known = |id: &&String| {
        let is_running = || live.open_runs().any(|run| run.plan().object(id).is_some());
        definition.object(id).is_some() || live.pipeline.paused.contains(id.as_str()) || is_running()
    };
    if let Some(unknown) = components.iter().find(|id| !is_known(id)) {
        return Err(ServiceError::InvalidRequest(format!(
            "'{unknown}' is not a component of the active definition or of an open run: PAUSE and RESUME are for components"
        )));
    }
    let components: BTreeSet<_> = components.iter().map(|id| ObjectId::from(id.as_str())).collect();
    let before = live.pipeline.paused.clone();
    let event = if is_paused {
        live.pipeline.paused.extend(components.iter().cloned());
        Event::Paused { components }
    } else {
        live.pipeline.paused.retain(|paused| !components.contains(paused));
        Event::Resumed { components }
    };
    let events = live.unsettled_runs().into_iter().map(|run| (run, event.clone())).collect();
    let stepped = service.driver.step_all(live, events, Batch::new()).await;
    if stepped.is_err() {
        // The command failed, so the next save must not include its effect on the paused components.
        live.pipeline.paused = before;
    }
    stepped.map_err(StepError::refuse_command)
}

async fn command(
    service: &Service,
    live: &mut PipelineGuard,
    objects: &[String],
    status: &str,
) -> Result<(), ServiceError> {
    let event = event(status, live.pipeline.paused.clone())?;
    let mut instances: BTreeMap<RunId, BTreeSet<InstanceId>> = BTreeMap::new();
    for object in objects {
        let run = service.driver.run_of(live, object).await?;
        let run = run.or_else(|| RunId::of_object(object)).ok_or_else(|| not_an_instance(status, object))?;
        instances.entry(run).or_default().insert(InstanceId::from(object.as_str()));
    }
    let events = instances.into_iter().map(|(run, instances)| (run, event(instances))).collect();
    service.driver.step_all(live, events, Batch::new()).await.map_err(StepError::refuse_command)
}

type MakeEvent = dyn Fn(BTreeSet<InstanceId>) -> Event + Send;

/// Returns a function that makes the event for the instances of a run. The AWS sample sends the status in lower case.
fn event(status: &str, paused: BTreeSet<ObjectId>) -> Result<Box<MakeEvent>, ServiceError> {
    match status.to_ascii_uppercase().as_str() {
        "TRY_CANCEL" | "CANCEL" => Ok(Box::new(|instances| Event::CancelRequested {
            instances,
            reason: "canceled by a user".to_owned(),
        })),
        "RERUN" => Ok(Box::new(move |instances| Event::RerunRequested { instances, paused: paused.clone() })),
        "MARK_FINISHED" => Ok(Box::new(|instances| Event::MarkedFinished { instances })),
        _ => Err(ServiceError::InvalidRequest(format!(
            "'{status}' is not a status that can be set: use TRY_CANCEL, RERUN or MARK_FINISHED for instances, PAUSE or \
             RESUME for components"
        ))),
    }
}

fn not_an_instance(status: &str, object: &str) -> ServiceError {
    ServiceError::InvalidRequest(format!(
        "'{object}' is not an instance: {status} is for instances, such as @Load_2030-01-31T22:00:00"
    ))
}
