//! SetStatus: cancel, rerun or mark instances as finished; pause and resume components.

use std::collections::{BTreeMap, BTreeSet};

use definition::ObjectId;
use engine::{Event, InstanceId, PipelineState, RunId};
use serde::Deserialize;
use store::{Batch, DefinitionVersion};

use crate::driver::{Held, StepError};
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
    let mut held = service.driver.hold(&id).await?;
    if held.pipeline.state == PipelineState::Finished {
        let text = format!("pipeline {id} is FINISHED: activate it to run it again");
        return Err(ServiceError::InvalidRequest(text));
    }
    let word = status.to_ascii_uppercase();
    match word.as_str() {
        "PAUSE" | "RESUME" => pause(service, &mut held, &objects, word == "PAUSE").await,
        _ => command(service, &mut held, &objects, &status).await,
    }
}

/// Lets nothing of the components start, or lets it go on: in the runs that are under way, and in those to come.
async fn pause(
    service: &Service,
    held: &mut Held,
    components: &[String],
    is_paused: bool,
) -> Result<(), ServiceError> {
    let active = service.driver.store.definition(&held.pipeline.id, DefinitionVersion::Active).await?;
    let definition = active.unwrap_or_default();
    // What runs may be of a definition that has gone since.
    let is_known = |id: &&String| {
        let is_running = || held.open_runs().any(|run| run.plan().object(id).is_some());
        definition.object(id).is_some() || held.pipeline.paused.contains(id.as_str()) || is_running()
    };
    if let Some(unknown) = components.iter().find(|id| !is_known(id)) {
        return Err(ServiceError::InvalidRequest(format!(
            "'{unknown}' is no component of the active definition or of what runs: PAUSE and RESUME are for components"
        )));
    }
    let components: BTreeSet<_> = components.iter().map(|id| ObjectId::from(id.as_str())).collect();
    let before = held.pipeline.paused.clone();
    let event = if is_paused {
        held.pipeline.paused.extend(components.iter().cloned());
        Event::Paused { components }
    } else {
        held.pipeline.paused.retain(|paused| !components.contains(paused));
        Event::Resumed { components }
    };
    let events = held.unsettled_runs().into_iter().map(|run| (run, event.clone())).collect();
    let stepped = service.driver.step_all(held, events, Batch::new()).await;
    if stepped.is_err() {
        // A run that could not be loaded: what is refused must not be saved along with the next change.
        held.pipeline.paused = before;
    }
    stepped.map_err(StepError::refuse_command)
}

async fn command(
    service: &Service,
    held: &mut Held,
    objects: &[String],
    status: &str,
) -> Result<(), ServiceError> {
    let event = event(status, held.pipeline.paused.clone())?;
    let mut instances: BTreeMap<RunId, BTreeSet<InstanceId>> = BTreeMap::new();
    for object in objects {
        let run = service.driver.run_of(held, object).await?;
        let run = run.or_else(|| RunId::of_object(object)).ok_or_else(|| component(status, object))?;
        instances.entry(run).or_default().insert(InstanceId::from(object.as_str()));
    }
    let events = instances.into_iter().map(|(run, instances)| (run, event(instances))).collect();
    service.driver.step_all(held, events, Batch::new()).await.map_err(StepError::refuse_command)
}

type MakeEvent = dyn Fn(BTreeSet<InstanceId>) -> Event + Send;

/// Returns what makes an event of the instances of a run. The AWS sample sends the word in lower case.
fn event(status: &str, paused: BTreeSet<ObjectId>) -> Result<Box<MakeEvent>, ServiceError> {
    match status.to_ascii_uppercase().as_str() {
        "TRY_CANCEL" | "CANCEL" => Ok(Box::new(|instances| Event::CancelRequested {
            instances,
            reason: "canceled by a user".to_owned(),
        })),
        "RERUN" => Ok(Box::new(move |instances| Event::RerunRequested { instances, paused: paused.clone() })),
        "MARK_FINISHED" => Ok(Box::new(|instances| Event::MarkedFinished { instances })),
        _ => Err(ServiceError::InvalidRequest(format!(
            "'{status}' is no status to set: say TRY_CANCEL, RERUN or MARK_FINISHED of instances, PAUSE or RESUME of \
             components"
        ))),
    }
}

fn component(status: &str, object: &str) -> ServiceError {
    ServiceError::InvalidRequest(format!(
        "'{object}' is no instance: {status} is for instances, such as @Load_2030-01-31T22:00:00"
    ))
}
