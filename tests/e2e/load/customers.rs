//! Those who use the server as it is meant: task runners, customers who order runs, and people who look.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::error::DisplayErrorContext;
use aws_sdk_datapipeline::types::{Field, PipelineObject, TaskStatus};
use e2e::until::LIMIT;
use tokio::time::MissedTickBehavior;

use super::Load;

const GROUP: &str = "load";
/// The activities of a run, each after the one before.
const CHAIN: [&str; 3] = ["First", "Second", "Third"];
/// The shortest time from one order of a customer to the next.
const ORDERS: Duration = Duration::from_millis(500);
/// The pause of a person between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Does the tasks that one runner gets, each at once.
pub(super) async fn run_tasks(load: Arc<Load>, number: usize) {
    let client = load.client();
    loop {
        let poll = client.poll_for_task().worker_group(GROUP).hostname(format!("runner-{number}")).send();
        let answer = poll.await.unwrap_or_else(|error| panic!("PollForTask: {}", DisplayErrorContext(error)));
        let Some(task) = answer.task_object().and_then(|task| task.task_id()).map(str::to_owned) else {
            continue;
        };
        let report = client.report_task_progress().task_id(&task).send();
        let report = load.figures.time("ReportTaskProgress", report).await;
        assert!(!report.expect("progress is reported").canceled(), "nobody cancels");
        let done = client.set_task_status().task_id(&task).task_status(TaskStatus::Finished).send();
        load.figures.time("SetTaskStatus", done).await.expect("the task is done");
    }
}

/// Orders one run after the other, looks at how each ended, and deletes it.
pub(super) async fn order(load: Arc<Load>, number: usize) {
    let client = load.client();
    let mut count = 0;
    let mut orders = tokio::time::interval(ORDERS);
    orders.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !load.is_over() {
        orders.tick().await;
        count += 1;
        let name = format!("customer-{number}-{count}");
        let create = client.create_pipeline().name(&name).unique_id(&name).send();
        let created = load.figures.time("CreatePipeline", create).await.expect("a pipeline");
        let id = created.pipeline_id().to_owned();
        let put =
            client.put_pipeline_definition().pipeline_id(&id).set_pipeline_objects(Some(objects())).send();
        let put = load.figures.time("PutPipelineDefinition", put).await.expect("a definition");
        assert!(!put.errored(), "{:?}", put.validation_errors());
        let activate = client.activate_pipeline().pipeline_id(&id).send();
        load.figures.time("ActivatePipeline", activate).await.expect("a run");
        let (begun, mut pace) = (Instant::now(), tokio::time::interval(PAUSE));
        while state(&load, &client, &id).await != "FINISHED" {
            assert!(begun.elapsed() < LIMIT, "{name} does not end");
            pace.tick().await;
        }
        ended_right(&load, &id).await;
        let delete = client.delete_pipeline().pipeline_id(&id).send();
        load.figures.time("DeletePipeline", delete).await.expect("it is deleted");
        load.runs.fetch_add(1, Ordering::Relaxed);
    }
}

async fn state(load: &Load, client: &Client, id: &str) -> String {
    let describe = client.describe_pipelines().pipeline_ids(id).send();
    let described = load.figures.time("DescribePipelines", describe).await.expect("an answer");
    value(described.pipeline_description_list()[0].fields(), "@pipelineState").unwrap_or_default().to_owned()
}

/// Checks that each activity of a run has finished at its first attempt, each after the one before.
async fn ended_right(load: &Load, id: &str) {
    let client = load.client();
    let query = client.query_objects().pipeline_id(id).sphere("ATTEMPT").send();
    let found = load.figures.time("QueryObjects", query).await.expect("attempts");
    let describe =
        client.describe_objects().pipeline_id(id).set_object_ids(Some(found.ids().to_vec())).send();
    let described = load.figures.time("DescribeObjects", describe).await.expect("their fields");
    let mut attempts: Vec<_> = described
        .pipeline_objects()
        .iter()
        .map(|attempt| {
            let field = |key: &str| value(attempt.fields(), key).unwrap_or_default().to_owned();
            (field("@actualStartTime"), attempt.id().to_owned(), field("@status"))
        })
        .collect();
    attempts.sort();
    assert!(attempts.iter().all(|(_, _, status)| status == "FINISHED"), "{attempts:?}");
    assert_eq!(attempts.len(), CHAIN.len(), "{attempts:?}");
    for name in CHAIN {
        assert_eq!(attempts.iter().filter(|(_, id, _)| id.contains(name)).count(), 1, "{attempts:?}");
    }
}

/// Lists the pipelines, and reads a definition of one.
pub(super) async fn look(load: Arc<Load>) {
    let client = load.client();
    let mut pace = tokio::time::interval(PAUSE);
    while !load.is_over() {
        pace.tick().await;
        let listed =
            load.figures.time("ListPipelines", client.list_pipelines().send()).await.expect("a list");
        let Some(id) = listed.pipeline_id_list().first().and_then(|one| one.id()) else { continue };
        // Its customer may delete the pipeline, or may not have put a definition.
        let get = client.get_pipeline_definition().pipeline_id(id).send();
        if let Err(error) = load.figures.time("GetPipelineDefinition", get).await {
            assert!(error.as_service_error().is_some(), "{}", DisplayErrorContext(error));
        }
    }
}

fn objects() -> Vec<PipelineObject> {
    let mut objects = vec![object(
        "Default",
        &[("scheduleType", "ondemand"), ("workerGroup", GROUP), ("maximumRetries", "0")],
        None,
    )];
    let before = std::iter::once(None).chain(CHAIN.map(Some));
    let fields = [("type", "ShellCommandActivity"), ("command", "true")];
    objects.extend(CHAIN.into_iter().zip(before).map(|(name, before)| object(name, &fields, before)));
    objects
}

fn object(id: &str, fields: &[(&str, &str)], depends_on: Option<&str>) -> PipelineObject {
    let field = |key: &str| Field::builder().key(key);
    let fields = fields.iter().map(|(key, value)| field(key).string_value(*value).build());
    let reference = depends_on.map(|name| field("dependsOn").ref_value(name).build());
    let fields = fields.chain(reference).collect::<Result<_, _>>().expect("keys are given");
    PipelineObject::builder().id(id).name(id).set_fields(Some(fields)).build().expect("all is given")
}

fn value<'a>(fields: &'a [Field], key: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.key() == key)?.string_value()
}
