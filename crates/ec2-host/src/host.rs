//! The host: asks the pure part for each decision, and carries it out.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use aws_config::SdkConfig;
use definition::kind::Kind;
use definition::kind::field::FieldError;
use definition::{Field, FieldValue};
use jiff::Timestamp;
use server::host::{Host, HostOfAccount, MachineState, PlannedWork, Resource, ResourceId, Workers};
use tokio::sync::Notify;

use crate::api::{Api, Ec2};
use crate::decide::{Answer, Decision, Memory, Wanted, decide};
use crate::error::StartError;
use crate::settings::Settings;
use crate::view::{self, Machine, Place, State};
use crate::{launch, wish};

/// How often EC2 is asked for the machines while nothing else happens. EC2 says nothing by itself.
const PERIOD: Duration = Duration::from_secs(10);
/// The pause before EC2 is asked again while a machine starts or ends.
const SHORT_PERIOD: Duration = Duration::from_secs(3);
/// How old a list of machines may be. Several machines are reconciled at once, and share one list.
const FRESH: Duration = Duration::from_secs(2);

/// Returns why the workers on the machines cannot do some work.
pub type Hindrances = Arc<dyn Fn(&PlannedWork<'_>) -> Vec<FieldError> + Send + Sync>;

/// Returns the host of each account: EC2 machines by the credentials and endpoints of `aws`.
///
/// `hindrances` says which work `ec2-worker` cannot do.
#[must_use]
pub fn hosts(settings: Settings, aws: &SdkConfig, hindrances: Hindrances) -> HostOfAccount {
    let api = Arc::new(Ec2::new(aws, &settings.regions));
    let settings = Arc::new(settings);
    Arc::new(move |account: &str| -> Arc<dyn Host> {
        let (settings, api) = (Arc::clone(&settings), Arc::clone(&api));
        Arc::new(Ec2Host::new(settings, account, api, Arc::clone(&hindrances)))
    })
}

/// The machines of one account.
pub(crate) struct Ec2Host<A> {
    settings: Arc<Settings>,
    account: String,
    api: Arc<A>,
    hindrances: Hindrances,
    /// The last answer of EC2 about the machines, by region. The lock is held while EC2 is asked, so that one answer serves all
    /// waiting callers.
    shown: tokio::sync::Mutex<HashMap<String, Shown>>,
    memories: Mutex<HashMap<ResourceId, Memory>>,
    /// The machines that were listed although they have ended: once, because the server that knew of them may be lost.
    ended: Mutex<HashSet<Place>>,
    /// Notified when a machine starts or ends, because EC2 shows the change soon afterwards.
    soon: Notify,
    pub(crate) now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// How old a list of machines may be.
    pub(crate) fresh: Duration,
}

struct Shown {
    at: Instant,
    machines: Arc<Vec<Machine>>,
}

impl<A: Api> Ec2Host<A> {
    pub(crate) fn new(settings: Arc<Settings>, account: &str, api: Arc<A>, hindrances: Hindrances) -> Self {
        Self {
            settings,
            account: account.to_owned(),
            api,
            hindrances,
            shown: tokio::sync::Mutex::default(),
            memories: Mutex::default(),
            ended: Mutex::default(),
            soon: Notify::new(),
            now: Box::new(Timestamp::now),
            fresh: FRESH,
        }
    }

    /// Returns the machines that EC2 shows in a region.
    async fn shown(&self, region: &str) -> anyhow::Result<Arc<Vec<Machine>>> {
        let mut all = self.shown.lock().await;
        if let Some(shown) = all.get(region).filter(|shown| shown.at.elapsed() < self.fresh) {
            return Ok(Arc::clone(&shown.machines));
        }
        let at = Instant::now();
        let instances = self.api.describe(region, &self.settings.engine, &self.account).await?;
        let machines = instances.iter().filter_map(|instance| {
            let machine = view::machine(instance, region);
            if machine.is_none() {
                let id = instance.instance_id().unwrap_or_default();
                tracing::warn!(instance.id = id, "a machine has the tag of this engine, and no attempt");
            }
            machine
        });
        let machines: Arc<Vec<Machine>> = Arc::new(machines.collect());
        all.insert(region.to_owned(), Shown { at, machines: Arc::clone(&machines) });
        Ok(machines)
    }

    /// Returns the machines of one resource in these regions.
    async fn seen(&self, id: &ResourceId, regions: &[String]) -> anyhow::Result<Vec<Machine>> {
        let mut seen = Vec::new();
        for region in regions {
            let shown = self.shown(region).await?;
            seen.extend(shown.iter().filter(|machine| machine.id == *id).cloned());
        }
        Ok(seen)
    }

    /// Forgets the last answer of EC2 about a region, because a call has changed the machines there.
    async fn forget_shown(&self, region: &str) {
        self.shown.lock().await.remove(region);
    }

    async fn end(&self, places: &[Place]) -> anyhow::Result<()> {
        for place in places {
            tracing::info!(instance.id = place.instance, "ending a machine");
            let ended = self.api.end(place).await;
            self.forget_shown(&place.region).await;
            ended?;
        }
        Ok(())
    }

    async fn start(&self, resource: &Resource, memory: &mut Memory) -> anyhow::Result<MachineState> {
        let wish = match wish::read(&self.settings, &resource.object, attempt_number(resource)) {
            Ok(wish) => wish,
            Err(problems) => return Ok(MachineState::Gone(in_words(&problems))),
        };
        let request = launch::request(&self.settings, &self.account, &wish, resource);
        let started = self.api.start(&wish.region, request).await;
        self.forget_shown(&wish.region).await;
        match started {
            Ok(instance) => {
                let machine =
                    view::machine(&instance, &wish.region).context("EC2 started a machine without tags")?;
                tracing::info!(resource.id = %resource.id, instance.id = machine.place.instance, "started a machine");
                memory.started = Some(machine.place.clone());
                Ok(match machine.state {
                    State::Pending => state(Answer::Starting(Some(machine.place))),
                    State::Running => state(Answer::Running(machine.place)),
                    State::Stopped | State::Ending | State::Ended => MachineState::Gone(machine.reason),
                })
            }
            Err(StartError::StartedBefore) => {
                memory.was_started_before = true;
                Ok(state(Answer::Starting(None)))
            }
            Err(error @ StartError::NoRoom(_)) => {
                Ok(MachineState::Creating(vec![Field::string("@resourceStatus", error.to_string())]))
            }
            Err(error @ StartError::Refused(_)) => Ok(MachineState::Gone(error.to_string())),
            Err(StartError::Again(error)) => Err(error),
        }
    }

    fn remember(&self, id: &ResourceId, memory: Memory) {
        let mut memories = self.memories();
        match memory == Memory::default() {
            true => memories.remove(id),
            false => memories.insert(id.clone(), memory),
        };
    }

    fn memory(&self, id: &ResourceId) -> Memory {
        self.memories().get(id).cloned().unwrap_or_default()
    }

    fn listed_as_ended(&self) -> MutexGuard<'_, HashSet<Place>> {
        // A panic leaves no change half done.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<ResourceId, Memory>> {
        // A panic leaves no change half done.
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<A: Api> Host for Ec2Host<A> {
    fn supplies(&self, kind: Kind) -> bool {
        kind == Kind::Ec2Resource
    }

    /// Returns the problems of the workers with the work, and of the host with the resource. The workers of worker groups do not
    /// belong to the host.
    fn hindrances(&self, work: &PlannedWork<'_>) -> Vec<FieldError> {
        let Workers::OfResource(Kind::Ec2Resource) = work.by else { return Vec::new() };
        let mut found = (self.hindrances)(work);
        let resource = work.guards.unwrap_or(work.object).reference("runsOn");
        if let Some(resource) = resource.and_then(|id| work.objects.get(id))
            // The value of an expression may depend on the run. Then the machine fails, with the same reason.
            && !resource.fields.iter().any(|field| matches!(&field.value, FieldValue::String(text) if text.contains("#{")))
        {
            found.extend(wish::read(&self.settings, resource, 1).err().into_iter().flatten());
        }
        found
    }

    async fn create(&self, resource: &Resource) -> anyhow::Result<MachineState> {
        let region = resource.object.string("region").unwrap_or(&self.settings.regions[0]).to_owned();
        let regions: Vec<String> =
            self.settings.regions.iter().filter(|own| **own == region).cloned().collect();
        let seen = self.seen(&resource.id, &regions).await?;
        let mut memory = self.memory(&resource.id);
        let wanted = Wanted::Present { reported: resource.object.string("@resourceId") };
        let answered = match decide(wanted, &seen, &mut memory, (self.now)()) {
            Decision::Start => self.start(resource, &mut memory).await,
            Decision::Answer { end, answer } => self.end(&end).await.map(|()| state(answer)),
        };
        self.remember(&resource.id, memory);
        if matches!(answered, Ok(MachineState::Creating(_))) {
            self.soon.notify_one();
        }
        answered
    }

    async fn terminate(&self, id: &ResourceId) -> anyhow::Result<bool> {
        let seen = self.seen(id, &self.settings.regions).await?;
        let mut memory = self.memory(id);
        let Decision::Answer { end, answer } = decide(Wanted::Ended, &seen, &mut memory, (self.now)()) else {
            anyhow::bail!("a machine that must end cannot be started")
        };
        let is_gone = answer == Answer::Ended;
        self.remember(id, if is_gone { Memory::default() } else { memory });
        if !is_gone {
            self.soon.notify_one();
        }
        self.end(&end).await?;
        Ok(is_gone)
    }

    async fn existing(&self) -> anyhow::Result<Vec<ResourceId>> {
        let (mut found, mut ended) = (Vec::new(), HashSet::new());
        for region in &self.settings.regions {
            let shown = self.shown(region).await?;
            for machine in shown.iter() {
                let is_news =
                    machine.state != State::Ended || !self.listed_as_ended().contains(&machine.place);
                found.extend(is_news.then(|| machine.id.clone()));
                ended.extend((machine.state == State::Ended).then(|| machine.place.clone()));
            }
        }
        *self.listed_as_ended() = ended;
        Ok(found)
    }

    async fn changed(&self) {
        if tokio::time::timeout(PERIOD, self.soon.notified()).await.is_ok() {
            tokio::time::sleep(SHORT_PERIOD).await;
        }
    }
}

fn attempt_number(resource: &Resource) -> u32 {
    resource.id.attempt.parts().map_or(1, |(_, number)| number)
}

fn state(answer: Answer) -> MachineState {
    let shown = |place: Option<Place>, status: &str| {
        let mut fields = vec![Field::string("@resourceStatus", status)];
        fields.extend(place.into_iter().flat_map(|place| {
            [Field::string("@resourceId", place.instance), Field::string("@resourceRegion", place.region)]
        }));
        fields
    };
    match answer {
        Answer::Starting(place) => MachineState::Creating(shown(place, "pending")),
        Answer::Running(place) => MachineState::Running(shown(Some(place), "running")),
        Answer::Gone(reason) => MachineState::Gone(reason),
        Answer::NotGone => MachineState::Gone("the machine is being ended".to_owned()),
        Answer::Ended => MachineState::Gone("the machine was ended".to_owned()),
    }
}

fn in_words(problems: &[FieldError]) -> String {
    let problems = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.reason));
    problems.collect::<Vec<_>>().join("; ")
}
