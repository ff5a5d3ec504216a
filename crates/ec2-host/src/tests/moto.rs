//! The host against moto's EC2, with a fault between any two calls.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{Instance, InstanceAttributeName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use definition::{Field, FieldValue};
use server::host::{Host, MachineState, Resource};

use super::{ACCOUNT, resource, settings};
use crate::api::{Api, Ec2};
use crate::error::StartError;
use crate::host::Ec2Host;
use crate::settings::{Settings, Subnet};
use crate::view::Place;

/// A server of moto, which ends with this process: its standard input closes.
struct Moto {
    url: String,
    subnets: Vec<Subnet>,
    group: String,
    profile: String,
    _process: (Child, ChildStdin),
}

static MOTO: LazyLock<Moto> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = folder.join("../../target/venv/bin/python");
    assert!(python.exists(), "Python with moto is missing: run `tests/setup`");
    let mut process = Command::new(python)
        .arg(folder.join("src/tests/ec2_stand_in.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting Python");
    let (stdin, stdout) = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let said: serde_json::Value = serde_json::from_str(&line).expect("moto says where it is");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let subnets = said["subnets"].as_object().expect("subnets").iter();
    Moto {
        url: text(&said["url"]),
        subnets: subnets.map(|(zone, id)| Subnet { zone: zone.clone(), id: text(id) }).collect(),
        group: text(&said["group"]),
        profile: text(&said["profile"]),
        _process: (process, stdin),
    }
});

/// A fault of the call whose number a test chose.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The call does not arrive.
    Before,
    /// The answer does not arrive.
    After,
}

/// EC2 with one fault.
struct Faulty {
    ec2: Ec2,
    calls: AtomicUsize,
    fault: Option<(usize, Fault)>,
}

impl Faulty {
    /// Counts a call, and returns its fault.
    fn next(&self) -> Option<Fault> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault)
    }
}

fn lost() -> anyhow::Error {
    anyhow::anyhow!("the call was lost")
}

#[async_trait]
impl Api for Faulty {
    async fn start(&self, region: &str, request: RunInstancesInputBuilder) -> Result<Instance, StartError> {
        match self.next() {
            Some(Fault::Before) => Err(StartError::Again(lost())),
            Some(Fault::After) => self.ec2.start(region, request).await.and(Err(StartError::Again(lost()))),
            None => self.ec2.start(region, request).await,
        }
    }

    async fn describe(&self, region: &str, engine: &str, account: &str) -> anyhow::Result<Vec<Instance>> {
        if self.next().is_some() { Err(lost()) } else { self.ec2.describe(region, engine, account).await }
    }

    async fn end(&self, place: &Place) -> anyhow::Result<()> {
        match self.next() {
            Some(Fault::Before) => Err(lost()),
            Some(Fault::After) => self.ec2.end(place).await.and(Err(lost())),
            None => self.ec2.end(place).await,
        }
    }
}

fn client() -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(&config())
}

fn config() -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&MOTO.url)
        .credentials_provider(aws_sdk_ec2::config::SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "tests",
        )))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn real_settings(engine: &str) -> Settings {
    Settings {
        subnets: MOTO.subnets.clone(),
        security_groups: vec![MOTO.group.clone()],
        instance_profile: MOTO.profile.clone(),
        ..settings(engine)
    }
}

/// Returns a host as after a start of the server, without any memory.
fn host(engine: &str, api: &Arc<Faulty>) -> Ec2Host<Faulty> {
    let mut host =
        Ec2Host::new(Arc::new(real_settings(engine)), ACCOUNT, Arc::clone(api), Arc::new(|_| Vec::new()));
    host.fresh = Duration::ZERO;
    host
}

fn faulty(fault: Option<(usize, Fault)>) -> Arc<Faulty> {
    let ec2 = Ec2::new(&config(), &real_settings("").regions);
    Arc::new(Faulty { ec2, calls: AtomicUsize::new(0), fault })
}

fn field(fields: &[Field], key: &str) -> Option<String> {
    let field = fields.iter().find(|field| field.key == key)?;
    let FieldValue::String(text) = &field.value else { return None };
    Some(text.clone())
}

