//! ReportTaskProgress: a runner is at work on its task. The first report acknowledges the task. The answer tells the
//! runner to stop if the task was canceled.

use engine::Event;
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, TASK_ID};
use crate::wire::object::{WireField, read_fields};
use crate::wire::task::read_task;

/// The limit of fields per report: the quota of fields per object.
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
    // Only the service sets runtime fields.
    fields.retain(|field| !field.key.as_str().starts_with('@'));
    let task = read_task(&text)?;
    let mut live = match service.driver.lock_pipeline(task.pipeline.as_str()).await {
        // A deletion cancels the tasks of the pipeline, and this answer tells the runner.
        Err(ServiceError::PipelineDeleted(_)) => return Ok(Response { canceled: true }),
        live => live?,
    };
    let run = service.driver.run_of(&live, task.attempt.as_str()).await?;
    let run = run.ok_or_else(|| ServiceError::TaskNotFound(format!("there is no task '{text}'")))?;
    let event = Event::ProgressReported { attempt: task.attempt, handout: task.handout, fields };
    let step =
        service.driver.step(&mut live, &run, event).await.map_err(|error| error.refuse_report(&text))?;
    Ok(Response { canceled: step.canceled })
}
