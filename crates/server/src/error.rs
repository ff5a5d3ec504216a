//! What can go wrong with a request, and how AWS says so.
//!
//! One table from [`ServiceError`] to name and status. What happened inside stays in the log:
//! `InternalServiceError` says only that it happened.

use http::StatusCode;

use crate::sigv4::SignatureError;

/// The namespace of `__type` in AWS's published sample.
const NAMESPACE: &str = "com.amazon.setl.webservice#";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// Malformed, over a limit, or not allowed in the present state.
    #[error("{0}")]
    InvalidRequest(String),
    /// Nobody ever made a pipeline of this id.
    #[error("Pipeline with id: {0} does not exist")]
    PipelineNotFound(String),
    /// The pipeline existed and was deleted.
    #[error("Pipeline with id: {0} does not exist")]
    PipelineDeleted(String),
    /// Unknown task, or one that was handed out again since.
    #[error("{0}")]
    TaskNotFound(String),
    /// A shape constraint is violated; text as AWS's front end writes it.
    #[error("{0}")]
    Validation(String),
    /// The body is no JSON, or a member has the wrong JSON type.
    #[error("{0}")]
    Serialization(String),
    /// The target names no operation.
    #[error("{0}")]
    UnknownOperation(String),
    /// The body is longer than we read.
    #[error("Request body is longer than {0} bytes")]
    TooLarge(usize),
    /// Who asks is not known to us.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A fault of ours; the cause is for the log.
    #[error("An internal error occurred; the service's log says more")]
    Internal(#[source] anyhow::Error),
}

impl ServiceError {
    /// Returns the exception's name without its namespace.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "InvalidRequestException",
            Self::PipelineNotFound(_) => "PipelineNotFoundException",
            Self::PipelineDeleted(_) => "PipelineDeletedException",
            Self::TaskNotFound(_) => "TaskNotFoundException",
            Self::Validation(_) => "ValidationException",
            Self::Serialization(_) => "SerializationException",
            Self::UnknownOperation(_) => "UnknownOperationException",
            Self::TooLarge(_) => "RequestEntityTooLargeException",
            Self::Signature(error) => error.json_code(),
            Self::Internal(_) => "InternalServiceError",
        }
    }

    /// Returns the HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest(_)
            | Self::PipelineNotFound(_)
            | Self::PipelineDeleted(_)
            | Self::TaskNotFound(_)
            | Self::Validation(_)
            | Self::Serialization(_)
            | Self::UnknownOperation(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Signature(error) => error.status(),
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the body: `__type` with its namespace, and `message`.
    pub(crate) fn body(&self) -> serde_json::Value {
        let namespace = match self {
            Self::InvalidRequest(_)
            | Self::PipelineNotFound(_)
            | Self::PipelineDeleted(_)
            | Self::TaskNotFound(_)
            | Self::Internal(_) => NAMESPACE,
            // The front end answers these before the service is asked, and names no namespace.
            Self::Validation(_)
            | Self::Serialization(_)
            | Self::UnknownOperation(_)
            | Self::TooLarge(_)
            | Self::Signature(_) => "",
        };
        serde_json::json!({ "__type": format!("{namespace}{}", self.code()), "message": self.to_string() })
    }
}