/// Returns the ids of the machines of an engine with their states.
async fn machines(engine: &str) -> Vec<(String, String)> {
    let ec2 = Ec2::new(&config(), &["us-east-1".to_owned()]);
    let found = ec2.describe("us-east-1", engine, ACCOUNT).await.expect("EC2 answers");
    let state = |instance: &Instance| Some(instance.state()?.name()?.as_str().to_owned());
    let pair = |instance: Instance| (instance.instance_id().unwrap_or_default().to_owned(), state(&instance));
    found.into_iter().map(pair).map(|(id, state)| (id, state.unwrap_or_default())).collect()
}

/// Asks for a machine until it runs, which it does at the second call in moto. Returns its id.
async fn running(host: &Ec2Host<Faulty>, resource: &Resource) -> String {
    let mut last = None;
    for _ in 0..3 {
        match host.create(resource).await.expect("EC2 answers") {
            MachineState::Running(fields) => return field(&fields, "@resourceId").expect("has an id"),
            other => last = Some(other),
        }
    }
    panic!("it does not run: {last:?}")
}

#[tokio::test]
async fn a_crash_before_or_after_any_call_leaves_one_machine_and_then_none() {
    let mut number = 0;
    loop {
        let mut was_reached = false;
        for fault in [Fault::Before, Fault::After] {
            let engine = format!("crash-{number}-{fault:?}");
            let api = faulty(Some((number, fault)));
            let box_ = resource("Box", 1, &[]);
            // After each error, another server goes on, which remembers nothing.
            let id = loop {
                match host(&engine, &api).create(&box_).await {
                    Ok(MachineState::Running(fields)) => break field(&fields, "@resourceId"),
                    Ok(MachineState::Gone(reason)) => panic!("{reason}"),
                    Ok(MachineState::Creating(_)) | Err(_) => {}
                }
            };
            assert_eq!(machines(&engine).await, [(id.expect("has an id"), "running".to_owned())], "{engine}");
            while !host(&engine, &api).terminate(&box_.id).await.unwrap_or(false) {}
            let left = machines(&engine).await;
            assert!(left.len() == 1 && left[0].1 == "terminated", "{engine}: {left:?}");
            was_reached |= api.calls.load(Ordering::SeqCst) > number;
        }
        if !was_reached {
            break;
        }
        number += 1;
    }
    assert!(number >= 6, "the story has only {number} calls");
}

#[tokio::test]
async fn two_servers_that_ask_at_once_get_the_same_machine() {
    let (one, other) = (host("two", &faulty(None)), host("two", &faulty(None)));
    let wanted = resource("Box", 1, &[]);
    let (first, second) = tokio::join!(running(&one, &wanted), running(&other, &wanted));
    assert_eq!(first, second);
    assert_eq!(machines("two").await.len(), 1);
    assert_eq!(one.existing().await.expect("EC2 answers"), std::slice::from_ref(&wanted.id));
    let next = resource("Box", 2, &[]);
    assert_ne!(running(&one, &next).await, first, "another attempt has another machine");
}

#[tokio::test]
async fn a_machine_that_was_started_with_other_settings_is_found_again() {
    let api = faulty(None);
    let before = running(&host("changed", &api), &resource("Box", 1, &[])).await;
    let changed = resource("Box", 1, &[("imageId", "ami-other")]);
    assert_eq!(running(&host("changed", &api), &changed).await, before);
    // EC2 itself refuses the same token with another request.
    let wish = crate::wish::read(&real_settings("changed"), &changed.object, 1).expect("is a wish");
    let request = crate::launch::request(&real_settings("changed"), ACCOUNT, &wish, &changed);
    let refused = api.ec2.start("us-east-1", request).await;
    assert!(matches!(refused, Err(StartError::StartedBefore)), "{refused:?}");
}

