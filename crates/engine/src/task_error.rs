//! The error of an attempt, and the error ids that the engine gives itself.

use serde::{Deserialize, Serialize};

/// The reason why an attempt failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// `errorId`, a word for programs.
    pub id: Option<String>,
    /// `errorMessage`, a sentence for people.
    pub message: Option<String>,
    /// `errorStackTrace`.
    pub stack_trace: Option<String>,
}

/// The family of error ids for bad data (`BadInput`, `BadInput:...`). The same data fails again, so no retry follows.
pub const BAD_INPUT: &str = "BadInput";

/// The error id of an attempt whose fields cannot be evaluated.
pub const INVALID_FIELD: &str = "Service_InvalidField";

/// The error id of an attempt whose runner reported no progress within `reportProgressTimeout`.
pub const STALLED: &str = "Service_Stalled";

/// The error id of an attempt that took longer than `attemptTimeout`.
pub const ATTEMPT_TIMEOUT: &str = "Service_AttemptTimeout";

/// The error id of a resource that could not be created.
pub const RESOURCE_FAILED: &str = "Service_ResourceFailed";

/// The error id of a resource that was not created within `initTimeout`.
pub const INIT_TIMEOUT: &str = "Service_InitTimeout";

/// The error id of a resource whose machine disappeared while it was in use, and of the attempts that ran on it.
pub const RESOURCE_LOST: &str = "Service_ResourceLost";

/// The error id of a precondition that did not hold within `preconditionTimeout`.
pub const PRECONDITION_TIMEOUT: &str = "Service_PreconditionTimeout";

impl TaskError {
    /// Returns an error with an id and a message.
    pub fn new(id: &str, message: impl Into<String>) -> Self {
        Self { id: Some(id.to_owned()), message: Some(message.into()), stack_trace: None }
    }

    /// Returns whether another attempt could succeed.
    ///
    /// `BadInput` and `BadInput:...` from a runner, and fields that cannot be evaluated, fail in the same way every time. A
    /// precondition whose `preconditionTimeout` has passed has no time left. AWS has no such rule.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let family = self.id.as_deref().map(|id| id.split(':').next().unwrap_or(id));
        !matches!(family, Some(BAD_INPUT | INVALID_FIELD | PRECONDITION_TIMEOUT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_not_worth_a_retry() {
        assert!(!TaskError::new("BadInput", "").is_retryable());
        assert!(!TaskError::new("BadInput:Header", "").is_retryable());
        assert!(TaskError::new("BadInputs", "").is_retryable());
        assert!(TaskError::default().is_retryable());
    }
}
