//! One round of a run: take the event, spread what it settled, see whether the run is over.

mod commands;
mod pausing;
mod rerun;
mod resources;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::attempt::{self, Attempt};
use crate::effect::Effect;
use crate::event::Event;
use crate::header::{RunEnd, RunOutcome};
use crate::ids::{AttemptId, InstanceId};
use crate::instance::{Instance, Role, Status};
use crate::run::{Run, is_up};
use crate::status::{self, Status as word};
use crate::step::Step;
use crate::{alarm, cascade, late, resource, setup, time};

/// The event means nothing to the run as it stands. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// The run has no such attempt.
    #[error("there is no attempt `{0}`")]
    NoSuchAttempt(AttemptId),
    /// The run has no such instance.
    #[error("there is no instance `{0}`")]
    NoSuchInstance(InstanceId),
    /// The attempt was handed out again since, or is free.
    #[error("lease {lease} of attempt `{attempt}` is over")]
    LeaseOver {
        /// The attempt.
        attempt: AttemptId,
        /// The lease that is over.
        lease: u32,
    },
    /// The attempt's status does not allow it.
    #[error("attempt `{attempt}` is {status}")]
    Attempt {
        /// The attempt.
        attempt: AttemptId,
        /// Its status.
        status: status::Status,
    },
    /// The instance's status does not allow it.
    #[error("object `{instance}` is {status}")]
    Instance {
        /// The instance.
        instance: InstanceId,
        /// Its status.
        status: status::Status,
    },
}

impl Run {
    /// Decides what `event`, arriving at `now`, makes of the run.
    ///
    /// # Errors
    ///
    /// [`IllegalEvent`] if the event means nothing there; the run is as it was then.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Result<Step, IllegalEvent> {
        Round::new(self, time::whole_millis(now)).play(event)
    }
}

/// A run in the middle of a step.
pub(crate) struct Round<'a> {
    run: &'a mut Run,
    now: Timestamp,
    step: Step,
    /// Instances that became final and whose consumers have not been told.
    settled: VecDeque<Settled>,
}

struct Settled {
    place: usize,
    /// A user's word is no success of the object: MARK_FINISHED fires no `onSuccess`.
    silent: bool,
}

impl<'a> Round<'a> {
    pub(crate) fn new(run: &'a mut Run, now: Timestamp) -> Self {
        Self { run, now, step: Step::default(), settled: VecDeque::new() }
    }

    /// Plays the round that `event` causes.
    pub(crate) fn play(mut self, event: Event) -> Result<Step, IllegalEvent> {
        self.take(event)?;
        Ok(self.close())
    }

    /// Plays the first round: whatever waits for nothing is ready.
    pub(crate) fn begin(mut self) -> Step {
        for place in 0..self.run.instances.len() {
            self.step.instances.insert(place);
            if self.run.instances[place].release.is_none_or(|at| at <= self.now) {
                self.release(place);
            }
        }
        self.close()
    }

    /// The time of an instance has come: it starts as soon as it depends on nothing.
    fn release(&mut self, place: usize) {
        if self.run.instances[place].release.is_some() {
            self.change(place, false, |instance| instance.release = None);
        }
        let late_at = late::after_release(self.run, place, self.now);
        if late_at.is_some() {
            self.change(place, false, |instance| instance.late_at = late_at);
        }
        if self.run.unmet[place] == 0 {
            self.ready(place);
        }
    }

    fn close(mut self) -> Step {
        self.spread();
        self.end_idle();
        self.see_whether_over();
        if !self.step.is_empty() {
            self.run.header.revision += 1;
        }
        self.step
    }

