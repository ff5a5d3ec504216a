//! The Runtime API of Lambda, for stories. It hands events to the real `bootstrap`, and keeps the answers.
//!
//! A story may repeat an event, give an invocation no time, and kill the process, as Lambda does.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

use crate::{process::Process, until::until};

/// The time limit of an invocation, unless a story gives another.
const LIMIT: Duration = Duration::from_secs(60);

/// The answer to an invocation.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The response of the function.
    Response(Value),
    /// The error of the function: `errorType` and `errorMessage`.
    Error(Value),
}

struct Invocation {
    id: String,
    event: Value,
    limit: Duration,
}

#[derive(Default)]
struct Calls {
    waiting: VecDeque<Invocation>,
    begun: Vec<String>,
    answers: HashMap<String, Answer>,
    polls: usize,
    count: usize,
    /// The number of functions that were started. Only the last one runs.
    functions: usize,
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Calls>,
    changed: Notify,
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running Runtime API. Dropping the value stops it.
pub struct RuntimeApi {
    address: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Starts the API on a free port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("the port just bound").to_string();
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("axum serves for ever");
        });
        Self { address, shared, server }
    }

    /// Starts the function `program` with `variables` and the variables that Lambda sets. Its output goes to `function.log`
    /// in `folder`. A function that was started before must have ended: it gets no more events.
    #[must_use]
    pub fn function(&self, program: &str, folder: &Path, variables: &[(&str, String)]) -> Process {
        self.shared.calls().functions += 1;
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "orders")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/29/[$LATEST]1");
        Process::start("function", folder, command)
    }

    /// Adds an event, and returns the request id of its invocation.
    #[must_use]
    pub fn send(&self, event: &Value) -> String {
        self.send_with_limit(event, LIMIT)
    }

    /// Adds an event whose invocation has the time limit `limit`.
    #[must_use]
    pub fn send_with_limit(&self, event: &Value, limit: Duration) -> String {
        let mut calls = self.shared.calls();
        calls.count += 1;
        let id = format!("request-{}", calls.count);
        calls.waiting.push_back(Invocation { id: id.clone(), event: event.clone(), limit });
        self.shared.changed.notify_one();
        id
    }

    /// Waits until the function has begun the invocation `id`.
    pub async fn begun(&self, id: &str) {
        let begun = || self.shared.calls().begun.iter().any(|begun| begun == id);
        until(&format!("{id} begins"), async || if begun() { Ok(()) } else { Err(String::new()) }).await;
    }

    /// Waits for the answer to the invocation `id`. `function` must run.
    pub async fn answer(&self, id: &str, function: &mut Process) -> Answer {
        until(&format!("the answer to {id}"), async || {
            function.must_run();
            self.shared.calls().answers.get(id).cloned().ok_or_else(|| function.last_output())
        })
        .await
    }

    /// Sends an event and waits for its response.
    ///
    /// # Panics
    /// If the function answers with an error.
    pub async fn invoke(&self, event: &Value, function: &mut Process) -> Value {
        let id = self.send(event);
        match self.answer(&id, function).await {
            Answer::Response(response) => response,
            Answer::Error(error) => panic!("{error}\n{}", function.last_output()),
        }
    }

    /// Returns how often a function has asked for an event.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.shared.calls().polls
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let function = {
        let mut calls = shared.calls();
        calls.polls += 1;
        calls.functions
    };
    loop {
        let invocation = {
            let mut calls = shared.calls();
            if calls.functions != function {
                // The function was killed, and its connection is not closed yet. An event that goes there would be lost.
                shared.changed.notify_one();
                return StatusCode::GONE.into_response();
            }
            calls.waiting.pop_front()
        };
        let Some(invocation) = invocation else {
            shared.changed.notified().await;
            continue;
        };
        shared.calls().begun.push(invocation.id.clone());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = |text: &str| HeaderValue::from_str(text).expect("a legal header");
        let headers = HeaderMap::from_iter([
            (header_name("lambda-runtime-aws-request-id"), header(&invocation.id)),
            (
                header_name("lambda-runtime-deadline-ms"),
                header(&(now + invocation.limit).as_millis().to_string()),
            ),
            (
                header_name("lambda-runtime-invoked-function-arn"),
                header("arn:aws:lambda:us-east-1:000000000000:function:orders"),
            ),
            (header_name("content-type"), header("application/json")),
        ]);
        return (headers, invocation.event.to_string()).into_response();
    }
}

fn header_name(text: &'static str) -> axum::http::HeaderName {
    axum::http::HeaderName::from_static(text)
}

async fn response(
    State(shared): State<Arc<Shared>>,
    UrlPath(id): UrlPath<String>,
    body: Bytes,
) -> StatusCode {
    keep(&shared, id, Answer::Response(read(&body)))
}

async fn error(State(shared): State<Arc<Shared>>, UrlPath(id): UrlPath<String>, body: Bytes) -> StatusCode {
    keep(&shared, id, Answer::Error(read(&body)))
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
}

fn keep(shared: &Shared, id: String, answer: Answer) -> StatusCode {
    shared.calls().answers.insert(id, answer);
    StatusCode::ACCEPTED
}
