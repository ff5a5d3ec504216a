//! S3, the pipeline service and the worker in this process.

use std::path::Path;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_datapipeline::types::{Field, PipelineObject};
use downspout::local::s3::{self, LocalS3, S3Store};
use e2e::until::until;
use ec2_worker::{Clients, Config};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

const KEY: &str = "AKIATEST";
const SECRET: &str = "secret";
/// The bucket of the stack.
pub(crate) const BUCKET: &str = "files";
/// The worker group of the stack.
pub(crate) const GROUP: &str = "wg";

/// A running stack; it ends when dropped.
pub(crate) struct Stack {
    pub(crate) clients: Clients,
    /// The URL of S3.
    pub(crate) s3: String,
    pub(crate) folder: TempDir,
    pub(crate) shutdown: CancellationToken,
    _end: DropGuard,
}

impl Stack {
    /// Starts S3 and the service without a worker.
    pub(crate) async fn without_worker() -> Self {
        let folder = TempDir::new().expect("a folder");
        let shutdown = CancellationToken::new();
        let store = S3Store::open(folder.path().join("s3")).expect("a store of objects");
        store.create_bucket(BUCKET).await.expect("a bucket");
        let (listener, s3) = listen().await;
        let credentials =
            s3::Credentials { access_key_id: KEY.to_owned(), secret_access_key: SECRET.to_owned() };
        let endpoint = LocalS3::new(store, credentials, "us-east-1");
        tokio::spawn(endpoint.serve(listener, shutdown.clone()));
        let (listener, datapipeline) = listen().await;
        let credentials = server::sigv4::Credentials {
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.to_owned(),
        };
        let config = server::Config::new(folder.path().join("pipelines.db"), credentials);
        tokio::spawn(server::serve(config, listener, shutdown.clone()));
        let clients = clients(&datapipeline, &s3);
        let end = shutdown.clone().drop_guard();
        Self { clients, s3, folder, shutdown, _end: end }
    }

