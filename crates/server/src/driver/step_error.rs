//! The error of an event that had no effect, and the answers to the caller.

use engine::{IllegalEvent, RunId};
use store::StoreError;

use crate::error::ServiceError;

/// The reason why an event had no effect.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The run does not accept the event in its present state.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The pipeline has no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// The change could not be saved, or the run could not be loaded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StepError {
    /// Returns the error that tells a user why a command has no effect.
    pub(crate) fn refuse_command(self) -> ServiceError {
        match self {
            Self::Illegal(illegal) => ServiceError::InvalidRequest(illegal.to_string()),
            Self::NoRun(run) => ServiceError::InvalidRequest(format!("there is no run at {run}")),
            Self::Store(error) => error.into(),
        }
    }

    /// Returns the error that tells a task runner why its report on `task` has no effect.
    pub(crate) fn refuse_report(self, task: &str) -> ServiceError {
        match self {
            Self::Illegal(illegal) => {
                ServiceError::TaskNotFound(format!("task '{task}' is no longer yours: {illegal}"))
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