    fn take(&mut self, event: Event) -> Result<(), IllegalEvent> {
        match event {
            Event::Claimed { attempt, runner } => {
                let place = self.find(&attempt, None)?;
                let instance = &self.run.instances[place.0];
                if instance.is_paused {
                    let (instance, status) = (instance.id.clone(), word::Paused);
                    return Err(IllegalEvent::Instance { instance, status });
                }
                if let Some(resource) = self.missing_resource(place.0) {
                    let resource = &self.run.instances[resource];
                    let (instance, status) = (resource.id.clone(), resource.word());
                    return Err(IllegalEvent::Instance { instance, status });
                }
                self.apply(place, &attempt::Event::Claimed(runner))
            }
            Event::ProgressReported { attempt, lease, fields } => {
                let place = self.find(&attempt, Some(lease))?;
                self.report(place, fields)
            }
            Event::StatusSet { attempt, lease, outcome } => {
                let place = self.find(&attempt, Some(lease))?;
                self.apply(place, &attempt::Event::StatusSet(outcome))
            }
            Event::Released { attempt } => {
                let place = self.find(&attempt, None)?;
                self.apply(place, &attempt::Event::Released)
            }
            Event::CancelRequested { instances, reason } => self.cancel_named(&instances, &reason),
            Event::RunCanceled { reason } => {
                self.cancel_all(&reason);
                Ok(())
            }
            Event::Deactivated { cancel } => {
                self.deactivate(cancel.as_deref());
                Ok(())
            }
            Event::Activated { skip_until } => {
                self.activate(skip_until);
                Ok(())
            }
            Event::RerunRequested { instances, paused } => self.rerun_named(&instances, &paused),
            Event::MarkedFinished { instances } => self.mark_named(&instances),
            Event::ResourceReported { attempt, fields } => self.machine_reports(&attempt, fields),
            Event::ResourceCreated { attempt, fields } => {
                self.machine_says(&attempt, &resource::Event::Created, fields)
            }
            Event::ResourceGone { attempt, reason } => {
                self.machine_says(&attempt, &resource::Event::Gone { reason }, Vec::new())
            }
            Event::Paused { components } => {
                self.pause(&components);
                Ok(())
            }
            Event::Resumed { components } => {
                self.resume(&components);
                Ok(())
            }
            Event::Woke => {
                self.wake();
                Ok(())
            }
        }
    }

    /// Finds the attempt and checks that the lease, where one is given, is its present one.
    fn find(&self, id: &AttemptId, lease: Option<u32>) -> Result<(usize, usize), IllegalEvent> {
        let missing = || IllegalEvent::NoSuchAttempt(id.clone());
        let (instance, number) = id.parts().ok_or_else(missing)?;
        let place = self.run.index.get(&instance).copied().ok_or_else(missing)?;
        let number =
            usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(missing)?;
        let attempt = self.run.instances[place].attempts.get(number).ok_or_else(missing)?;
        match lease {
            Some(lease) if lease != attempt.leases || attempt.is_free() => {
                Err(IllegalEvent::LeaseOver { attempt: id.clone(), lease })
            }
            Some(_) | None => Ok((place, number)),
        }
    }

    fn attempt(&mut self, (place, number): (usize, usize)) -> &mut Attempt {
        &mut self.run.instances[place].attempts[number]
    }

    /// Applies an event to an attempt, and lets its instance follow if it is the newest.
    fn apply(&mut self, at: (usize, usize), event: &attempt::Event) -> Result<(), IllegalEvent> {
        let now = self.now;
        let instance = &self.run.instances[at.0];
        let (may_be_taken, was_up) = (self.run.may_be_taken(instance), is_up(instance));
        let is_paused = instance.is_paused;
        let attempt = self.attempt(at);
        let (was_free, before) = (attempt.is_free(), attempt.status.clone());
        attempt.apply(event, now).map_err(|attempt::Illegal| IllegalEvent::Attempt {
            attempt: attempt.id.clone(),
            status: before.word(),
        })?;
        if attempt.status == before {
            return Ok(());
        }
        // What is paused is offered when it is resumed, and what has lost its resource when that is there again.
        let offer = (!was_free && may_be_taken && attempt.is_free())
            .then(|| Effect::Offer { attempt: attempt.id.clone(), group: attempt.group.clone() });
        let is_withheld = is_paused && attempt.is_free();
        self.step.attempts.insert(at);
        self.step.effects.extend(offer);
        self.follow_head(at.0);
        if is_withheld {
            self.change(at.0, false, |instance| instance.is_withheld = true);
        }
        if self.run.instances[at.0].role == Role::Resource {
            self.machine_moved(at.0, was_up);
        }
        Ok(())
    }

    fn report(&mut self, at: (usize, usize), fields: Vec<definition::Field>) -> Result<(), IllegalEvent> {
        let was_settled = self.attempt(at).status.is_settled();
        self.apply(at, &attempt::Event::ProgressReported)?;
        if !was_settled {
            self.attempt(at).report(fields);
            self.step.attempts.insert(at);
            self.step.instances.insert(at.0);
        }
        self.step.canceled = self.attempt(at).status.is_settled();
        Ok(())
    }

    fn follow_head(&mut self, place: usize) {
        let instance = &self.run.instances[place];
        if instance.status == Status::Trying {
            let status = instance.after_attempt(self.now);
            self.set(place, status, false);
        }
    }

