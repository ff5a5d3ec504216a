//! The errors of both services, with the names, statuses and keys of their models.

use http::StatusCode;
use sigv4::SignatureError;

use crate::intake::BodyError;
use crate::live::Refused;
use crate::log::{AppendError, LogError};

/// An exception.
#[derive(Debug)]
pub(super) struct WireError {
    /// The name of the exception.
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl WireError {
    /// Returns an exception with the status 400, which nearly all have.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn unknown_operation(message: impl Into<String>) -> Self {
        Self::new("UnknownOperationException", message)
    }

    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(super) fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", message)
    }

    /// Returns the exception of AWS's front end for a member that breaks a constraint of its model. `value` must have no
    /// content of records.
    pub(super) fn constraint(member: &str, value: Option<&str>, constraint: &str) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        let message = format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        );
        Self::new("ValidationException", message)
    }

    /// Returns the exception of a body that is not JSON of the expected form. The message has no content of the body.
    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        let kind = if error.is_data() { "a member has the wrong type" } else { "the body is not valid JSON" };
        Self::serialization(format!("{kind}: line {}, column {}", error.line(), error.column()))
    }

    /// Returns the exception of a failure of the server itself. The cause goes to the log.
    pub(super) fn internal(cause: &str) -> Self {
        tracing::error!(error = cause, "a request of an AWS protocol failed");
        let message = "An internal error occurred; the log of the server shows the cause".to_owned();
        Self { code: "InternalFailureException", status: StatusCode::INTERNAL_SERVER_ERROR, message }
    }

    pub(super) fn body(&self) -> String {
        serde_json::json!({ "__type": self.code, "message": self.message }).to_string()
    }

    /// Returns the exception for records that were not accepted, in the words of a service.
    pub(super) fn refused(refused: &Refused, name: &str, words: &Words) -> Self {
        let temporary = |message: String| Self { code: words.busy.0, status: words.busy.1, message };
        match refused {
            Refused::Ending => Self::not_found(format!("Stream {name} is being deleted.")),
            Refused::FileGone => Self::not_found(format!("Stream {name}: {refused}")),
            Refused::Undefined(_) => Self::in_use(format!("Stream {name}: {refused}")),
            Refused::Append(AppendError::Broken(cause)) => {
                tracing::error!(stream.name = name, error = cause, "records could not be kept");
                let message = format!("Stream {name}: {refused}");
                Self { code: words.broken, status: StatusCode::INTERNAL_SERVER_ERROR, message }
            }
            Refused::Append(_) => temporary(format!("Stream {name}: {refused}")),
        }
    }
}

/// The exceptions with which a service reports the refusals that all services share.
pub(super) struct Words {
    /// For records that may be sent again later.
    pub(super) busy: (&'static str, StatusCode),
    /// For a server that can keep nothing more.
    pub(super) broken: &'static str,
}

impl From<SignatureError> for WireError {
    fn from(error: SignatureError) -> Self {
        Self { code: error.json_code(), status: error.status(), message: error.to_string() }
    }
}

impl From<BodyError> for WireError {
    fn from(error: BodyError) -> Self {
        let (code, status) = match error {
            BodyError::TooLarge(_) | BodyError::TooLargeUnpacked(_) => {
                ("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE)
            }
            BodyError::Busy => ("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE),
            BodyError::Late | BodyError::Broken | BodyError::Gzip | BodyError::Encoding => {
                ("SerializationException", StatusCode::BAD_REQUEST)
            }
        };
        Self { code, status, message: error.to_string() }
    }
}

impl From<LogError> for WireError {
    fn from(error: LogError) -> Self {
        Self::internal(&http_front::with_causes(&error))
    }
}
