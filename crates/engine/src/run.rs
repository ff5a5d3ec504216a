//! All instances of one activation: our unit of consistency.
//!
//! [`Run::step`] takes an event and returns what changed, so that the driver writes those rows
//! and no others. What it costs depends on what the event touches, never on the size of the run:
//! consumers, deadlines and the number of live instances are indexed.

mod by_component;
mod deadlines;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::attempt::Attempt;
use crate::header::{Header, RunEnd};
use crate::ids::{AttemptId, InstanceId, RunnerId, WorkerGroup};
use crate::instance::{Instance, Role, Status};
use crate::plan::Plan;
use crate::resource;
use crate::run::by_component::ByComponent;
use crate::step::Step;

/// One activation with all its instances.
#[derive(Clone, Debug)]
pub struct Run {
    pub(crate) header: Header,
    pub(crate) plan: Arc<Plan>,
    pub(crate) instances: Vec<Instance>,
    /// What follows from the instances and never changes is what all copies of a run have in common.
    pub(crate) index: Arc<HashMap<InstanceId, usize>>,
    /// By instance: who depends on it.
    pub(crate) dependants: Arc<Vec<Vec<usize>>>,
    /// By instance: how many of its dependencies are not FINISHED.
    pub(crate) unmet: Vec<usize>,
    /// When which instance is due.
    pub(crate) deadlines: BTreeSet<(Timestamp, usize)>,
    /// By instance: what `deadlines` holds of it.
    pub(crate) indexed: Vec<Option<Timestamp>>,
    /// By resource instance: who runs on it.
    pub(crate) users: BTreeMap<usize, Users>,
    /// How many resource instances are RUNNING.
    pub(crate) up: usize,
    /// How many instances will move by themselves or by their runner.
    pub(crate) live: usize,
    /// How many are at work or may be taken by a runner.
    pub(crate) active: usize,
    pub(crate) by_component: Arc<ByComponent>,
}

/// The instances that run on a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    pub(crate) places: Vec<usize>,
    /// How many of them are not final.
    pub(crate) open: usize,
}

impl Run {
    /// Puts a run together from what was saved of it; `instances` carry their attempts.
    #[must_use]
    pub fn assemble(header: Header, plan: Arc<Plan>, mut instances: Vec<Instance>) -> Self {
        instances.sort_by_key(|instance| instance.sequence);
        let index: HashMap<_, _> =
            instances.iter().enumerate().map(|(place, instance)| (instance.id.clone(), place)).collect();
        let mut dependants = vec![Vec::new(); instances.len()];
        let mut unmet = vec![0; instances.len()];
        for (place, instance) in instances.iter().enumerate() {
            for dependency in instance.depends_on.iter().filter_map(|id| index.get(id)) {
                dependants[*dependency].push(place);
                unmet[place] += usize::from(instances[*dependency].status != Status::Finished);
            }
        }
        let users = users(&instances, &index);
        let up = users.keys().filter(|place| is_up(&instances[**place])).count();
        let indexed: Vec<_> =
            instances.iter().map(|instance| instance.deadline(header.is_suspended)).collect();
        let due = |(place, due): (usize, &Option<Timestamp>)| due.map(|due| (due, place));
        let deadlines = indexed.iter().enumerate().filter_map(due).collect();
        let live = instances.iter().filter(|instance| instance.is_live()).count();
        let active = instances.iter().filter(|instance| instance.is_active()).count();
        let by_component = Arc::new(ByComponent::of(&header, &instances));
        Self {
            header,
            plan,
            instances,
            index: Arc::new(index),
            dependants: Arc::new(dependants),
            unmet,
            deadlines,
            indexed,
            users,
            up,
            live,
            active,
            by_component,
        }
    }

