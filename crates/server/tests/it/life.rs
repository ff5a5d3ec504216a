//! A small pipeline from its creation to its end, in success and in failure.

use aws_sdk_datapipeline::types::{Operator, OperatorType, Query, Selector};

use crate::harness::{Stage, activity, default, reference, string, two_steps, value};

#[tokio::test]
async fn a_pipeline_runs_from_creation_to_its_end() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("SCHEDULED"));

    let first = stage.poll().await;
    assert_eq!(first.pipeline_id(), Some(pipeline.as_str()));
    let attempt = first.attempt_id().unwrap();
    assert_eq!(attempt, "@First_2030-03-17T17:46:40_Attempt=1");
    let object = &first.objects().unwrap()[attempt];
    assert_eq!(value(object.fields(), "@status").as_deref(), Some("WAITING_FOR_RUNNER"));
    assert_eq!(value(object.fields(), "@sphere").as_deref(), Some("ATTEMPT"));
    assert!(value(object.fields(), "command").unwrap().ends_with("${HOME}"));
    let waiting = [("First".to_owned(), "WAITING_FOR_RUNNER".to_owned())];
    assert_eq!(stage.statuses(&pipeline).await[..1], waiting);

    assert!(!stage.progress(&first, &[("rowsLoaded", "12"), ("@status", "FINISHED")]).await);
    let shown = stage.object(&pipeline, attempt).await;
    assert_eq!(value(shown.fields(), "rowsLoaded").as_deref(), Some("12"));
    assert_eq!(value(shown.fields(), "@status").as_deref(), Some("RUNNING"));
    stage.finish(&first).await;
    // A repeated report has no effect.
    stage.finish(&first).await;

    let second = stage.poll().await;
    assert!(second.attempt_id().unwrap().starts_with("@Second_"));
    stage.work(&second).await;
    stage.until(&pipeline, &[("First", "FINISHED"), ("Second", "FINISHED")]).await;
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    assert_eq!(stage.pipeline_field(&pipeline, "@healthStatus").await.as_deref(), Some("HEALTHY"));
    assert_eq!(stage.pipeline_field(&pipeline, "@version").await.as_deref(), Some("1"));

    // A second activation begins a second run, whose ids are one second later.
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    assert_eq!(stage.poll().await.attempt_id(), Some("@First_2030-03-17T17:46:41_Attempt=1"));
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await.len(), 4);
    stage.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_after_its_delay_and_then_cascades() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    let first = stage.poll().await;
    stage.progress(&first, &[]).await;
    stage.fail(&first, "no luck").await;
    stage.until(&pipeline, &[("First", "WAITING_FOR_RUNNER"), ("Second", "WAITING_ON_DEPENDENCIES")]).await;

    stage.advance(121);
    let again = stage.poll().await;
    assert!(again.attempt_id().unwrap().ends_with("_Attempt=2"));
    stage.progress(&again, &[]).await;
    stage.fail(&again, "no luck either").await;
    stage.until(&pipeline, &[("First", "FAILED"), ("Second", "CASCADE_FAILED")]).await;
    let instance = stage.object(&pipeline, "@First_2030-03-17T17:46:40").await;
    assert_eq!(value(instance.fields(), "errorMessage").as_deref(), Some("no luck either"));
    assert_eq!(reference(instance.fields(), "@headAttempt").as_deref(), again.attempt_id());
    assert_eq!(stage.pipeline_field(&pipeline, "@healthStatus").await.as_deref(), Some("ERROR"));
    let attempts = stage.ids(&pipeline, "ATTEMPT").await;
    assert_eq!(attempts.len(), 2);
    stage.stop().await;
}

#[tokio::test]
async fn a_runner_learns_of_a_cancellation_by_its_next_report() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    let first = stage.poll().await;
    stage.progress(&first, &[]).await;
    let cancel = stage.client.set_status().pipeline_id(&pipeline).status("try_cancel");
    cancel.object_ids("@First_2030-03-17T17:46:40").send().await.unwrap();
    assert!(stage.progress(&first, &[]).await);
    stage.until(&pipeline, &[("First", "CANCELED"), ("Second", "CASCADE_FAILED")]).await;

    let canceled = Selector::builder()
        .field_name("@status")
        .operator(Operator::builder().r#type(OperatorType::Equal).values("CANCELLED").build());
    let query = Query::builder().selectors(canceled.build()).build();
    let found =
        stage.client.query_objects().pipeline_id(&pipeline).sphere("INSTANCE").query(query).send().await;
    assert_eq!(found.unwrap().ids(), ["@First_2030-03-17T17:46:40"]);
    stage.stop().await;
}

