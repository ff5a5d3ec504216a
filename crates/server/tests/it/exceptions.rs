//! The exceptions, each with its status, its headers and its exact body.

use aws_sdk_datapipeline::error::SdkError;
use aws_sdk_datapipeline::types::Tag;

use crate::harness::{Stage, client, object, string};

/// Returns the status, the error header and the body of an error.
fn golden<E: std::fmt::Debug>(error: SdkError<E>) -> String {
    let raw = error.raw_response().expect("the service answered");
    let header = |name: &str| raw.headers().get(name).unwrap_or("-").to_owned();
    assert_eq!(header("x-amzn-requestid").len(), 36);
    assert_eq!(header("content-type"), "application/x-amz-json-1.1");
    let body = raw.body().bytes().unwrap();
    assert_eq!(header("x-amz-crc32"), crc32fast::hash(body).to_string());
    format!("{} {} {}", raw.status().as_u16(), header("x-amzn-errortype"), String::from_utf8_lossy(body))
}

#[tokio::test]
async fn refusals_are_worded_as_aws_words_them() {
    let stage = Stage::new().await;
    let client_ = &stage.client;
    let unknown = "df-00000000AAAAAAAAAAAA";
    let mut said = Vec::new();
    said.push(golden(client_.describe_pipelines().pipeline_ids(unknown).send().await.unwrap_err()));
    let pipeline = stage.create("p").await;
    let empty = client_.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    said.push(golden(empty));
    let never = client_.get_pipeline_definition().pipeline_id(&pipeline).version("active").send();
    said.push(golden(never.await.unwrap_err()).replace(&pipeline, "df-1"));
    said.push(golden(client_.report_task_progress().task_id("nonsense").send().await.unwrap_err()));
    let tags =
        (0..11).map(|number| Tag::builder().key(number.to_string()).value("").build().unwrap()).collect();
    let tags = client_.add_tags().pipeline_id(&pipeline).set_tags(Some(tags)).send();
    said.push(golden(tags.await.unwrap_err()));
    let nameless = object("", vec![string("type", "ShellCommandActivity"), string("command", "")]);
    let fatal = client_.put_pipeline_definition().pipeline_id(&pipeline).pipeline_objects(nameless).send();
    let fatal = golden(fatal.await.unwrap_err());
    assert!(fatal.contains("Could not save the pipeline definition due to FATAL errors: ["), "{fatal}");
    client_.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    let deleted = client_.get_pipeline_definition().pipeline_id(&pipeline).send().await.unwrap_err();
    said.push(golden(deleted).replace(&pipeline, "df-1"));
    let forged = client(&stage.endpoint, "another secret").list_pipelines().send().await.unwrap_err();
    said.push(golden(forged));
    insta::assert_snapshot!(said.join("\n"));
    stage.stop().await;
}

/// The request has no signature. No SDK would send such a request.
#[tokio::test]
async fn an_unsigned_request_is_refused_before_anything_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stage = Stage::new().await;
    let address = stage.endpoint.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Amz-Target: DataPipeline.ListPipelines\r\n\
                   Content-Length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains(
        r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#
    ));
    stage.stop().await;
}
