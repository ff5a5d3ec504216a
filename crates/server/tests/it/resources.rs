//! Resources, on machines that a host of the test creates and ends.

use std::sync::Arc;

use aws_sdk_datapipeline::types::{ParameterObject, ParameterValue, PipelineObject, TaskObject};
use definition::{Field, FieldValue};

use crate::cloud::{Cloud, Machine, ec2_resource, host_of, on_demand, work};
use crate::harness::{Stage, activity, object, refers, string, value};

async fn stage(cloud: &Arc<Cloud>) -> Stage {
    Stage::with(|config| config.host = Some(host_of(cloud))).await
}

async fn restarted(stage: Stage, cloud: &Arc<Cloud>) -> Stage {
    stage.restart_with(|config| config.host = Some(host_of(cloud))).await
}

/// Returns the id of the only instance of the component.
async fn instance(stage: &Stage, pipeline: &str, component: &str) -> String {
    let ids = stage.ids(pipeline, "INSTANCE").await;
    ids.into_iter().find(|id| id.starts_with(&format!("@{component}_"))).expect("an instance")
}

/// Polls as a worker of the resource.
async fn poll(stage: &Stage, pipeline: &str, runner: &str) -> TaskObject {
    let group = format!("{pipeline}/{}", instance(stage, pipeline, "Box").await);
    let polled = stage.client.poll_for_task().worker_group(group).hostname(runner).send();
    polled.await.unwrap().task_object.expect("work is ready")
}

/// Returns whether the answer to a heartbeat tells a worker of the resource to end.
async fn is_told_to_end(stage: &Stage, pipeline: &str) -> bool {
    let group = format!("{pipeline}/{}", instance(stage, pipeline, "Box").await);
    let beat = stage.client.report_task_runner_heartbeat().taskrunner_id("machine").worker_group(group);
    beat.send().await.unwrap().terminate()
}

async fn why(stage: &Stage, pipeline: &str, component: &str) -> String {
    let id = instance(stage, pipeline, component).await;
    let why = value(stage.object(pipeline, &id).await.fields(), "waitReason").unwrap_or_default();
    why.replace(id.rsplit_once('_').unwrap().1, "T")
}

