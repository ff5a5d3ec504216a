//! A function with buckets of its own in a running stack, whose own orchestrator does not see them.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{
    definitions::Definitions,
    process::Process,
    program::Up,
    runtime_api::{Answer, RuntimeApi},
    until::until,
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

    /// Ends the function, and starts it under the emulator of cargo-lambda.
    pub(super) async fn move_to_cargo_lambda(&mut self) -> CargoLambda {
        let emulator = CargoLambda::start(self.folder.path()).await;
        self.process.kill();
        let variables = Self::variables(
            &self.up,
            &[
                ("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{}/.rt", emulator.port)),
                ("AWS_LAMBDA_FUNCTION_NAME", "_".to_owned()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
            ],
        );
        let mut command = Command::new(BOOTSTRAP);
        command.env_clear().envs(variables);
        self.process = Process::start("function", self.folder.path(), command);
        emulator
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

/// The emulator of Lambda in cargo-lambda.
pub(super) struct CargoLambda {
    port: u16,
    folder: PathBuf,
    _process: Process,
}

impl CargoLambda {
    async fn start(folder: &Path) -> Self {
        // It wants the package of a function, though it does not build it here.
        fs::create_dir(folder.join("src")).expect("a folder");
        fs::write(folder.join("src/main.rs"), "fn main() {}").expect("a source file");
        fs::write(folder.join("Cargo.toml"), "[package]\nname = \"function\"\nedition = \"2024\"\n")
            .expect("a package");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let mut command = Self::command(port, "watch");
        command.arg("--only-lambda-apis");
        let mut process = Process::start("cargo-lambda", folder, command);
        until("cargo-lambda listens", async || {
            process.must_run();
            let reached = std::net::TcpStream::connect(("127.0.0.1", port));
            reached.map(drop).map_err(|_| process.last_output())
        })
        .await;
        Self { port, folder: folder.to_owned(), _process: process }
    }

    fn command(port: u16, verb: &str) -> Command {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv-package/bin/cargo-lambda");
        assert!(program.exists(), "cargo-lambda is missing: run `tests/setup`");
        let mut command = Command::new(program);
        command.args(["lambda", verb, "--invoke-address", "127.0.0.1", "--invoke-port", &port.to_string()]);
        command
    }

    /// Sends an event to the function and returns its response.
    pub(super) fn invoke(&self, event: &Value) -> Value {
        let file = self.folder.join("event.json");
        fs::write(&file, event.to_string()).expect("an event");
        let mut command = Self::command(self.port, "invoke");
        let output = command.arg("--data-file").arg(file).output().expect("starting cargo-lambda");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}
