//! The index of a run: all facts that follow from its instances, kept ready so that no event costs more in a larger run.
//!
//! The fields are private. When [`super::Run`] changes an instance, it calls [`RunIndex::follow`] with the facts before the
//! change. That call does not change the counts of unmet dependencies. The count of a consumer falls later, when the round
//! tells the consumer that a dependency finished, so consumers start in the order in which they are told. The count rises
//! when a FINISHED dependency is rerun.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::header::Header;
use crate::ids::InstanceId;
use crate::instance::{Instance, Role};
use crate::instance_index::InstanceIndex;
use crate::run::by_component::ByComponent;
use crate::run::deadlines::Deadlines;

/// The facts that follow from the instances of a run.
#[derive(Clone, Debug)]
pub(super) struct RunIndex {
    /// The facts that never change. All copies of a run share them.
    fixed: Arc<Fixed>,
    /// By instance: the number of dependencies that it still waits for.
    unmet: Vec<usize>,
    deadlines: Deadlines,
    /// By resource instance: how many instances that run on it are not final.
    open_users: BTreeMap<InstanceIndex, usize>,
    counts: Counts,
}

/// The facts that follow from the ids and references of the instances.
#[derive(Debug)]
struct Fixed {
    positions: HashMap<InstanceId, InstanceIndex>,
    /// By instance: the instances that depend on it.
    consumers: Vec<Vec<InstanceIndex>>,
    /// By resource instance: the instances that run on it.
    users: BTreeMap<InstanceIndex, Vec<InstanceIndex>>,
    by_component: ByComponent,
}

/// The numbers of instances that are up, live and active.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Resource instances whose machine is RUNNING.
    up: usize,
    /// Instances that are live: their time, their runner, their host or a user who resumes them can advance them.
    live: usize,
    /// Instances that are at work or that a runner may take.
    active: usize,
}

/// The facts about one instance that the index compares before and after a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    is_final: bool,
    is_up: bool,
    is_live: bool,
    is_active: bool,
}

impl Facts {
    pub(super) fn of(instance: &Instance) -> Self {
        Self {
            is_final: instance.is_final(),
            is_up: instance.is_up(),
            is_live: instance.is_live(),
            is_active: instance.is_active(),
        }
    }
}

impl Counts {
    fn add(&mut self, facts: Facts) {
        self.up += usize::from(facts.is_up);
        self.live += usize::from(facts.is_live);
        self.active += usize::from(facts.is_active);
    }

    fn remove(&mut self, facts: Facts) {
        self.up -= usize::from(facts.is_up);
        self.live -= usize::from(facts.is_live);
        self.active -= usize::from(facts.is_active);
    }
}

impl RunIndex {
    /// Builds the index of `instances`, which stand in order of creation.
    pub(super) fn of(header: &Header, instances: &[Instance]) -> Self {
        let fixed = Fixed::of(header, instances);
        let is_unmet =
            |id: &&InstanceId| fixed.get(id.as_str(), instances).is_some_and(|it| !it.is_finished());
        let unmet =
            instances.iter().map(|instance| instance.depends_on.iter().filter(is_unmet).count()).collect();
        let deadlines = instances.iter().map(|instance| instance.deadline(header.is_suspended)).collect();
        let is_open = |user: &&InstanceIndex| !instances[user.position()].is_final();
        let open_users =
            fixed.users.iter().map(|(at, users)| (*at, users.iter().filter(is_open).count())).collect();
        let mut counts = Counts::default();
        instances.iter().for_each(|instance| counts.add(Facts::of(instance)));
        Self { unmet, deadlines: Deadlines::of(deadlines), open_users, counts, fixed: Arc::new(fixed) }
    }