    /// Starts S3, the service and a worker.
    pub(crate) async fn start() -> Self {
        let stack = Self::without_worker().await;
        let config = config(&stack.folder.path().join("scratch"));
        tokio::spawn(ec2_worker::run(config, stack.clients.clone(), stack.shutdown.clone()));
        stack
    }

    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        let put = self.clients.s3.put_object().bucket(BUCKET).key(key).body(bytes.into().into());
        put.send().await.expect("written");
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.clients.s3.get_object().bucket(BUCKET).key(key).send().await.expect("it is there");
        got.body.collect().await.expect("read").to_vec()
    }

    /// Runs a definition file to its end. Returns the id of the pipeline, and for each object that failed its message.
    pub(crate) async fn run_file(&self, text: &str) -> (String, Vec<(String, String)>) {
        let diagnosis =
            definition::diagnosis::diagnose(text, definition::diagnosis::OutsideValues::default());
        let errors: Vec<_> = diagnosis.errors().collect();
        assert!(errors.is_empty(), "{errors:?}");
        let service = &self.clients.datapipeline;
        let unique = jiff::Timestamp::now().as_nanosecond().to_string();
        let created = service.create_pipeline().name("p").unique_id(unique).send().await.expect("created");
        let pipeline = created.pipeline_id();
        let field = |field: &definition::Field| match &field.value {
            definition::FieldValue::String(text) => string(field.key.as_str(), text),
            definition::FieldValue::Ref(id) => refers(field.key.as_str(), id.as_str()),
        };
        let objects = diagnosis.definition.objects.iter();
        let objects = objects.map(|it| object(it.id.as_str(), it.fields.iter().map(field).collect()));
        let put = service.put_pipeline_definition().pipeline_id(pipeline);
        let put = put.set_pipeline_objects(Some(objects.collect())).send().await.expect("taken");
        assert!(!put.errored(), "{:?}", put.validation_errors());
        service.activate_pipeline().pipeline_id(pipeline).send().await.expect("activated");
        (pipeline.to_owned(), self.failures(pipeline).await)
    }

    /// Waits for the end of a run. Returns, for each object that failed, its message.
    pub(crate) async fn failures(&self, pipeline: &str) -> Vec<(String, String)> {
        let service = &self.clients.datapipeline;
        until("the run has ended", async || {
            let ids = service.query_objects().pipeline_id(pipeline).sphere("INSTANCE").send().await;
            let ids = ids.map_err(|error| format!("{error:?}"))?.ids().to_vec();
            let described =
                service.describe_objects().pipeline_id(pipeline).set_object_ids(Some(ids)).send().await;
            let described = described.map_err(|error| format!("{error:?}"))?;
            let mut failed = Vec::new();
            for instance in described.pipeline_objects() {
                let field = |key: &str| {
                    let mut fields = instance.fields().iter().filter(|field| field.key() == key);
                    fields
                        .next()
                        .and_then(|field| field.string_value().or(field.ref_value()))
                        .unwrap_or_default()
                };
                match field("@status") {
                    "FINISHED" => {}
                    "FAILED" => {
                        failed.push((field("@componentParent").to_owned(), field("errorMessage").to_owned()));
                    }
                    "CASCADE_FAILED" => {}
                    status => return Err(format!("{} is {status}", instance.id())),
                }
            }
            Ok(failed)
        })
        .await
    }

    /// Runs a pipeline of these objects, and returns the first attempt's fields once it has ended.
    pub(crate) async fn run(&self, objects: Vec<PipelineObject>) -> Vec<(String, String)> {
        let service = &self.clients.datapipeline;
        let unique = jiff::Timestamp::now().as_nanosecond().to_string();
        let created = service.create_pipeline().name("p").unique_id(unique).send().await.expect("created");
        let pipeline = created.pipeline_id();
        let default = object(
            "Default",
            vec![
                string("scheduleType", "ondemand"),
                string("failureAndRerunMode", "CASCADE"),
                string("workerGroup", GROUP),
                string("maximumRetries", "0"),
            ],
        );
        let objects = std::iter::once(default).chain(objects).collect();
        let put = service.put_pipeline_definition().pipeline_id(pipeline);
        let put = put.set_pipeline_objects(Some(objects)).send().await.expect("taken");
        assert!(!put.errored(), "{:?}", put.validation_errors());
        service.activate_pipeline().pipeline_id(pipeline).send().await.expect("activated");
        until("the attempt has ended", async || {
            let ids = service.query_objects().pipeline_id(pipeline).sphere("ATTEMPT").send().await;
            let ids = ids.map_err(|error| format!("{error:?}"))?.ids().to_vec();
            let id = ids.first().ok_or("there is no attempt yet")?;
            let described = service.describe_objects().pipeline_id(pipeline).object_ids(id).send().await;
            let described = described.map_err(|error| format!("{error:?}"))?;
            let fields: Vec<_> =
                described.pipeline_objects().iter().flat_map(PipelineObject::fields).collect();
            let fields: Vec<_> = fields
                .into_iter()
                .map(|field| (field.key().to_owned(), field.string_value().unwrap_or_default().to_owned()))
                .collect();
            match value(&fields, "@status") {
                "FINISHED" | "FAILED" => Ok(fields),
                _ => Err(format!("{fields:?}")),
            }
        })
        .await
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

/// Returns clients of a service and an S3 at these URLs.
pub(crate) fn clients(datapipeline: &str, s3: &str) -> Clients {
    let credentials = Credentials::new(KEY, SECRET, None, None, "test");
    let credentials = SharedCredentialsProvider::new(credentials);
    let at = |url: &str| {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials.clone())
            .endpoint_url(url)
            .build();
        Clients::new(&config, true)
    };
    Clients { datapipeline: at(datapipeline).datapipeline, ..at(s3) }
}

/// The settings of a worker that works in `scratch` and reports often.
pub(crate) fn config(scratch: &Path) -> Config {
    Config { progress_every: Duration::from_millis(50), ..Config::new(GROUP, scratch) }
}

/// Returns the first value of a field, empty when it is not there.
pub(crate) fn value<'a>(fields: &'a [(String, String)], key: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value.as_str())
}

pub(crate) fn string(key: &str, value: &str) -> Field {
    Field::builder().key(key).string_value(value).build().expect("key and value")
}

pub(crate) fn refers(key: &str, target: &str) -> Field {
    Field::builder().key(key).ref_value(target).build().expect("key and value")
}

pub(crate) fn object(id: &str, fields: Vec<Field>) -> PipelineObject {
    PipelineObject::builder().id(id).name(id).set_fields(Some(fields)).build().expect("a whole object")
}
