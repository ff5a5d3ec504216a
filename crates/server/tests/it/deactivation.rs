//! Pipelines with schedules of different periods, deactivated in the middle of the longest interval.

use aws_sdk_datapipeline::types::PipelineObject;

use crate::harness::{Stage, activity, object, refers, string, value};

const HOUR: i64 = 3600;

/// Returns a pipeline of `Sum` every three hours from 17:00 on, and `Work` every hour. The clock stands at 17:46:40.
fn mixed() -> Vec<PipelineObject> {
    let default = [("scheduleType", "cron"), ("workerGroup", "wg"), ("pipelineLogUri", "s3://logs/dp")];
    let mut default: Vec<_> = default.iter().map(|(key, value)| string(key, value)).collect();
    default.push(refers("schedule", "Hourly"));
    let schedule = |id: &str, period: &str| {
        let start = string("startDateTime", "2030-03-17T17:00:00");
        object(id, vec![string("type", "Schedule"), string("period", period), start])
    };
    let mut sum = activity("Sum", &[]);
    sum.fields.push(refers("schedule", "Long"));
    let schedules = [schedule("Hourly", "1 hour"), schedule("Long", "3 hours")];
    let objects = [object("Default", default)].into_iter().chain(schedules);
    objects.chain([sum, activity("Work", &[])]).collect()
}

/// Returns the expected statuses in the first three hours, for the three instances of `Work`.
fn stand<'a>(first: &'a str, second: &'a str, third: &'a str) -> [(&'a str, &'a str); 4] {
    [("Sum", "FINISHED"), ("Work", first), ("Work", second), ("Work", third)]
}

const WAITS: &str = "WAITING_ON_DEPENDENCIES";
const READY: &str = "WAITING_FOR_RUNNER";

/// Returns the mixed pipeline in the first hour, after `Sum` has finished.
async fn begun() -> (Stage, String) {
    let stage = Stage::new().await;
    let pipeline = stage.run(mixed()).await;
    let sum = stage.poll().await;
    assert!(sum.attempt_id().unwrap().starts_with("@Sum"), "{:?}", sum.attempt_id());
    stage.work(&sum).await;
    stage.until(&pipeline, &stand(READY, WAITS, WAITS)).await;
    (stage, pipeline)
}

async fn deactivate(stage: &Stage, pipeline: &str, cancel: bool) {
    let deactivate = stage.client.deactivate_pipeline().pipeline_id(pipeline).cancel_active(cancel);
    deactivate.send().await.unwrap();
}

async fn state(stage: &Stage, pipeline: &str) -> String {
    stage.pipeline_field(pipeline, "@pipelineState").await.unwrap()
}

#[tokio::test]
async fn the_rest_of_the_longest_interval_is_made_up_for_after_the_next_activation() {
    let (stage, pipeline) = begun().await;
    deactivate(&stage, &pipeline, true).await;
    assert_eq!(state(&stage, &pipeline).await, "INACTIVE");
    let stage = stage.restart().await;
    stage.advance(HOUR);
    stage.until(&pipeline, &stand("CANCELED", WAITS, WAITS)).await;
    let waiting = stage.object(&pipeline, "@Work_2030-03-17T18:00:00").await;
    let why = value(waiting.fields(), "waitReason").unwrap();
    assert!(why.ends_with("and for the pipeline to be activated again"), "{why}");

    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    stage.until(&pipeline, &stand("CANCELED", READY, WAITS)).await;
    assert_eq!(state(&stage, &pipeline).await, "SCHEDULED");
    let stage = stage.restart().await;
    stage.advance(HOUR);
    for hour in ["18", "19"] {
        let task = stage.poll().await;
        assert!(task.attempt_id().unwrap().starts_with(&format!("@Work_2030-03-17T{hour}")));
        stage.work(&task).await;
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_deactivation_waits_for_what_runs_but_not_for_what_is_to_come() {
    let (stage, pipeline) = begun().await;
    let task = stage.poll().await;
    stage.progress(&task, &[]).await;
    deactivate(&stage, &pipeline, false).await;
    // 18:00 has passed, but not the 15 minutes after which a silent runner counts as stalled.
    stage.advance(14 * 60);
    assert_eq!(state(&stage, &pipeline).await, "DEACTIVATING");
    stage.finish(&task).await;
    assert_eq!(state(&stage, &pipeline).await, "INACTIVE");
    stage.until(&pipeline, &stand("FINISHED", WAITS, WAITS)).await;
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    stage.until(&pipeline, &stand("FINISHED", READY, WAITS)).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_deactivation_does_not_wait_for_what_a_pause_holds_back() {
    let (stage, pipeline) = begun().await;
    let set = async |status: &str| {
        let set = stage.client.set_status().pipeline_id(&pipeline).object_ids("Work").status(status);
        set.send().await.unwrap();
    };
    set("PAUSE").await;
    deactivate(&stage, &pipeline, false).await;
    assert_eq!(state(&stage, &pipeline).await, "INACTIVE");
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    set("RESUME").await;
    stage.work(&stage.poll().await).await;
    stage.until(&pipeline, &stand("FINISHED", WAITS, WAITS)).await;
    stage.stop().await;
}

#[tokio::test]
async fn an_activation_with_a_later_start_skips_the_open_intervals_before_the_start() {
    let (stage, pipeline) = begun().await;
    deactivate(&stage, &pipeline, true).await;
    stage.advance(2 * HOUR);
    // 19:00:00.
    let start = aws_sdk_datapipeline::primitives::DateTime::from_secs(1_900_000_000 - 2800 + 2 * HOUR);
    let activate = stage.client.activate_pipeline().pipeline_id(&pipeline).start_timestamp(start);
    activate.send().await.unwrap();
    stage.until(&pipeline, &stand("CANCELED", "SKIPPED", READY)).await;
    stage.stop().await;
}
