//! Hosts that several servers or accounts share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use native_postgres::NativePostgres;
use server::AccessKey;
use server::host::Host;
use store::Location;

use crate::cloud::{Cloud, Machine, ec2_resource, host_of, on_demand, work};
use crate::harness::{KEY, SECRET, Stage, client_with_key};

/// How often the cloud of a test says that something may have changed.
const PERIOD: Duration = Duration::from_millis(20);

fn cloud() -> Arc<Cloud> {
    Arc::new(Cloud { period: Some(PERIOD), ..Cloud::default() })
}

#[tokio::test]
async fn a_machine_that_nobody_wants_is_ended_while_the_server_runs() {
    let cloud = cloud();
    let stage = Stage::with(|config| config.host = Some(host_of(&cloud))).await;
    let pipeline = stage.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    cloud.turn(Machine::Starting, Machine::Up);
    let left = format!("{pipeline}/@Box_2030-03-17T17:46:40_Attempt=7");
    cloud.machines.lock().unwrap().insert(left.clone(), Machine::Up);
    cloud.until("the end of the other is asked for", |machines| machines[&left] == Machine::Ending).await;
    stage.until(&pipeline, &[("Box", "RUNNING"), ("Work", "WAITING_FOR_RUNNER")]).await;
    stage.stop().await;
}

#[tokio::test]
async fn servers_on_one_store_make_one_machine_and_each_of_them_can_end_it() {
    let url = NativePostgres::shared().url();
    let location = Location::parse(&format!("{url}?schema=shared_host")).unwrap();
    let cloud = cloud();
    let configure = |config: &mut server::Config| {
        config.store = location.clone();
        config.host = Some(host_of(&cloud));
    };
    let one = Stage::with(configure).await;
    let other = one.beside(configure).await;
    let pipeline = one.run(vec![on_demand(), ec2_resource("ami-1"), work("Work")]).await;
    cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
    cloud.turn(Machine::Starting, Machine::Up);
    other.until(&pipeline, &[("Box", "RUNNING"), ("Work", "WAITING_FOR_RUNNER")]).await;
    let (id, key) =
        cloud.keys.lock().unwrap().first_key_value().map(|(id, key)| (id.clone(), key.clone())).unwrap();
    let group = id.rsplit_once("_Attempt=").unwrap().0;
    let client = client_with_key(&other.endpoint, &key.access_key_id, &key.secret_access_key);
    let task = client.poll_for_task().worker_group(group).hostname("machine").send().await.unwrap();
    assert!(task.task_object.is_some(), "the key of a machine is good at every server");
    // The server that made the machine ends, and the run is canceled at the other.
    one.stop().await;
    other.client.deactivate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    cloud
        .until("the host is asked to end the machine", |machines| {
            machines.values().all(|it| *it == Machine::Ending)
        })
        .await;
    cloud.clear();
    other.until(&pipeline, &[("Box", "CANCELED"), ("Work", "CANCELED")]).await;
    assert_eq!(cloud.made(), 1);
    other.stop().await;
}

#[tokio::test]
async fn accounts_do_not_end_the_machines_of_each_other() {
    let accounts = ["000000000000", "123456789012"];
    let clouds: HashMap<_, _> = accounts.map(|account| (account.to_owned(), cloud())).into();
    let key = |number: usize| {
        let credentials = server::sigv4::Credentials {
            access_key_id: format!("{KEY}{number}"),
            secret_access_key: SECRET.to_owned(),
        };
        AccessKey::unlimited(credentials, accounts[number])
    };
    let hosts = clouds.clone();
    let stage = Stage::with(|config| {
        config.keys.replace([key(0), key(1)]);
        config.host = Some(Arc::new(move |account: &str| -> Arc<dyn Host> { hosts[account].clone() }));
    })
    .await;
    for (number, account) in accounts.into_iter().enumerate() {
        let client = client_with_key(&stage.endpoint, &format!("{KEY}{number}"), SECRET);
        let created = client.create_pipeline().name("p").unique_id(account).send().await.unwrap();
        let put = client.put_pipeline_definition().pipeline_id(created.pipeline_id());
        let objects = vec![on_demand(), ec2_resource("ami-1"), work("Work")];
        put.set_pipeline_objects(Some(objects)).send().await.unwrap();
        client.activate_pipeline().pipeline_id(created.pipeline_id()).send().await.unwrap();
        let cloud = &clouds[account];
        cloud.until("the host is asked for a machine", |machines| machines.len() == 1).await;
        cloud.turn(Machine::Starting, Machine::Up);
    }
    for account in accounts {
        let listed = || clouds[account].listed.load(Ordering::SeqCst);
        let before = listed();
        clouds[account].until("the machines are listed again", |_| listed() > before + 3).await;
        clouds[account].until("the machine stays", |machines| machines.values().eq([&Machine::Up])).await;
    }
    stage.stop().await;
}
