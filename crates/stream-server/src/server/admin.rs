//! The admin routes, by which the command line asks questions and sends requests.
//!
//! The routes check no key: the caller who mounts them does.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body::Body};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StreamServer;
use crate::query::QueryError;

#[derive(Deserialize)]
struct TailQuery {
    after: Option<String>,
    last: Option<u64>,
    limit: Option<u64>,
}

#[derive(Deserialize)]
struct ReplayQuery {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    #[serde(default)]
    quarantined: bool,
}

#[derive(Deserialize)]
struct QuarantineQuery {
    limit: Option<usize>,
}

type Answer = Result<Response, Refusal>;

/// Returns the routes.
pub(super) fn routes(server: StreamServer) -> Router {
    Router::new()
        .route("/streams", get(list))
        .route("/streams/{name}/tail", get(tail))
        .route("/streams/{name}/flush", post(flush))
        .route("/streams/{name}/replay", post(replay))
        .route("/streams/{name}/quarantine", get(quarantine))
        .with_state(server)
}

async fn list(State(server): State<StreamServer>) -> Response {
    json(&server.list().await)
}

async fn tail(State(server): State<StreamServer>, Path(name): Path<String>, uri: Uri) -> Answer {
    let TailQuery { after, last, limit } = query(&uri)?;
    Ok(json(&server.tail(&name, after, last, limit).await?))
}

async fn flush(State(server): State<StreamServer>, Path(name): Path<String>) -> Answer {
    Ok(json(&server.flush(&name).await?))
}

async fn replay(State(server): State<StreamServer>, Path(name): Path<String>, uri: Uri) -> Answer {
    let ReplayQuery { from, to, quarantined } = query(&uri)?;
    Ok(json(&server.replay(&name, from, to, quarantined).await?))
}

async fn quarantine(State(server): State<StreamServer>, Path(name): Path<String>, uri: Uri) -> Answer {
    let QuarantineQuery { limit } = query(&uri)?;
    Ok(json(&server.quarantine(&name, limit).await?))
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refusal> {
    serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("the query cannot be read: {error}")))
}

fn json<T: Serialize>(value: &T) -> Response {
    let text = serde_json::to_string(value).expect("answers are plain maps of text and numbers");
    ([(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}

/// A refusal: one sentence for the person who asks.
struct Refusal(StatusCode, String);

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let status = match error {
            QueryError::NoStream(_) => StatusCode::NOT_FOUND,
            QueryError::Sequence(_) | QueryError::Span { .. } => StatusCode::BAD_REQUEST,
            QueryError::Undefined(_) | QueryError::NotDelivered(_) | QueryError::NoRaw(_) => {
                StatusCode::CONFLICT
            }
            QueryError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::S3(_) | QueryError::Object { .. } | QueryError::Log(_) | QueryError::Spool(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self(status, http_front::with_causes(&error))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}
