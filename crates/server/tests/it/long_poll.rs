//! PollForTask waits for work, hands a task to one poller only, and loses none.

use std::time::{Duration, Instant};

use aws_sdk_datapipeline::types::TaskObject;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{Stage, two_steps, value};

const FIRST: &str = "@First_2030-03-17T17:46:40";

/// Activates a pipeline whose first step is ready but withheld, so that a test decides when pollers may have it.
async fn withheld_work(stage: &Stage) -> String {
    let pipeline = stage.run(two_steps()).await;
    set_first(stage, &pipeline, "PAUSE").await;
    pipeline
}

async fn set_first(stage: &Stage, pipeline: &str, status: &str) {
    stage.client.set_status().pipeline_id(pipeline).object_ids("First").status(status).send().await.unwrap();
}

/// Starts a long poll, and returns once the service says that it has arrived.
async fn waiting_poll(stage: &Stage, pipeline: &str) -> JoinHandle<Option<TaskObject>> {
    // Each poll has a time of its own, by which the service's answer identifies it.
    stage.advance(1);
    let polled = format!("; it was polled last at {}", stage.now().strftime("%Y-%m-%dT%H:%M:%S"));
    let poll = stage.client.poll_for_task().worker_group("wg");
    let polling = tokio::spawn(async move { poll.send().await.unwrap().task_object });
    let started = Instant::now();
    loop {
        let reason = value(stage.object(pipeline, FIRST).await.fields(), "waitReason").unwrap();
        if reason.ends_with(&polled) {
            return polling;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the poll did not arrive: {reason}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_waiting_poller_gets_work_the_moment_it_is_ready() {
    let stage = Stage::new().await;
    let pipeline = withheld_work(&stage).await;
    let polling = waiting_poll(&stage, &pipeline).await;
    assert!(!polling.is_finished());
    set_first(&stage, &pipeline, "RESUME").await;
    let ready = Instant::now();
    let task = polling.await.unwrap().expect("the poller is handed the task");
    assert!(ready.elapsed() < Duration::from_secs(2), "took {:?}", ready.elapsed());
    stage.work(&task).await;
    stage.stop().await;
}

#[tokio::test]
async fn one_task_goes_to_one_of_many_pollers() {
    let stage = Stage::new().await;
    let pipeline = withheld_work(&stage).await;
    let mut polls = JoinSet::new();
    for _ in 0..5 {
        let polling = waiting_poll(&stage, &pipeline).await;
        polls.spawn(async move { polling.await.unwrap() });
    }
    set_first(&stage, &pipeline, "RESUME").await;
    let first = polls.join_next().await.expect("five are waiting").unwrap();
    assert!(first.is_some());
    // The other polls would wait longer than the test. The shutdown ends them.
    stage.stop().await;
    let others = polls.join_all().await;
    assert_eq!((others.len(), others.iter().flatten().count()), (4, 0));
}

#[tokio::test]
async fn pollers_that_hung_up_swallow_no_task() {
    let stage = Stage::new().await;
    let pipeline = withheld_work(&stage).await;
    for _ in 0..3 {
        let polling = waiting_poll(&stage, &pipeline).await;
        polling.abort();
        assert!(polling.await.unwrap_err().is_cancelled());
    }
    set_first(&stage, &pipeline, "RESUME").await;
    assert!(stage.poll().await.attempt_id().unwrap().starts_with("@First_"));
    stage.stop().await;
}

#[tokio::test]
async fn without_work_the_answer_is_empty_and_groups_are_exact() {
    let stage = Stage::with(|config| config.poll_wait = Duration::from_millis(50)).await;
    stage.run(two_steps()).await;
    let poll = stage.client.poll_for_task().worker_group("WG").send().await.unwrap();
    assert!(poll.task_object().is_none());
    stage.stop().await;
}

#[tokio::test]
async fn shutdown_ends_a_long_poll_at_once() {
    let stage = Stage::new().await;
    let pipeline = withheld_work(&stage).await;
    let polling = waiting_poll(&stage, &pipeline).await;
    let stopping = Instant::now();
    stage.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(5));
    assert!(polling.await.unwrap().is_none());
}
