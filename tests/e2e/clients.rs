//! The AWS CLI and boto3 with the environment that `downspout env` prints and no other settings.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use e2e::{
    definitions::{Definitions, shipped_folder},
    program::Up,
    samples::Samples,
};
use serde_json::Value;

use crate::PROGRAM;

/// Runs a bash script with the AWS CLI on its path and the environment that `downspout env` prints.
pub(crate) fn bash(up: &Up, script: &str) -> String {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin");
    assert!(venv.join("aws").exists(), "the AWS CLI is missing: run `tests/setup`");
    let path = format!("{}:{}", venv.display(), std::env::var("PATH").unwrap_or_default());
    let script = format!(
        "set -euo pipefail\neval \"$('{PROGRAM}' --data-dir '{}' env)\"\n{script}",
        up.data_dir().display()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", path)
        .current_dir(shipped_folder().join("orders/samples"))
        .stdin(Stdio::null())
        .output()
        .expect("starting bash");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_drops_three_files_in_any_order_and_sees_one_run() {
    let up = Up::start(PROGRAM, &["--definitions", shipped_folder().to_str().expect("UTF-8")]).await;
    bash(
        &up,
        "for file in shipments orders reviews; do
             aws s3 cp --quiet $file.csv s3://downspout-drop/incoming/2026-01-01/$file.csv
         done",
    );
    let mail = up.mail_of("2026-01-01").await;
    assert_eq!(mail.subject, "orders 2026-01-01: 24000 rows loaded, 12 refused", "{}", mail.body);

    let pipelines = json(&bash(&up, "aws datapipeline list-pipelines --output json"));
    let pipelines = pipelines["pipelineIdList"].as_array().expect("a list").clone();
    assert_eq!(pipelines.len(), 1, "{pipelines:?}");
    let id = pipelines[0]["id"].as_str().expect("an id");
    assert!(id.starts_with("df-"), "{id}");

    let described =
        json(&bash(&up, &format!("aws datapipeline describe-pipelines --pipeline-ids {id} --output json")));
    let fields = described["pipelineDescriptionList"][0]["fields"].as_array().expect("fields").clone();
    let field =
        |key: &str| fields.iter().find(|field| field["key"] == key).map(|field| &field["stringValue"]);
    assert_eq!(field("@pipelineState"), Some(&Value::from("FINISHED")), "{fields:?}");
    assert_eq!(field("@healthStatus"), Some(&Value::from("HEALTHY")), "{fields:?}");

    let runs = bash(&up, &format!("aws datapipeline list-runs --pipeline-id {id}"));
    for component in ["LoadOrders", "BuildShipments", "ExportBestPerformingProduct"] {
        assert!(runs.contains(component), "{component} is not among the runs:\n{runs}");
    }
    assert!(runs.contains("FINISHED"), "{runs}");

    let definition =
        bash(&up, &format!("aws datapipeline get-pipeline-definition --pipeline-id {id} --output json"));
    let password = up.endpoints.postgres.split(':').nth(2).and_then(|rest| rest.split('@').next());
    assert!(!definition.contains(password.expect("a password")), "the password stands in an answer");
    let definition = json(&definition);
    assert!(definition["objects"].as_array().is_some_and(|objects| objects.len() > 20), "{definition}");
    assert_eq!(definition["values"]["myDay"], "2026-01-01");

    let result = bash(&up, "aws s3 cp --quiet s3://downspout-results/orders/2026-01-01/agg_shipments.csv -");
    assert_eq!(result, "ingestion_date,tt_late_shipments,tt_undelivered_items\n2026-01-01,386,652\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_puts_activates_and_reads_a_definition_of_its_own() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let said = bash(
        &up,
        r#"python - <<'PYTHON'
import boto3, time
dp = boto3.client("datapipeline")
pipeline = dp.create_pipeline(name="hello", uniqueId="one")["pipelineId"]
assert dp.create_pipeline(name="hello", uniqueId="one")["pipelineId"] == pipeline
objects = [
    {"id": "Default", "name": "Default", "fields": [
        {"key": "scheduleType", "stringValue": "ondemand"},
        {"key": "failureAndRerunMode", "stringValue": "CASCADE"},
        {"key": "pipelineLogUri", "stringValue": "s3://downspout-logs/hello"},
        {"key": "workerGroup", "stringValue": "downspout"}]},
    {"id": "Hello", "name": "Hello", "fields": [
        {"key": "type", "stringValue": "ShellCommandActivity"},
        {"key": "command", "stringValue": "echo hello from #{parent.@id}"}]},
]
put = dp.put_pipeline_definition(pipelineId=pipeline, pipelineObjects=objects)
assert put["errored"] is False, put
dp.activate_pipeline(pipelineId=pipeline)
def state():
    fields = dp.describe_pipelines(pipelineIds=[pipeline])["pipelineDescriptionList"][0]["fields"]
    return {f["key"]: f.get("stringValue") for f in fields}["@pipelineState"]
deadline = time.time() + 60
while state() != "FINISHED":
    assert time.time() < deadline, state()
    time.sleep(0.05)
instances = dp.get_paginator("query_objects").paginate(pipelineId=pipeline, sphere="INSTANCE").build_full_result()["ids"]
assert len(instances) == 1 and instances[0].startswith("@Hello_"), instances
dp.delete_pipeline(pipelineId=pipeline)
assert state() == "DELETING", state()
deadline = time.time() + 60
try:
    while state() == "DELETING":
        assert time.time() < deadline
        time.sleep(0.05)
    raise SystemExit("a deleted pipeline was described")
except dp.exceptions.PipelineDeletedException as error:
    print(type(error).__name__)
PYTHON"#,
    );
    assert_eq!(said.trim(), "PipelineDeletedException");
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_reaches_a_bucket_by_its_host_name() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let said = bash(
        &up,
        r#"python - <<'PYTHON'
import boto3, http.client, os, socket, urllib.parse
from botocore.config import Config
resolve = socket.getaddrinfo
def resolve_localhost(host, *rest, **more):  # not every machine resolves the names below localhost
    return resolve("127.0.0.1" if str(host).endswith("localhost") else host, *rest, **more)
socket.getaddrinfo = resolve_localhost
port = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_S3"]).port
version_4 = Config(signature_version="s3v4")
by_path = boto3.client("s3", config=version_4)
by_path.create_bucket(Bucket="my.dotted.bucket")
def buckets():
    return [bucket["Name"] for bucket in by_path.list_buckets()["Buckets"]]
before = buckets()
for domain in ("localhost", "s3.localhost"):
    config = version_4.merge(Config(s3={"addressing_style": "virtual"}))
    s3 = boto3.client("s3", endpoint_url=f"http://{domain}:{port}", config=config)
    for bucket in ("downspout-results", "my.dotted.bucket"):
        s3.put_object(Bucket=bucket, Key="new-bucket")
        s3.put_object(Bucket=bucket, Key="a b/ü.csv", Body=b"content")
        assert by_path.get_object(Bucket=bucket, Key="a b/ü.csv")["Body"].read() == b"content"
        for client in (s3, by_path):
            url = urllib.parse.urlsplit(client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b/ü.csv"}))
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"content"), url
        s3.delete_object(Bucket=bucket, Key="my.dotted.bucket")
        assert not s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "new-bucket"}, {"Key": "a b/ü.csv"}]}).get("Errors")
    assert buckets() == before, buckets()
