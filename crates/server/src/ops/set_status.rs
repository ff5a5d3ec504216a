//! SetStatus: cancel, rerun or mark instances as finished.

use engine::{Event, InstanceId, PipelineState, RunId};

use crate::driver::StepError;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::object::read_ids;
use crate::wire::request::SetStatus;

pub(super) async fn serve(service: &Service, request: SetStatus) -> Result<(), ServiceError> {
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
    let mut events = Vec::with_capacity(objects.len());
    for object in &objects {
        let run = service.driver.run_of(&held, object).await?;
        let Some(run) = run.or_else(|| RunId::of_object(object)) else {
            return Err(component(&status, object));
        };
        events.push((run, event(&status, InstanceId::from(object.as_str()))?));
    }
    service.driver.step_all(&mut held, events).await.map_err(refuse)
}

/// The AWS sample sends the word in lower case.
fn event(status: &str, instance: InstanceId) -> Result<Event, ServiceError> {
    match status.to_ascii_uppercase().as_str() {
        "TRY_CANCEL" | "CANCEL" => {
            Ok(Event::CancelRequested { instance, reason: "canceled by a user".to_owned() })
        }
        "RERUN" => Ok(Event::RerunRequested { instance }),
        "MARK_FINISHED" => Ok(Event::MarkedFinished { instance }),
        word @ ("PAUSE" | "RESUME") => Err(ServiceError::InvalidRequest(format!(
            "{word} is for components; '{instance}' is an instance"
        ))),
        _ => Err(ServiceError::InvalidRequest(format!(
            "'{status}' is no status to set: say TRY_CANCEL, RERUN or MARK_FINISHED"
        ))),
    }
}

fn component(status: &str, object: &str) -> ServiceError {
    ServiceError::InvalidRequest(format!(
        "'{object}' is no instance: {status} of components is not done by this engine yet"
    ))
}

/// Says to a user why a command has no effect.
pub(super) fn refuse(error: StepError) -> ServiceError {
    match error {
        StepError::Illegal(illegal) => ServiceError::InvalidRequest(illegal.to_string()),
        StepError::NoRun(run) => ServiceError::InvalidRequest(format!("there is no run at {run}")),
        StepError::Store(error) => error.into(),
    }
}