    /// Brings the index up to date after the instance at `at` changed; `before` are its facts before the change.
    pub(super) fn follow(
        &mut self,
        at: InstanceIndex,
        before: Facts,
        instance: &Instance,
        is_suspended: bool,
    ) {
        let after = Facts::of(instance);
        self.counts.add(after);
        self.counts.remove(before);
        if before.is_final != after.is_final {
            let resource = instance.runs_on.as_ref().and_then(|id| self.position(id.as_str()));
            if let Some(open) = resource.and_then(|resource| self.open_users.get_mut(&resource)) {
                *open = *open + usize::from(before.is_final) - usize::from(after.is_final);
            }
        }
        self.refresh_deadline(at, instance, is_suspended);
    }

    /// Brings the deadline of one instance up to date.
    pub(super) fn refresh_deadline(&mut self, at: InstanceIndex, instance: &Instance, is_suspended: bool) {
        self.deadlines.set(at, instance.deadline(is_suspended));
    }

    /// Counts one dependency of the instance at `consumer` as FINISHED.
    pub(super) fn count_met(&mut self, consumer: InstanceIndex) {
        let unmet = &mut self.unmet[consumer.position()];
        *unmet = unmet.saturating_sub(1);
    }

    /// Counts the instance at `at` as no longer FINISHED for each of its consumers.
    pub(super) fn count_unmet(&mut self, at: InstanceIndex) {
        for consumer in &self.fixed.consumers[at.position()] {
            self.unmet[consumer.position()] += 1;
        }
    }

    pub(super) fn position(&self, id: &str) -> Option<InstanceIndex> {
        self.fixed.positions.get(id).copied()
    }

    pub(super) fn consumers(&self, at: InstanceIndex) -> &[InstanceIndex] {
        &self.fixed.consumers[at.position()]
    }

    pub(super) fn unmet(&self, at: InstanceIndex) -> usize {
        self.unmet[at.position()]
    }

    /// Returns the resource instances of the run.
    pub(super) fn resources(&self) -> impl Iterator<Item = InstanceIndex> {
        self.fixed.users.keys().copied()
    }

    /// Returns the instances that run on the resource at `at`, or an empty list if the instance at `at` is not a resource.
    pub(super) fn users(&self, at: InstanceIndex) -> &[InstanceIndex] {
        self.fixed.users.get(&at).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns how many instances that run on the resource at `at` are not final.
    pub(super) fn open_users(&self, at: InstanceIndex) -> usize {
        self.open_users.get(&at).copied().unwrap_or_default()
    }

    pub(super) fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first()
    }

    pub(super) fn by_component(&self) -> &ByComponent {
        &self.fixed.by_component
    }

    pub(super) fn up(&self) -> usize {
        self.counts.up
    }

    pub(super) fn live(&self) -> usize {
        self.counts.live
    }

    pub(super) fn active(&self) -> usize {
        self.counts.active
    }
}

impl Fixed {
    fn of(header: &Header, instances: &[Instance]) -> Self {
        let indexed =
            || instances.iter().enumerate().map(|(position, it)| (InstanceIndex::new(position), it));
        let positions: HashMap<_, _> = indexed().map(|(at, instance)| (instance.id.clone(), at)).collect();
        let mut consumers = vec![Vec::new(); instances.len()];
        for (at, instance) in indexed() {
            for dependency in instance.depends_on.iter().filter_map(|id| positions.get(id)) {
                consumers[dependency.position()].push(at);
            }
        }
        let resources = indexed().filter(|(_, instance)| instance.role == Role::Resource);
        let mut users: BTreeMap<_, _> = resources.map(|(at, _)| (at, Vec::new())).collect();
        for (at, instance) in indexed() {
            let resource = instance.runs_on.as_ref().and_then(|id| positions.get(id));
            if let Some(users) = resource.and_then(|resource| users.get_mut(resource)) {
                users.push(at);
            }
        }
        Self { positions, consumers, users, by_component: ByComponent::of(header, instances) }
    }

    fn get<'a>(&self, id: &str, instances: &'a [Instance]) -> Option<&'a Instance> {
        self.positions.get(id).map(|at| &instances[at.position()])
    }
}
