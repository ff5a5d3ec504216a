//! Stuck runs: an instance waits for ever for one that failed.

use aws_sdk_datapipeline::types::PipelineObject;

use crate::harness::{Stage, activity, object, refers, string};

/// Returns an hourly pipeline of `First`, then `Second`, for two hours. The clock is in the second hour. If `First`
/// fails, `Second` waits for ever.
fn two_hours() -> Vec<PipelineObject> {
    let default = [("scheduleType", "cron"), ("workerGroup", "wg"), ("pipelineLogUri", "s3://logs/dp")];
    let mut default: Vec<_> = default.iter().map(|(key, value)| string(key, value)).collect();
    default.extend([string("maximumRetries", "0"), refers("schedule", "Hourly")]);
    let schedule = [
        ("type", "Schedule"),
        ("period", "1 hour"),
        ("startDateTime", "2030-03-17T16:00:00"),
        ("occurrences", "2"),
    ];
    let schedule = schedule.iter().map(|(key, value)| string(key, value)).collect();
    let objects = [object("Default", default), object("Hourly", schedule)];
    objects.into_iter().chain([activity("First", &[]), activity("Second", &["First"])]).collect()
}

/// Returns `two_hours` with more fields of `Second`.
fn late(more: &[(&str, &str)], action: PipelineObject) -> Vec<PipelineObject> {
    let mut objects = two_hours();
    let second = objects.iter_mut().find(|object| object.id == "Second").unwrap();
    second.fields.extend(more.iter().map(|(key, value)| string(key, value)));
    second.fields.push(refers("onLateAction", &action.id));
    objects.into_iter().chain([action]).collect()
}

const FIRST: &str = "@First_2030-03-17T16:00:00";

/// Returns a pipeline whose first run is stuck, and whose second run has finished.
async fn stuck() -> (Stage, String) {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_hours()).await;
    let first = stage.poll().await;
    assert!(first.attempt_id().unwrap().starts_with(FIRST));
    stage.fail(&first, "no luck").await;
    for _ in 0..2 {
        stage.work(&stage.poll().await).await;
    }
    (stage, pipeline)
}

async fn set(stage: &Stage, pipeline: &str, id: &str, status: &str) {
    stage.client.set_status().pipeline_id(pipeline).object_ids(id).status(status).send().await.unwrap();
}

#[tokio::test]
async fn a_pipeline_with_a_stuck_run_is_finished_only_after_a_rerun() {
    let (stage, pipeline) = stuck().await;
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("SCHEDULED"));
    // After a restart, the service reads the pipeline from the store.
    let stage = stage.restart().await;
    set(&stage, &pipeline, FIRST, "RERUN").await;
    for _ in 0..2 {
        stage.work(&stage.poll().await).await;
    }
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    stage.stop().await;
}

#[tokio::test]
async fn a_pipeline_is_finished_when_what_was_stuck_is_canceled() {
    let (stage, pipeline) = stuck().await;
    set(&stage, &pipeline, "@Second_2030-03-17T16:00:00", "CANCEL").await;
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    stage.stop().await;
}

#[tokio::test]
async fn what_waits_for_ever_is_late_in_its_time_also_across_a_restart() {
    let stage = Stage::new().await;
    let stop = object("Stop", vec![string("type", "Terminate")]);
    let pipeline = stage.run(late(&[("lateAfterTimeout", "20 minutes")], stop)).await;
    for _ in 0..2 {
        stage.fail(&stage.poll().await, "no luck").await;
    }
    let stage = stage.restart().await;
    stage.advance(20 * 60);
    let ended = ["FAILED", "CANCELED"];
    let wanted = [("First", ended[0]), ("Second", ended[1]), ("First", ended[0]), ("Second", ended[1])];
    stage.until(&pipeline, &wanted).await;
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    stage.stop().await;
}
