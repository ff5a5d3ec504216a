//! The errors of requests, with their names, statuses and texts as AWS has them.
//!
//! The cause of an internal error goes to the log only: `InternalServiceError` says only that there was one.

use http::StatusCode;
use http_front::HostError;
use sigv4::SignatureError;

/// The namespace of `__type` in the sample that AWS published.
const NAMESPACE: &str = "com.amazon.setl.webservice#";

/// The reason why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The request is malformed, exceeds a limit, or is not allowed in the present state.
    #[error("{0}")]
    InvalidRequest(String),
    /// There never was a pipeline with this id.
    #[error("Pipeline with id: {0} does not exist")]
    PipelineNotFound(String),
    /// The pipeline existed and was deleted.
    #[error("Pipeline with id: {0} does not exist")]
    PipelineDeleted(String),
    /// The task is unknown, or was handed to another runner since.
    #[error("{0}")]
    TaskNotFound(String),
    /// A member violates a constraint of its shape. The text is that of AWS's front end.
    #[error("{0}")]
    Validation(String),
    /// The body is not JSON, a member has the wrong JSON type or is not a time, or the body did not arrive in time.
    #[error("{0}")]
    Serialization(String),
    /// The target names no operation, or the method is not POST.
    #[error("{0}")]
    UnknownOperation(String),
    /// The body exceeds the limit.
    #[error("Request body is longer than {0} bytes")]
    TooLarge(usize),
    /// The signature is not that of a known client.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The key may not make this call.
    #[error("{0}")]
    AccessDenied(String),
    /// The key has made more calls than it may.
    #[error("Rate exceeded")]
    Throttled,
    /// The service does not answer to the host that the request names.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Every connection that the service takes has a request under way.
    #[error("The service is busy with as many requests as it takes; try again")]
    Busy,
    /// The service failed. The cause goes to the log.
    #[error("An internal error occurred; the log of the service shows the cause")]
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
            Self::AccessDenied(_) | Self::Host(_) => "AccessDeniedException",
            Self::Throttled => "ThrottlingException",
            Self::Busy => "ServiceUnavailableException",
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
            | Self::UnknownOperation(_)
            | Self::AccessDenied(_)
            | Self::Throttled => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Signature(error) => error.status(),
            Self::Host(_) => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
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
            // At AWS, the front end answers these requests before they reach the service. Its errors have no namespace.
            Self::Validation(_)
            | Self::Serialization(_)
            | Self::UnknownOperation(_)
            | Self::TooLarge(_)
            | Self::Signature(_)
            | Self::AccessDenied(_)
            | Self::Throttled
            | Self::Host(_)
            | Self::Busy => "",
        };
        serde_json::json!({ "__type": format!("{namespace}{}", self.code()), "message": self.to_string() })
    }
}
