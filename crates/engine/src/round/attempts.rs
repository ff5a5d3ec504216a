//! Attempts in a round: makes them, hands them out, and applies events to them. An instance gets the status of its newest
//! attempt.

use definition::Field;

use crate::attempt::{self, Attempt};
use crate::effect::Effect;
use crate::ids::{AttemptId, RunnerId};
use crate::instance::{Instance, Role, Status};
use crate::instance_index::{AttemptIndex, InstanceIndex};
use crate::round::{IllegalEvent, Round};
use crate::setup::{self, Setup};
use crate::task_error::TaskError;
use crate::{resource, status};

impl Round<'_> {
    /// Finds the attempt `id`, and checks that `handout`, if there is one, is its present handout.
    pub(super) fn find(&self, id: &AttemptId, handout: Option<u32>) -> Result<AttemptIndex, IllegalEvent> {
        let at = self.run.find_attempt(id).ok_or_else(|| IllegalEvent::NoSuchAttempt(id.clone()))?;
        let attempt = &self.run[at];
        match handout {
            Some(handout) if handout != attempt.handouts || attempt.is_free() => {
                Err(IllegalEvent::HandoutOver { attempt: id.clone(), handout })
            }
            Some(_) | None => Ok(at),
        }
    }

    /// Hands an attempt to a runner, unless its instance is paused or its resource is not RUNNING.
    pub(super) fn claim(&mut self, id: &AttemptId, runner: RunnerId) -> Result<(), IllegalEvent> {
        let at = self.find(id, None)?;
        let instance = &self.run[at.instance];
        if instance.is_paused {
            let (instance, status) = (instance.id.clone(), status::Status::Paused);
            return Err(IllegalEvent::Instance { instance, status });
        }
        if let Some(resource) = self.run.missing_resource(at.instance) {
            let resource = &self.run[resource];
            let (instance, status) = (resource.id.clone(), resource.wire_status());
            return Err(IllegalEvent::Instance { instance, status });
        }
        self.apply(at, &attempt::Event::Claimed(runner))
    }

    /// Applies an event to an attempt. If the attempt is the newest of its instance, the status of the instance follows.
    pub(super) fn apply(&mut self, at: AttemptIndex, event: &attempt::Event) -> Result<(), IllegalEvent> {
        let now = self.now;
        let (was_up, before) = (self.run[at.instance].is_up(), self.run[at].status.clone());
        let was_free = self.run[at].is_free();
        let may_be_taken = self.run.may_be_taken(&self.run[at.instance]);
        let applied = self.run.change(at.instance, |it| it.attempts[at.attempt].apply(event, now));
        applied.map_err(|attempt::Illegal| IllegalEvent::Attempt {
            attempt: self.run[at].id.clone(),
            status: before.wire_status(),
        })?;
        let attempt = &self.run[at];
        if attempt.status == before {
            return Ok(());
        }
        self.step.note_attempt(at);
        let is_free = attempt.is_free();
        // Otherwise the attempt is offered later: when a user resumes its instance, or when its resource is RUNNING again.
        if is_free && !was_free && may_be_taken {
            self.step.effects.push(offer(attempt));
        }
        self.follow_attempt(at.instance);
        if is_free && self.run[at.instance].is_paused {
            self.change(at.instance, |instance| instance.is_withheld = true);
        }
        if self.run[at.instance].role == Role::Resource {
            self.machine_moved(at.instance, was_up);
        }
        Ok(())
    }

    /// Applies an event that is legal in every state of the newest attempt at an instance.
    pub(super) fn apply_to_newest(&mut self, at: InstanceIndex, event: &attempt::Event) {
        if let Some(newest) = self.run.newest_attempt(at) {
            // The caller knows that the event is legal, so there is no error to report.
            let _ = self.apply(newest, event);
        }
    }

    /// Takes a progress report of a runner.
    pub(super) fn report(&mut self, at: AttemptIndex, fields: Vec<Field>) -> Result<(), IllegalEvent> {
        let was_settled = self.run[at].status.is_settled();
        self.apply(at, &attempt::Event::ProgressReported)?;
        if !was_settled {
            self.keep_reported(at, fields);
        }
        self.step.canceled = self.run[at].status.is_settled();
        Ok(())
    }

    /// Adds the fields that a runner or a host reported to an attempt.
    pub(super) fn keep_reported(&mut self, at: AttemptIndex, fields: Vec<Field>) {
        self.run.change(at.instance, |instance| instance.attempts[at.attempt].report(fields));
        self.step.note_attempt(at);
        self.step.note_instance(at.instance);
    }

    /// Gives an instance the status that follows from its newest attempt.
    fn follow_attempt(&mut self, at: InstanceIndex) {
        let instance = &self.run[at];
        if instance.status == Status::Trying {
            let status = instance.after_attempt(self.now);
            self.set_status(at, status);
        }
    }

    /// Makes the next attempt as soon as the resource of the instance is RUNNING.
    pub(super) fn try_again(&mut self, at: InstanceIndex) {
        match self.run.missing_resource(at) {
            Some(resource) => {
                self.set_status(at, Status::WaitingOnDependencies);
                self.want(resource);
            }
            None => self.try_once(at),
        }
    }

    /// Makes the next attempt. An attempt whose fields cannot be evaluated has failed from the start.
    pub(super) fn try_once(&mut self, at: InstanceIndex) {
        let setup = setup::of(self.run, at, self.now);
        let attempt = self.new_attempt(&self.run[at], setup);
        let effect = match &attempt.status {
            attempt::Status::Machine(_) => Some(Effect::Resource { attempt: attempt.id.clone() }),
            _ => attempt.is_free().then(|| offer(&attempt)),
        };
        let machine_error = attempt.machine().and_then(|_| attempt.status.error().cloned());
        self.step.note_attempt(AttemptIndex { instance: at, attempt: self.run[at].attempts.len() });
        self.step.effects.extend(effect);
        let now = self.now;
        self.change(at, |instance| {
            instance.attempts.push(attempt);
            instance.status = instance.after_attempt(now);
        });
        if let Some(error) = machine_error {
            self.after_failed_machine(at, &error);
        }
    }

    fn new_attempt(&self, instance: &Instance, setup: Result<Setup, TaskError>) -> Attempt {
        let now = self.now;
        let number = u32::try_from(instance.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        let is_resource = instance.role == Role::Resource;
        let (status, setup, ended) = match setup {
            Ok(setup) if is_resource => {
                let limits = setup.limits.machine.clone().unwrap_or_default();
                (attempt::Status::Machine(resource::MachineStatus::new(&limits, now)), setup, None)
            }
            Err(error) if is_resource => {
                let status = attempt::Status::Machine(resource::MachineStatus::Failed(error));
                (status, Setup::default(), Some(now))
            }
            Ok(setup) => (attempt::Status::WaitingForRunner { held: None }, setup, None),
            Err(error) => (attempt::Status::Failed(error), Setup::default(), Some(now)),
        };
        Attempt {
            id: AttemptId::new(&instance.id, number),
            instance: instance.id.clone(),
            number,
            generation: instance.generation,
            status,
            handouts: 0,
            group: setup.group,
            limits: setup.limits,
            created: now,
            ended,
            hostname: None,
            reported: Vec::new(),
            reported_at: None,
            is_precondition_check: instance.role == Role::Precondition,
            checks: 0,
            checked_at: None,
        }
    }

    /// Cancels the newest attempt of an instance whose end no longer depends on it.
    ///
    /// A runner that is still at work on the attempt learns of this by the answer to its next report.
    pub(super) fn abandon_newest_attempt(&mut self, at: InstanceIndex) {
        let Some(newest) = self.run.newest_attempt(at) else { return };
        let now = self.now;
        self.run.change(at, |instance| instance.attempts[newest.attempt].abandon(now));
        self.step.note_attempt(newest);
    }

    /// Puts the newest attempt of an instance on offer, if a runner may take it now.
    pub(super) fn offer_newest_attempt(&mut self, at: InstanceIndex) {
        let instance = &self.run[at];
        let free = instance.newest_attempt().filter(|it| it.is_free() && self.run.may_be_taken(instance));
        self.step.effects.extend(free.map(offer));
    }

    /// Notes that the newest attempt of an instance may be on offer now or no longer, although its own status is the same.
    ///
    /// An attempt is on offer only while its instance is not paused and its resource is RUNNING.
    pub(super) fn note_offer(&mut self, at: InstanceIndex) {
        let newest = self.run.newest_attempt(at).filter(|newest| self.run[*newest].is_free());
        if let Some(newest) = newest {
            self.step.note_attempt(newest);
        }
    }
}

fn offer(attempt: &Attempt) -> Effect {
    Effect::Offer { attempt: attempt.id.clone(), group: attempt.group.clone() }
}
