//! A host whose machines a test creates and ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_datapipeline::types::PipelineObject;
use definition::Field;
use definition::kind::Kind;
use definition::kind::field::FieldError;
use server::host::{Host, HostOfAccount, MachineState, PlannedWork, Resource, ResourceId, Workers};
use server::sigv4::Credentials;
use tokio::sync::Notify;

use crate::harness::{activity, object, refers, string};

/// A cloud whose machines change their states only when the test says so.
#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) machines: Mutex<BTreeMap<String, Machine>>,
    /// The ids of all machines that were ever created.
    pub(crate) made: Mutex<Vec<String>>,
    /// The key that the service gave for each machine.
    pub(crate) keys: Mutex<BTreeMap<String, Credentials>>,
    /// How often the service listed the machines.
    pub(crate) listed: AtomicUsize,
    pub(crate) changed: Notify,
    pub(crate) places: Option<usize>,
    /// The time after which [`Host::changed`] returns although no test has changed a machine. `None` for no such time.
    pub(crate) period: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    Starting,
    Up,
    Lost,
    Ending,
}

#[async_trait]
impl Host for Cloud {
    fn supplies(&self, kind: Kind) -> bool {
        kind == Kind::Ec2Resource
    }

    /// The cloud's workers, and those in the group `known`, cannot do a CopyActivity.
    fn hindrances(&self, work: &PlannedWork<'_>) -> Vec<FieldError> {
        let is_known = matches!(work.by, Workers::OfResource(_) | Workers::InGroup("known"));
        if Kind::of(work.object) != Some(Kind::CopyActivity) || !is_known {
            return Vec::new();
        }
        let mut nodes = work.object.references("input").filter_map(|id| work.objects.get(id));
        let reason = nodes.next().and_then(|node| node.string("filePath")).unwrap_or_default().to_owned();
        vec![FieldError { object: work.object.id.clone(), field: "input", reason }]
    }

    fn places(&self) -> Option<usize> {
        self.places
    }

    async fn create(&self, resource: &Resource) -> anyhow::Result<MachineState> {
        anyhow::ensure!(resource.object.string("imageId") != Some("ami-away"), "the cloud does not answer");
        let id = resource.id.to_string();
        self.keys.lock().unwrap().insert(id.clone(), resource.credentials.clone());
        let mut machines = self.machines.lock().unwrap();
        let machine = machines.entry(id.clone()).or_insert_with(|| {
            self.made.lock().unwrap().push(id);
            Machine::Starting
        });
        Ok(match machine {
            Machine::Starting => MachineState::Creating(vec![Field::string("@resourceStatus", "pending")]),
            Machine::Up => MachineState::Running(vec![Field::string("@resourceId", "i-1")]),
            Machine::Lost | Machine::Ending => MachineState::Gone("spot price".to_owned()),
        })
    }

    async fn terminate(&self, id: &ResourceId) -> anyhow::Result<bool> {
        let mut machines = self.machines.lock().unwrap();
        match machines.get_mut(&id.to_string()) {
            Some(machine @ (Machine::Starting | Machine::Up)) => *machine = Machine::Ending,
            Some(Machine::Lost) => {
                machines.remove(&id.to_string());
            }
            Some(Machine::Ending) | None => {}
        }
        Ok(!machines.contains_key(&id.to_string()))
    }

    async fn existing(&self) -> anyhow::Result<Vec<ResourceId>> {
        self.listed.fetch_add(1, Ordering::SeqCst);
        Ok(self.machines.lock().unwrap().keys().filter_map(|id| ResourceId::parse(id)).collect())
    }

    async fn changed(&self) {
        match self.period {
            Some(period) => drop(tokio::time::timeout(period, self.changed.notified()).await),
            None => self.changed.notified().await,
        }
    }
}

impl Cloud {
    /// Moves every machine in the state `from` to the state `to`.
    pub(crate) fn turn(&self, from: Machine, to: Machine) {
        self.machines.lock().unwrap().values_mut().filter(|it| **it == from).for_each(|it| *it = to);
        self.changed.notify_one();
    }

    /// Removes the machines that are ending.
    pub(crate) fn clear(&self) {
        self.machines.lock().unwrap().retain(|_, machine| *machine != Machine::Ending);
        self.changed.notify_one();
    }

    pub(crate) fn made(&self) -> usize {
        self.made.lock().unwrap().len()
    }

    /// Waits until `holds` is true of the machines. Fails the test with the text `what` after 20 seconds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&BTreeMap<String, Machine>) -> bool) {
        let started = std::time::Instant::now();
        while !holds(&self.machines.lock().unwrap()) {
            assert!(started.elapsed().as_secs() < 20, "{what}");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn on_demand() -> PipelineObject {
    let fields = vec![
        string("scheduleType", "ondemand"),
        string("retryDelay", "2 minutes"),
        string("role", "r"),
        string("resourceRole", "r"),
    ];
    object("Default", fields)
}

/// Returns the resource `Box` on EC2.
pub(crate) fn ec2_resource(image: &str) -> PipelineObject {
    object("Box", vec![string("type", "Ec2Resource"), string("imageId", image)])
}

/// Returns an activity that runs on `Box`.
pub(crate) fn work(id: &str) -> PipelineObject {
    let work = activity(id, &[]);
    let mut fields = work.fields().to_vec();
    fields.push(refers("runsOn", "Box"));
    object(id, fields)
}

pub(crate) fn host_of(cloud: &Arc<Cloud>) -> HostOfAccount {
    let cloud = Arc::clone(cloud);
    Arc::new(move |_: &str| -> Arc<dyn Host> { cloud.clone() })
}
