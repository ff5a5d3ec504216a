//! Resources in a round: made when something that runs on them is ready, ended when nothing is left to.
//!
//! What one machine does with an event is decided in [`crate::resource`]; here is what follows for those that run
//! on it, and what of theirs follows for it.

use crate::attempt::{self, Attempt};
use crate::effect::Effect;
use crate::ids::AttemptId;
use crate::instance::{Role, Status};
use crate::resource;
use crate::round::{IllegalEvent, Round};
use crate::run::is_up;
use crate::task_error::TaskError;

impl Round<'_> {
    /// The place of the resource that the instance at `place` runs on.
    pub(super) fn resource_of(&self, place: usize) -> Option<usize> {
        let resource = self.run.instances[place].runs_on.as_ref()?;
        self.run.index.get(resource).copied()
    }

    /// The place of the resource that the instance at `place` has to wait for.
    pub(super) fn missing_resource(&self, place: usize) -> Option<usize> {
        self.resource_of(place).filter(|resource| !is_up(&self.run.instances[*resource]))
    }

    /// Takes what the host says of a machine.
    pub(super) fn machine_says(
        &mut self,
        id: &AttemptId,
        event: &resource::Event,
        fields: Vec<definition::Field>,
    ) -> Result<(), IllegalEvent> {
        let at = self.find(id, None)?;
        self.apply(at, &attempt::Event::Machine(event.clone()))?;
        self.keep_fields(at, fields);
        Ok(())
    }

    /// Keeps what the host tells of a machine that is not gone.
    pub(super) fn machine_reports(
        &mut self,
        id: &AttemptId,
        fields: Vec<definition::Field>,
    ) -> Result<(), IllegalEvent> {
        let at = self.find(id, None)?;
        let attempt = self.attempt(at);
        let status = attempt.status.word();
        if attempt.machine().is_none() || status.is_final() {
            return Err(IllegalEvent::Attempt { attempt: id.clone(), status });
        }
        self.keep_fields(at, fields);
        Ok(())
    }

    fn keep_fields(&mut self, at: (usize, usize), fields: Vec<definition::Field>) {
        let attempt = self.attempt(at);
        let is_known = fields.iter().all(|field| attempt.reported.contains(field));
        if is_known || attempt.status.is_settled() {
            return;
        }
        attempt.report(fields);
        self.step.attempts.insert(at);
        self.step.instances.insert(at.0);
    }

    /// Something that runs on the resource at `place` is ready for it.
    pub(super) fn want(&mut self, place: usize) {
        let resource = &self.run.instances[place];
        match resource.status {
            // Its interval begins first.
            Status::WaitingOnDependencies if resource.release.is_some() => {}
            Status::WaitingOnDependencies if resource.is_paused => {
                self.change(place, false, |resource| resource.is_withheld = true);
            }
            Status::WaitingOnDependencies => self.create(place),
            // On its way, or on its way out: then it is seen to when it is gone.
            Status::Trying | Status::RetryPause { .. } => {}
            // What is tried again needs it again.
            Status::Finished
            | Status::Failed
            | Status::TimedOut
            | Status::CascadeFailed { .. }
            | Status::Canceled { .. }
            | Status::Skipped => {
                self.reset(place);
                self.want(place);
            }
        }
    }

    /// A resource that may start does so once something is ready for it.
    pub(super) fn start_if_wanted(&mut self, place: usize) {
        if self.is_wanted(place) {
            self.create(place);
        }
    }

    fn create(&mut self, place: usize) {
        let late_at = crate::late::after_need(self.run, place, self.now);
        if late_at.is_some() {
            self.change(place, false, |resource| resource.late_at = late_at);
        }
        self.try_once(place);
    }

    /// Returns whether the instance at `place` is a resource of which all users are over.
    pub(super) fn is_unneeded(&self, place: usize) -> bool {
        self.run.instances[place].role == Role::Resource && self.open_users(place) == 0
    }

    fn open_users(&self, place: usize) -> usize {
        self.run.users.get(&place).map_or(0, |users| users.open)
    }

    /// The instances that run on the resource at `place`.
    pub(super) fn users(&self, place: usize) -> Vec<usize> {
        self.run.users.get(&place).map(|users| users.places.clone()).unwrap_or_default()
    }

    fn is_wanted(&self, place: usize) -> bool {
        let waits = |user: &usize| {
            let instance = &self.run.instances[*user];
            let may_start = instance.release.is_none() && !instance.is_paused;
            match instance.status {
                Status::WaitingOnDependencies => may_start && self.run.unmet[*user] == 0,
                // It was paused when the machine ended under it.
                Status::Trying => may_start && instance.newest_attempt().is_some_and(Attempt::is_free),
                _ => false,
            }
        };
        self.run.users.get(&place).is_some_and(|users| users.places.iter().any(waits))
    }

    /// The machine of the resource at `place` went from one status to another, and its instance followed.
    pub(super) fn machine_moved(&mut self, place: usize, was_up: bool) {
        let resource = &self.run.instances[place];
        let Some(head) = resource.newest_attempt() else { return };
        let Some(machine) = head.machine().cloned() else { return };
        self.run.up = self.run.up + usize::from(is_up(resource)) - usize::from(was_up);
        self.step.effects.push(Effect::Resource { attempt: head.id.clone() });
        if is_up(resource) != was_up {
            for user in self.users(place) {
                self.note_offer(user);
            }
        }
        let id = &self.run.instances[place].id;
        match machine {
            resource::Status::Creating { .. } => {}
            resource::Status::Running { .. } => self.let_users_on(place),
            resource::Status::ShuttingDown { end } => match end {
                // Nobody is on it, and perhaps it is tried again.
                resource::ShutdownReason::Finished | resource::ShutdownReason::Failed(_) => {}
                resource::ShutdownReason::TimedOut => {
                    self.drop_users(place, &format!("its resource `{id}` ran into its terminateAfter"));
                }
                resource::ShutdownReason::Canceled => self.drop_users_of_canceled(place),
            },
            resource::Status::Failed(error) => self.after_failed_machine(place, &error),
            resource::Status::Finished | resource::Status::TimedOut | resource::Status::Canceled => {}
        }
    }

    /// The resource is made anew, or everything that runs on it is over as well.
    pub(super) fn after_failed_machine(&mut self, place: usize, error: &TaskError) {
        let resource = &self.run.instances[place];
        let (id, message) = (resource.id.clone(), error.message.clone().unwrap_or_default());
        if resource.status == Status::Failed {
            return self.drop_users(place, &format!("its resource `{id}` failed: {message}"));
        }
        let lost = TaskError::new(
            crate::task_error::RESOURCE_LOST,
            format!("its resource `{id}` failed: {message}"),
        );
        for user in self.users(place) {
            self.lose(user, &lost);
        }
    }

    /// Work on a machine that is gone has failed; work that nobody began waits for the next one.
    fn lose(&mut self, user: usize, error: &TaskError) {
        let instance = &self.run.instances[user];
        let Some(head) = instance.newest_attempt().filter(|_| instance.status == Status::Trying) else {
            return;
        };
        let newest = instance.attempts.len() - 1;
        let event = match &head.status {
            attempt::Status::Running { .. } => {
                attempt::Event::StatusSet(crate::event::TaskOutcome::Failed(error.clone()))
            }
            attempt::Status::WaitingForRunner { held: Some(_) } => attempt::Event::Released,
            attempt::Status::WaitingForRunner { held: None }
            | attempt::Status::NotYet { .. }
            | attempt::Status::Machine(_)
            | attempt::Status::Finished
            | attempt::Status::Failed(_)
            | attempt::Status::Canceled => return,
        };
        // Both are legal there.
        let _ = self.apply((user, newest), &event);
    }

    /// What waited for the resource begins; what was on offer is so again.
    fn let_users_on(&mut self, place: usize) {
        for user in self.users(place) {
            let instance = &self.run.instances[user];
            if instance.status == Status::WaitingOnDependencies {
                if self.run.unmet[user] == 0 {
                    self.ready(user);
                }
                continue;
            }
            let free =
                instance.newest_attempt().filter(|head| head.is_free() && self.run.may_be_taken(instance));
            let offer =
                free.map(|head| Effect::Offer { attempt: head.id.clone(), group: head.group.clone() });
            self.step.effects.extend(offer);
        }
    }

    pub(super) fn drop_users_of_canceled(&mut self, place: usize) {
        let instance = &self.run.instances[place];
        if instance.role == Role::Resource {
            let reason = format!("its resource `{}` was canceled", instance.id);
            self.drop_users(place, &reason);
        }
    }

    /// What runs on a resource that is no more is canceled, as are those that were still to.
    fn drop_users(&mut self, place: usize, reason: &str) {
        let now = self.now;
        for user in self.users(place) {
            let instance = &mut self.run.instances[user];
            if instance.is_final() {
                continue;
            }
            if let Some(head) = instance.attempts.last_mut() {
                // Its runner, if there is one left, learns by its next report.
                head.abandon(now);
                self.step.attempts.insert((user, instance.attempts.len() - 1));
            }
            self.set(user, Status::Canceled { reason: reason.to_owned() }, false);
        }
    }

    /// A resource is over: what got ready for it on its way out needs another.
    pub(super) fn resource_settled(&mut self, place: usize) {
        if self.is_wanted(place) {
            self.want(place);
        }
    }

    /// Something that runs on a resource is over: perhaps the resource is as well.
    pub(super) fn user_settled(&mut self, user: usize) {
        let Some(place) = self.resource_of(user) else { return };
        let (instance, resource) = (&self.run.instances[user], &self.run.instances[place]);
        let limits = resource.newest_attempt().and_then(|head| head.limits.machine.as_ref());
        let ends = limits.is_some_and(|limits| limits.ends_with_failed_task);
        if ends && instance.status == Status::Failed && is_up(resource) {
            let reason = format!("`{}` failed, and actionOnTaskFailure is terminate", instance.id);
            // It is RUNNING, so it can be canceled.
            let _ = self.cancel(place, reason);
        }
        if self.open_users(place) == 0 {
            self.end_unneeded(place);
        }
    }

    fn end_unneeded(&mut self, place: usize) {
        let resource = &self.run.instances[place];
        match resource.status {
            // Nothing of it was, so there is nothing to tell of.
            Status::WaitingOnDependencies | Status::RetryPause { .. } => {
                self.set(place, Status::Finished, true);
            }
            Status::Trying => {
                let newest = resource.attempts.len().saturating_sub(1);
                // Legal everywhere.
                let unneeded = attempt::Event::Machine(resource::Event::Unneeded);
                let _ = self.apply((place, newest), &unneeded);
            }
            Status::Finished
            | Status::Failed
            | Status::TimedOut
            | Status::CascadeFailed { .. }
            | Status::Canceled { .. }
            | Status::Skipped => {}
        }
    }

    /// What is on offer as soon as its resource is there needs that again.
    pub(super) fn want_again(&mut self, user: usize) {
        let instance = &self.run.instances[user];
        let is_free =
            instance.status == Status::Trying && instance.newest_attempt().is_some_and(Attempt::is_free);
        if let Some(resource) = self.missing_resource(user).filter(|_| is_free) {
            self.want(resource);
        }
    }

    /// Returns whether something that runs on the resource at `place` waits for its time.
    pub(super) fn has_users_to_come(&self, place: usize) -> bool {
        let is_to_come = |user: &usize| {
            let instance = &self.run.instances[*user];
            instance.release.is_some() && !instance.is_final()
        };
        self.run.users.get(&place).is_some_and(|users| users.places.iter().any(is_to_come))
    }

    /// Where nothing moves any more but resources that are there, those who are still to run on them never will; in a
    /// run that is suspended, not before the next activation.
    pub(super) fn end_idle(&mut self) {
        if self.run.header.is_suspended {
            return self.end_all_idle();
        }
        if self.run.up == 0 || self.run.live > self.run.up {
            return;
        }
        let up = self.run.users.keys().copied().filter(|place| is_up(&self.run.instances[*place]));
        for place in up.collect::<Vec<_>>() {
            self.end_unneeded(place);
        }
    }

    /// Ends the machines of a suspended run, unless somebody is at work on one, or will be.
    fn end_all_idle(&mut self) {
        if self.run.active == 0 {
            return;
        }
        let resources = self.run.users.keys().copied();
        let active: Vec<_> = resources.filter(|place| self.run.instances[*place].is_active()).collect();
        // Nothing else is active then.
        if self.run.active > active.len() || active.iter().any(|place| self.is_wanted(*place)) {
            return;
        }
        for place in active {
            self.end_unneeded(place);
        }
    }

    /// Returns whether the machine of the resource at `place` has yet to go.
    pub(super) fn has_machine(&self, place: usize) -> bool {
        let resource = &self.run.instances[place];
        resource.role == Role::Resource && resource.status == Status::Trying
    }
}
