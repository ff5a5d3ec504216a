//! The ids of tasks, with which task runners report.

use engine::TaskId;

use crate::error::ServiceError;

/// Returns the task that a task runner reports on. Fails with `TaskNotFound` if `text` is not the id of a task.
pub(crate) fn read_task(text: &str) -> Result<TaskId, ServiceError> {
    TaskId::parse(text).ok_or_else(|| ServiceError::TaskNotFound(format!("there is no task '{text}'")))
}