    /// Gives an instance its status.
    fn set(&mut self, place: usize, status: Status, silent: bool) {
        self.change(place, silent, |instance| instance.status = status);
    }

    /// Changes an instance and keeps the indexes.
    fn change(&mut self, place: usize, silent: bool, change: impl FnOnce(&mut Instance)) {
        let run = &mut *self.run;
        let instance = &mut run.instances[place];
        let (was_live, was_active) = (instance.is_live(), instance.is_active());
        let was_final = instance.is_final();
        change(instance);
        if instance.is_final() {
            instance.ended = Some(self.now);
            instance.canceling = None;
            if !was_final || silent {
                self.settled.push_back(Settled { place, silent });
            }
        } else {
            instance.ended = None;
        }
        let resource = instance.runs_on.as_ref().and_then(|id| run.index.get(id));
        if let Some(users) = resource.and_then(|place| run.users.get_mut(place)) {
            users.open = users.open + usize::from(was_final) - usize::from(instance.is_final());
        }
        run.live = run.live + usize::from(instance.is_live()) - usize::from(was_live);
        run.active = run.active + usize::from(instance.is_active()) - usize::from(was_active);
        self.step.instances.insert(place);
        run.refresh_deadline(place);
    }

    /// Tells the consumers of everything that became final.
    fn spread(&mut self) {
        while let Some(Settled { place, silent }) = self.settled.pop_front() {
            if !silent {
                self.step
                    .effects
                    .extend(alarm::of_instance(self.run, place).into_iter().map(Effect::Publish));
            }
            self.cancel_preconditions_of(place);
            self.user_settled(place);
            self.resource_settled(place);
            let finished = self.run.instances[place].status == Status::Finished;
            let dependants = Arc::clone(&self.run.dependants);
            for consumer in dependants[place].iter().copied() {
                if finished {
                    self.run.unmet[consumer] = self.run.unmet[consumer].saturating_sub(1);
                    if self.run.unmet[consumer] == 0 {
                        self.ready(consumer);
                    }
                } else {
                    self.fall(consumer, place);
                }
            }
        }
    }

    /// Where the owner is over, there is nothing left to look for.
    fn cancel_preconditions_of(&mut self, place: usize) {
        let open: Vec<_> =
            self.preconditions(place).filter(|it| !self.run.instances[*it].is_final()).collect();
        for precondition in open {
            let reason = format!("`{}` is over", self.run.instances[place].id);
            // It is not final, so it can be canceled.
            let _ = self.cancel(precondition, reason);
        }
    }

    fn fall(&mut self, consumer: usize, cause: usize) {
        let instances = &self.run.instances;
        if let Some(fallen) = cascade::falls(&instances[consumer], &instances[cause]) {
            self.set(consumer, fallen, false);
        }
    }

    fn ready(&mut self, place: usize) {
        let instance = &self.run.instances[place];
        if instance.status != Status::WaitingOnDependencies {
            return;
        }
        // Be it paused, or its time still to come.
        if self.is_unneeded(place) {
            return self.set(place, Status::Finished, true);
        }
        if instance.release.is_some() {
            return;
        }
        if instance.is_paused {
            return self.change(place, false, |instance| instance.is_withheld = true);
        }
        match instance.role {
            Role::DataNode => self.set(place, Status::Finished, false),
            Role::Resource => self.start_if_wanted(place),
            Role::Activity | Role::Precondition => match self.missing_resource(place) {
                Some(resource) => self.want(resource),
                None => self.try_once(place),
            },
        }
    }

    /// Makes the next attempt, where need be once the resource is there again.
    fn try_again(&mut self, place: usize) {
        match self.missing_resource(place) {
            Some(resource) => {
                self.set(place, Status::WaitingOnDependencies, false);
                self.want(resource);
            }
            None => self.try_once(place),
        }
    }

    /// Makes the next attempt. One whose fields cannot be evaluated is born failed.
    fn try_once(&mut self, place: usize) {
        let setup = setup::of(self.run, place, self.now);
        let instance = &mut self.run.instances[place];
        let attempt = new_attempt(instance, setup, self.now);
        let id = attempt.id.clone();
        let effect = match &attempt.status {
            attempt::Status::Machine(_) => Some(Effect::Resource { attempt: id }),
            _ => attempt.is_free().then(|| Effect::Offer { attempt: id, group: attempt.group.clone() }),
        };
        let error = attempt.machine().and_then(|_| attempt.status.error().cloned());
        self.step.attempts.insert((place, instance.attempts.len()));
        self.step.effects.extend(effect);
        instance.attempts.push(attempt);
        let status = instance.after_attempt(self.now);
        self.set(place, status, false);
        if let Some(error) = error {
            self.after_failed_machine(place, &error);
        }
    }

