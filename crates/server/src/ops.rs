//! The operations, one file each: read, ask the domain, answer.

mod activate_pipeline;
mod create_pipeline;
mod deactivate_pipeline;
mod delete_pipeline;
mod describe_objects;
mod describe_pipelines;
mod evaluate_expression;
mod get_pipeline_definition;
mod list_pipelines;
mod poll_for_task;
mod put_pipeline_definition;
mod query_objects;
mod report_task_progress;
mod report_task_runner_heartbeat;
mod set_status;
mod set_task_status;
mod tags;
mod validate_pipeline_definition;

use std::sync::Arc;

use axum::body::Bytes;
use engine::TaskId;
use serde::Serialize;

use crate::driver::{StepError, unraced};
use crate::error::ServiceError;
use crate::route::Operation;
use crate::service::Service;
use crate::wire::request;

/// Carries out an operation and returns the body of its answer.
pub(crate) async fn serve(
    service: &Arc<Service>,
    operation: Operation,
    body: Bytes,
) -> Result<Vec<u8>, ServiceError> {
    if operation == Operation::PollForTask {
        // Waits with its client, and ends when that hangs up.
        return dispatch(service, operation, &body).await;
    }
    // A client that hangs up must not stop a change half way.
    let task = Arc::clone(service);
    let work = async move { unraced!(dispatch(&task, operation, &body)) };
    let task = service.operations.spawn(work);
    task.await.unwrap_or_else(|panic| Err(ServiceError::Internal(panic.into())))
}

async fn dispatch(
    service: &Arc<Service>,
    operation: Operation,
    body: &[u8],
) -> Result<Vec<u8>, ServiceError> {
    /// Reads the request, lets the operation answer, writes the answer.
    macro_rules! answer {
        ($operation:path) => {
            write(&$operation(service, request::read(body)?).await?)
        };
    }
    match operation {
        Operation::ActivatePipeline => answer!(activate_pipeline::serve),
        Operation::AddTags => answer!(tags::add),
        Operation::CreatePipeline => answer!(create_pipeline::serve),
        Operation::DeactivatePipeline => answer!(deactivate_pipeline::serve),
        // No output shape, so no body.
        Operation::DeletePipeline => {
            delete_pipeline::serve(service, request::read(body)?).await.map(|()| Vec::new())
        }
        Operation::DescribeObjects => answer!(describe_objects::serve),
        Operation::DescribePipelines => answer!(describe_pipelines::serve),
        Operation::EvaluateExpression => answer!(evaluate_expression::serve),
        Operation::GetPipelineDefinition => answer!(get_pipeline_definition::serve),
        Operation::ListPipelines => answer!(list_pipelines::serve),
        Operation::PollForTask => answer!(poll_for_task::serve),
        Operation::PutPipelineDefinition => answer!(put_pipeline_definition::serve),
        Operation::QueryObjects => answer!(query_objects::serve),
        Operation::RemoveTags => answer!(tags::remove),
        Operation::ReportTaskProgress => answer!(report_task_progress::serve),
        Operation::ReportTaskRunnerHeartbeat => answer!(report_task_runner_heartbeat::serve),
        Operation::SetStatus => set_status::serve(service, request::read(body)?).await.map(|()| Vec::new()),
        Operation::SetTaskStatus => answer!(set_task_status::serve),
        Operation::ValidatePipelineDefinition => answer!(validate_pipeline_definition::serve),
    }
}

fn write(answer: &impl Serialize) -> Result<Vec<u8>, ServiceError> {
    serde_json::to_vec(answer).map_err(|error| ServiceError::Internal(error.into()))
}

/// Returns the task that a runner speaks of.
fn task(text: &str) -> Result<TaskId, ServiceError> {
    TaskId::parse(text).ok_or_else(|| ServiceError::TaskNotFound(format!("there is no task '{text}'")))
}

/// Says to a runner why its report has no effect.
fn refuse_report(task: &str, error: StepError) -> ServiceError {
    match error {
        StepError::Illegal(illegal) => {
            ServiceError::TaskNotFound(format!("task '{task}' is not yours any more: {illegal}"))
        }
        StepError::NoRun(_) => ServiceError::TaskNotFound(format!("there is no task '{task}'")),
        StepError::Store(error) => error.into(),
    }
}
