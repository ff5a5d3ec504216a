//! The machines of resources in a round: takes the reports of a host, and starts, offers or ends the
//! instances that run on the machines.
//!
//! [`crate::resource`] decides which status one machine has after an event.

use definition::Field;

use crate::attempt;
use crate::effect::Effect;
use crate::event::TaskOutcome;
use crate::ids::AttemptId;
use crate::instance::{Ending, Role, Status};
use crate::instance_index::{AttemptIndex, InstanceIndex};
use crate::resource;
use crate::round::{IllegalEvent, Round};
use crate::task_error::{RESOURCE_LOST, TaskError};

impl Round<'_> {
    /// Takes the host's report that a machine was made or is gone.
    pub(super) fn machine_says(
        &mut self,
        id: &AttemptId,
        event: &resource::MachineEvent,
        fields: Vec<Field>,
    ) -> Result<(), IllegalEvent> {
        let at = self.find(id, None)?;
        self.apply(at, &attempt::Event::Machine(event.clone()))?;
        self.keep_machine_fields(at, fields);
        Ok(())
    }

    /// Takes the fields with which the host describes a machine. Fails if the machine does not exist or is gone.
    pub(super) fn machine_reports(&mut self, id: &AttemptId, fields: Vec<Field>) -> Result<(), IllegalEvent> {
        let at = self.find(id, None)?;
        let attempt = &self.run[at];
        let status = attempt.status.wire_status();
        if attempt.machine().is_none() || status.is_final() {
            return Err(IllegalEvent::Attempt { attempt: id.clone(), status });
        }
        self.keep_machine_fields(at, fields);
        Ok(())
    }

    fn keep_machine_fields(&mut self, at: AttemptIndex, fields: Vec<Field>) {
        let attempt = &self.run[at];
        let is_known = fields.iter().all(|field| attempt.reported.contains(field));
        if !is_known && !attempt.status.is_settled() {
            self.keep_reported(at, fields);
        }
    }

    /// Starts, offers or ends the instances that run on a resource, after its machine and the resource have changed their
    /// status. `was_up` says whether the resource was up before.
    pub(super) fn machine_moved(&mut self, at: InstanceIndex, was_up: bool) {
        let resource = &self.run[at];
        let Some(newest) = resource.newest_attempt() else { return };
        let Some(machine) = newest.machine().cloned() else { return };
        self.step.effects.push(Effect::Resource { attempt: newest.id.clone() });
        if resource.is_up() != was_up {
            for user in self.run.users(at).to_vec() {
                self.note_offer(user);
            }
        }
        let id = &self.run[at].id;
        match machine {
            resource::MachineStatus::Creating { .. } => {}
            resource::MachineStatus::Running { .. } => self.let_users_on(at),
            resource::MachineStatus::ShuttingDown { end } => match end {
                // After `Finished`, no instance is at work on the machine. After `Failed`, the resource may be tried again.
                resource::ShutdownReason::Finished | resource::ShutdownReason::Failed(_) => {}
                resource::ShutdownReason::TimedOut => {
                    self.drop_users(at, &format!("its resource `{id}` reached its terminateAfter"));
                }
                resource::ShutdownReason::Canceled => self.drop_users_of_canceled(at),
            },
            resource::MachineStatus::Failed(error) => self.after_failed_machine(at, &error),
            resource::MachineStatus::Finished
            | resource::MachineStatus::TimedOut
            | resource::MachineStatus::Canceled => {}
        }
    }

    /// Cancels the users of a resource that has no retries left. If the resource is tried again, fails the work that was
    /// under way on its machine.
    pub(super) fn after_failed_machine(&mut self, at: InstanceIndex, error: &TaskError) {
        let resource = &self.run[at];
        let (id, message) = (resource.id.clone(), error.message.clone().unwrap_or_default());
        if resource.ending() == Some(&Ending::Failed) {
            return self.drop_users(at, &format!("its resource `{id}` failed: {message}"));
        }
        let lost = TaskError::new(RESOURCE_LOST, format!("its resource `{id}` failed: {message}"));
        for user in self.run.users(at).to_vec() {
            self.lose(user, &lost);
        }
    }

    /// Fails the work that was under way on a lost machine. Work that had not begun waits for the next machine.
    fn lose(&mut self, user: InstanceIndex, error: &TaskError) {
        let instance = &self.run[user];
        let Some(newest) = instance.newest_attempt().filter(|_| instance.status == Status::Trying) else {
            return;
        };
        let event = match &newest.status {
            attempt::Status::Running { .. } => attempt::Event::StatusSet(TaskOutcome::Failed(error.clone())),
            attempt::Status::WaitingForRunner { held: Some(_) } => attempt::Event::Released,
            attempt::Status::WaitingForRunner { held: None }
            | attempt::Status::NotYet { .. }
            | attempt::Status::Machine(_)
            | attempt::Status::Finished
            | attempt::Status::Failed(_)
            | attempt::Status::Canceled => return,
        };
        self.apply_to_newest(user, &event);
    }

    /// Starts the instances that waited for the resource, and offers free attempts again.
    fn let_users_on(&mut self, at: InstanceIndex) {
        for user in self.run.users(at).to_vec() {
            if self.run[user].status != Status::WaitingOnDependencies {
                self.offer_newest_attempt(user);
            } else if self.run.unmet(user) == 0 {
                self.ready(user);
            }
        }
    }

    /// Cancels the users of a resource that was canceled.
    pub(super) fn drop_users_of_canceled(&mut self, at: InstanceIndex) {
        let instance = &self.run[at];
        if instance.role == Role::Resource {
            let reason = format!("its resource `{}` was canceled", instance.id);
            self.drop_users(at, &reason);
        }
    }

    /// Cancels the open instances that run on a resource, whether they have begun or not.
    fn drop_users(&mut self, at: InstanceIndex, reason: &str) {
        for user in self.run.users(at).to_vec() {
            if !self.run[user].is_final() {
                self.abandon_newest_attempt(user);
                self.end(user, Ending::Canceled { reason: reason.to_owned() });
            }
        }
    }
}
