//! The stack's S3 with the programs that people use on buckets: each does its whole job, with small and large objects.

mod operations;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use downspout::local::s3::{Credentials, LocalS3, S3Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An S3 endpoint without the rest of the stack.
struct Endpoint {
    folder: TempDir,
    address: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Endpoint {
    async fn start() -> Self {
        let folder = TempDir::with_prefix("downspout-s3-").expect("a temporary folder");
        let store = S3Store::open(folder.path().join("store")).expect("a store");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let credentials = Credentials {
            access_key_id: "AKIDTEST".to_owned(),
            secret_access_key: "secret+/of/the+test".to_owned(),
        };
        let shutdown = CancellationToken::new();
        let serving = LocalS3::new(store, credentials, "us-east-1").serve(listener, shutdown.clone());
        Self { folder, address, shutdown, serving: tokio::spawn(serving) }
    }

    /// Runs a program with the environment that AWS's programs read and no other settings. Returns its output.
    async fn run(&self, program: PathBuf, arguments: Vec<String>) -> String {
        let home = self.folder.path().join("home");
        std::fs::create_dir_all(&home).expect("a home for settings");
        let path = format!(
            "{}:{}",
            workspace().join("target/venv/bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let mut command = Command::new(&program);
        command.args(&arguments).env("PATH", path).env("HOME", &home).current_dir(&home).stdin(Stdio::null());
        for name in
            ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE"]
        {
            command.env_remove(name);
        }
        command.env("AWS_ACCESS_KEY_ID", "AKIDTEST").env("AWS_SECRET_ACCESS_KEY", "secret+/of/the+test");
        command.env("AWS_REGION", "us-east-1").env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_ENDPOINT_URL_S3", &self.address).env("NPM_FOLDER", workspace().join("target/npm"));
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
        let output =
            output.unwrap_or_else(|error| panic!("{}: {error}: run `tests/setup`", program.display()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}\n{said}\n{complaints}", program.display());
        said
    }

    /// Runs the script `name` of the folder `tests/e2e/s3` with `program` and checks that it came to its end.
    async fn run_job(self, program: impl Into<PathBuf>, name: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/s3").join(name);
        let work = self.folder.path().join("work");
        std::fs::create_dir_all(&work).expect("a folder for files");
        let arguments = [script, work].map(|path| path.to_str().expect("UTF-8").to_owned());
        let said = self.run(program.into(), arguments.into()).await;
        assert_eq!(said.trim(), "done");
        self.stop().await;
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.expect("the end of the endpoint");
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the Python of the AWS CLI and of boto3.
fn python() -> PathBuf {
    workspace().join("target/venv/bin/python")
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_its_whole_job() {
    Endpoint::start().await.run_job(python(), "boto3_job.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_does_its_whole_job() {
    Endpoint::start().await.run_job("bash", "aws_cli_job.sh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_sdk_does_its_whole_job() {
    Endpoint::start().await.run_job("node", "javascript_sdk_job.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_js_does_its_whole_job() {
    Endpoint::start().await.run_job("node", "minio_js_job.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone_does_its_whole_job() {
    Endpoint::start().await.run_job("bash", "rclone_job.sh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3cmd_does_its_whole_job() {
    Endpoint::start().await.run_job("bash", "s3cmd_job.sh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3fs_does_its_whole_job() {
    let python = workspace().join("target/venv-s3fs/bin/python");
    Endpoint::start().await.run_job(python, "s3fs_job.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_does_its_whole_job() {
    Endpoint::start().await.run_job(python(), "pyarrow_job.py").await;
}
