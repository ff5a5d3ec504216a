//! The errors of the HTTP door.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use stream::door;

use crate::intake::BodyError;
use crate::live::Refused;
use crate::log::AppendError;

/// The header with the detail of a sentence.
const DETAIL: &str = "x-downspout-detail";
/// The header with the line of the body that a sentence is about.
const LINE: &str = "x-downspout-line";

/// The reason why a request is refused.
#[derive(Debug)]
pub(crate) enum DoorError {
    /// A body of a POST is not accepted. The answer is exactly the sentence; headers have the detail and the line of the body.
    Sentence { sentence: &'static str, detail: String, line: Option<usize> },
    /// Anything else.
    Message { status: StatusCode, message: String, is_temporary: bool },
}

impl DoorError {
    /// Returns an error that stays as long as the client repeats the request.
    pub(crate) fn message(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Message { status, message: message.into(), is_temporary: false }
    }

    /// Returns an error after which the client may try again.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::Message { status: StatusCode::SERVICE_UNAVAILABLE, message: message.into(), is_temporary: true }
    }

    pub(crate) fn respond(self) -> Response<Body> {
        let json = HeaderValue::from_static("application/json");
        match self {
            Self::Sentence { sentence, detail, line } => {
                let mut response = Response::new(Body::from(sentence));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                if let Ok(detail) = HeaderValue::from_str(&detail) {
                    headers.insert(DETAIL, detail);
                }
                if let Some(line) = line {
                    headers.insert(LINE, HeaderValue::from(line));
                }
                response
            }
            Self::Message { status, message, is_temporary } => {
                let body = serde_json::json!({ "message": message }).to_string();
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = status;
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                if is_temporary {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                response
            }
        }
    }
}

impl From<door::DoorError> for DoorError {
    fn from(refused: door::DoorError) -> Self {
        let door::DoorError { sentence, detail, line } = refused;
        match sentence {
            door::TOO_MANY => Self::message(StatusCode::PAYLOAD_TOO_LARGE, detail),
            sentence => Self::Sentence { sentence, detail, line },
        }
    }
}

impl From<BodyError> for DoorError {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::Busy => return Self::busy(error.to_string()),
            BodyError::TooLarge(_) | BodyError::TooLargeUnpacked(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Late => StatusCode::REQUEST_TIMEOUT,
            BodyError::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BodyError::Gzip | BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        Self::message(status, error.to_string())
    }
}

impl From<Refused> for DoorError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::FileGone | Refused::Ending => Self::message(StatusCode::GONE, refused.to_string()),
            Refused::Undefined(_) => Self::busy(refused.to_string()),
            Refused::Append(AppendError::Broken(ref cause)) => {
                tracing::error!(error = cause, "records could not be kept");
                Self::message(StatusCode::INTERNAL_SERVER_ERROR, refused.to_string())
            }
            Refused::Append(_) => Self::busy(refused.to_string()),
        }
    }
}
