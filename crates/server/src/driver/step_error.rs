//! Why an event had no effect, and how the service says so to the caller.

use engine::{IllegalEvent, RunId};
use store::StoreError;

use crate::error::ServiceError;

/// Why an event had no effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// It means nothing to the run as it stands.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The pipeline has no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// It could not be saved, or the run could not be loaded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StepError {
    /// Says to a user why a command has no effect.
    pub(crate) fn refuse_command(self) -> ServiceError {
        match self {
            Self::Illegal(illegal) => ServiceError::InvalidRequest(illegal.to_string()),
            Self::NoRun(run) => ServiceError::InvalidRequest(format!("there is no run at {run}")),
            Self::Store(error) => error.into(),
        }
    }

    /// Says to a task runner why its report on `task` has no effect.
    pub(crate) fn refuse_report(self, task: &str) -> ServiceError {
        match self {
            Self::Illegal(illegal) => {
                ServiceError::TaskNotFound(format!("task '{task}' is not yours any more: {illegal}"))
            }
            Self::NoRun(_) => ServiceError::TaskNotFound(format!("there is no task '{task}'")),
            Self::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Internal(anyhow::Error::new(error))
    }
}