#[tokio::test]
async fn an_unacknowledged_task_goes_to_the_next_runner_and_the_first_runner_loses_the_task() {
    let stage = Stage::new().await;
    stage.run(two_steps()).await;
    let lost = stage.poll().await;
    stage.advance(121);
    let again = stage.poll().await;
    assert_eq!(lost.attempt_id(), again.attempt_id());
    assert_ne!(lost.task_id(), again.task_id());
    let late = stage.client.report_task_progress().task_id(lost.task_id().unwrap()).send().await.unwrap_err();
    assert!(late.into_service_error().is_task_not_found_exception());
    stage.work(&again).await;
    stage.stop().await;
}

#[tokio::test]
async fn deleting_a_pipeline_stops_its_runner_and_forgets_its_work() {
    let stage = Stage::with(|config| config.poll_wait = std::time::Duration::from_millis(50)).await;
    let pipeline = stage.run(two_steps()).await;
    let first = stage.poll().await;
    stage.progress(&first, &[]).await;
    let other = stage.run(two_steps()).await;
    stage.client.delete_pipeline().pipeline_id(&other).send().await.unwrap();
    // The offered work of the deleted pipeline is not handed out.
    assert!(stage.poll_as("runner").await.is_none());
    stage.client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    assert!(stage.progress(&first, &[]).await);
    let describe = || stage.client.describe_pipelines().pipeline_ids(&pipeline).send();
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("DELETING"));
    let requested = stage.pipeline_field(&pipeline, "@deletionRequestTime").await;
    assert_eq!(requested.as_deref(), Some("2030-03-17T17:46:40"));
    let put =
        stage.client.put_pipeline_definition().pipeline_id(&pipeline).pipeline_objects(default()).send();
    assert!(put.await.unwrap_err().into_service_error().is_pipeline_deleted_exception());
    assert_eq!(stage.client.list_pipelines().send().await.unwrap().pipeline_id_list(), []);
    stage.advance(3);
    assert!(describe().await.unwrap_err().into_service_error().is_pipeline_deleted_exception());
    let twice = stage.client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    assert!(twice.into_service_error().is_pipeline_not_found_exception());
    stage.stop().await;
}

#[tokio::test]
async fn deactivation_cancels_what_runs_and_ends_inactive() {
    let stage = Stage::new().await;
    let pipeline = stage.run(two_steps()).await;
    let first = stage.poll().await;
    stage.progress(&first, &[]).await;
    stage.client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("DEACTIVATING"));
    assert!(stage.progress(&first, &[]).await);
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("INACTIVE"));
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    stage.work(&stage.poll().await).await;
    stage.stop().await;
}

#[tokio::test]
async fn what_is_paused_is_resumed_although_a_definition_that_lacks_it_was_put() {
    let stage = Stage::new().await;
    let mut default = default();
    default.fields.push(string("maxActiveInstances", "2"));
    let with = |more: &[_]| [&[default.clone(), activity("First", &[])], more].concat();
    let pipeline = stage.run(with(&[activity("Second", &["First"])])).await;
    let set = |status| stage.client.set_status().pipeline_id(&pipeline).object_ids("Second").status(status);
    set("PAUSE").send().await.unwrap();
    let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    put.set_pipeline_objects(Some(with(&[]))).send().await.unwrap();
    // An object of a pipeline that was activated cannot be removed.
    stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    stage.work(&stage.poll().await).await;
    set("RESUME").send().await.unwrap();
    stage.work(&stage.poll().await).await;
    stage.until(&pipeline, &[("First", "FINISHED"), ("Second", "FINISHED")]).await;
    stage.stop().await;
}

#[tokio::test]
async fn pauses_hold_for_what_is_tried_again_in_runs_that_were_over() {
    let stage = Stage::with(|config| config.poll_wait = std::time::Duration::from_millis(50)).await;
    for is_paused_before in [true, false] {
        let pipeline = stage.run(vec![default(), activity("Work", &[])]).await;
        let [instance] = &stage.ids(&pipeline, "INSTANCE").await[..] else { panic!("one instance") };
        let set = async |id: &str, status: &str| {
            let set = stage.client.set_status().pipeline_id(&pipeline).object_ids(id).status(status);
            set.send().await.unwrap();
        };
        if is_paused_before {
            set("Work", "PAUSE").await;
        }
        stage.client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
        set("Work", if is_paused_before { "RESUME" } else { "PAUSE" }).await;
        set(instance, "RERUN").await;
        if !is_paused_before {
            assert!(stage.poll_as("runner").await.is_none());
            set("Work", "RESUME").await;
        }
        stage.work(&stage.poll().await).await;
        stage.until(&pipeline, &[("Work", "FINISHED")]).await;
    }
    stage.stop().await;
}