    fn cancel(&mut self, place: usize, reason: String) -> Result<(), IllegalEvent> {
        let instance = &mut self.run.instances[place];
        match instance.status {
            Status::WaitingOnDependencies | Status::RetryPause { .. } => {
                self.set(place, Status::Canceled { reason }, false);
                self.drop_users_of_canceled(place);
                Ok(())
            }
            Status::Trying => {
                instance.canceling = Some(reason);
                self.step.instances.insert(place);
                // A machine that is on its way out already stays so.
                let newest = instance.attempts.len().saturating_sub(1);
                self.apply((place, newest), &attempt::Event::CancelRequested)
            }
            Status::Finished
            | Status::Failed
            | Status::TimedOut
            | Status::CascadeFailed { .. }
            | Status::Canceled { .. }
            | Status::Skipped => {
                Err(IllegalEvent::Instance { instance: instance.id.clone(), status: instance.word() })
            }
        }
    }

    fn cancel_all(&mut self, reason: &str) {
        for place in 0..self.run.instances.len() {
            // What is final stays as it is.
            let _ = self.cancel(place, reason.to_owned());
        }
    }

    /// What waits for its time waits for the next activation; the rest is stopped, or may end by itself.
    fn deactivate(&mut self, cancel: Option<&str>) {
        if self.run.instances.iter().any(|instance| instance.release.is_some() && !instance.is_final()) {
            self.suspend(true);
        }
        let Some(reason) = cancel else { return };
        for place in 0..self.run.instances.len() {
            // A machine that something is still to run on ends like one that nobody uses.
            if self.run.instances[place].release.is_none() && !self.has_users_to_come(place) {
                // What is final stays as it is.
                let _ = self.cancel(place, reason.to_owned());
            }
        }
    }

    /// What waited for the activation goes on where it was, or is passed over.
    fn activate(&mut self, skip_until: Option<Timestamp>) {
        self.suspend(false);
        let (now, until) = (self.now, skip_until.unwrap_or(Timestamp::MIN));
        for place in 0..self.run.instances.len() {
            let instance = &self.run.instances[place];
            let is_passed_over = self.run.interval(instance).start < until;
            if instance.release.is_some() && !instance.is_final() && is_passed_over {
                self.change(place, false, |instance| instance.skip(now));
            }
        }
        self.wake();
    }

    fn suspend(&mut self, is_suspended: bool) {
        if self.run.header.is_suspended == is_suspended {
            return;
        }
        self.run.header.is_suspended = is_suspended;
        self.step.header = true;
        for place in 0..self.run.instances.len() {
            self.run.refresh_deadline(place);
        }
    }

    /// The place of the instance for which the look at `place` looks.
    fn owner(&self, place: usize) -> Option<usize> {
        let owner = self.run.instances[place].guards.as_ref()?;
        self.run.index.get(owner).copied()
    }

    /// The instances that look whether what the one at `place` needs holds.
    fn preconditions(&self, place: usize) -> impl Iterator<Item = usize> {
        let instance = &self.run.instances[place];
        let of_instance = |it: &usize| self.run.instances[*it].guards.as_ref() == Some(&instance.id);
        instance.depends_on.iter().filter_map(|id| self.run.index.get(id).copied()).filter(of_instance)
    }

    fn wake(&mut self) {
        let due = self.run.due(self.now);
        for place in due {
            self.see_whether_late(place);
            let instance = &self.run.instances[place];
            if instance.next_move().is_none_or(|at| at > self.now) {
                continue;
            }
            match instance.status {
                Status::RetryPause { .. } => self.try_again(place),
                Status::Trying => {
                    let newest = instance.attempts.len().saturating_sub(1);
                    // A wake-up is legal everywhere.
                    let _ = self.apply((place, newest), &attempt::Event::Woke);
                }
                Status::WaitingOnDependencies => self.release(place),
                Status::Finished
                | Status::Failed
                | Status::TimedOut
                | Status::CascadeFailed { .. }
                | Status::Canceled { .. }
                | Status::Skipped => {}
            }
        }
    }

    /// What is late is told once; `Terminate` stops it, unless it is at work by then.
    fn see_whether_late(&mut self, place: usize) {
        let instance = &self.run.instances[place];
        if instance.is_final() || instance.late_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.change(place, false, |instance| instance.late_at = None);
        let notices = alarm::of_late(self.run, place);
        self.step.effects.extend(notices.into_iter().map(Effect::Publish));
        let instance = &self.run.instances[place];
        if late::is_terminated(self.run, instance) && instance.word() != word::Running {
            // It is not final, so it can be canceled.
            let _ = self.cancel(place, "it had not started within its lateAfterTimeout".to_owned());
        }
    }

