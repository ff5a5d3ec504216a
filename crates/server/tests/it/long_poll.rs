//! PollForTask waits for work, gives it to one, and loses none.

use std::time::{Duration, Instant};

use crate::harness::{Stage, two_steps};

#[tokio::test]
async fn a_waiting_poller_gets_work_the_moment_it_is_ready() {
    let stage = Stage::new().await;
    let polling = tokio::spawn({
        let poll = stage.client.poll_for_task().worker_group("wg");
        async move { poll.send().await.unwrap().task_object }
    });
    stage.run(two_steps()).await;
    let ready = Instant::now();
    let task = polling.await.unwrap().expect("the poller is handed the task");
    assert!(ready.elapsed() < Duration::from_secs(2), "took {:?}", ready.elapsed());
    stage.work(&task).await;
    stage.stop().await;
}

#[tokio::test]
async fn one_task_goes_to_one_of_many_pollers() {
    let stage = Stage::with(|config| config.poll_wait = Duration::from_millis(300)).await;
    let polls: Vec<_> = (0..5)
        .map(|_| {
            let poll = stage.client.poll_for_task().worker_group("wg");
            tokio::spawn(async move { poll.send().await.unwrap().task_object })
        })
        .collect();
    stage.run(two_steps()).await;
    let mut taken = 0;
    for poll in polls {
        taken += usize::from(poll.await.unwrap().is_some());
    }
    assert_eq!(taken, 1);
    stage.stop().await;
}

#[tokio::test]
async fn pollers_that_hung_up_swallow_no_task() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        let poll = stage.client.poll_for_task().worker_group("wg").send();
        let hung_up = tokio::time::timeout(Duration::from_millis(100), poll).await;
        assert!(hung_up.is_err());
    }
    stage.run(two_steps()).await;
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
    let polling = tokio::spawn({
        let poll = stage.client.poll_for_task().worker_group("wg");
        async move { poll.send().await }
    });
    // A request that was answered shows that the service is up; the poll is on its way then.
    stage.create("p").await;
    let stopping = Instant::now();
    stage.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(5));
    // It may have come too late to be heard at all.
    if let Ok(polled) = polling.await.unwrap() {
        assert!(polled.task_object().is_none());
    }
}
