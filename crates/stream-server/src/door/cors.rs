//! Requests of web pages: a page may send to a stream only if the stream's file lists the page's origin.
//!
//! Without this check, any page that a user opens could post to a server on the user's machine.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use super::error::DoorError;
use crate::live::Version;

/// The headers of an answer that a page may read.
const EXPOSED: &str = "x-downspout-detail, x-downspout-line, retry-after";

/// Returns the origin of the page that sends the request, if a page does.
pub(super) fn check<'r>(
    parts: &'r Parts,
    version: Option<&Version>,
) -> Result<Option<&'r HeaderValue>, DoorError> {
    let Some(origin) = parts.headers.get(ORIGIN) else { return Ok(None) };
    let text = origin.to_str().unwrap_or_default();
    let allowed = version.map(|version| &version.stream.origins[..]).unwrap_or_default();
    if allowed.iter().any(|allowed| allowed == text) {
        return Ok(Some(origin));
    }
    Err(unlisted())
}

/// Returns the refusal of a page whose origin no file lists.
pub(crate) fn unlisted() -> DoorError {
    let message =
        "web pages of this origin may not send here: list the origin in `origins` of the stream's file";
    DoorError::message(StatusCode::FORBIDDEN, message)
}

/// Answers the question of a browser whether a page may send.
pub(super) fn preflight(origin: Option<&HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if origin.is_none() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    }
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, PUT"));
    let allowed = HeaderValue::from_static("content-type, content-encoding, x-api-key");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    allow(origin, &mut response);
    response
}

/// Lets the page read the answer.
pub(super) fn allow(origin: Option<&HeaderValue>, response: &mut Response<Body>) {
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// Tells caches that the answer depends on the page that asked: for other pages, and for callers that are not pages, the answer
/// lacks the permission or is a refusal.
pub(crate) fn vary(response: &mut Response<Body>) {
    response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
}
