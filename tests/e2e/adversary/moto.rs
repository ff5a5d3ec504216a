//! The server of moto, with replacements for the parts that it lacks.
//!
//! moto has no instances and no task runners, so a run never ends there. The additions say that a run has ended, and answer the
//! question for failed instances. moto also makes a pipeline for each CreatePipeline, whatever the unique id is. And it checks the
//! condition of a put and puts the object in two steps, so only one call at a time reaches it.

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use e2e::{process::Process, until::until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running server of moto.
pub(super) struct Moto {
    pub(super) url: String,
    _process: Process,
    _folder: TempDir,
}

impl Moto {
    pub(super) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/moto_server");
        assert!(program.exists(), "the server of moto is missing: run `tests/setup`");
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = Command::new(program.canonicalize().expect("a path"));
        command.args(["-p", &port.to_string()]);
        let mut process = Process::start("moto", folder.path(), command);
        until("moto listens", async || {
            process.must_run();
            std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
        })
        .await;
        Self { url: format!("http://127.0.0.1:{port}"), _process: process, _folder: folder }
    }

    /// Returns the configuration of clients. moto takes any key.
    pub(super) fn sdk_config(&self) -> SdkConfig {
        let keys = Credentials::new("moto", "moto", None, None, "moto");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .endpoint_url(&self.url)
            .build()
    }
}

/// The parts that moto lacks.
#[derive(Debug, Default)]
pub(super) struct Additions {
    one_at_a_time: tokio::sync::Mutex<()>,
    ended: Mutex<HashSet<String>>,
}

impl Additions {
    /// Says that the run of a pipeline has ended, and finished.
    pub(super) fn end(&self, pipeline: &str) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(pipeline.to_owned());
    }

    pub(super) fn has_ended(&self, pipeline: &str) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains(pipeline)
    }

    /// Makes a call, or answers it in the place of moto.
    pub(super) async fn made(
        &self,
        connector: &SharedHttpConnector,
        request: HttpRequest,
        operation: &str,
    ) -> Result<HttpResponse, ConnectorError> {
        if operation == "QueryObjects" {
            let body = json!({"ids": [], "hasMoreResults": false}).to_string();
            return Ok(HttpResponse::new(200.try_into().expect("a status"), SdkBody::from(body)));
        }
        let _turn = self.one_at_a_time.lock().await;
        let mut answer = connector.call(request).await?;
        if operation == "DescribePipelines" && answer.status().is_success() {
            let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
            let body = ByteStream::new(body).collect().await.expect("the body of an answer").into_bytes();
            let mut described: Value = serde_json::from_slice(&body).expect("moto answers in JSON");
            for pipeline in described["pipelineDescriptionList"].as_array_mut().into_iter().flatten() {
                self.show_end(pipeline);
            }
            answer.headers_mut().remove("content-length");
            *answer.body_mut() = SdkBody::from(described.to_string());
        }
        Ok(answer)
    }

    fn show_end(&self, pipeline: &mut Value) {
        if !pipeline["pipelineId"].as_str().is_some_and(|id| self.has_ended(id)) {
            return;
        }
        for field in pipeline["fields"].as_array_mut().into_iter().flatten() {
            if field["key"] == "@pipelineState" && field["stringValue"] == "SCHEDULED" {
                field["stringValue"] = "FINISHED".into();
            }
        }
    }
}
