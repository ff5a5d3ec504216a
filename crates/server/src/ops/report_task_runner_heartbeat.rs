//! ReportTaskRunnerHeartbeat: a task runner is alive. The answer tells the workers of a resource to end when the
//! resource does. Other task runners need not be known, and are never told to end.

use engine::instance::Role;
use engine::{InstanceId, resource};
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};

/// The request. The model spells the id `taskrunnerId`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    taskrunner_id: Option<String>,
    worker_group: Option<String>,
    hostname: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    terminate: bool,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let runner = check.required("taskrunnerId", request.taskrunner_id, ID);
    let group = check.optional("workerGroup", request.worker_group, STRING).unwrap_or_default();
    check.optional("hostname", request.hostname, ID);
    check.finish()?;
    let terminate = is_of_ended_resource(service, &group).await?;
    tracing::debug!(runner.id = runner, worker.group = group, terminate, "heartbeat");
    Ok(Response { terminate })
}

/// Returns whether the worker group belongs to a resource that has ended or is ending.
async fn is_of_ended_resource(service: &Service, group: &str) -> Result<bool, ServiceError> {
    let parts = group.split_once('/').filter(|(_, instance)| instance.starts_with('@'));
    let Some((pipeline, instance)) = parts else { return Ok(false) };
    let live = match service.driver.lock_pipeline(pipeline).await {
        Ok(live) => live,
        Err(ServiceError::PipelineDeleted(_)) => return Ok(true),
        // No pipeline has this id, so a user chose the name of the worker group.
        Err(ServiceError::PipelineNotFound(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let Some(run) = service.driver.run_of(&live, InstanceId::from(instance).as_str()).await? else {
        return Ok(false);
    };
    // A run that is not in memory has ended, and has no machines.
    let Some(run) = live.run(&run) else { return Ok(true) };
    let resource = run.instance(instance).filter(|instance| instance.role == Role::Resource);
    let machine = resource.and_then(|resource| resource.newest_attempt()?.machine());
    let is_wanted = matches!(
        machine,
        Some(resource::MachineStatus::Creating { .. } | resource::MachineStatus::Running { .. })
    );
    Ok(resource.is_some() && !is_wanted)
}
