//! The keys of machines: each is good for the work of its machine, and ends with it.

use std::sync::Arc;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::error::ProvideErrorMetadata as _;
use aws_sdk_datapipeline::operation::poll_for_task::PollForTaskOutput;

use crate::cloud::{Cloud, Machine, ec2_resource, host_of, on_demand, work};
use crate::harness::{Stage, client_with_key};

/// Returns a client with the key of each machine that was asked for, with the machine's id.
fn clients(stage: &Stage, cloud: &Cloud) -> Vec<(String, Client)> {
    let keys = cloud.keys.lock().unwrap();
    let client = |(id, key): (&String, &server::sigv4::Credentials)| {
        (id.clone(), client_with_key(&stage.endpoint, &key.access_key_id, &key.secret_access_key))
    };
    keys.iter().map(client).collect()
}

fn group_of(id: &str) -> String {
    id.rsplit_once("_Attempt=").unwrap().0.to_owned()
}

/// Polls, and returns the error code if the call is refused.
async fn poll(client: &Client, group: &str) -> Result<PollForTaskOutput, String> {
    let polled = client.poll_for_task().worker_group(group).hostname("machine").send().await;
    polled.map_err(|error| error.code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_machine_may_do_the_work_of_its_group_alone_and_only_while_the_run_has_it() {
    let cloud = Arc::new(Cloud::default());
    let stage = Stage::with(|config| config.host = Some(host_of(&cloud))).await;
    let first = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    let second = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for another machine", |machines| machines.len() == 2).await;
    cloud.turn(Machine::Starting, Machine::Up);
    for pipeline in [&first, &second] {
        stage.until(pipeline, &[("Box", "RUNNING"), ("Work", "WAITING_FOR_RUNNER")]).await;
    }
    let clients = clients(&stage, &cloud);
    let of = |pipeline: &str| clients.iter().find(|(id, _)| id.starts_with(pipeline)).unwrap();
    let ((ours, client), (theirs, _)) = (of(&first), of(&second));
    let denied = Err("AccessDeniedException".to_owned());
    assert_eq!(poll(client, &group_of(theirs)).await.map(drop), denied);
    assert_eq!(poll(client, "wg").await.map(drop), denied);
    let listed = client.list_pipelines().send().await.unwrap_err();
    assert_eq!(listed.code(), Some("AccessDeniedException"));
    let task = poll(client, &group_of(ours)).await.unwrap().task_object.unwrap();
    let report = || client.report_task_progress().task_id(task.task_id().unwrap()).send();
    assert!(!report().await.unwrap().canceled());
    let (id, key) = {
        let keys = cloud.keys.lock().unwrap();
        let (id, key) = keys.iter().find(|(id, _)| id.starts_with(&first)).unwrap();
        (id.clone(), key.clone())
    };
    let forged = client_with_key(&stage.endpoint, &key.access_key_id, "a secret that somebody guessed");
    assert_eq!(poll(&forged, &group_of(&id)).await.map(drop), Err("InvalidSignatureException".to_owned()));

    // The key is good after a restart too, because it is derived and not stored.
    let stage = stage.restart_with(|config| config.host = Some(host_of(&cloud))).await;
    let client = client_with_key(&stage.endpoint, &key.access_key_id, &key.secret_access_key);
    let status = client.set_task_status().task_id(task.task_id().unwrap());
    status.task_status(aws_sdk_datapipeline::types::TaskStatus::Finished).send().await.unwrap();
    stage.until(&first, &[("Box", "SHUTTING_DOWN"), ("Work", "FINISHED")]).await;
    let beat = client.report_task_runner_heartbeat().taskrunner_id("machine").worker_group(group_of(&id));
    assert!(beat.send().await.unwrap().terminate(), "a machine that shuts down still hears that it must end");
    cloud.until("the host is asked to end the machine", |machines| machines[&id] == Machine::Ending).await;
    cloud.clear();
    stage.until(&first, &[("Box", "FINISHED"), ("Work", "FINISHED")]).await;
    assert_eq!(poll(&client, &group_of(&id)).await.map(drop), denied);
    stage.client.delete_pipeline().pipeline_id(&first).send().await.unwrap();
    assert_eq!(poll(&client, &group_of(&id)).await.map(drop), denied);
    stage.stop().await;
}
