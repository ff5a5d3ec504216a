//! Restarts: the service ends in the middle of a run, and another service continues from the same file.

use std::collections::BTreeSet;

use crate::harness::{Stage, two_steps};

#[tokio::test]
async fn a_runner_keeps_its_task_across_a_restart() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    let first = stage.poll().await;
    stage.progress(&first, &[]).await;
    let stage = stage.restart().await;
    stage.finish(&first).await;
    stage.work(&stage.poll().await).await;
    stage.until(&pipeline, &[("First", "FINISHED"), ("Second", "FINISHED")]).await;
    stage.stop().await;
}

#[tokio::test]
async fn every_pipeline_is_taken_up_however_many_there_are() {
    let stage = Stage::new().await;
    let mut pipelines = BTreeSet::new();
    for _ in 0..20 {
        pipelines.insert(stage.run(two_steps()).await);
    }
    let stage = stage.restart().await;
    let mut offered = BTreeSet::new();
    for _ in &pipelines {
        offered.extend(stage.poll().await.pipeline_id().map(str::to_owned));
    }
    assert_eq!(offered, pipelines);
    stage.stop().await;
}

#[tokio::test]
async fn work_of_runners_that_ended_with_the_service_is_free_at_once() {
    let stage = Stage::new().await;
    stage.run(two_steps()).await;
    let lost = stage.poll_as("own-1").await.unwrap();
    stage.progress(&lost, &[]).await;
    let stage = stage.restart().await;
    let again = stage.poll().await;
    assert_eq!(lost.attempt_id(), again.attempt_id());
    let late = stage.client.report_task_progress().task_id(lost.task_id().unwrap()).send().await.unwrap_err();
    assert!(late.into_service_error().is_task_not_found_exception());
    stage.work(&again).await;
    stage.stop().await;
}

#[tokio::test]
async fn work_that_waited_and_delays_that_ran_are_taken_up_again() {
    let stage = Stage::new().await;
    let waiting = stage.run(two_steps()).await;
    let first = stage.poll().await;
    stage.progress(&first, &[]).await;
    stage.fail(&first, "no luck").await;
    let other = stage.run(two_steps()).await;
    let stage = stage.restart().await;
    let taken = stage.poll().await;
    assert_eq!(taken.pipeline_id(), Some(other.as_str()));
    stage.progress(&taken, &[]).await;
    stage.advance(121);
    let again = stage.poll().await;
    assert_eq!(again.pipeline_id(), Some(waiting.as_str()));
    assert!(again.attempt_id().unwrap().ends_with("_Attempt=2"));
    stage.stop().await;
}
