//! The record of a run: all instances of one activation. A run is changed, saved and loaded as a whole.
//!
//! [`Run`] holds facts ([`Header`], [`Plan`], instances) and an index of the facts that follow from them (`run/index.rs`). The
//! events of a run are handled in `round.rs`, which changes instances only through [`Run::change`]. The cost of an event
//! depends on how many instances it touches, never on the size of the run.

mod by_component;
mod deadlines;
mod index;
mod offers;
mod relations;

use std::ops::Index;
use std::sync::Arc;

use definition::schedule::Interval;
use jiff::Timestamp;

use crate::attempt::Attempt;
use crate::header::{Header, RunEnd};
use crate::ids::{AttemptId, InstanceId};
use crate::instance::{Instance, Status};
use crate::instance_index::{AttemptIndex, InstanceIndex};
use crate::plan::Plan;
use crate::run::index::{Facts, RunIndex};
use crate::step::Step;

/// One activation with all its instances.
#[derive(Clone, Debug)]
pub struct Run {
    header: Header,
    plan: Arc<Plan>,
    instances: Vec<Instance>,
    index: RunIndex,
}

impl Run {
    /// Puts a run together from its saved parts; `instances` carry their attempts.
    #[must_use]
    pub fn assemble(header: Header, plan: Arc<Plan>, mut instances: Vec<Instance>) -> Self {
        instances.sort_by_key(|instance| instance.sequence);
        let index = RunIndex::of(&header, &instances);
        Self { header, plan, instances, index }
    }

    /// Returns the facts about the run as a whole.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the definition that the run executes.
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
        self.find(id).map(|at| &self[at])
    }

    /// Returns the attempt `id`.
    #[must_use]
    pub fn attempt(&self, id: &AttemptId) -> Option<&Attempt> {
        self.find_attempt(id).map(|at| &self[at])
    }

    /// Returns the interval of an instance.
    #[must_use]
    pub fn interval(&self, instance: &Instance) -> Interval {
        instance.interval_in(&self.header)
    }

    /// Returns when the run has to be woken next; `None` if nothing in it waits for a time.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.index.next_deadline()
    }

    /// Returns whether an instance is at work, or a runner may take one.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.index.active() > 0
    }

    /// Returns how the run ended; `None` while it goes on.
    #[must_use]
    pub fn end(&self) -> Option<&RunEnd> {
        self.header.ended.as_ref()
    }

    /// Returns what `instance` waits for, as `@waitingOn` shows it: dependencies that are not FINISHED, and its resource if
    /// the resource is neither up nor final. Returns nothing unless the instance waits for its dependencies.
    #[must_use]
    pub fn waiting_on(&self, instance: &Instance) -> Vec<InstanceId> {
        if instance.status != Status::WaitingOnDependencies {
            return Vec::new();
        }
        let unmet =
            |id: &&InstanceId| self.instance(id.as_str()).is_some_and(|dependency| !dependency.is_finished());
        let resource = self.resource_of(instance).map(|resource| &self[resource]);
        let resource = resource.filter(|resource| !resource.is_up() && !resource.is_final());
        let resource = resource.map(|resource| resource.id.clone());
        instance.depends_on.iter().filter(unmet).cloned().chain(resource).collect()
    }

    /// Returns the instances that `step` changed.
    pub fn changed_instances<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = &'a Instance> {
        step.instances().map(|at| &self[at])
    }

    /// Returns the attempts that `step` changed, each with its instance.
    pub fn changed_attempts<'a>(
        &'a self,
        step: &'a Step,
    ) -> impl Iterator<Item = (&'a Instance, &'a Attempt)> {
        step.attempts().map(|at| (&self[at.instance], &self[at]))
    }
}

/// Positions of instances.
impl Run {
    /// Returns the position of every instance, in order of creation.
    pub(crate) fn indices(&self) -> impl Iterator<Item = InstanceIndex> + use<> {
        (0..self.instances.len()).map(InstanceIndex::new)
    }

    /// Returns the position of the instance `id`.
    pub(crate) fn find(&self, id: &str) -> Option<InstanceIndex> {
        self.index.position(id)
    }

    /// Returns the position of the attempt `id`.
    pub(crate) fn find_attempt(&self, id: &AttemptId) -> Option<AttemptIndex> {
        let (instance, number) = id.parts()?;
        let instance = self.find(instance.as_str())?;
        let attempt = usize::try_from(number.checked_sub(1)?).ok()?;
        self[instance].attempts.get(attempt).map(|_| AttemptIndex { instance, attempt })
    }

    /// Returns the position of the newest attempt at the instance at `at`.
    pub(crate) fn newest_attempt(&self, at: InstanceIndex) -> Option<AttemptIndex> {
        let attempt = self[at].attempts.len().checked_sub(1)?;
        Some(AttemptIndex { instance: at, attempt })
    }

    /// Returns the instances that are due at `now`, the most overdue first.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<InstanceIndex> {
        self.index.deadlines().due(now)
    }

    /// Returns how many resource instances are up: their machine is RUNNING.
    pub(crate) fn up(&self) -> usize {
        self.index.up()
    }

    /// Returns how many instances are live, which means that they can advance without another instance.
    pub(crate) fn live(&self) -> usize {
        self.index.live()
    }

    /// Returns how many instances are at work or may be taken by a runner.
    pub(crate) fn active(&self) -> usize {
        self.index.active()
    }
}

/// The methods that change the run. Each of them brings the index up to date.
impl Run {
    /// Changes the instance at `at` or its attempts.
    pub(crate) fn change<T>(&mut self, at: InstanceIndex, change: impl FnOnce(&mut Instance) -> T) -> T {
        let instance = &mut self.instances[at.position()];
        let before = Facts::of(instance);
        let result = change(instance);
        self.index.follow(at, before, instance, self.header.is_suspended);
        result
    }

    /// Counts one dependency of the instance at `consumer` as FINISHED.
    pub(crate) fn count_met(&mut self, consumer: InstanceIndex) {
        self.index.count_met(consumer);
    }

    /// Counts the instance at `at` as no longer FINISHED for each of its consumers.
    pub(crate) fn count_unmet(&mut self, at: InstanceIndex) {
        self.index.count_unmet(at);
    }

    /// Suspends the run, so that instances that wait for their time keep waiting, or ends the suspension.
    pub(crate) fn set_suspended(&mut self, is_suspended: bool) {
        self.header.is_suspended = is_suspended;
        for (position, instance) in self.instances.iter().enumerate() {
            self.index.refresh_deadline(InstanceIndex::new(position), instance, is_suspended);
        }
    }

    /// Begins the next rerun generation of the run.
    pub(crate) fn begin_generation(&mut self) {
        self.header.generation += 1;
    }

    /// Counts a step that changed the run.
    pub(crate) fn count_revision(&mut self) {
        self.header.revision += 1;
    }

    /// Notes that the run goes on.
    pub(crate) fn reopen(&mut self) {
        self.header.ended = None;
    }

    /// Notes that the run has ended. No instance of an ended run waits for its time, so the run is not suspended either.
    pub(crate) fn close(&mut self, end: RunEnd) {
        self.header.is_suspended = false;
        self.header.ended = Some(end);
    }
}

impl Index<InstanceIndex> for Run {
    type Output = Instance;

    fn index(&self, at: InstanceIndex) -> &Instance {
        &self.instances[at.position()]
    }
}

impl Index<AttemptIndex> for Run {
    type Output = Attempt;

    fn index(&self, at: AttemptIndex) -> &Attempt {
        &self[at.instance].attempts[at.attempt]
    }
}