print("done")
PYTHON"#,
    );
    assert_eq!(said.trim(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_wait_follows_the_run_and_recognises_a_duplicate() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let samples = shipped_folder().join("orders/samples");
    let file = |name: &str| samples.join(name).to_str().expect("UTF-8").to_owned();
    let set = [file("orders.csv"), file("reviews.csv"), file("shipments.csv")];
    let drop_set = |extra: &[&str], files: &[String]| {
        let mut arguments = vec!["drop", "--wait", "--prefix", "incoming/2026-01-01"];
        arguments.extend_from_slice(extra);
        arguments.extend(files.iter().map(String::as_str));
        let output = up.downspout(&arguments);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    };
    let (code, said) = drop_set(&[], &set[..2]);
    assert_eq!(code, Some(3), "an incomplete set: {said}");
    assert!(said.contains("shipments.csv"), "what is missing: {said}");
    let (code, said) = drop_set(&[], &set[2..]);
    assert_eq!(code, Some(0), "the set is whole: {said}");
    let (code, said) = drop_set(&[], &set);
    assert_eq!(code, Some(0), "a duplicate ends as the earlier run did: {said}");
    assert_eq!(up.mails().len(), 1, "no second run: {:#?}", up.mails());
    let (code, said) = drop_set(&["--prefix", "nowhere"], &[]);
    assert_ne!(code, Some(0), "nothing to drop: {said}");
    let output = up.downspout(&["drop", "--wait", "--prefix", "nowhere", &set[0]]);
    assert_eq!(output.status.code(), Some(3), "a file that matches nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_whose_activation_is_refused_ends_with_the_reason() {
    let definitions = Definitions::uncapped();
    let refused = r##"{"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "downspout",
         "role": "r", "resourceRole": "r", "myDropFile": "refused/{day}/orders.csv"},
        {"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://127.0.0.1:1/none", "username": "u",
         "jdbcDriverClass": "org.postgresql.Driver", "*password": "p"},
        {"id": "Csv", "type": "CSV", "myHeader": "true", "myEncoding": "cp850"},
        {"id": "In", "type": "S3DataNode", "filePath": "s3://downspout-drop/refused/x/orders.csv",
         "dataFormat": {"ref": "Csv"}},
        {"id": "Out", "type": "SqlDataNode", "database": {"ref": "Db"}, "table": "t"},
        {"id": "Load", "type": "CopyActivity", "input": {"ref": "In"}, "output": {"ref": "Out"}}],
        "parameters": [{"id": "myDay"}]}"##;
    std::fs::write(std::path::Path::new(definitions.path()).join("refused.json"), refused).expect("written");
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let orders = shipped_folder().join("orders/samples/orders.csv");
    let orders = orders.to_str().expect("UTF-8");
    for _ in 0..2 {
        let output = up.downspout(&["drop", "--wait", "--prefix", "refused/2026-01-01", orders]);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("`cp850`, which is not an encoding"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_mails_ports_and_keys_are_the_same_after_a_stop_and_a_start() {
    let definitions = Definitions::uncapped();
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let samples = Samples::small(41, 150);
    up.drop_set("2026-06-01", &samples).await;
    up.mail_of("2026-06-01").await;
    let before = up.endpoints.clone();
    assert!(up.stop().await.success(), "{}", up.log());
    up.start_again().await;
    assert_eq!(up.endpoints.s3, before.s3, "ports are kept");
    assert_eq!(up.endpoints.secret_access_key, before.secret_access_key, "keys are kept");
    assert_eq!(up.staging_rows().await, samples.rows());
    up.mail_of("2026-06-01").await;
    let runs = up.downspout(&["runs"]);
    assert!(runs.status.success() && String::from_utf8_lossy(&runs.stdout).contains("FINISHED"), "{runs:?}");
}
