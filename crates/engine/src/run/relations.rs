//! Relations between the instances of a run: dependencies, owners and their preconditions, resources and their users.

use crate::instance::{Instance, Role, Status};
use crate::instance_index::InstanceIndex;
use crate::run::Run;

impl Run {
    /// Returns the number of dependencies that the instance at `at` still waits for.
    pub(crate) fn unmet(&self, at: InstanceIndex) -> usize {
        self.index.unmet(at)
    }

    /// Returns the instances that depend on the one at `at`.
    pub(crate) fn consumers(&self, at: InstanceIndex) -> &[InstanceIndex] {
        self.index.consumers(at)
    }

    /// Returns the instances that the one at `at` depends on.
    pub(crate) fn dependencies(&self, at: InstanceIndex) -> impl Iterator<Item = InstanceIndex> {
        self[at].depends_on.iter().filter_map(|id| self.find(id.as_str()))
    }

    /// Returns the owner of the precondition at `at`: the instance that it guards.
    pub(crate) fn owner(&self, at: InstanceIndex) -> Option<InstanceIndex> {
        self.find(self[at].guards.as_ref()?.as_str())
    }

    /// Returns the preconditions that guard the instance at `at`.
    pub(crate) fn preconditions(&self, at: InstanceIndex) -> impl Iterator<Item = InstanceIndex> {
        let guards = move |it: &InstanceIndex| self[*it].guards.as_ref() == Some(&self[at].id);
        self.dependencies(at).filter(guards)
    }

    /// Returns the resource instance that `instance` runs on.
    pub(crate) fn resource_of(&self, instance: &Instance) -> Option<InstanceIndex> {
        self.find(instance.runs_on.as_ref()?.as_str())
    }

    /// Returns the resource that the instance at `at` has to wait for; `None` if the instance runs on no resource, or if its
    /// resource is RUNNING.
    pub(crate) fn missing_resource(&self, at: InstanceIndex) -> Option<InstanceIndex> {
        self.resource_of(&self[at]).filter(|resource| !self[*resource].is_up())
    }

    /// Returns whether runners may take an attempt at `instance`: the instance is not paused, and its resource, if it has one,
    /// is RUNNING.
    pub(crate) fn may_be_taken(&self, instance: &Instance) -> bool {
        !instance.is_paused && self.resource_of(instance).is_none_or(|resource| self[resource].is_up())
    }

    /// Returns the resource instances of the run.
    pub(crate) fn resources(&self) -> impl Iterator<Item = InstanceIndex> {
        self.index.resources()
    }

    /// Returns the instances that run on the resource at `at`; none if it is not a resource.
    pub(crate) fn users(&self, at: InstanceIndex) -> &[InstanceIndex] {
        self.index.users(at)
    }

    /// Returns whether any instance that runs on the resource at `at` is not final.
    pub(crate) fn has_open_users(&self, at: InstanceIndex) -> bool {
        self.index.open_users(at) > 0
    }

    /// Returns whether the instance at `at` is a resource whose users are all final.
    pub(crate) fn is_unneeded(&self, at: InstanceIndex) -> bool {
        self[at].role == Role::Resource && !self.has_open_users(at)
    }

    /// Returns whether an instance that runs on the resource at `at` is ready for it.
    pub(crate) fn is_wanted(&self, at: InstanceIndex) -> bool {
        let is_ready = |user: &InstanceIndex| {
            let instance = &self[*user];
            let may_start = instance.release.is_none() && !instance.is_paused;
            match instance.status {
                Status::WaitingOnDependencies => may_start && self.unmet(*user) == 0,
                // The machine ended while this user was paused, so the user still has its free attempt.
                Status::Trying => may_start && instance.has_free_attempt(),
                Status::RetryPause { .. } | Status::Final(_) => false,
            }
        };
        self.users(at).iter().any(is_ready)
    }

    /// Returns whether an instance that runs on the resource at `at` still waits for its time.
    pub(crate) fn has_users_to_come(&self, at: InstanceIndex) -> bool {
        let is_to_come = |user: &InstanceIndex| self[*user].release.is_some() && !self[*user].is_final();
        self.users(at).iter().any(is_to_come)
    }

    /// Returns whether the instance at `at` is a resource whose machine is not gone.
    pub(crate) fn has_machine(&self, at: InstanceIndex) -> bool {
        self[at].role == Role::Resource && self[at].status == Status::Trying
    }
}
