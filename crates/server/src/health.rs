//! Health checks, which need no signature: `/healthz` says that the process serves requests, `/readyz` that it also
//! reaches its store.

use axum::body::Body;
use axum::response::Response;
use engine::PipelineId;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use crate::accounts::Accounts;

/// An id that no pipeline has. Reading its revision shows that the store answers.
const NO_PIPELINE: &str = "df-READY";

/// Answers a health check. Returns `None` for any other request.
pub(crate) async fn answer(accounts: &Accounts, parts: &Parts) -> Option<Response> {
    if parts.method != Method::GET {
        return None;
    }
    match parts.uri.path() {
        "/healthz" => Some(text(StatusCode::OK, "ok\n")),
        "/readyz" => Some(ready(accounts).await),
        _ => None,
    }
}

async fn ready(accounts: &Accounts) -> Response {
    for service in accounts.all() {
        if let Err(error) = service.driver.store.revision(&PipelineId::from(NO_PIPELINE)).await {
            tracing::warn!(account = service.account_id, "not ready: {}", error.chain());
            return text(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n");
        }
    }
    text(StatusCode::OK, "ready\n")
}

fn text(status: StatusCode, body: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
