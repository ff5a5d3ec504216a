//! The operations of the API, version 2012-10-29. Each has a file of its own, and one line in the table below.
//!
//! The file of an operation has its `Request`, its response, and the function `serve`, which carries it out.

use std::sync::Arc;

use axum::body::Bytes;
use tracing::Instrument as _;

use crate::driver::retry_on_race;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire;

/// Makes three things from a table of operations and files: the modules, the enum [`Operation`], and the dispatch.
macro_rules! operations {
    ($($name:ident in $file:ident,)+) => {
        $(mod $file;)+

        /// An operation of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($name),+
        }

        impl Operation {
            /// Returns the operation's name.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// Returns the operation of this name.
            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }
        }

        /// Reads a request, carries it out, and writes the response.
        async fn dispatch(
            service: &Arc<Service>,
            operation: Operation,
            body: Bytes,
        ) -> Result<Vec<u8>, ServiceError> {
            match operation {
                $(Operation::$name => {
                    let request = wire::read(&body)?;
                    // The body would keep the buffer of the connection while a poll waits.
                    drop(body);
                    // In a box, so that a poll does not take the memory of the largest operation.
                    wire::write(&Box::pin($file::serve(service, request)).await?)
                })+
            }
        }
    };
}

operations! {
    ActivatePipeline in activate_pipeline,
    AddTags in add_tags,
    CreatePipeline in create_pipeline,
    DeactivatePipeline in deactivate_pipeline,
    DeletePipeline in delete_pipeline,
    DescribeObjects in describe_objects,
    DescribePipelines in describe_pipelines,
    EvaluateExpression in evaluate_expression,
    GetPipelineDefinition in get_pipeline_definition,
    ListPipelines in list_pipelines,
    PollForTask in poll_for_task,
    PutPipelineDefinition in put_pipeline_definition,
    QueryObjects in query_objects,
    RemoveTags in remove_tags,
    ReportTaskProgress in report_task_progress,
    ReportTaskRunnerHeartbeat in report_task_runner_heartbeat,
    SetStatus in set_status,
    SetTaskStatus in set_task_status,
    ValidatePipelineDefinition in validate_pipeline_definition,
}

/// Carries out an operation and returns the body of its response.
pub(crate) async fn serve(
    service: &Arc<Service>,
    operation: Operation,
    body: Bytes,
) -> Result<Vec<u8>, ServiceError> {
    if operation == Operation::PollForTask {
        // A poll runs in the task of its request, so that it ends when the client hangs up. Its claim has its own task.
        return dispatch(service, operation, body).await;
    }
    // The operation runs in a task of its own, so that a client that hangs up does not stop a change half way.
    let task = Arc::clone(service);
    let work = async move { retry_on_race!(dispatch(&task, operation, body.clone())) };
    let task = service.operations.spawn(work.in_current_span());
    task.await.unwrap_or_else(|panic| Err(ServiceError::Internal(panic.into())))
}
