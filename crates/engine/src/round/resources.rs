//! The instances of resources in a round: made when an instance that runs on them is ready, ended when none needs them.
//!
//! `machines.rs` beside this file decides how the state of a resource's machine affects the instances that run on it.

use crate::attempt;
use crate::instance::{Ending, Status};
use crate::instance_index::InstanceIndex;
use crate::round::Round;
use crate::{late, resource};

impl Round<'_> {
    /// Makes a resource because an instance that runs on it is ready.
    pub(super) fn want(&mut self, at: InstanceIndex) {
        let resource = &self.run[at];
        match resource.status {
            // The resource waits for the start of its interval.
            Status::WaitingOnDependencies if resource.release.is_some() => {}
            Status::WaitingOnDependencies if resource.is_paused => {
                self.change(at, |resource| resource.is_withheld = true);
            }
            Status::WaitingOnDependencies => self.create(at),
            // A machine is being made or ended, or the next one waits for its retry. When the machine has ended,
            // `resource_settled` makes the next one.
            Status::Trying | Status::RetryPause { .. } => {}
            // An instance that is tried again needs the resource again.
            Status::Final(_) => {
                self.reset(at);
                self.want(at);
            }
        }
    }

    /// Makes a resource that may start, if an instance that runs on it is ready.
    pub(super) fn start_if_wanted(&mut self, at: InstanceIndex) {
        if self.run.is_wanted(at) {
            self.create(at);
        }
    }

    fn create(&mut self, at: InstanceIndex) {
        let late_at = late::after_need(self.run, at, self.now);
        if late_at.is_some() {
            self.change(at, |resource| resource.late_at = late_at);
        }
        self.try_once(at);
    }

    /// Makes the resource of a free attempt again, if it is missing.
    pub(super) fn want_again(&mut self, user: InstanceIndex) {
        let instance = &self.run[user];
        let is_free = instance.status == Status::Trying && instance.has_free_attempt();
        if let Some(resource) = self.run.missing_resource(user).filter(|_| is_free) {
            self.want(resource);
        }
    }

    /// Makes a resource that became final again, if an instance became ready for it meanwhile.
    pub(super) fn resource_settled(&mut self, at: InstanceIndex) {
        if self.run.is_wanted(at) {
            self.want(at);
        }
    }

    /// Ends the resource of an instance that became final, if no other instance needs it, or if the instance failed and
    /// `actionOnTaskFailure` is `terminate`.
    pub(super) fn user_settled(&mut self, user: InstanceIndex) {
        let instance = &self.run[user];
        let Some(at) = self.run.resource_of(instance) else { return };
        let resource = &self.run[at];
        let limits = resource.newest_attempt().and_then(|newest| newest.limits.machine.as_ref());
        let is_ended_by_failure = limits.is_some_and(|limits| limits.ends_with_failed_task);
        if is_ended_by_failure && instance.ending() == Some(&Ending::Failed) && resource.is_up() {
            let reason = format!("`{}` failed, and actionOnTaskFailure is terminate", instance.id);
            // The resource is RUNNING, so it can be canceled.
            let _ = self.cancel(at, reason);
        }
        if !self.run.has_open_users(at) {
            self.end_unneeded(at);
        }
    }

    fn end_unneeded(&mut self, at: InstanceIndex) {
        match self.run[at].status {
            // The resource has no machine now, so there is nothing to report.
            Status::WaitingOnDependencies | Status::RetryPause { .. } => self.finish_silently(at),
            Status::Trying => {
                self.apply_to_newest(at, &attempt::Event::Machine(resource::MachineEvent::Unneeded));
            }
            Status::Final(_) => {}
        }
    }

    /// Ends resources that nothing will use any more.
    ///
    /// If nothing but RUNNING resources is live, the instances that still wait to run on them will never start. In a
    /// suspended run these instances may start after the next activation, and then get a new machine.
    pub(super) fn end_idle_resources(&mut self) {
        if self.run.header().is_suspended {
            return self.end_idle_resources_while_suspended();
        }
        if self.run.up() == 0 || self.run.live() > self.run.up() {
            return;
        }
        let up: Vec<_> = self.run.resources().filter(|at| self.run[*at].is_up()).collect();
        up.into_iter().for_each(|at| self.end_unneeded(at));
    }

    /// Ends the machines of a suspended run, unless an instance works on one or is ready for one.
    fn end_idle_resources_while_suspended(&mut self) {
        if self.run.active() == 0 {
            return;
        }
        let active: Vec<_> = self.run.resources().filter(|at| self.run[*at].is_active()).collect();
        let is_work_active = self.run.active() > active.len();
        if is_work_active || active.iter().any(|at| self.run.is_wanted(*at)) {
            return;
        }
        active.into_iter().for_each(|at| self.end_unneeded(at));
    }
}
