//! Golden exchanges: the requests and answers on the wire for each operation and each exception, with the SDK of AWS as the client.

use std::sync::{Arc, Mutex};

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_datapipeline::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_datapipeline::error::BoxError;
use aws_sdk_datapipeline::types::{
    Operator, OperatorType, ParameterObject, ParameterValue, Query, Selector, Tag, TaskStatus,
};
use serde_json::Value;

use crate::harness::{Stage, activity, default, string};

/// Writes down each exchange of a client.
#[derive(Clone, Debug, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let asked = pretty(request.body().bytes().unwrap_or_default());
        self.0.lock().unwrap().push(format!("{target} {asked}\n"));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response().ok_or("no response")?;
        let answered = pretty(response.body().bytes().unwrap_or_default());
        self.0.lock().unwrap().push(format!("{} {answered}\n\n", response.status().as_u16()));
        Ok(())
    }
}

/// Returns JSON on several lines, and an empty body as it is.
fn pretty(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap(),
        Err(_) => text,
    }
}

/// Returns a client of the stage that writes down its exchanges.
fn recording(stage: &Stage) -> (Client, Recorder) {
    let recorder = Recorder::default();
    let config = stage.client.config().to_builder().interceptor(recorder.clone()).build();
    (Client::from_conf(config), recorder)
}

/// Returns the exchanges. The texts `hidden` are replaced in them, because these texts differ each time.
fn exchanges(recorder: &Recorder, hidden: &[(&str, &str)]) -> String {
    let all = recorder.0.lock().unwrap().concat();
    hidden.iter().fold(all, |text, (secret, name)| text.replace(secret, name))
}

#[tokio::test]
async fn each_operation_has_the_wire_form_of_aws() {
    let stage = Stage::new().await;
    let (client, recorder) = recording(&stage);
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let create = client.create_pipeline().name("greet").unique_id("one").description("says hello");
    let pipeline = create.tags(tag("team", "a")).send().await.unwrap().pipeline_id().to_owned();
    let mut greet = activity("Greet", &[]);
    greet.fields.push(string("scriptArgument", "#{myName}"));
    let parameter = || ParameterObject::builder().id("myName").set_attributes(Some(vec![])).build().unwrap();
    let value = || ParameterValue::builder().id("myName").string_value("world").build().unwrap();
    let objects = vec![default(), greet];
    let check = client.validate_pipeline_definition().pipeline_id(&pipeline);
    let check = check.set_pipeline_objects(Some(objects.clone())).parameter_objects(parameter());
    check.parameter_values(value()).send().await.unwrap();
    let put = client.put_pipeline_definition().pipeline_id(&pipeline).set_pipeline_objects(Some(objects));
    put.parameter_objects(parameter()).parameter_values(value()).send().await.unwrap();
    client.get_pipeline_definition().pipeline_id(&pipeline).send().await.unwrap();
    client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    client.list_pipelines().send().await.unwrap();
    client.describe_pipelines().pipeline_ids(&pipeline).send().await.unwrap();
    let waits = Operator::builder().r#type(OperatorType::Equal).values("WAITING_FOR_RUNNER").build();
    let query = Query::builder().selectors(Selector::builder().field_name("@status").operator(waits).build());
    let query = client.query_objects().pipeline_id(&pipeline).sphere("INSTANCE").query(query.build());
    let instance = query.send().await.unwrap().ids()[0].clone();
    let describe = client.describe_objects().pipeline_id(&pipeline).object_ids(&instance).object_ids("Greet");
    describe.evaluate_expressions(true).send().await.unwrap();
    let evaluate = client.evaluate_expression().pipeline_id(&pipeline).object_id(&instance);
    evaluate.expression("#{myName} at #{@scheduledStartTime}").send().await.unwrap();
    let polled = client.poll_for_task().worker_group("wg").hostname("runner").send().await.unwrap();
    let task = polled.task_object().unwrap().task_id().unwrap().to_owned();
    let progress = client.report_task_progress().task_id(&task).fields(string("percentComplete", "50"));
    progress.send().await.unwrap();
    client.set_task_status().task_id(&task).task_status(TaskStatus::Finished).send().await.unwrap();
    let heartbeat = client.report_task_runner_heartbeat().taskrunner_id("runner").worker_group("wg");
    heartbeat.send().await.unwrap();
    client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    client.set_status().pipeline_id(&pipeline).object_ids("Greet").status("PAUSE").send().await.unwrap();
    client.add_tags().pipeline_id(&pipeline).tags(tag("stage", "test")).send().await.unwrap();
    client.remove_tags().pipeline_id(&pipeline).tag_keys("team").send().await.unwrap();
    client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    client.describe_pipelines().pipeline_ids(&pipeline).send().await.unwrap();
    insta::assert_snapshot!(exchanges(&recorder, &[(&pipeline, "df-1"), (&task, "TASK")]));
    stage.stop().await;
}

#[tokio::test]
async fn each_exception_has_the_wire_form_of_aws() {
    let stage = Stage::new().await;
    let (client, recorder) = recording(&stage);
    let unknown = "df-00000000AAAAAAAAAAAA";
    let pipeline = stage.create("p").await;
    // InvalidRequestException, of the operations that have no rule of their own for it.
    client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let never = client.get_pipeline_definition().pipeline_id(&pipeline).version("active");
    never.send().await.unwrap_err();
    client.query_objects().pipeline_id(&pipeline).sphere("PLANET").send().await.unwrap_err();
    client.describe_objects().pipeline_id(&pipeline).object_ids("Nobody").send().await.unwrap_err();
    client.set_status().pipeline_id(&pipeline).object_ids("Nobody").status("PAUSE").send().await.unwrap_err();
    client.list_pipelines().marker("nonsense").send().await.unwrap_err();
    let evaluate = client.evaluate_expression().pipeline_id(&pipeline).object_id("Nobody");
    evaluate.expression("#{1}").send().await.unwrap_err();
    // TaskNotFoundException.
    client.report_task_progress().task_id("nonsense").send().await.unwrap_err();
    let status = client.set_task_status().task_id("nonsense").task_status(TaskStatus::Finished);
    status.send().await.unwrap_err();
    // PipelineNotFoundException.
    client.delete_pipeline().pipeline_id(unknown).send().await.unwrap_err();
    client.deactivate_pipeline().pipeline_id(unknown).send().await.unwrap_err();
    client.remove_tags().pipeline_id(unknown).tag_keys("k").send().await.unwrap_err();
    // ValidationException of the front end.
    client.create_pipeline().name("").unique_id("u").send().await.unwrap_err();
    // PipelineDeletedException, at once and after the pipeline was DELETING.
    client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    stage.advance(3);
    client.describe_pipelines().pipeline_ids(&pipeline).send().await.unwrap_err();
    insta::assert_snapshot!(exchanges(&recorder, &[(&pipeline, "df-1")]));
    stage.stop().await;
}
