//! ReportTaskProgress: the first one acknowledges the task; the answer may tell the runner to stop.

use engine::Event;
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, TASK_ID};
use crate::wire::object::{WireField, read_fields};
use crate::wire::task::read_task;

/// Fields per report: what an object may have (quota).
const MOST_FIELDS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    task_id: Option<String>,
    fields: Option<Vec<WireField>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    canceled: bool,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let text = check.required("taskId", request.task_id, TASK_ID);
    let mut fields = read_fields("fields", request.fields, &mut check);
    check.at_most("fields", &fields, MOST_FIELDS);
    check.finish()?;
    // Runtime fields are the service's to set.
    fields.retain(|field| !field.key.as_str().starts_with('@'));
    let task = read_task(&text)?;
    let mut held = match service.driver.hold(task.pipeline.as_str()).await {
        // Deleting a pipeline cancels its tasks: this is how the runner learns.
        Err(ServiceError::PipelineDeleted(_)) => return Ok(Response { canceled: true }),
        held => held?,
    };
    let run = service.driver.run_of(&held, task.attempt.as_str()).await?;
    let run = run.ok_or_else(|| ServiceError::TaskNotFound(format!("there is no task '{text}'")))?;
    let event = Event::ProgressReported { attempt: task.attempt, lease: task.lease, fields };
    let step =
        service.driver.step(&mut held, &run, event).await.map_err(|error| error.refuse_report(&text))?;
    Ok(Response { canceled: step.canceled })
}
