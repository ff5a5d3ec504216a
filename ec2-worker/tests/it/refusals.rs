//! A service that refuses reports: the attempt ends, and the worker goes on.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use e2e::until::until;
use ec2_worker::Clients;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::stack::{clients, config};

/// A service that hands out tasks in order, and answers reports as the test says.
#[derive(Clone)]
struct Service {
    tasks: Arc<Mutex<Vec<Value>>>,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
    answer: fn(operation: &str, body: &Value, before: usize) -> Option<(u16, &'static str)>,
}

impl Service {
    /// Starts a service with one task for each command.
    async fn start(
        commands: &[&str],
        answer: fn(&str, &Value, usize) -> Option<(u16, &'static str)>,
    ) -> (Self, Clients) {
        let tasks = commands.iter().rev().enumerate().map(|(index, command)| task(index, command));
        let service = Self { tasks: Arc::new(Mutex::new(tasks.collect())), calls: Arc::default(), answer };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/", post(serve)).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (service, clients(&url, "http://127.0.0.1:9"))
    }

    fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = self.calls.lock().expect("no panic");
        calls.iter().filter(|(name, _)| name == operation).map(|(_, body)| body.clone()).collect()
    }

    /// Waits for `count` calls of SetTaskStatus, and returns their bodies.
    async fn ends(&self, count: usize) -> Vec<Value> {
        until("the tasks have ended", async || {
            let ends = self.calls("SetTaskStatus");
            if ends.len() >= count { Ok(ends) } else { Err(format!("{:?}", self.calls.lock())) }
        })
        .await
    }
}

fn task(index: usize, command: &str) -> Value {
    let id = format!("@Say_Attempt={index}");
    let field = |key: &str, value: &str| json!({"key": key, "stringValue": value});
    let fields = json!([field("type", "ShellCommandActivity"), field("command", command)]);
    json!({"taskId": format!("task-{index}"), "pipelineId": "df-1", "attemptId": id.clone(),
           "objects": {id.clone(): {"id": id.clone(), "name": id, "fields": fields}}})
}

async fn serve(State(service): State<Service>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let before = service.calls(&operation).len();
    service.calls.lock().expect("no panic").push((operation.clone(), body.clone()));
    if let Some((status, code)) = (service.answer)(&operation, &body, before) {
        let text = json!({"__type": code, "message": "as the test wants"}).to_string();
        return (StatusCode::from_u16(status).expect("a status"), text);
    }
    let next = || service.tasks.lock().expect("no panic").pop();
    let answer = match operation.as_str() {
        "PollForTask" => match next() {
            Some(task) => json!({"taskObject": task}),
            // A poll without a task gets no answer.
            None => std::future::pending().await,
        },
        "ReportTaskProgress" => json!({"canceled": false}),
        "ReportTaskRunnerHeartbeat" => json!({"terminate": false}),
        _ => json!({}),
    };
    (StatusCode::OK, answer.to_string())
}

/// Starts a worker that does one task at a time.
fn work(clients: Clients, scratch: &tempfile::TempDir) -> tokio_util::sync::DropGuard {
    let shutdown = CancellationToken::new();
    let config = ec2_worker::Config { concurrency: 1, ..config(scratch.path()) };
    tokio::spawn(ec2_worker::run(config, clients, shutdown.clone()));
    shutdown.drop_guard()
}

fn has_fields(body: &Value) -> bool {
    body["fields"].as_array().is_some_and(|fields| !fields.is_empty())
}

#[tokio::test]
async fn a_report_that_is_refused_for_its_content_fails_the_attempt_and_not_the_worker() {
    for code in ["ValidationException", "InvalidRequestException", "SerializationException", "Unheard-of"] {
        static CODE: Mutex<&str> = Mutex::new("");
        *CODE.lock().expect("no panic") = code;
        let scratch = tempfile::tempdir().expect("a folder");
        // The first report of the first task acknowledges it. The test refuses the reports during its command.
        let (service, clients) = Service::start(&["sleep 20", "exit 3"], |operation, body, before| {
            let refused = operation == "ReportTaskProgress" && body["taskId"] == "task-1";
            (refused && before > 0).then_some((400, *CODE.lock().expect("no panic")))
        })
        .await;
        let _worker = work(clients, &scratch);
        let ends = service.ends(2).await;
        assert_eq!(ends[0]["taskStatus"], "FAILED", "{code}: {ends:?}");
        assert_eq!(ends[0]["errorId"], "Worker:ReportRefused");
        let message = ends[0]["errorMessage"].as_str().expect("a message");
        let says =
            format!("the service refused the worker's report of this attempt: {code}: as the test wants");
        assert_eq!(message, says);
        assert_eq!(ends[1]["errorId"], "ActivityFailed:NonZeroExit", "the worker goes on: {ends:?}");
    }
}

#[tokio::test]
async fn a_first_report_that_is_refused_fails_the_attempt() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (service, clients) = Service::start(&["echo one", "echo two"], |operation, body, _| {
        (operation == "ReportTaskProgress" && body["taskId"] == "task-1")
            .then_some((400, "ValidationException"))
    })
    .await;
    let _worker = work(clients, &scratch);
    let ends = service.ends(2).await;
    assert_eq!(ends[0]["errorId"], "Worker:ReportRefused", "{ends:?}");
    assert_eq!(ends[1]["taskStatus"], "FINISHED", "{ends:?}");
}