#[tokio::test]
async fn the_fields_of_a_resource_make_its_machine() {
    let wanted = resource(
        "Box",
        1,
        &[
            ("imageId", "ami-mine"),
            ("instanceType", "c5.large"),
            ("keyPair", "ada"),
            ("spotBidPrice", "0.05"),
            ("associatePublicIpAddress", "true"),
        ],
    );
    let id = running(&host("fields", &faulty(None)), &wanted).await;
    let described = client().describe_instances().instance_ids(&id).send().await.expect("EC2 answers");
    let instance = &described.reservations()[0].instances()[0];
    assert_eq!(instance.image_id(), Some("ami-mine"));
    assert_eq!(instance.instance_type().map(|kind| kind.as_str()), Some("c5.large"));
    assert_eq!(instance.key_name(), Some("ada"));
    assert_eq!(instance.instance_lifecycle().map(|it| it.as_str()), Some("spot"));
    assert_eq!(instance.subnet_id(), Some(MOTO.subnets[0].id.as_str()));
    assert_eq!(instance.network_interfaces()[0].groups()[0].group_id(), Some(MOTO.group.as_str()));
    assert!(instance.public_ip_address().is_some());
    let profile = instance.iam_instance_profile().and_then(|profile| profile.arn()).unwrap_or_default();
    assert!(profile.ends_with("instance-profile/downspout-worker"), "{profile}");
    let data = client().describe_instance_attribute().instance_id(&id);
    let data = data.attribute(InstanceAttributeName::UserData).send().await.expect("EC2 answers");
    let data = data.user_data().and_then(|data| data.value()).expect("has user data");
    let script = String::from_utf8(BASE64.decode(data).expect("is base64")).expect("is text");
    let group = format!("WORKER_GROUP=\"{}\"", wanted.worker_group);
    assert!(script.contains(&group) && script.contains(&wanted.credentials.secret_access_key), "{script}");
}

#[tokio::test]
async fn a_spot_machine_that_is_taken_back_is_gone_with_the_reason() {
    let host = host("spot", &faulty(None));
    let mut wanted = resource("Box", 1, &[("spotBidPrice", "0.05")]);
    let id = running(&host, &wanted).await;
    wanted.object.set("@resourceId", &id);
    // The stand-in takes the machine back.
    client().stop_instances().instance_ids(&id).send().await.expect("EC2 answers");
    match host.create(&wanted).await.expect("EC2 answers") {
        MachineState::Gone(reason) => {
            assert!(
                reason.starts_with("EC2 took the spot machine back (Server.SpotInstanceTermination"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(host.terminate(&wanted.id).await.expect("EC2 answers"));
    // A machine that has ended is listed once.
    assert_eq!(host.existing().await.expect("EC2 answers"), std::slice::from_ref(&wanted.id));
    assert_eq!(host.existing().await.expect("EC2 answers"), []);
}

#[tokio::test]
async fn a_machine_that_ec2_refuses_is_gone_with_the_words_of_ec2() {
    let wanted = resource("Box", 1, &[("subnetId", "subnet-missing")]);
    match host("refused", &faulty(None)).create(&wanted).await.expect("EC2 answers") {
        MachineState::Gone(reason) => assert!(reason.contains("InvalidSubnetID.NotFound"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(machines("refused").await, []);
}

#[tokio::test]
async fn the_machines_of_another_engine_or_account_are_no_business_of_a_host() {
    let ours = host("ours", &faulty(None));
    running(&host("theirs", &faulty(None)), &resource("Box", 1, &[])).await;
    assert_eq!(ours.existing().await.expect("EC2 answers"), []);
    let settings = Arc::new(real_settings("ours"));
    let neighbour = Ec2Host::new(settings, "000000000000", faulty(None), Arc::new(|_| Vec::new()));
    let id = running(&ours, &resource("Box", 1, &[])).await;
    assert_eq!(neighbour.existing().await.expect("EC2 answers"), []);
    assert!(neighbour.terminate(&resource("Box", 1, &[]).id).await.expect("EC2 answers"));
    assert_eq!(machines("ours").await, [(id, "running".to_owned())]);
}

#[tokio::test]
async fn more_machines_than_fit_on_one_page_are_all_seen() {
    let (api, settings) = (faulty(None), real_settings("many"));
    for attempt in 1..=101 {
        let wanted = resource("Box", attempt, &[]);
        let wish = crate::wish::read(&settings, &wanted.object, attempt).expect("is a wish");
        let request = crate::launch::request(&settings, ACCOUNT, &wish, &wanted);
        api.ec2.start("us-east-1", request).await.expect("EC2 answers");
    }
    let host = host("many", &api);
    assert_eq!(host.existing().await.expect("EC2 answers").len(), 101);
}
