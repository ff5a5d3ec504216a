//! The part of the HTTP protocol that is the same for every operation: reading, checking and answering a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_front::{Hosts, SlowBody};
use jiff::Timestamp;
use sigv4::Verifier;
use tracing::{Instrument as _, Span};

use crate::access;
use crate::accounts::Accounts;
use crate::error::ServiceError;
use crate::health;
use crate::keys::{AccessKey, Keys};
use crate::machine_keys::MachineKey;
use crate::metrics::Metrics;
use crate::ops::{self, Operation};
use crate::route;
use crate::span;
use crate::throttle::Throttle;

/// The limit of a request body in bytes. The longest member of the model (an expression) has 20 MiB; the rest is room
/// for escapes.
const MOST_BODY_BYTES: usize = 24 << 20;
/// The time within which the body of a request must arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// The operation of a request that names none. The name of an operation that does not exist would be a label that clients
/// make up.
const NO_OPERATION: &str = "none";
/// The content type of the protocol.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");

/// The parts that check a request before the service of its account answers it: keys, limits and host names.
pub(crate) struct Front {
    pub(crate) accounts: Accounts,
    pub(crate) keys: Arc<Keys>,
    pub(crate) verifier: Verifier,
    /// The hosts that the service answers to.
    pub(crate) hosts: Hosts,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether each request gets a line in the log.
    pub(crate) logs_access: bool,
}

/// The facts about a request that are known so far.
struct Call {
    id: String,
    begun: Instant,
    /// The header that names the operation, as the client sent it.
    target: String,
    operation: Option<Operation>,
    /// The key that signed the request.
    access_key_id: String,
    span: Span,
}

/// Answers one request.
pub(crate) async fn answer(front: Arc<Front>, mut request: Request<Body>) -> Response {
    let checked = front.hosts.check(&mut request);
    let (parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let mut call = Call {
        id: uuid::Uuid::new_v4().to_string(),
        begun: Instant::now(),
        target: target.unwrap_or_default().to_owned(),
        operation: None,
        access_key_id: String::new(),
        span: Span::none(),
    };
    if checked.is_ok()
        && let Some(response) = health::answer(&front.accounts, &parts).await
    {
        return response;
    }
    let named = route::operation(&parts.headers).map_or(NO_OPERATION, Operation::as_str);
    call.span = span::request(&call.id, named, &parts.headers);
    let span = call.span.clone();
    let result = match checked {
        Ok(()) => serve(&front, parts, body, &mut call).instrument(span).await,
        Err(refused) => Err(refused.into()),
    };
    note(&front, &call, result.as_ref().err());
    respond(result, &call.id)
}

async fn serve(
    front: &Arc<Front>,
    parts: Parts,
    body: Body,
    call: &mut Call,
) -> Result<Vec<u8>, ServiceError> {
    let body = read(body).await?;
    if parts.method != Method::POST {
        let method = &parts.method;
        return Err(ServiceError::UnknownOperation(format!(
            "the method {method} is not supported; every call is POST /"
        )));
    }
    // Clients sign by the system's clock, whatever the service's own clock shows.
    let access_key_id = front.verifier.verify(&parts, &body, Timestamp::now())?;
    access_key_id.clone_into(&mut call.access_key_id);
    call.span.record("request.key", access_key_id);
    let signer = signer(front, access_key_id)?;
    if front.throttle.as_ref().is_some_and(|throttle| !throttle.admit(access_key_id)) {
        return Err(ServiceError::Throttled);
    }
    let operation = route::operation(&parts.headers)?;
    call.operation = Some(operation);
    let account = match &signer {
        Signer::Key(key) => &key.account_id,
        Signer::Machine(key) => &key.account,
    };
    call.span.record("account.id", account);
    let service = front.accounts.get(account).ok_or(ServiceError::Busy)?;
    let machine_group;
    let groups = match &signer {
        Signer::Key(key) => key.worker_groups.as_slice(),
        Signer::Machine(key) => {
            machine_group = [access::group_of_machine(&service, key).await?];
            &machine_group
        }
    };
    if !groups.is_empty() {
        Box::pin(access::check(&service, access_key_id, groups, operation, &body)).await?;
    }
    // A poll waits for a minute and longer. It needs neither the head of its request nor the signer.
    drop((parts, signer));
    ops::serve(&service, operation, body).await
}

/// The owner of the key that signed a request.
enum Signer {
    /// A key of the file.
    Key(Arc<AccessKey>),
    /// The key of a machine of a resource.
    Machine(MachineKey),
}

fn signer(front: &Front, access_key_id: &str) -> Result<Signer, sigv4::SignatureError> {
    let key = front.keys.get(access_key_id).map(Signer::Key);
    // A key of the file may have been revoked since its signature was checked.
    key.or_else(|| MachineKey::parse(access_key_id).map(Signer::Machine))
        .ok_or(sigv4::SignatureError::UnknownKey)
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

/// Counts the request, writes its lines of the log, and ends its span.
fn note(front: &Front, call: &Call, error: Option<&ServiceError>) {
    let operation = call.operation.map_or(NO_OPERATION, Operation::as_str);
    let result = error.map_or("ok", ServiceError::code);
    let time = call.begun.elapsed();
    let is_long_poll = call.operation == Some(Operation::PollForTask);
    span::end_request(&call.span, error);
    front.metrics.count_request(operation, result, (!is_long_poll).then_some(time));
    let (id, target, key) = (call.id.as_str(), call.target.as_str(), call.access_key_id.as_str());
    match error {
        Some(ServiceError::Internal(cause)) => {
            tracing::error!(request.id = id, request.target = target, "request failed: {cause:#}");
        }
        Some(error) => {
            tracing::debug!(
                request.id = id,
                request.target = target,
                error.code = result,
                "refused: {error}"
            );
        }
        None => {}
    }
    if front.logs_access {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            request.id = id,
            request.operation = operation,
            request.key = key,
            request.millis = millis,
            "{result}"
        );
    }
}
