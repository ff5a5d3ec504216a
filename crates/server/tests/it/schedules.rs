//! Scheduled pipelines: runs at their times, backfill, later starts, deactivation, restarts.

use aws_sdk_datapipeline::types::{Operator, OperatorType, PipelineObject, Query, Selector};

use crate::harness::{Stage, activity, object, refers, string, value};

const HOUR: i64 = 3600;

/// Returns an hourly pipeline. The clock stands at 17:46:40.
fn hourly(kind: &str, more: &[(&str, &str)]) -> Vec<PipelineObject> {
    let default = [("scheduleType", kind), ("failureAndRerunMode", "CASCADE"), ("workerGroup", "wg")];
    let mut default: Vec<_> = default.iter().map(|(key, value)| string(key, value)).collect();
    default.push(string("pipelineLogUri", "s3://logs/dp"));
    default.push(string("maxActiveInstances", "2"));
    default.push(refers("schedule", "Hourly"));
    let mut schedule = vec![string("type", "Schedule"), string("period", "1 hour")];
    schedule.extend(more.iter().map(|(key, value)| string(key, value)));
    vec![object("Default", default), object("Hourly", schedule), activity("Work", &[])]
}

fn at(hour: &str) -> String {
    format!("@Work_2030-03-17T{hour}")
}

async fn put(stage: &Stage, objects: Vec<PipelineObject>) -> String {
    let pipeline = stage.create("p").await;
    let put =
        stage.client.put_pipeline_definition().pipeline_id(&pipeline).set_pipeline_objects(Some(objects));
    let put = put.send().await.unwrap();
    assert!(!put.errored(), "{:?}", put.validation_errors());
    pipeline
}

async fn activate(stage: &Stage, pipeline: &str) {
    stage.client.activate_pipeline().pipeline_id(pipeline).send().await.unwrap();
}

/// Does the next task, and returns the id of its instance.
async fn work(stage: &Stage) -> String {
    let task = stage.poll().await;
    stage.work(&task).await;
    task.attempt_id().unwrap().rsplit_once("_Attempt=").unwrap().0.to_owned()
}

#[tokio::test]
async fn each_interval_runs_in_its_time_and_the_last_one_ends_the_pipeline() {
    let stage = Stage::new().await;
    let objects = hourly("cron", &[("startDateTime", "2030-03-17T18:00:00"), ("occurrences", "2")]);
    let pipeline = stage.run(objects).await;
    let state = async |key: &str| stage.pipeline_field(&pipeline, key).await;
    assert_eq!(state("@pipelineState").await.as_deref(), Some("SCHEDULED"));
    assert_eq!(state("@nextRunTime").await.as_deref(), Some("2030-03-17T18:00:00"));
    assert_eq!(state("@scheduledStartTime").await.as_deref(), Some("2030-03-17T18:00:00"));
    assert_eq!(state("@scheduledEndTime").await.as_deref(), Some("2030-03-17T20:00:00"));
    assert_eq!(state("@scheduledPeriod").await.as_deref(), Some("1 hour"));
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await, Vec::<String>::new());
    stage.advance(HOUR);
    assert_eq!(work(&stage).await, at("18:00:00"));
    assert_eq!(state("@nextRunTime").await.as_deref(), Some("2030-03-17T19:00:00"));
    stage.advance(HOUR);
    assert_eq!(work(&stage).await, at("19:00:00"));
    assert_eq!(state("@pipelineState").await.as_deref(), Some("FINISHED"));
    assert_eq!(state("@nextRunTime").await, None);
}

#[tokio::test]
async fn a_timeseries_begins_at_the_first_activation_and_runs_when_the_hour_is_over() {
    let stage = Stage::new().await;
    let pipeline = stage.run(hourly("timeseries", &[("startAt", "FIRST_ACTIVATION_DATE_TIME")])).await;
    let start = stage.pipeline_field(&pipeline, "@scheduledStartTime").await;
    assert_eq!(start.as_deref(), Some("2030-03-17T17:46:40"));
    assert_eq!(stage.pipeline_field(&pipeline, "@scheduledEndTime").await, None, "it has no end");
    stage.advance(HOUR - 1);
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await, Vec::<String>::new());
    stage.advance(1);
    assert_eq!(work(&stage).await, at("17:46:40"));
}

