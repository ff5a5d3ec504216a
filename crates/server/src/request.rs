//! The part of the HTTP protocol that is the same for every operation: reading, checking and answering a request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_front::SlowBody;
use jiff::Timestamp;

use crate::error::ServiceError;
use crate::ops;
use crate::route;
use crate::service::Service;

/// The limit of a request body in bytes. The longest member of the model (an expression) has 20 MiB; the rest is room
/// for escapes.
const MOST_BODY_BYTES: usize = 24 << 20;
/// The time within which the body of a request must arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// The content type of the protocol.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// Answers one request.
pub(crate) async fn answer(service: Arc<Service>, mut request: Request<Body>) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let checked = service.hosts.check(&mut request);
    let (parts, body) = request.into_parts();
    let result = match checked {
        Ok(()) => serve(&service, &parts, body).await,
        Err(refused) => Err(refused.into()),
    };
    if let Err(error) = &result {
        log(error, &parts, &request_id);
    }
    respond(result, &request_id)
}

async fn serve(service: &Arc<Service>, parts: &Parts, body: Body) -> Result<Vec<u8>, ServiceError> {
    let body = read(body).await?;
    if parts.method != Method::POST {
        let method = &parts.method;
        return Err(ServiceError::UnknownOperation(format!(
            "the method {method} is not supported; every call is POST /"
        )));
    }
    // Clients sign by the system's clock, whatever the service's own clock shows.
    service.verifier.verify(parts, &body, Timestamp::now())?;
    ops::serve(service, route::operation(&parts.headers)?, body).await
}

async fn read(body: Body) -> Result<Bytes, ServiceError> {
    let late = || ServiceError::Serialization("the body did not arrive in time".to_owned());
    let body = tokio::time::timeout(BODY_WAIT, to_bytes(body, MOST_BODY_BYTES)).await.map_err(|_| late())?;
    body.map_err(
        |error| if SlowBody::caused(&error) { late() } else { ServiceError::TooLarge(MOST_BODY_BYTES) },
    )
}

/// Answers a connection for which the service has no place.
pub(crate) fn full() -> http::Response<String> {
    let request_id = uuid::Uuid::new_v4().to_string();
    respond(Err(ServiceError::Busy), &request_id).map(|_| ServiceError::Busy.body().to_string())
}

fn respond(result: Result<Vec<u8>, ServiceError>, request_id: &str) -> Response {
    let (status, error, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err(error) => (error.status(), Some(error.code()), error.body().to_string().into_bytes()),
    };
    let checksum = crc32fast::hash(&body);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    headers.insert("x-amz-crc32", HeaderValue::from(checksum));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(error) = error {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error));
    }
    response
}

fn log(error: &ServiceError, parts: &Parts, request_id: &str) {
    let target =
        parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    match error {
        ServiceError::Internal(cause) => {
            tracing::error!(request.id = request_id, request.target = target, "request failed: {cause:#}");
        }
        _ => {
            let code = error.code();
            tracing::debug!(
                request.id = request_id,
                request.target = target,
                error.code = code,
                "refused: {error}"
            );
        }
    }
}