    /// Returns what is true of the run as a whole.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the definition it runs.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Returns the instances in order of creation.
    #[must_use]
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// Returns the instance `id`.
    #[must_use]
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.index.get(id).map(|place| &self.instances[*place])
    }

    /// Returns the attempt `id`.
    #[must_use]
    pub fn attempt(&self, id: &AttemptId) -> Option<&Attempt> {
        let (instance, number) = id.parts()?;
        self.instance(instance.as_str())?.attempts.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// Returns the attempts that a poller may take now.
    pub fn offers(&self) -> impl Iterator<Item = (&AttemptId, &WorkerGroup)> {
        let open = self.instances.iter().filter(|instance| instance.is_live());
        let heads = open.filter_map(|instance| Some((instance, instance.newest_attempt()?)));
        heads.filter_map(|(instance, head)| Some((&head.id, self.offered_to(instance, head)?)))
    }

    /// Returns who may take an attempt at `instance` now, if anybody may.
    #[must_use]
    pub fn offered_to<'a>(&self, instance: &Instance, attempt: &'a Attempt) -> Option<&'a WorkerGroup> {
        (attempt.is_free() && self.may_be_taken(instance)).then_some(&attempt.group)
    }

    /// Returns whether nothing keeps runners from its work: nobody paused it, and the resource that it runs on is there.
    pub(crate) fn may_be_taken(&self, instance: &Instance) -> bool {
        !instance.is_paused && self.resource_of(instance).is_none_or(is_up)
    }

    /// Returns the instance of the resource that `instance` runs on.
    pub(crate) fn resource_of(&self, instance: &Instance) -> Option<&Instance> {
        self.instance(instance.runs_on.as_ref()?.as_str())
    }

    /// Returns the attempts at resources that the host is to make, to keep, or to end.
    pub fn machines(&self) -> impl Iterator<Item = &Attempt> {
        let heads = self.users.keys().filter_map(|place| self.instances[*place].newest_attempt());
        heads.filter(|head| !head.status.is_settled())
    }

    /// Returns the attempts that a runner holds or works on.
    pub fn handed_out(&self) -> impl Iterator<Item = (&Attempt, &RunnerId)> {
        self.heads().filter_map(|head| head.runner().map(|runner| (head, runner)))
    }

    fn heads(&self) -> impl Iterator<Item = &Attempt> {
        self.instances.iter().filter(|instance| instance.is_live()).filter_map(Instance::newest_attempt)
    }

    /// Returns when the run wants to be woken next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// Returns whether something in it is at work, or a runner may take it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active > 0
    }

    /// Returns how the run ended, as long as nothing in it moves.
    #[must_use]
    pub fn end(&self) -> Option<&RunEnd> {
        self.header.ended.as_ref()
    }

    /// Returns the unmet dependencies of `instance`: `@waitingOn`.
    #[must_use]
    pub fn waiting_on(&self, instance: &Instance) -> Vec<InstanceId> {
        if instance.status != Status::WaitingOnDependencies {
            return Vec::new();
        }
        let unmet = |id: &&InstanceId| {
            self.instance(id.as_str()).is_some_and(|dependency| dependency.status != Status::Finished)
        };
        let resource = self.resource_of(instance).filter(|resource| !is_up(resource) && !resource.is_final());
        let resource = resource.map(|resource| resource.id.clone());
        instance.depends_on.iter().filter(unmet).cloned().chain(resource).collect()
    }

    /// Returns the instances that `step` changed.
    pub fn changed_instances<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = &'a Instance> {
        step.instances.iter().map(|place| &self.instances[*place])
    }

    /// Returns the attempts that `step` changed, each with its instance.
    pub fn changed_attempts<'a>(
        &'a self,
        step: &'a Step,
    ) -> impl Iterator<Item = (&'a Instance, &'a Attempt)> {
        step.attempts.iter().map(|(place, number)| {
            let instance = &self.instances[*place];
            (instance, &instance.attempts[*number])
        })
    }
}

/// Returns whether the resource instance is RUNNING.
pub(crate) fn is_up(resource: &Instance) -> bool {
    let machine =
        resource.newest_attempt().filter(|_| resource.status == Status::Trying).and_then(Attempt::machine);
    matches!(machine, Some(resource::Status::Running { .. }))
}

/// Returns by resource instance who runs on it.
fn users(instances: &[Instance], index: &HashMap<InstanceId, usize>) -> BTreeMap<usize, Users> {
    let resources = instances.iter().enumerate().filter(|(_, instance)| instance.role == Role::Resource);
    let mut users: BTreeMap<_, _> = resources.map(|(place, _)| (place, Users::default())).collect();
    for (place, instance) in instances.iter().enumerate() {
        let resource = instance.runs_on.as_ref().and_then(|id| index.get(id));
        let Some(of_resource) = resource.and_then(|place| users.get_mut(place)) else { continue };
        of_resource.places.push(place);
        of_resource.open += usize::from(!instance.is_final());
    }
    users
}
