//! The admin endpoint of the stack, for requests that no AWS operation answers: the status of a key, sweeps, dead letters and
//! what people do with streams.
//!
//! The endpoint listens on the loopback address, and requires the secret access key.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body::Body};
use http_front::{Hosts, Limits};
use jiff::civil::Date;
use orchestrator::Orchestrator;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stream_server::StreamServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::local::s3::{S3Store, StoredEvent};
use crate::local::topic;

/// The parts of the stack that the endpoint uses.
pub(super) struct AdminState {
    pub(super) secret: String,
    pub(super) hosts: Hosts,
    pub(super) orchestrator: Arc<Orchestrator>,
    pub(super) streams: StreamServer,
    pub(super) store: S3Store,
    /// The database of the local SNS.
    pub(super) topic: PathBuf,
}

/// An event that the orchestrator could not handle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The number of the event, for `redrive`.
    pub id: i64,
    /// The change that the event reports, and the key of the object.
    pub what: String,
    /// The error of the last try.
    pub error: String,
    /// The event as AWS would send it.
    pub event: Value,
}

#[derive(Deserialize)]
struct StatusQuery {
    key: String,
}

#[derive(Deserialize)]
struct RedriveQuery {
    id: Option<i64>,
}

#[derive(Deserialize)]
struct RerunQuery {
    definition: String,
    /// The captured values of the set, as a JSON object.
    values: String,
    force: bool,
}

#[derive(Deserialize)]
struct BackfillQuery {
    definition: String,
    from: Date,
    to: Date,
    force: bool,
}

#[derive(Deserialize)]
struct PauseQuery {
    definition: String,
    paused: bool,
}

#[derive(Deserialize)]
struct HistoryQuery {
    definition: Option<String>,
    limit: usize,
    /// Whether the sets that wait for files are wanted, too.
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
struct MailsQuery {
    pipeline: Option<String>,
}

#[derive(Deserialize)]
struct ProofQuery {
    day: Date,
}

type ApiResult = Result<Response, ApiError>;

/// Serves the endpoint until `stop`.
pub(super) async fn serve(state: AdminState, listener: TcpListener, limits: Limits, stop: CancellationToken) {
    let state = Arc::new(state);
    let app = Router::new()
        .route("/status", get(status))
        .route("/sweep", post(sweep))
        .route("/rerun", post(rerun))
        .route("/backfill", post(backfill))
        .route("/pause", post(pause))
        .route("/history", get(history))
        .route("/mails", get(mails))
        .route("/proof", get(proof))
        .route("/dead-letters", get(dead_letters))
        .route("/redrive", post(redrive))
        .with_state(Arc::clone(&state))
        .merge(state.streams.admin())
        .layer(middleware::from_fn_with_state(state, check_secret));
    let answer = move |request| {
        let answered = app.clone().oneshot(request);
        async move { answered.await.unwrap_or_else(|never| match never {}) }
    };
    http_front::serve(listener, None, limits, stop, answer, full).await;
}

/// Returns the answer to a connection for which the endpoint has no place.
fn full() -> http::Response<String> {
    let mut response =
        http::Response::new("the stack is busy with as many requests as it takes; try again\n".to_owned());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

async fn check_secret(State(state): State<Arc<AdminState>>, mut request: Request, next: Next) -> Response {
    if let Err(refused) = state.hosts.check(&mut request) {
        return (StatusCode::FORBIDDEN, format!("{refused}\n")).into_response();
    }
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    // Comparing digests takes the same time wherever they differ, so that the time does not reveal anything about the
    // secret.
    if Sha256::digest(given) != Sha256::digest(&state.secret) {
        return (StatusCode::FORBIDDEN, "the bearer token must be the secret access key of the stack\n")
            .into_response();
    }
    next.run(request).await
}

async fn status(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let query: StatusQuery = query(&uri)?;
    Ok(json_body(&state.orchestrator.status_of(&query.key).await?))
}

async fn sweep(State(state): State<Arc<AdminState>>) -> ApiResult {
    Ok(json_body(&state.orchestrator.sweep_whole().await?))
}

async fn rerun(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let RerunQuery { definition, values, force } = query(&uri)?;
    let values: BTreeMap<String, String> = serde_json::from_str(&values)?;
    Ok(json_body(&state.orchestrator.rerun(&definition, &values, force).await?))
}

async fn backfill(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let BackfillQuery { definition, from, to, force } = query(&uri)?;
    Ok(json_body(&state.orchestrator.backfill(&definition, (from, to), force).await?))
}

async fn pause(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let PauseQuery { definition, paused } = query(&uri)?;
    state.orchestrator.set_paused(&definition, paused).await?;
    if !paused {
        // The sets that have waited need not wait for the next sweep.
        state.orchestrator.start_next(&definition).await?;
    }
    Ok(json_body(&true))
}

async fn history(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let HistoryQuery { definition, limit, incomplete } = query(&uri)?;
    Ok(json_body(&state.orchestrator.history(definition.as_deref(), limit, incomplete).await?))
}

async fn mails(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let MailsQuery { pipeline } = query(&uri)?;
    let read = tokio::task::spawn_blocking(move || topic::of_pipelines(&state.topic, pipeline.as_deref()));
    Ok(json_body(&read.await??))
}

async fn proof(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let ProofQuery { day } = query(&uri)?;
    Ok(json_body(&state.orchestrator.proof(day).await?))
}

async fn dead_letters(State(state): State<Arc<AdminState>>) -> ApiResult {
    let letters: Vec<DeadLetter> = state.store.dead_letters().await?.into_iter().map(letter).collect();
    Ok(json_body(&letters))
}

async fn redrive(State(state): State<Arc<AdminState>>, uri: Uri) -> ApiResult {
    let query: RedriveQuery = query(&uri)?;
    let letters = state.store.dead_letters().await?;
    let chosen: Vec<i64> =
        letters.iter().map(|letter| letter.id).filter(|id| query.id.is_none_or(|only| only == *id)).collect();
    if chosen.is_empty() && query.id.is_some() {
        let id = query.id.unwrap_or_default();
        return Ok((StatusCode::NOT_FOUND, format!("there is no dead letter {id}\n")).into_response());
    }
    for id in &chosen {
        state.store.redrive(*id).await?;
    }
    Ok(json_body(&json!({"redriven": chosen.len()})))
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    Ok(serde_urlencoded::from_str(uri.query().unwrap_or_default())?)
}

fn letter(event: StoredEvent) -> DeadLetter {
    let document: Value = serde_json::from_str(&event.json).unwrap_or_default();
    let s3 = &document["Records"][0]["s3"];
    let (bucket, key) = (s3["bucket"]["name"].as_str(), s3["object"]["key"].as_str());
    DeadLetter {
        id: event.id,
        what: format!("{} s3://{}/{}", event.event_name, bucket.unwrap_or_default(), key.unwrap_or_default()),
        error: event.last_error.unwrap_or_default(),
        event: document,
    }
}

fn json_body<T: Serialize>(value: &T) -> Response {
    let text = serde_json::to_string(value).expect("our own answers are plain maps of text and numbers");
    ([(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}

/// An error with its whole chain of causes. The caller runs the stack, so nothing is hidden.
struct ApiError(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}\n", self.0)).into_response()
    }
}