    /// Whether an attempt is on offer hangs on its instance too, and on the resource that this runs on.
    pub(super) fn note_offer(&mut self, place: usize) {
        let attempts = &self.run.instances[place].attempts;
        if attempts.last().is_some_and(Attempt::is_free) {
            self.step.attempts.insert((place, attempts.len() - 1));
        }
    }

    /// A run is over once nothing in it moves, though some may wait for ever.
    fn see_whether_over(&mut self) {
        if self.run.live > 0 {
            self.run.header.ended = None;
            return;
        }
        if self.run.header.ended.is_some() && self.step.is_empty() {
            return;
        }
        self.run.header.is_suspended = false;
        let generation = self.run.header.generation;
        let (outcome, stuck) = outcome(self.run);
        // In a run at rest nothing else is due.
        let end = RunEnd { at: self.now, outcome, generation, stuck, late_at: self.run.next_wake() };
        let before = self.run.header.ended.take();
        // What changes nothing of how it ended (lateness that is told) is no new end.
        let is_same = |before: &&RunEnd| {
            (before.outcome, before.generation, before.stuck) == (outcome, generation, stuck)
        };
        let at = before.as_ref().filter(is_same).map_or(end.at, |before| before.at);
        self.run.header.ended = Some(RunEnd { at, ..end });
        if before.is_some_and(|before| (before.outcome, before.generation) == (outcome, generation)) {
            return;
        }
        if outcome == RunOutcome::Skipped {
            return;
        }
        let notices = alarm::of_run(self.run, outcome);
        self.step.effects.extend(notices.into_iter().map(Effect::Publish));
        self.step.effects.push(Effect::Ended(outcome));
    }
}

fn new_attempt(
    instance: &Instance,
    setup: Result<setup::Setup, crate::task_error::TaskError>,
    now: Timestamp,
) -> Attempt {
    let number = u32::try_from(instance.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
    let is_resource = instance.role == Role::Resource;
    let (status, setup, ended) = match setup {
        Ok(setup) if is_resource => {
            let limits = setup.limits.machine.clone().unwrap_or_default();
            (attempt::Status::Machine(resource::Status::new(&limits, now)), setup, None)
        }
        Err(error) if is_resource => {
            let status = attempt::Status::Machine(resource::Status::Failed(error));
            (status, setup::Setup::default(), Some(now))
        }
        Ok(setup) => (attempt::Status::WaitingForRunner { held: None }, setup, None),
        Err(error) => (attempt::Status::Failed(error), setup::Setup::default(), Some(now)),
    };
    Attempt {
        id: AttemptId::new(&instance.id, number),
        instance: instance.id.clone(),
        number,
        generation: instance.generation,
        status,
        leases: 0,
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

/// Decides how a run ended. A look whose owner is done all the same (a user said so) counts for nothing.
fn outcome(run: &Run) -> (RunOutcome, bool) {
    // A resource of which nothing was.
    let is_unused = |it: &Instance| it.role == Role::Resource && it.status == Status::Finished;
    let is_skipped = |instance: &Instance| instance.status == Status::Skipped || is_unused(instance);
    if !run.instances.is_empty() && run.instances.iter().all(is_skipped) {
        return (RunOutcome::Skipped, false);
    }
    let is_done =
        |owner: &InstanceId| run.instance(owner.as_str()).is_some_and(|it| it.status == Status::Finished);
    let counts = |instance: &&Instance| !instance.guards.as_ref().is_some_and(is_done);
    let any = |test: fn(&Instance) -> bool| run.instances.iter().filter(counts).any(test);
    let stuck = any(|instance| instance.status == Status::WaitingOnDependencies);
    let failed = any(|instance| matches!(instance.status, Status::Failed | Status::TimedOut));
    let canceled = any(|instance| matches!(instance.status, Status::Canceled { .. }));
    let fallen = any(|instance| matches!(instance.status, Status::CascadeFailed { .. }));
    match (failed, canceled, fallen || stuck) {
        (true, _, _) => (RunOutcome::Failed, stuck),
        (false, true, _) => (RunOutcome::Canceled, stuck),
        (false, false, true) => (RunOutcome::Failed, stuck),
        (false, false, false) => (RunOutcome::Finished, stuck),
    }
}
