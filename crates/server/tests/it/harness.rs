//! A service on a free port, a clock that a test sets, and the few calls that a test needs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_datapipeline::types::{Field, PipelineObject, TaskObject, TaskStatus};
use jiff::Timestamp;
use server::Config;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const KEY: &str = "AKIATEST";
pub(crate) const SECRET: &str = "secret/of+the/test";
/// The time limit of a condition. No condition of these tests takes as long.
const LIMIT: Duration = Duration::from_secs(20);

/// A service that is running.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    folder: Arc<TempDir>,
    clock: Clock,
    shutdown: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

/// A clock that stands still until a test sets it.
#[derive(Clone)]
struct Clock {
    seconds: Arc<AtomicI64>,
    was_set: Arc<Notify>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a service on a fresh file, configured by `configure`.
    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let clock = Clock { seconds: Arc::new(AtomicI64::new(1_900_000_000)), was_set: Arc::default() };
        Self::start(folder, clock, configure).await
    }

    async fn start(folder: Arc<TempDir>, clock: Clock, configure: impl FnOnce(&mut Config)) -> Self {
        let credentials = server::sigv4::Credentials {
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.to_owned(),
        };
        let mut config = Config::new(folder.path().join("pipelines.db"), credentials);
        let seconds = Arc::clone(&clock.seconds);
        config.now = Arc::new(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap());
        config.clock_set = Arc::clone(&clock.was_set);
        config.own_runners = Some("own-".to_owned());
        configure(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(server::serve(config, listener, shutdown.clone()));
        Self { client: client(&endpoint, SECRET), endpoint, folder, clock, shutdown, served }
    }

    /// Ends the service, and starts another with the same file and clock.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// Ends the service and starts another on the same file and clock, configured by `configure`.
    pub(crate) async fn restart_with(self, configure: impl FnOnce(&mut Config)) -> Self {
        let (folder, clock) = (Arc::clone(&self.folder), self.clock.clone());
        self.stop().await;
        Self::start(folder, clock, configure).await
    }

    /// Starts another service beside this one, with the same clock, configured by `configure`. Two services cannot share a
    /// data file, so `configure` must set another store.
    pub(crate) async fn beside(&self, configure: impl FnOnce(&mut Config)) -> Self {
        Self::start(Arc::clone(&self.folder), self.clock.clone(), configure).await
    }

    /// Ends the service.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(LIMIT, self.served).await.expect("the service stops").unwrap().unwrap();
    }

    /// Sets the clock forward, and notifies the service.
    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.seconds.fetch_add(seconds, Ordering::SeqCst);
        self.clock.was_set.notify_one();
    }

    /// Returns the time by the clock.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.seconds.load(Ordering::SeqCst)).unwrap()
    }

    /// Creates a pipeline with this definition and activates it. Returns its id.
    pub(crate) async fn run(&self, objects: Vec<PipelineObject>) -> String {
        let pipeline = self.create("p").await;
        let put =
            self.client.put_pipeline_definition().pipeline_id(&pipeline).set_pipeline_objects(Some(objects));
        let put = put.send().await.unwrap();
        assert!(!put.errored(), "{:?}", put.validation_errors());
        self.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
        pipeline
    }

    pub(crate) async fn create(&self, name: &str) -> String {
        let unique = Timestamp::now().as_nanosecond().to_string();
        let created = self.client.create_pipeline().name(name).unique_id(unique).send().await.unwrap();
        created.pipeline_id().to_owned()
    }

    pub(crate) async fn poll_as(&self, runner: &str) -> Option<TaskObject> {
        let polled = self.client.poll_for_task().worker_group("wg").hostname(runner).send();
        tokio::time::timeout(LIMIT, polled).await.expect("work is ready").unwrap().task_object
    }

    /// Polls as `runner`. A task must be ready.
    pub(crate) async fn poll(&self) -> TaskObject {
        self.poll_as("runner").await.expect("work is ready")
    }

    /// Acknowledges the task, with fields. Returns whether the task is canceled.
    pub(crate) async fn progress(&self, task: &TaskObject, fields: &[(&str, &str)]) -> bool {
        let fields = fields.iter().map(|(key, value)| string(key, value)).collect();
        let report =
            self.client.report_task_progress().task_id(task.task_id().unwrap()).set_fields(Some(fields));
        report.send().await.unwrap().canceled()
    }

    pub(crate) async fn finish(&self, task: &TaskObject) {
        let status = self.client.set_task_status().task_id(task.task_id().unwrap());
        status.task_status(TaskStatus::Finished).send().await.unwrap();
    }

    pub(crate) async fn fail(&self, task: &TaskObject, message: &str) {
        let status = self.client.set_task_status().task_id(task.task_id().unwrap());
        let status = status.task_status(TaskStatus::Failed).error_id("Oops").error_message(message);
        status.send().await.unwrap();
    }

    /// Acknowledges and finishes the task.
    pub(crate) async fn work(&self, task: &TaskObject) {
        assert!(!self.progress(task, &[]).await);
        self.finish(task).await;
    }

    pub(crate) async fn pipeline_field(&self, pipeline: &str, key: &str) -> Option<String> {
        let described = self.client.describe_pipelines().pipeline_ids(pipeline).send().await.unwrap();
        value(described.pipeline_description_list()[0].fields(), key)
    }

    pub(crate) async fn ids(&self, pipeline: &str, sphere: &str) -> Vec<String> {
        self.client.query_objects().pipeline_id(pipeline).sphere(sphere).send().await.unwrap().ids().to_vec()
    }

    pub(crate) async fn object(&self, pipeline: &str, id: &str) -> PipelineObject {
        let described =
            self.client.describe_objects().pipeline_id(pipeline).object_ids(id).send().await.unwrap();
        described.pipeline_objects()[0].clone()
    }

    /// Returns the component and the status of every instance, in order.
    pub(crate) async fn statuses(&self, pipeline: &str) -> Vec<(String, String)> {
        let mut statuses = Vec::new();
        for id in self.ids(pipeline, "INSTANCE").await {
            let object = self.object(pipeline, &id).await;
            let component = reference(object.fields(), "parent").unwrap();
            statuses.push((component, value(object.fields(), "@status").unwrap()));
        }
        statuses
    }

    /// Waits until the instances have these statuses.
    pub(crate) async fn until(&self, pipeline: &str, wanted: &[(&str, &str)]) {
        let mut last = Vec::new();
        let started = std::time::Instant::now();
        while started.elapsed() < LIMIT {
            last = self.statuses(pipeline).await;
            if last.iter().map(|(id, status)| (id.as_str(), status.as_str())).eq(wanted.iter().copied()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the instances have other statuses: {last:?}");
    }
}

pub(crate) fn client(endpoint: &str, secret: &str) -> Client {
    client_with_key(endpoint, KEY, secret)
}

pub(crate) fn client_with_key(endpoint: &str, key: &str, secret: &str) -> Client {
    let config = aws_sdk_datapipeline::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .retry_config(aws_sdk_datapipeline::config::retry::RetryConfig::disabled())
        .timeout_config(aws_sdk_datapipeline::config::timeout::TimeoutConfig::disabled())
        .build();
    Client::from_conf(config)
}

pub(crate) fn string(key: &str, value: &str) -> Field {
    Field::builder().key(key).string_value(value).build().unwrap()
}

pub(crate) fn refers(key: &str, target: &str) -> Field {
    Field::builder().key(key).ref_value(target).build().unwrap()
}

pub(crate) fn object(id: &str, fields: Vec<Field>) -> PipelineObject {
    PipelineObject::builder().id(id).name(id).set_fields(Some(fields)).build().unwrap()
}

/// Returns the `Default` of an on-demand pipeline: group `wg`, one retry after two minutes, cascading.
pub(crate) fn default() -> PipelineObject {
    object(
        "Default",
        vec![
            string("scheduleType", "ondemand"),
            string("failureAndRerunMode", "CASCADE"),
            string("workerGroup", "wg"),
            string("maximumRetries", "1"),
            string("retryDelay", "2 minutes"),
            string("pipelineLogUri", "s3://logs/dp/"),
        ],
    )
}

/// Returns a shell activity that depends on `after`.
pub(crate) fn activity(id: &str, after: &[&str]) -> PipelineObject {
    let mut fields =
        vec![string("type", "ShellCommandActivity"), string("command", "echo #{@status} ${HOME}")];
    fields.extend(after.iter().map(|after| refers("dependsOn", after)));
    object(id, fields)
}

/// Returns a pipeline of `First`, then `Second`.
pub(crate) fn two_steps() -> Vec<PipelineObject> {
    vec![default(), activity("First", &[]), activity("Second", &["First"])]
}

pub(crate) fn value(fields: &[Field], key: &str) -> Option<String> {
    fields.iter().find(|field| field.key() == key)?.string_value().map(str::to_owned)
}

pub(crate) fn reference(fields: &[Field], key: &str) -> Option<String> {
    fields.iter().find(|field| field.key() == key)?.ref_value().map(str::to_owned)
}

/// The requests that a server of the test has received.
pub(crate) type Received = Arc<Mutex<Vec<String>>>;
