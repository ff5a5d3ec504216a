//! Preconditions on DynamoDB, against the server of moto (`tests/setup` installs it).

use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_sdk_datapipeline::types::PipelineObject;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};

use crate::harness::{Stage, activity, default, object, refers, string, value};

/// A DynamoDB server that ends when the value is dropped.
struct DynamoDb {
    server: Child,
    client: Client,
}

impl DynamoDb {
    async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/moto_server");
        assert!(program.exists(), "moto is missing: run `tests/setup`");
        let port = native_postgres::free_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let server =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut started = Self { server, client: client(port) };
        for _ in 0..600 {
            if started.client.list_tables().send().await.is_ok() {
                return started;
            }
            assert_eq!(started.server.try_wait().unwrap(), None, "moto ended by itself");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("moto does not answer on port {port}");
    }

    async fn create(&self, table: &str) {
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let create = self.client.create_table().table_name(table).key_schema(key);
        let create = create.attribute_definitions(id.build().unwrap());
        create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    }

    async fn put(&self, table: &str) {
        let put = self.client.put_item().table_name(table).item("id", AttributeValue::S("1".to_owned()));
        put.send().await.unwrap();
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn client(port: u16) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .build();
    Client::from_conf(config)
}

/// Returns a pipeline of `Work`, guarded by a precondition of this type on the table `orders`.
fn guarded(kind: &str) -> Vec<PipelineObject> {
    let ready = [string("type", kind), string("tableName", "orders"), string("role", "r")];
    let mut work = activity("Work", &[]);
    work.fields.push(refers("precondition", "Ready"));
    vec![default(), object("Ready", ready.to_vec()), work]
}

async fn until_checked(stage: &Stage, pipeline: &str, times: &str) {
    let id = format!("{}_Attempt=1", &stage.ids(pipeline, "INSTANCE").await[1]);
    let mut last = None;
    for _ in 0..10_000 {
        last = value(stage.object(pipeline, &id).await.fields(), "currentRetryCount");
        if last.as_deref() == Some(times) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{id} was checked {last:?} times");
}

#[tokio::test]
async fn the_service_checks_a_table_until_it_exists_and_holds_an_item() {
    let dynamodb = DynamoDb::start().await;
    let client = dynamodb.client.clone();
    let stage = Stage::with(|config| config.dynamodb = Some(client)).await;
    let (exists, holds) =
        (stage.run(guarded("DynamoDBTableExists")).await, stage.run(guarded("DynamoDBDataExists")).await);
    for pipeline in [&exists, &holds] {
        until_checked(&stage, pipeline, "1").await;
    }
    dynamodb.create("orders").await;
    stage.advance(120);
    stage.until(&exists, &[("Work", "WAITING_FOR_RUNNER"), ("Ready", "FINISHED")]).await;
    until_checked(&stage, &holds, "2").await;
    dynamodb.put("orders").await;
    stage.advance(120);
    stage.until(&holds, &[("Work", "WAITING_FOR_RUNNER"), ("Ready", "FINISHED")]).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_check_without_an_answer_is_an_error_and_is_repeated() {
    let nobody = client(native_postgres::free_port());
    let stage = Stage::with(|config| config.dynamodb = Some(nobody)).await;
    let pipeline = stage.run(guarded("DynamoDBTableExists")).await;
    let id = stage.ids(&pipeline, "INSTANCE").await[1].clone();
    let mut message = None;
    for _ in 0..10_000 {
        message = value(stage.object(&pipeline, &id).await.fields(), "errorMessage");
        if message.is_some() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(message.as_deref().is_some_and(|text| text.starts_with("DescribeTable orders: ")), "{message:?}");
    stage.stop().await;
}

#[tokio::test]
async fn without_a_dynamodb_such_a_definition_is_refused_with_the_settings_to_make() {
    let stage = Stage::new().await;
    let pipeline = stage.create("p").await;
    let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    put.set_pipeline_objects(Some(guarded("DynamoDBDataExists"))).send().await.unwrap();
    let refused = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let error = refused.into_service_error().to_string();
    assert!(error.contains("object `Ready`, field `type`: no DynamoDB is configured"), "{error}");
    assert!(error.contains("--dynamodb-url") && error.contains("AWS_ENDPOINT_URL_DYNAMODB"), "{error}");
    stage.stop().await;
}