#[tokio::test]
async fn the_past_is_made_up_for_a_few_runs_at_a_time_also_across_a_restart() {
    let stage = Stage::new().await;
    let pipeline = stage.run(hourly("cron", &[("startDateTime", "2030-03-17T13:00:00")])).await;
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await, [at("13:00:00"), at("14:00:00")]);
    assert_eq!(work(&stage).await, at("13:00:00"));
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await.len(), 3);
    let stage = stage.restart().await;
    for hour in ["14:00:00", "15:00:00", "16:00:00", "17:00:00"] {
        assert_eq!(work(&stage).await, at(hour));
    }
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await.len(), 5);
    // The pipeline is not in memory now. Only its timer wakes it.
    let stage = stage.restart().await;
    stage.advance(HOUR);
    assert_eq!(work(&stage).await, at("18:00:00"));
}

#[tokio::test]
async fn a_later_start_skips_the_intervals_before_the_start() {
    let stage = Stage::new().await;
    let pipeline = put(&stage, hourly("cron", &[("startDateTime", "2030-03-17T15:00:00")])).await;
    let start = aws_sdk_datapipeline::primitives::DateTime::from_secs(1_900_000_000 - HOUR);
    let activation = stage.client.activate_pipeline().pipeline_id(&pipeline).start_timestamp(start);
    activation.send().await.unwrap();
    let wanted = [("Work", "SKIPPED"), ("Work", "SKIPPED"), ("Work", "WAITING_FOR_RUNNER")];
    stage.until(&pipeline, &wanted).await;
    let health = async || stage.pipeline_field(&pipeline, "@healthStatus").await;
    assert_eq!(health().await, None, "what was passed over says nothing of it");
    assert_eq!(work(&stage).await, at("17:00:00"));
    assert_eq!(health().await.as_deref(), Some("HEALTHY"));
}

#[tokio::test]
async fn a_deactivated_pipeline_rests_and_goes_on_after_its_newest_run() {
    let stage = Stage::new().await;
    let pipeline = stage.run(hourly("cron", &[("startDateTime", "2030-03-17T17:00:00")])).await;
    assert_eq!(work(&stage).await, at("17:00:00"));
    stage.client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    let state = async || stage.pipeline_field(&pipeline, "@pipelineState").await;
    assert_eq!(state().await.as_deref(), Some("INACTIVE"));
    stage.advance(2 * HOUR);
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await.len(), 1);
    activate(&stage, &pipeline).await;
    assert_eq!(state().await.as_deref(), Some("SCHEDULED"));
    assert_eq!([work(&stage).await, work(&stage).await], [at("18:00:00"), at("19:00:00")]);
}

