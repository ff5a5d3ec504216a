//! The answers and errors of SNS, as the XML of the Query protocol.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_front::HostError;
use sigv4::SignatureError;

use crate::local::xml_text::xml_text;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// The answer to an action: its name, and the XML inside its result, if the action has a result.
#[derive(Debug)]
pub(super) struct SnsResponse {
    pub(super) action: &'static str,
    pub(super) result: Option<String>,
}

/// The error for a refused call, with the code and the message of SNS.
#[derive(Debug, PartialEq)]
pub(super) struct SnsError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl SnsError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidParameter", message: message.into() }
    }

    pub(super) fn parameter(name: &str) -> Self {
        Self::invalid(format!("Invalid parameter: {name}"))
    }

    /// Returns the error for a request that SNS refuses with another code than `InvalidParameter`.
    pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "NotFound", message: format!("{what} does not exist") }
    }

    /// Returns the error for a resource of an operation about tags.
    pub(super) fn no_resource() -> Self {
        let message = "Resource does not exist".to_owned();
        Self { status: StatusCode::NOT_FOUND, code: "ResourceNotFound", message }
    }

    pub(super) fn unknown_action(action: &str) -> Self {
        let message = format!("The action {action} is not implemented in the local SNS");
        Self { status: StatusCode::BAD_REQUEST, code: "InvalidAction", message }
    }

    /// Returns an internal error. The cause is written to the log, and the caller does not see it.
    pub(super) fn internal(cause: String) -> Self {
        tracing::error!(error = %cause, "the local SNS could not answer a call");
        let message = "the local SNS failed; its log says why".to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "InternalError", message }
    }
}

impl From<SignatureError> for SnsError {
    fn from(error: SignatureError) -> Self {
        Self { status: error.status(), code: error.query_code(), message: error.to_string() }
    }
}

impl From<HostError> for SnsError {
    fn from(error: HostError) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "AuthorizationError", message: error.to_string() }
    }
}

/// Returns the answer to a connection for which the endpoint has no place.
pub(super) fn full() -> http::Response<String> {
    let error = SnsError {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "ServiceUnavailable",
        message: "the local SNS is busy with as many requests as it takes; try again".to_owned(),
    };
    let mut response = http::Response::new(failure(&error, &uuid::Uuid::new_v4().to_string()));
    *response.status_mut() = error.status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/xml"));
    response
}

/// Returns the HTTP response.
pub(super) fn respond(answer: Result<SnsResponse, SnsError>, request_id: &str) -> Response {
    let (status, xml) = match answer {
        Ok(answer) => (StatusCode::OK, success(&answer, request_id)),
        Err(error) => (error.status, failure(&error, request_id)),
    };
    (status, [(header::CONTENT_TYPE, "text/xml"), (header::CONNECTION, "keep-alive")], xml).into_response()
}

fn success(response: &SnsResponse, request_id: &str) -> String {
    let SnsResponse { action, result } = response;
    let result = result.as_ref().map(|inner| element(&format!("{action}Result"), inner)).unwrap_or_default();
    let metadata = element("ResponseMetadata", &element("RequestId", request_id));
    format!("<{action}Response xmlns=\"{NAMESPACE}\">{result}{metadata}</{action}Response>\n")
}

fn failure(error: &SnsError, request_id: &str) -> String {
    let who = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    let error = [element("Type", who), element("Code", error.code), text("Message", &error.message)].concat();
    let request = element("RequestId", request_id);
    format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{}{request}</ErrorResponse>\n", element("Error", &error))
}

/// Returns an element around XML.
pub(super) fn element(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

/// Returns the entries of a map, as SNS writes attributes.
pub(super) fn entries<'a>(map: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let entry = |(key, value)| element("entry", &(text("key", key) + &text("value", value)));
    element("Attributes", &map.into_iter().map(entry).collect::<String>())
}

/// Returns an element around text, and escapes the text.
pub(super) fn text(name: &str, inner: &str) -> String {
    element(name, &xml_text(inner))
}