#[tokio::test]
async fn a_machine_is_made_gets_its_work_and_is_ended() {
    let cloud = Arc::new(Cloud::default());
    let stage = stage(&cloud).await;
    let pipeline = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    stage.until(&pipeline, &[("Box", "CREATING"), ("Work", "WAITING_ON_DEPENDENCIES")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    let waits = "waits for resource @Box_T, which is being created: pending";
    while why(&stage, &pipeline, "Work").await != waits {
        tokio::task::yield_now().await;
    }
    cloud.turn(Machine::Starting, Machine::Up);
    stage.until(&pipeline, &[("Box", "RUNNING"), ("Work", "WAITING_FOR_RUNNER")]).await;
    let id = instance(&stage, &pipeline, "Box").await;
    assert_eq!(value(stage.object(&pipeline, &id).await.fields(), "@resourceId").as_deref(), Some("i-1"));
    let task = poll(&stage, &pipeline, "machine").await;
    assert!(!is_told_to_end(&stage, &pipeline).await);
    stage.work(&task).await;
    stage.until(&pipeline, &[("Box", "SHUTTING_DOWN"), ("Work", "FINISHED")]).await;
    assert!(is_told_to_end(&stage, &pipeline).await, "by the answer to its heartbeat");
    let state = stage.pipeline_field(&pipeline, "@pipelineState").await;
    assert_eq!(state.as_deref(), Some("SCHEDULED"), "until its machine is gone");
    cloud
        .until("the host is asked to end the machine", |machines| {
            machines.values().all(|it| *it == Machine::Ending)
        })
        .await;
    cloud.clear();
    stage.until(&pipeline, &[("Box", "FINISHED"), ("Work", "FINISHED")]).await;
    let state = stage.pipeline_field(&pipeline, "@pipelineState").await;
    assert_eq!(state.as_deref(), Some("FINISHED"));
    assert!(is_told_to_end(&stage, &pipeline).await);
    stage.stop().await;
}

#[tokio::test]
async fn resources_without_a_host_are_reported_before_anything_starts() {
    let farm = object("Farm", vec![string("type", "EmrCluster")]);
    let step = object(
        "Step",
        vec![string("type", "EmrActivity"), string("step", "s3://b/x.jar"), refers("runsOn", "Farm")],
    );
    let check = object(
        "Check",
        vec![string("type", "DynamoDBTableExists"), string("tableName", "t"), string("role", "r")],
    );
    let mut more = work("More");
    more.fields.push(refers("precondition", "Check"));
    let objects = vec![on_demand(), ec2_resource("ami-1"), work("Work"), more, farm, step, check];
    let bare = Stage::new().await;
    let all = refusal(&bare, objects.clone()).await;
    for named in [
        "object `Work`, field `runsOn`: `Box` is an Ec2Resource",
        "object `More`, field `runsOn`: `Box` is an Ec2Resource",
        "object `Step`, field `runsOn`: `Farm` is an EmrCluster, and `ec2-worker` cannot do an EmrActivity",
        "object `Check`, field `type`: no DynamoDB is configured",
        "such as `ec2-worker --worker-group NAME`",
    ] {
        assert!(all.contains(named), "{named}: {all}");
    }
    assert_eq!(all.matches("--worker-group").count(), 1, "{all}");
    bare.stop().await;
    let with_cloud = stage(&Arc::new(Cloud::default())).await;
    let some = refusal(&with_cloud, objects).await;
    assert!(some.contains("`Farm` is an EmrCluster") && !some.contains("Ec2Resource"), "{some}");
    assert!(!some.contains("--worker-group"), "it would not help: {some}");
    with_cloud.stop().await;
}

/// Puts and activates a definition, and returns the error of the activation.
async fn refusal(stage: &Stage, objects: Vec<PipelineObject>) -> String {
    let pipeline = stage.create("p").await;
    let put = stage.client.put_pipeline_definition().pipeline_id(&pipeline);
    let put = put.set_pipeline_objects(Some(objects)).send().await.unwrap();
    assert!(!put.errored(), "{:?}", put.validation_errors());
    let warned = format!("{:?}", put.validation_warnings());
    let activated = stage.client.activate_pipeline().pipeline_id(&pipeline).send().await;
    let message = activated.unwrap_err().into_service_error().to_string();
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await, Vec::<String>::new());
    // A lack of places shows only at the activation, since it depends on the run.
    assert!(warned.contains("NO_HOST") || message.contains("--resources"), "{warned}");
    message
}

#[tokio::test]
async fn work_that_the_workers_of_a_host_cannot_do_is_reported_before_anything_starts() {
    let with_cloud = stage(&Arc::new(Cloud::default())).await;
    let node =
        |id: &str, path: &str| object(id, vec![string("type", "S3DataNode"), string("filePath", path)]);
    let copy = |id: &str, by: Field| {
        let by = match by.value {
            FieldValue::Ref(target) => refers(by.key.as_str(), target.as_str()),
            FieldValue::String(text) => string(by.key.as_str(), &text),
        };
        let fields = vec![string("type", "CopyActivity"), refers("input", "In"), refers("output", "Out"), by];
        object(id, fields)
    };
    let objects = vec![
        on_demand(),
        ec2_resource("ami-1"),
        node("In", "s3://b/#{myDay}/#{@pipelineId}"),
        node("Out", "s3://b/out"),
        copy("OnBox", Field::reference("runsOn", "Box")),
        copy("InKnown", Field::string("workerGroup", "kno#{myRest}")),
        copy("InOther", Field::string("workerGroup", "other")),
    ];
    let pipeline = with_cloud.create("p").await;
    let put = with_cloud.client.put_pipeline_definition().pipeline_id(&pipeline);
    let put = put.set_pipeline_objects(Some(objects));
    let parameter =
        |id: &str| ParameterObject::builder().id(id).set_attributes(Some(vec![])).build().unwrap();
    let put = put.parameter_objects(parameter("myDay")).parameter_objects(parameter("myRest"));
    let put = put.send().await.unwrap();
    assert!(!put.errored(), "{:?}", put.validation_errors());
    let value = |id: &str, value: &str| ParameterValue::builder().id(id).string_value(value).build().unwrap();
    let activate = with_cloud.client.activate_pipeline().pipeline_id(&pipeline);
    let activate =
        activate.parameter_values(value("myDay", "monday")).parameter_values(value("myRest", "wn"));
    let refused = activate.send().await.unwrap_err().into_service_error().to_string();
    let named =
        "object `OnBox`, field `input`: s3://b/monday/#{@pipelineId}; object `InKnown`, field `input`: ";
    assert!(refused.contains(named) && !refused.contains("InOther"), "{refused}");
    assert_eq!(refused.matches("a task runner of your own").count(), 1, "{refused}");
    with_cloud.stop().await;
}

#[tokio::test]
async fn a_run_that_needs_more_machines_at_once_than_there_are_places_is_refused_with_the_remedy() {
    let with_cloud = stage(&Arc::new(Cloud { places: Some(1), ..Cloud::default() })).await;
    let other = object("Other", vec![string("type", "Ec2Resource")]);
    let on = |id: &str, machine: &str, after: Option<&str>| {
        let mut fields = activity(id, &after.into_iter().collect::<Vec<_>>()).fields().to_vec();
        fields.push(refers("runsOn", machine));
        object(id, fields)
    };
    let chain = vec![
        on_demand(),
        ec2_resource("ami-1"),
        other,
        on("First", "Box", None),
        on("Second", "Other", Some("First")),
    ];
    with_cloud.run(chain.clone()).await;
    let again = [chain, vec![on("Third", "Box", Some("Second"))]].concat();
    let refused = refusal(&with_cloud, again).await;
    let said = "object `Box`, field `type`: `Box` and `Other` must run at the same time, because work on each waits for \
                work on another of them; this needs 2 places, and the host has 1]; start `up` with `--resources 2`";
    assert!(refused.contains(said), "{refused}");
    with_cloud.stop().await;
}

#[tokio::test]
async fn a_restart_finds_the_machine_and_its_work_continues() {
    let cloud = Arc::new(Cloud::default());
    let stage = stage(&cloud).await;
    let pipeline = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    let stage = restarted(stage, &cloud).await;
    cloud.turn(Machine::Starting, Machine::Up);
    stage.until(&pipeline, &[("Box", "RUNNING"), ("Work", "WAITING_FOR_RUNNER")]).await;
    let task = poll(&stage, &pipeline, "own-machine").await;
    assert!(!stage.progress(&task, &[]).await);
    let stage = restarted(stage, &cloud).await;
    let again = poll(&stage, &pipeline, "own-machine").await;
    assert_eq!(again.attempt_id(), task.attempt_id(), "no try was spent");
    stage.work(&again).await;
    let stage = restarted(stage, &cloud).await;
    cloud
        .until("the host is asked to end the machine", |machines| {
            machines.values().all(|it| *it == Machine::Ending)
        })
        .await;
    cloud.clear();
    stage.until(&pipeline, &[("Box", "FINISHED"), ("Work", "FINISHED")]).await;
    assert_eq!(cloud.made(), 1);
    stage.stop().await;
}

#[tokio::test]
async fn work_on_a_machine_that_ended_is_done_on_another() {
    let cloud = Arc::new(Cloud::default());
    let stage = stage(&cloud).await;
    let pipeline = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    cloud.turn(Machine::Starting, Machine::Up);
    stage.until(&pipeline, &[("Box", "RUNNING"), ("Work", "WAITING_FOR_RUNNER")]).await;
    let task = poll(&stage, &pipeline, "machine").await;
    assert!(!stage.progress(&task, &[]).await);
    cloud.turn(Machine::Up, Machine::Lost);
    stage.until(&pipeline, &[("Box", "SCHEDULED"), ("Work", "WAITING_FOR_RUNNER")]).await;
    assert!(stage.progress(&task, &[]).await, "a runner that is still at work is told to stop");
    stage.advance(120);
    cloud
        .until("the host is asked for another machine", |machines| {
            machines.values().any(|it| *it == Machine::Starting)
        })
        .await;
    cloud.turn(Machine::Starting, Machine::Up);
    let task = poll(&stage, &pipeline, "machine").await;
    assert!(task.attempt_id().unwrap().ends_with("_Attempt=2"));
    stage.work(&task).await;
    stage.until(&pipeline, &[("Box", "SHUTTING_DOWN"), ("Work", "FINISHED")]).await;
    cloud.until("the host is asked to remove the lost machine", |machines| machines.len() == 1).await;
    assert_eq!(cloud.made(), 2);
    stage.stop().await;
}

#[tokio::test]
async fn a_deleted_pipeline_leaves_no_machine_behind() {
    let cloud = Arc::new(Cloud::default());
    let stage = stage(&cloud).await;
    let objects = || vec![on_demand(), ec2_resource("ami-1"), work("Work")];
    let pipeline = stage.run(objects()).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    stage.client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    cloud
        .until("the host is asked to end the machine", |machines| {
            machines.values().all(|it| *it == Machine::Ending)
        })
        .await;
    cloud.clear();
    // Adds a machine that no run wants, as if the service had ended between the deletion of the pipeline and the end of the
    // machine.
    let left = format!("{pipeline}/@Box_2030-03-17T17:46:40_Attempt=7");
    cloud.machines.lock().unwrap().insert(left, Machine::Up);
    let stage = restarted(stage, &cloud).await;
    cloud
        .until("the host is asked to end the machine", |machines| {
            machines.values().all(|it| *it == Machine::Ending)
        })
        .await;
    stage.stop().await;
}

#[tokio::test]
async fn a_deactivated_pipeline_is_inactive_when_its_machines_are_gone() {
    let cloud = Arc::new(Cloud::default());
    let stage = stage(&cloud).await;
    let pipeline = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    stage.client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    let state = stage.pipeline_field(&pipeline, "@pipelineState").await;
    assert_eq!(state.as_deref(), Some("DEACTIVATING"));
    cloud
        .until("the host is asked to end the machine", |machines| {
            machines.values().all(|it| *it == Machine::Ending)
        })
        .await;
    cloud.clear();
    stage.until(&pipeline, &[("Box", "CANCELED"), ("Work", "CANCELED")]).await;
    let state = stage.pipeline_field(&pipeline, "@pipelineState").await;
    assert_eq!(state.as_deref(), Some("INACTIVE"));
    stage.stop().await;
}

#[tokio::test]
async fn a_host_that_fails_is_asked_again_until_init_timeout_ends_the_attempt() {
    let cloud = Arc::new(Cloud::default());
    let stage = stage(&cloud).await;
    let fields = vec![
        string("type", "Ec2Resource"),
        string("imageId", "ami-away"),
        string("initTimeout", "10 minutes"),
        string("maximumRetries", "0"),
    ];
    let pipeline = stage.run(vec![on_demand(), object("Box", fields), work("Work")]).await;
    stage.until(&pipeline, &[("Box", "CREATING"), ("Work", "WAITING_ON_DEPENDENCIES")]).await;
    stage.advance(600);
    stage.until(&pipeline, &[("Box", "FAILED"), ("Work", "CANCELED")]).await;
    assert_eq!(cloud.made(), 0);
    stage.stop().await;
}