#[tokio::test]
async fn a_changed_definition_counts_for_the_runs_to_come() {
    let stage = Stage::new().await;
    let mut objects = hourly("cron", &[("startDateTime", "2030-03-17T17:00:00")]);
    let pipeline = stage.run(objects.clone()).await;
    objects.push(activity("Also", &["Work"]));
    let again = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    again.set_pipeline_objects(Some(objects)).send().await.unwrap();
    activate(&stage, &pipeline).await;
    stage.advance(HOUR);
    stage
        .until(
            &pipeline,
            &[
                ("Work", "WAITING_FOR_RUNNER"),
                ("Work", "WAITING_FOR_RUNNER"),
                ("Also", "WAITING_ON_DEPENDENCIES"),
            ],
        )
        .await;
    assert_eq!(stage.pipeline_field(&pipeline, "@version").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn an_edit_that_is_not_allowed_is_stored_with_its_error_and_cannot_be_activated() {
    let stage = Stage::new().await;
    let mut objects = hourly("cron", &[("startDateTime", "2030-03-17T17:00:00")]);
    let pipeline = stage.run(objects.clone()).await;
    objects[2] = activity("Other", &[]);
    let put = async |objects: &[PipelineObject]| {
        let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
        put.set_pipeline_objects(Some(objects.to_vec())).send().await.unwrap()
    };
    assert!(put(&objects).await.errored());
    let refused = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let error = refused.into_service_error().to_string();
    assert!(
        error.contains("the object 'Work' cannot be removed, because the pipeline was activated"),
        "{error}"
    );
    objects.push(activity("Work", &[]));
    assert!(!put(&objects).await.errored());
    activate(&stage, &pipeline).await;
}

#[tokio::test]
async fn a_finished_pipeline_goes_on_when_the_end_of_its_schedule_is_moved() {
    let stage = Stage::new().await;
    let of = |occurrences: &str| {
        hourly("cron", &[("startDateTime", "2030-03-17T16:00:00"), ("occurrences", occurrences)])
    };
    let pipeline = stage.run(of("2")).await;
    assert_eq!([work(&stage).await, work(&stage).await], [at("16:00:00"), at("17:00:00")]);
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    let refused = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap_err();
    let error = refused.into_service_error().to_string();
    assert!(error.contains("its schedule has no interval left"), "{error}");
    let put = async |objects: Vec<PipelineObject>| {
        let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
        put.set_pipeline_objects(Some(objects)).send().await
    };
    let mut other = of("3");
    other.push(activity("Also", &[]));
    let error = put(other).await.unwrap_err().into_service_error().to_string();
    assert!(error.contains("only `endDateTime` and `occurrences`"), "{error}");
    assert!(!put(of("3")).await.unwrap().errored());
    activate(&stage, &pipeline).await;
    stage.advance(HOUR);
    assert_eq!(work(&stage).await, at("18:00:00"));
}

#[tokio::test]
async fn a_paused_component_starts_in_no_run_until_it_is_resumed() {
    let stage = Stage::new().await;
    let pipeline = stage.run(hourly("cron", &[("startDateTime", "2030-03-17T17:00:00")])).await;
    let set = async |status: &str| {
        let set = stage.client.set_status().pipeline_id(&pipeline).object_ids("Work").status(status);
        set.send().await.unwrap();
    };
    set("pause").await;
    let component = stage.object(&pipeline, "Work").await;
    assert_eq!(value(component.fields(), "@status").as_deref(), Some("PAUSED"));
    assert_eq!(value(component.fields(), "@nextRunTime").as_deref(), Some("2030-03-17T18:00:00"));
    // The work of the open run was on offer before the pause; the work of the next run never was. Neither is handed
    // out, even after a restart.
    let stage = stage.restart().await;
    stage.advance(HOUR);
    stage.until(&pipeline, &[("Work", "WAITING_FOR_RUNNER"), ("Work", "WAITING_ON_DEPENDENCIES")]).await;
    let set = stage.client.set_status().pipeline_id(&pipeline).object_ids("Work").status("RESUME");
    set.send().await.unwrap();
    assert_eq!([work(&stage).await, work(&stage).await], [at("17:00:00"), at("18:00:00")]);
}

#[tokio::test]
async fn what_is_no_component_is_not_paused() {
    let stage = Stage::new().await;
    let pipeline = stage.run(hourly("cron", &[("startDateTime", "2030-03-17T17:00:00")])).await;
    let pause = stage.client.set_status().pipeline_id(&pipeline).object_ids(at("17:00:00")).status("PAUSE");
    let error = pause.send().await.unwrap_err().into_service_error();
    assert!(error.to_string().contains("is not a component"), "{error}");
}

#[tokio::test]
async fn a_later_start_after_half_a_century_leaves_the_newest_that_it_skips() {
    let stage = Stage::new().await;
    let pipeline = put(&stage, hourly("cron", &[("startDateTime", "1970-01-01T00:00:00")])).await;
    let start = aws_sdk_datapipeline::primitives::DateTime::from_secs(1_900_000_000 - HOUR);
    let activation = stage.client.activate_pipeline().pipeline_id(&pipeline).start_timestamp(start);
    activation.send().await.unwrap();
    assert_eq!(work(&stage).await, at("17:00:00"));
    let ids = stage.ids(&pipeline, "INSTANCE").await;
    // A page has 100 ids. The first is from a hundred hours before.
    assert_eq!((ids.len(), ids[0].as_str()), (100, "@Work_2030-03-13T13:00:00"));
}

#[tokio::test]
async fn instances_are_found_by_the_end_of_their_interval() {
    let stage = Stage::new().await;
    let pipeline = stage.run(hourly("cron", &[("startDateTime", "2030-03-17T16:00:00")])).await;
    let operator = Operator::builder().r#type(OperatorType::Equal).values("2030-03-17T17:00:00").build();
    let selector = Selector::builder().field_name("@scheduledEndTime").operator(operator).build();
    let query = stage.client.query_objects().pipeline_id(&pipeline).sphere("INSTANCE");
    let found = query.query(Query::builder().selectors(selector).build()).send().await.unwrap();
    assert_eq!(found.ids(), [at("16:00:00")]);
}
