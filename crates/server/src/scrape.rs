//! `/metrics`: the numbers of the service for Prometheus, on a listener of their own.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, Request, StatusCode, header};

use crate::metrics::{PolledGroup, WaitingGroup};
use crate::request::Front;

/// The media type of the text form of OpenMetrics.
const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Answers `GET /metrics`.
pub(crate) async fn answer(front: Arc<Front>, mut request: Request<Body>) -> Response {
    let is_known = front.hosts.check(&mut request).is_ok()
        && request.method() == Method::GET
        && request.uri().path() == "/metrics";
    let answered = if is_known { text(&front).await } else { Err(StatusCode::NOT_FOUND) };
    let mut response = Response::new(Body::empty());
    match answered {
        Ok(text) => {
            response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
            *response.body_mut() = Body::from(text);
        }
        Err(status) => *response.status_mut() = status,
    }
    response
}

async fn text(front: &Front) -> Result<String, StatusCode> {
    let unavailable = |error: &dyn std::fmt::Display| {
        tracing::warn!("the metrics cannot be read: {error}");
        StatusCode::SERVICE_UNAVAILABLE
    };
    let (mut waiting, mut polled) = (Vec::new(), Vec::new());
    let mut now = jiff::Timestamp::now();
    for service in front.accounts.all() {
        now = service.driver.now();
        let groups = service.driver.store.waiting().await.map_err(|error| unavailable(&error.chain()))?;
        waiting.extend(groups.into_iter().map(|waiting| WaitingGroup {
            account: service.account_id.clone(),
            group: waiting.group.to_string(),
            attempts: waiting.attempts,
            oldest: waiting.oldest,
        }));
        polled.extend(service.driver.worker_groups.pollers().into_iter().map(|(group, pollers)| {
            PolledGroup { account: service.account_id.clone(), group: group.to_string(), pollers }
        }));
    }
    front.metrics.text(&waiting, &polled, now).map_err(|error| unavailable(&error))
}
