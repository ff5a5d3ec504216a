//! Preconditions: the service checks S3, and workers answer FALSE.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use aws_sdk_datapipeline::types::TaskStatus;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;

use crate::harness::{Received, Stage, activity, default, object, refers, string, value};

/// The status that S3 answers to the next check.
type Answer = Arc<AtomicU16>;

async fn s3(answer: &Answer, received: &Received) -> aws_sdk_s3::Client {
    async fn check(State((answer, received)): State<(Answer, Received)>, request: Request) -> StatusCode {
        received.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
        StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap()
    }
    let app = Router::new().fallback(check).with_state((Arc::clone(answer), Arc::clone(received)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

fn guarded(
    precondition: aws_sdk_datapipeline::types::PipelineObject,
) -> Vec<aws_sdk_datapipeline::types::PipelineObject> {
    let file = [
        string("type", "S3DataNode"),
        string("filePath", "s3://drop/in/a.csv"),
        refers("precondition", "Ready"),
    ];
    let mut work = activity("Work", &[]);
    work.fields.push(refers("input", "In"));
    vec![default(), object("In", file.to_vec()), precondition, work]
}

#[tokio::test]
async fn the_service_checks_s3_until_the_key_exists() {
    let (answer, received) = (Answer::new(AtomicU16::new(404)), Received::default());
    let s3 = s3(&answer, &received).await;
    let stage = Stage::with(|config| config.s3 = Some(s3)).await;
    let ready = [string("type", "S3KeyExists"), string("s3Key", "#{node.filePath}"), string("role", "r")];
    let pipeline = stage.run(guarded(object("Ready", ready.to_vec()))).await;
    let id = &stage.ids(&pipeline, "INSTANCE").await[1];
    assert!(id.starts_with("@Ready_In_2030-"), "{id}");
    let until_checked = async |wanted: &str| {
        for _ in 0..10_000 {
            let attempt = stage.object(&pipeline, &format!("{id}_Attempt=1")).await;
            if value(attempt.fields(), "currentRetryCount").as_deref() == Some(wanted) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{wanted} checks: {:?}", received.lock().unwrap());
    };
    until_checked("1").await;
    // The service checks again after two minutes of retryDelay.
    stage.advance(120);
    until_checked("2").await;
    answer.store(200, Ordering::SeqCst);
    stage.advance(120);
    let task = stage.poll().await;
    stage.work(&task).await;
    assert_eq!(*received.lock().unwrap(), ["HEAD /drop/in/a.csv"; 3]);
}

#[tokio::test]
async fn a_check_that_s3_refuses_is_an_error_that_names_the_request() {
    let (answer, received) = (Answer::new(AtomicU16::new(403)), Received::default());
    let s3 = s3(&answer, &received).await;
    let stage = Stage::with(|config| config.s3 = Some(s3)).await;
    let ready = [
        string("type", "S3KeyExists"),
        string("s3Key", "s3://drop/k"),
        string("role", "r"),
        string("maximumRetries", "0"),
    ];
    let pipeline = stage.run(guarded(object("Ready", ready.to_vec()))).await;
    stage.until(&pipeline, &[("In", "FAILED"), ("Ready", "FAILED"), ("Work", "CASCADE_FAILED")]).await;
    let id = &stage.ids(&pipeline, "INSTANCE").await[1];
    let ready = stage.object(&pipeline, id).await;
    let message = value(ready.fields(), "errorMessage").unwrap();
    assert!(message.contains("HeadObject s3://drop/k"), "{message}");
}

#[tokio::test]
async fn a_precondition_that_a_worker_finds_false_is_checked_again() {
    let stage = Stage::new().await;
    let ready = [string("type", "ShellCommandPrecondition"), string("command", "test -e #{node.filePath}")];
    let pipeline = stage.run(guarded(object("Ready", ready.to_vec()))).await;
    let task = stage.poll().await;
    assert!(!stage.progress(&task, &[]).await);
    let answer = stage.client.set_task_status().task_id(task.task_id().unwrap());
    answer.task_status(TaskStatus::False).send().await.unwrap();
    stage.advance(120);
    let again = stage.poll().await;
    assert_eq!(again.attempt_id(), task.attempt_id(), "FALSE is not a failed try");
    stage.work(&again).await;
    stage
        .until(&pipeline, &[("In", "FINISHED"), ("Ready", "FINISHED"), ("Work", "WAITING_FOR_RUNNER")])
        .await;
}

#[tokio::test]
async fn nobody_else_may_poll_the_worker_group_of_the_service() {
    let stage = Stage::new().await;
    let polled = stage.client.poll_for_task().worker_group("\u{1}service").send().await;
    let error = polled.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"), "{error:?}");
}
