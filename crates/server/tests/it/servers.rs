//! Several servers on one PostgreSQL database.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_datapipeline::types::PipelineObject;
use native_postgres::NativePostgres;
use store::Location;
use tokio::task::JoinSet;

use crate::harness::{Stage, activity, default, string, two_steps};

/// Returns a schema that no other test uses.
fn fresh() -> Location {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Location::parse(&format!("{}?schema=servers_{number}", NativePostgres::shared().url())).unwrap()
}

/// Starts servers on one store, with one clock.
async fn servers<const N: usize>() -> [Stage; N] {
    let location = fresh();
    let first = Stage::with(|config| config.store = location.clone()).await;
    let mut stages = vec![first];
    while stages.len() < N {
        let beside = stages[0].beside(|config| config.store = location.clone()).await;
        stages.push(beside);
    }
    stages.try_into().ok().unwrap()
}

async fn stop<const N: usize>(stages: [Stage; N]) {
    for stage in stages {
        stage.stop().await;
    }
}

#[tokio::test]
async fn a_poller_at_one_server_gets_what_was_activated_at_another() {
    let stages = servers::<2>().await;
    let polling = tokio::spawn({
        let poll = stages[1].client.poll_for_task().worker_group("wg");
        async move { poll.send().await.unwrap().task_object }
    });
    let pipeline = stages[0].run(two_steps()).await;
    let task = polling.await.unwrap().expect("the poller is handed the task");
    // A report may go to any server.
    assert!(!stages[0].progress(&task, &[]).await);
    stages[1].finish(&task).await;
    let task = stages[0].poll().await;
    stages[1].work(&task).await;
    for stage in &stages {
        stage.until(&pipeline, &[("First", "FINISHED"), ("Second", "FINISHED")]).await;
        assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    }
    stop(stages).await;
}

#[tokio::test]
async fn another_server_takes_over_the_work_of_one_that_ended() {
    let [gone, stays] = servers().await;
    let pipeline = gone.run(two_steps()).await;
    let lost = gone.poll().await;
    gone.stop().await;
    // The time to acknowledge the task passes.
    stays.advance(121);
    let again = stays.poll().await;
    assert_eq!(lost.attempt_id(), again.attempt_id());
    stays.fail(&again, "no").await;
    stays.advance(121);
    stays.work(&stays.poll().await).await;
    stays.work(&stays.poll().await).await;
    stays.until(&pipeline, &[("First", "FINISHED"), ("Second", "FINISHED")]).await;
    stays.stop().await;
}

#[tokio::test]
async fn a_cancellation_or_deletion_at_one_server_counts_at_all() {
    let stages = servers::<2>().await;
    let pipeline = stages[0].run(two_steps()).await;
    let task = stages[1].poll().await;
    assert!(!stages[1].progress(&task, &[]).await);
    stages[0].client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    assert!(stages[1].progress(&task, &[]).await);
    stages[1].until(&pipeline, &[("First", "CANCELED"), ("Second", "CANCELED")]).await;
    stages[1].client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    let refused = stages[0].client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    assert!(refused.into_service_error().is_pipeline_deleted_exception());
    stop(stages).await;
}

#[tokio::test]
async fn many_pollers_at_three_servers_take_every_task_once() {
    const WIDTH: usize = 24;
    let stages = servers::<3>().await;
    let names: Vec<String> = (0..WIDTH).map(|number| format!("Work{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut objects: Vec<PipelineObject> = vec![default()];
    objects.extend(names.iter().map(|name| activity(name, &[])));
    objects.push(activity("Last", &all));
    let pipelines = [stages[0].run(objects.clone()).await, stages[1].run(objects).await];
    let mut pollers = JoinSet::new();
    for number in 0..9 {
        let client = stages[number % 3].client.clone();
        // Reports go to another server than polls.
        let reports = stages[(number + 1) % 3].client.clone();
        pollers.spawn(async move {
            let mut taken = Vec::new();
            loop {
                let polled = client.poll_for_task().worker_group("wg").hostname(format!("poller-{number}"));
                let Some(task) = polled.send().await.unwrap().task_object else { continue };
                let id = task.task_id().unwrap();
                reports.report_task_progress().task_id(id).send().await.unwrap();
                let status = reports.set_task_status().task_id(id).task_status("FINISHED".into());
                status.send().await.unwrap();
                taken.push(task.attempt_id().unwrap().to_owned());
                if taken.last().unwrap().starts_with("@Last_") {
                    return taken;
                }
            }
        });
    }
    for (stage, pipeline) in stages.iter().zip(&pipelines) {
        let mut wanted: Vec<(&str, &str)> = all.iter().map(|name| (*name, "FINISHED")).collect();
        wanted.push(("Last", "FINISHED"));
        stage.until(pipeline, &wanted).await;
        let attempts = stage.ids(pipeline, "ATTEMPT").await;
        assert_eq!(attempts.len(), WIDTH + 1);
        assert_eq!(attempts.iter().collect::<BTreeSet<_>>().len(), WIDTH + 1);
        assert_eq!(stage.pipeline_field(pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    }
    pollers.abort_all();
    stop(stages).await;
}

#[tokio::test]
async fn tags_that_two_servers_add_at_once_are_all_kept() {
    let stages = servers::<2>().await;
    let pipeline = stages[0].create("p").await;
    let mut adding = JoinSet::new();
    for number in 0..10 {
        let tag = aws_sdk_datapipeline::types::Tag::builder().key(format!("k{number}")).value("v").build();
        let add = stages[number % 2].client.add_tags().pipeline_id(&pipeline).tags(tag.unwrap());
        adding.spawn(async move { add.send().await.map(drop) });
    }
    while let Some(added) = adding.join_next().await {
        added.unwrap().unwrap();
    }
    let described = stages[0].client.describe_pipelines().pipeline_ids(&pipeline).send().await.unwrap();
    assert_eq!(described.pipeline_description_list()[0].tags().len(), 10);
    stop(stages).await;
}

#[tokio::test]
async fn a_scheduled_run_begins_once_although_three_servers_could_begin_it() {
    let stages = servers::<3>().await;
    let mut objects = vec![default(), activity("Work", &[])];
    objects[0].fields.retain(|field| field.key() != "scheduleType");
    objects[0].fields.push(string("scheduleType", "cron"));
    objects[0].fields.push(crate::harness::refers("schedule", "Hourly"));
    objects.push(crate::harness::object(
        "Hourly",
        vec![
            string("type", "Schedule"),
            string("period", "1 hour"),
            string("startAt", "FIRST_ACTIVATION_DATE_TIME"),
            string("occurrences", "3"),
        ],
    ));
    let pipeline = stages[0].run(objects).await;
    for made in 1..=3 {
        while stages[1].ids(&pipeline, "INSTANCE").await.len() < made {
            for stage in &stages {
                stage.advance(600);
            }
        }
        let task = stages[2].poll().await;
        stages[1].work(&task).await;
    }
    let finished = [("Work", "FINISHED"); 3];
    stages[0].until(&pipeline, &finished).await;
    assert_eq!(stages[2].pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    stop(stages).await;
}
