//! A function with buckets of its own in a running stack, whose own orchestrator does not see them.

use e2e::{
    definitions::Definitions,
    process::Process,
    program::Up,
    runtime_api::{Answer, RuntimeApi},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PROGRAM;

/// The function under test.
pub(super) const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap-under-test");
const DEFINITIONS: &str = "function-definitions";
const DROP: &str = "function-drop";

/// A running function, with its stack.
pub(super) struct Function {
    pub(super) up: Up,
    pub(super) api: RuntimeApi,
    pub(super) process: Process,
    _definitions: Definitions,
    folder: TempDir,
}

impl Function {
    /// Starts a stack and the function on it; `more` are further variables.
    pub(super) async fn start(more: &[(&str, &str)]) -> Self {
        let definitions = Definitions::uncapped();
        let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
        for bucket in [DEFINITIONS, DROP] {
            up.s3().create_bucket().bucket(bucket).send().await.expect("a bucket");
        }
        let api = RuntimeApi::start().await;
        let folder = TempDir::with_prefix("downspout-function-").expect("a temporary folder");
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let process = api.function(BOOTSTRAP, folder.path(), &Self::variables(&up, &more));
        Self { up, api, process, _definitions: definitions, folder }
    }

    /// Ends the function and starts it with other variables.
    pub(super) fn restart_with(&mut self, more: &[(&str, String)]) {
        self.process.kill();
        let variables = Self::variables(&self.up, more);
        self.process = self.api.function(BOOTSTRAP, self.folder.path(), &variables);
    }

    /// Returns the environment of a function on `up`.
    fn variables<'a>(up: &Up, more: &[(&'a str, String)]) -> Vec<(&'a str, String)> {
        let mut variables: Vec<(&'a str, String)> = up.endpoints.environment();
        variables.extend([
            ("DEFINITIONS_S3_URI", format!("s3://{DEFINITIONS}/of/it")),
            ("DROP_BUCKET", DROP.to_owned()),
            ("NOTIFY_TOPIC_ARN", up.endpoints.topic_arn.clone()),
        ]);
        variables.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
        variables.extend(more.iter().cloned());
        variables
    }

    /// Puts a definition that says hello for each file of `pattern`.
    pub(super) async fn put_definition(&self, name: &str, pattern: &str) {
        let definition = json!({"objects": [
            {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r",
             "resourceRole": "r", "workerGroup": "downspout", "myStaleRuns": "keep", "myDropFile": pattern},
            {"id": "Work", "type": "ShellCommandActivity", "command": "true"}],
            "parameters": [{"id": "myDay"}]});
        let put = self.up.s3().put_object().bucket(DEFINITIONS).key(format!("of/it/{name}.json"));
        put.body(definition.to_string().into_bytes().into()).send().await.expect("a definition");
    }

    /// Drops a file.
    pub(super) async fn put(&self, key: &str) {
        let put = self.up.s3().put_object().bucket(DROP).key(key).body(b"a\n".to_vec().into());
        put.send().await.expect("a dropped file");
    }

    /// Returns the event of a file that was dropped just now.
    pub(super) fn event(&self, key: &str) -> Value {
        json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": format!("{:.3}", jiff::Timestamp::now()), "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {}, "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": DROP},
            "object": {"key": key, "size": 2, "eTag": "e", "sequencer": "1"}}}]})
    }

    pub(super) async fn invoke(&mut self, event: &Value) -> Value {
        self.api.invoke(event, &mut self.process).await
    }

    pub(super) async fn answer(&mut self, id: &str) -> Answer {
        self.api.answer(id, &mut self.process).await
    }

    /// Returns the names of all pipelines.
    pub(super) async fn pipelines(&self) -> Vec<String> {
        let listed = self.up.datapipeline().list_pipelines().send().await.expect("a list");
        listed.pipeline_id_list().iter().filter_map(|it| it.name().map(str::to_owned)).collect()
    }

    /// Returns the names of the pipelines whose run has ended well.
    pub(super) async fn finished(&self) -> Vec<String> {
        let listed = self.up.datapipeline().list_pipelines().send().await.expect("a list");
        let ids: Vec<String> =
            listed.pipeline_id_list().iter().filter_map(|it| it.id().map(str::to_owned)).collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let described = self.up.datapipeline().describe_pipelines().set_pipeline_ids(Some(ids));
        let described = described.send().await.expect("a description");
        let is_finished = |it: &&aws_sdk_datapipeline::types::PipelineDescription| {
            let state = it.fields().iter().find(|field| field.key() == "@pipelineState");
            state.and_then(|field| field.string_value()) == Some("FINISHED")
        };
        described
            .pipeline_description_list()
            .iter()
            .filter(is_finished)
            .map(|it| it.name().to_owned())
            .collect()
    }
}
