//! The access of a key: every operation on the pipelines of its account, or only the work of some worker groups.
//!
//! A key for worker groups is meant for machines. A person who finds the key can take work of these groups, but cannot read or
//! change anything else.

use engine::{Run, TaskId, resource};
use serde::Deserialize;

use crate::error::ServiceError;
use crate::machine_keys::MachineKey;
use crate::ops::Operation;
use crate::service::Service;

/// The members of a request that say which worker group it is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    worker_group: Option<String>,
    task_id: Option<String>,
}

/// Checks that a key may make the call. The key may only do the work of `groups`.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`] if not. The error is the same for a task of another group and for a task that does not
/// exist, so a key cannot find out which tasks there are.
pub(crate) async fn check(
    service: &Service,
    access_key_id: &str,
    groups: &[String],
    operation: Operation,
    body: &[u8],
) -> Result<(), ServiceError> {
    let denied = |what: &str| {
        let groups = groups.join(", ");
        let may = format!(
            "the access key {access_key_id} may only poll the worker groups {groups} and report on their tasks"
        );
        Err(ServiceError::AccessDenied(format!("{may}; it may not {what}")))
    };
    let is_own = |group: &str| groups.iter().any(|own| own == group);
    let subject: Subject = crate::wire::read(body)?;
    match operation {
        Operation::PollForTask | Operation::ReportTaskRunnerHeartbeat => match subject.worker_group {
            Some(group) if !is_own(&group) => denied("use another group"),
            _ => Ok(()),
        },
        Operation::ReportTaskProgress | Operation::SetTaskStatus => {
            let task = subject.task_id.as_deref().and_then(TaskId::parse);
            let may = match task {
                Some(task) => is_task_of_group(service, &task, is_own).await?,
                None => false,
            };
            if may { Ok(()) } else { denied("report on this task") }
        }
        other => denied(&format!("call {}", other.as_str())),
    }
}

/// Returns the worker group of the machine to which the key belongs.
///
/// # Errors
///
/// [`ServiceError::AccessDenied`] if the run does not have the machine any more: the key ended with it.
pub(crate) async fn group_of_machine(service: &Service, key: &MachineKey) -> Result<String, ServiceError> {
    let ended =
        || ServiceError::AccessDenied("the machine to which this access key belongs has ended".to_owned());
    let live = match service.driver.lock_pipeline(key.pipeline.as_str()).await {
        Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Err(ended()),
        live => live?,
    };
    let mut machines = live.open_runs().flat_map(Run::machines);
    let attempt = machines.find(|attempt| key.is_of(&attempt.id)).ok_or_else(ended)?;
    match attempt.machine() {
        Some(
            resource::MachineStatus::Creating { .. }
            | resource::MachineStatus::Running { .. }
            | resource::MachineStatus::ShuttingDown { .. },
        ) => Ok(attempt.group.as_str().to_owned()),
        Some(
            resource::MachineStatus::Finished
            | resource::MachineStatus::Failed(_)
            | resource::MachineStatus::TimedOut
            | resource::MachineStatus::Canceled,
        )
        | None => Err(ended()),
    }
}

/// Returns whether a task was handed to a worker group for which `is_own` holds.
///
/// The tasks of a deleted pipeline count as such: the answer to a report then tells the worker that its task is canceled.
async fn is_task_of_group(
    service: &Service,
    task: &TaskId,
    is_own: impl Fn(&str) -> bool,
) -> Result<bool, ServiceError> {
    let driver = &service.driver;
    let live = match driver.lock_pipeline(task.pipeline.as_str()).await {
        Ok(live) => live,
        Err(ServiceError::PipelineNotFound(_)) => return Ok(false),
        Err(ServiceError::PipelineDeleted(_)) => return Ok(true),
        Err(error) => return Err(error),
    };
    let Some(id) = driver.run_of(&live, task.attempt.as_str()).await? else { return Ok(false) };
    let has = |run: &Run| run.attempt(&task.attempt).is_some_and(|attempt| is_own(attempt.group.as_str()));
    if let Some(run) = live.run(&id) {
        return Ok(has(run));
    }
    Ok(driver.store.load_run(&live.pipeline.id, &id).await?.is_some_and(|run| has(&run)))
}
