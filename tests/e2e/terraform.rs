//! Terraform makes buckets, a topic and a pipeline in the local stack, by the modules that also make those on AWS.
//!
//! The provider of Terraform cannot be installed from a registry of packages, so where it is missing, the story says so and ends.
//! Every other check of the modules is in `tests/terraform`.

use std::path::Path;
use std::process::{Command, Output};

use aws_sdk_s3::types::{BucketVersioningStatus, ServerSideEncryption};
use e2e::definitions::shipped_folder;
use e2e::program::Up;
use e2e::until::until;
use serde_json::Value;

use crate::PROGRAM;

/// The exit code of the script where Terraform or its provider is missing.
const MISSING: i32 = 77;

#[tokio::test(flavor = "multi_thread")]
async fn the_modules_of_buckets_and_of_the_topic_apply_to_the_local_stack() {
    let up = Up::start(PROGRAM, &["--definitions", shipped_folder().to_str().expect("UTF-8")]).await;
    let work = tempfile::tempdir().expect("a folder");
    let output = terraform(&up, work.path(), "apply first@example.com");
    if output.status.code() == Some(MISSING) {
        println!("NOT CHECKED: {}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let outputs = outputs(&output);
    let bucket = |purpose: &str| outputs["buckets"]["value"][purpose].as_str().expect("a bucket").to_owned();
    the_drop_bucket_is_as_the_module_says(&up, &bucket("drop")).await;

    outputs_of_success(&terraform(&up, work.path(), "apply first@example.com second@example.com"));
    let rules =
        up.s3().get_bucket_lifecycle_configuration().bucket(bucket("logs")).send().await.expect("rules");
    assert!(
        rules
            .rules()
            .iter()
            .any(|rule| rule.expiration().and_then(|expiration| expiration.days()) == Some(32)),
        "{rules:?}"
    );

    let topic = outputs["topic_arn"]["value"].as_str().expect("a topic");
    up.sns()
        .publish()
        .topic_arn(topic)
        .subject("made")
        .message("by Terraform")
        .send()
        .await
        .expect("published");
    until("both subscribers have the mail", async || {
        let mails = up.mails().iter().filter(|mail| mail.subject == "made").count();
        if mails == 2 { Ok(()) } else { Err(format!("{mails} mails")) }
    })
    .await;

    let id = outputs["pipeline_id"]["value"].as_str().expect("a pipeline");
    up.datapipeline()
        .activate_pipeline()
        .pipeline_id(id)
        .send()
        .await
        .expect("the pipeline that Terraform made runs");

    outputs_of_success(&terraform(&up, work.path(), "destroy"));
    let left = up.s3().list_buckets().send().await.expect("a list");
    let left: Vec<_> = left
        .buckets()
        .iter()
        .filter_map(|bucket| bucket.name())
        .filter(|name| name.starts_with("team"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn the_drop_bucket_is_as_the_module_says(up: &Up, bucket: &str) {
    let versioning = up.s3().get_bucket_versioning().bucket(bucket).send().await.expect("versioning");
    assert_eq!(versioning.status(), Some(&BucketVersioningStatus::Enabled));
    let encryption = up.s3().get_bucket_encryption().bucket(bucket).send().await.expect("encryption");
    let rule = &encryption.server_side_encryption_configuration().expect("a configuration").rules()[0];
    let algorithm =
        rule.apply_server_side_encryption_by_default().map(|default| default.sse_algorithm().clone());
    assert_eq!(algorithm, Some(ServerSideEncryption::Aes256));
    let closed =
        up.s3().get_public_access_block().bucket(bucket).send().await.expect("a block of public access");
    let closed = closed.public_access_block_configuration().expect("a configuration");
    assert_eq!((closed.block_public_acls(), closed.restrict_public_buckets()), (Some(true), Some(true)));
    let policy = up.s3().get_bucket_policy().bucket(bucket).send().await.expect("a policy");
    assert!(policy.policy().is_some_and(|policy| policy.contains("TlsOnly")), "{policy:?}");
}

/// Runs the script with the environment that `downspout env` prints.
fn terraform(up: &Up, work: &Path, arguments: &str) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/terraform/local.py");
    let line = format!(
        "eval \"$('{PROGRAM}' --data-dir '{}' env)\" && python3 '{script}' {arguments}",
        up.data_dir().display()
    );
    let output = Command::new("bash")
        .args(["-c", &line])
        .env("TERRAFORM_WORK", work)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("starting bash");
    assert!(
        output.status.success() || output.status.code() == Some(MISSING),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn outputs_of_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

fn outputs(output: &Output) -> Value {
    outputs_of_success(output);
    serde_json::from_slice(&output.stdout).expect("the outputs are JSON")
}
