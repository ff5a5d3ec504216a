//! The program `server` as a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::config::{BehaviorVersion, Credentials, Region};
use tempfile::TempDir;

use crate::harness::{KEY, SECRET};

/// A server process, killed when dropped.
struct Program {
    child: Child,
    endpoint: String,
    _folder: TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.env_clear().args(["--listen", "127.0.0.1:0", "--no-sns", "--data"]);
    command.arg(folder.path().join("pipelines.db")).env("AWS_EC2_METADATA_DISABLED", "true");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(variables: &[(&str, &str)]) -> Program {
    let folder = TempDir::new().unwrap();
    let mut child = command(&folder).envs(variables.iter().copied()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let endpoint = line.trim().strip_prefix("listening on ").expect("the server says where it listens");
    Program { child, endpoint: endpoint.to_owned(), _folder: folder }
}

async fn lists(program: &Program, key: &str, secret: &str) -> bool {
    let config = aws_sdk_datapipeline::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&program.endpoint)
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .build();
    Client::from_conf(config).list_pipelines().send().await.is_ok()
}

#[tokio::test]
async fn clients_may_have_another_key_than_the_server_itself_has_for_aws() {
    let aws = [("AWS_ACCESS_KEY_ID", "aws"), ("AWS_SECRET_ACCESS_KEY", "of-aws")];
    let usual = start(&aws);
    assert!(lists(&usual, "aws", "of-aws").await);
    let own = [("DOWNSPOUT_ACCESS_KEY_ID", KEY), ("DOWNSPOUT_SECRET_ACCESS_KEY", SECRET)];
    let hosted = start(&[aws.as_slice(), &own].concat());
    assert!(lists(&hosted, KEY, SECRET).await);
    assert!(!lists(&hosted, "aws", "of-aws").await);
}

#[test]
fn a_server_without_a_key_for_its_clients_says_which_variable_is_missing() {
    let folder = TempDir::new().unwrap();
    let output = command(&folder).env("DOWNSPOUT_ACCESS_KEY_ID", KEY).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("DOWNSPOUT_SECRET_ACCESS_KEY is not set"), "{said}");
}
