//! The service as its customers see it: three endpoints, each of which may be down.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::config::{
    BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_datapipeline::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_datapipeline::types::{Field, PipelineObject};
use e2e::until::until;

pub(super) const KEY: &str = "AKIAFLEET";
pub(super) const SECRET: &str = "secret/of+the/fleet";
pub(super) const REGION: &str = "us-east-1";
/// The time limit of a call. A call to a server that is up never takes as long.
const CALL_WAIT: Duration = Duration::from_secs(20);
/// The most objects that one call describes.
const MOST_DESCRIBED: usize = 25;

/// One client for each server. The calls go to the servers in turn.
pub(super) struct Service {
    clients: Vec<Client>,
    turn: AtomicUsize,
}

/// The result of an activation.
pub(super) enum Activated {
    /// The server answered.
    Surely,
    /// The server was lost before it answered, so it is unknown whether the activation was done.
    Perhaps,
    /// The server refused, because `maxActiveInstances` runs are active.
    Refused,
}

impl Service {
    pub(super) fn of(endpoints: &[String]) -> Self {
        Self {
            clients: endpoints.iter().map(|endpoint| client(endpoint)).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Checks that a server answers; the error says why it does not.
    pub(super) async fn is_there(&self, number: usize) -> Result<(), String> {
        let listed = self.clients[number].list_pipelines().send().await;
        listed.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
    }

    fn next(&self) -> &Client {
        &self.clients[self.turn.fetch_add(1, Ordering::Relaxed) % self.clients.len()]
    }

    /// Calls one server after the other until one answers. An exception from the service ends the story.
    async fn answer<T, E: ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        what: &str,
        call: impl AsyncFn(&Client) -> Result<T, SdkError<E>>,
    ) -> T {
        until(what, async || {
            call(self.next()).await.map_err(|error| {
                assert!(error.as_service_error().is_none(), "{what}: {}", DisplayErrorContext(error));
                DisplayErrorContext(error).to_string()
            })
        })
        .await
    }

    /// Creates a pipeline, whose unique id is its name.
    pub(super) async fn create(&self, name: &str) -> String {
        let created = self.answer("CreatePipeline", async |client| {
            client.create_pipeline().name(name).unique_id(name).send().await
        });
        created.await.pipeline_id().to_owned()
    }

    pub(super) async fn put(&self, pipeline: &str, objects: &[PipelineObject]) {
        let put = self.answer("PutPipelineDefinition", async |client| {
            let put = client.put_pipeline_definition().pipeline_id(pipeline);
            put.set_pipeline_objects(Some(objects.to_vec())).send().await
        });
        let put = put.await;
        assert!(!put.errored(), "{:?}", put.validation_errors());
    }

    /// Activates the pipeline by one call.
    pub(super) async fn activate(&self, pipeline: &str) -> Activated {
        match self.next().activate_pipeline().pipeline_id(pipeline).send().await {
            Ok(_) => Activated::Surely,
            Err(error) => match error.as_service_error() {
                None => Activated::Perhaps,
                Some(refusal) if refusal.message().unwrap_or_default().contains("maxActiveInstances") => {
                    Activated::Refused
                }
                Some(_) => panic!("ActivatePipeline: {}", DisplayErrorContext(error)),
            },
        }
    }

    pub(super) async fn state(&self, pipeline: &str) -> String {
        let described = self.answer("DescribePipelines", async |client| {
            client.describe_pipelines().pipeline_ids(pipeline).send().await
        });
        let described = described.await;
        let fields = described.pipeline_description_list().first().map(|description| description.fields());
        value(fields.unwrap_or_default(), "@pipelineState").unwrap_or_default().to_owned()
    }

    /// Returns every instance, or every attempt, of a pipeline.
    pub(super) async fn objects(&self, pipeline: &str, sphere: &str) -> Vec<PipelineObject> {
        let mut ids = Vec::new();
        let mut marker = None;
        loop {
            let page = self.answer("QueryObjects", async |client| {
                let query = client.query_objects().pipeline_id(pipeline).sphere(sphere);
                query.set_marker(marker.clone()).send().await
            });
            let page = page.await;
            ids.extend(page.ids().iter().cloned());
            marker = page.marker().filter(|_| page.has_more_results()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        let mut objects = Vec::with_capacity(ids.len());
        for some in ids.chunks(MOST_DESCRIBED) {
            let described = self.answer("DescribeObjects", async |client| {
                let describe = client.describe_objects().pipeline_id(pipeline);
                describe.set_object_ids(Some(some.to_vec())).send().await
            });
            objects.extend(described.await.pipeline_objects().iter().cloned());
        }
        objects
    }
}

fn client(endpoint: &str) -> Client {
    let config = aws_sdk_datapipeline::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(KEY, SECRET, None, None, "story"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(CALL_WAIT).build())
        .build();
    Client::from_conf(config)
}

pub(super) fn value<'a>(fields: &'a [Field], key: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.key() == key)?.string_value()
}

pub(super) fn reference<'a>(fields: &'a [Field], key: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.key() == key)?.ref_value()
}