#[tokio::test]
async fn an_end_that_is_refused_becomes_a_plain_failure() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (service, clients) = Service::start(&["exit 3", "echo two"], |operation, body, _| {
        let refused = operation == "SetTaskStatus" && body["errorId"] == "ActivityFailed:NonZeroExit";
        refused.then_some((400, "ValidationException"))
    })
    .await;
    let _worker = work(clients, &scratch);
    let ends = service.ends(3).await;
    assert_eq!(ends[1]["errorId"], "Worker:ReportRefused", "{ends:?}");
    assert_eq!((&ends[2]["taskId"], &ends[2]["taskStatus"]), (&json!("task-0"), &json!("FINISHED")));
}

#[tokio::test]
async fn a_report_is_sent_again_after_an_error_of_the_service() {
    for (status, code) in
        [(400, "ThrottlingException"), (500, "InternalServiceError"), (503, "ServiceUnavailable")]
    {
        static ANSWER: Mutex<(u16, &str)> = Mutex::new((0, ""));
        *ANSWER.lock().expect("no panic") = (status, code);
        let scratch = tempfile::tempdir().expect("a folder");
        let (service, clients) = Service::start(&["echo one"], |operation, _, before| {
            let troubled = matches!(operation, "ReportTaskProgress" | "SetTaskStatus") && before < 2;
            troubled.then_some(*ANSWER.lock().expect("no panic"))
        })
        .await;
        let _worker = work(clients, &scratch);
        let ends = service.ends(3).await;
        assert!(ends.iter().all(|end| end["taskStatus"] == "FINISHED"), "{code}: {ends:?}");
        assert!(
            !service.calls("ReportTaskProgress").iter().any(has_fields),
            "a command has nothing to report"
        );
    }
}

#[tokio::test]
async fn the_output_of_a_command_is_made_legal() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (service, clients) =
        Service::start(&[r"printf 'a\001b\357\277\277' >&2; exit 3"], |_, _, _| None).await;
    let _worker = work(clients, &scratch);
    let ends = service.ends(1).await;
    assert_eq!(ends[0]["errorMessage"], "the command ended with exit code 3: a\\u{1}b\\u{ffff}");
    assert_eq!(
        ends[0]["errorStackTrace"],
        "ActivityFailed:NonZeroExit: the command ended with exit code 3: a\\u{1}b\\u{ffff}"
    );
}
