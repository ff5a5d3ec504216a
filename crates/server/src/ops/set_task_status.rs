//! SetTaskStatus: a runner reports how its task ended.

use engine::{Event, TaskError, TaskOutcome};
use serde::Deserialize;

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::Empty;
use crate::wire::check::{ANY, Check, STRING, TASK_ID};
use crate::wire::task::read_task;

/// The limit of an error's texts in characters. The service returns errors as fields, and a field has this limit.
const MOST_CHARACTERS: usize = 10_240;
/// The beginning of the error ids of the service itself.
const RESERVED: &str = "Service_";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    task_id: Option<String>,
    task_status: Option<String>,
    error_id: Option<String>,
    error_message: Option<String>,
    error_stack_trace: Option<String>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let text = check.required("taskId", request.task_id, TASK_ID);
    let status = check.required("taskStatus", request.task_status, ANY);
    check.one_of("taskStatus", &status, &["FINISHED", "FAILED", "FALSE"]);
    let error_id = check.optional("errorId", request.error_id, STRING);
    check.finish()?;
    if error_id.as_deref().is_some_and(|id| id.starts_with(RESERVED)) {
        let text = format!("errorId must not begin with '{RESERVED}', which marks the errors of the service");
        return Err(ServiceError::InvalidRequest(text));
    }
    let outcome = match status.as_str() {
        "FINISHED" => TaskOutcome::Finished,
        "FALSE" => TaskOutcome::False,
        _ => TaskOutcome::Failed(TaskError {
            id: error_id,
            message: request.error_message.map(cut),
            // The model allows 1024 characters, but stack traces are longer.
            stack_trace: request.error_stack_trace.map(cut),
        }),
    };
    let task = read_task(&text)?;
    let mut live = service.driver.lock_pipeline(task.pipeline.as_str()).await?;
    let run = service.driver.run_of(&live, task.attempt.as_str()).await?;
    let run = run.ok_or_else(|| ServiceError::TaskNotFound(format!("there is no task '{text}'")))?;
    let event = Event::StatusSet { attempt: task.attempt, handout: task.handout, outcome };
    service.driver.step(&mut live, &run, event).await.map_err(|error| error.refuse_report(&text))?;
    Ok(Empty {})
}

fn cut(text: String) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}
