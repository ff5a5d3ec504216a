//! One round of a run: takes an event, tells the consumers of each instance that became final, and decides whether the
//! run is over.
//!
//! The modules of `run/` answer questions about a run. The modules below change it, one file for each purpose:
//! `attempts` (one attempt and its instance), `spread` (instances that become ready or fall), `waking` (deadlines),
//! `cancel`, `activation`, `commands`, `pausing` and `rerun` (what users ask for), `resources` and `machines`
//! (resources and the work on them), `ending` (the end of the run).

mod activation;
mod attempts;
mod cancel;
mod commands;
mod ending;
mod machines;
mod pausing;
mod rerun;
mod resources;
mod spread;
mod waking;

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::attempt;
use crate::event::Event;
use crate::ids::{AttemptId, InstanceId};
use crate::instance::{Ending, Instance, Status};
use crate::instance_index::InstanceIndex;
use crate::run::Run;
use crate::step::Step;
use crate::{resource, status, time};

/// The event means nothing in the present state of the run. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalEvent {
    /// The run has no such attempt.
    #[error("there is no attempt `{0}`")]
    NoSuchAttempt(AttemptId),
    /// The run has no such instance.
    #[error("there is no instance `{0}`")]
    NoSuchInstance(InstanceId),
    /// The report is about an earlier handout: the attempt was handed out again, or is free.
    #[error("handout {handout} of attempt `{attempt}` is over")]
    HandoutOver {
        /// The attempt.
        attempt: AttemptId,
        /// The handout that is over.
        handout: u32,
    },
    /// The attempt's status does not allow the event.
    #[error("attempt `{attempt}` is {status}")]
    Attempt {
        /// The attempt.
        attempt: AttemptId,
        /// Its status.
        status: status::Status,
    },
    /// The instance's status does not allow the event.
    #[error("object `{instance}` is {status}")]
    Instance {
        /// The instance.
        instance: InstanceId,
        /// Its status.
        status: status::Status,
    },
}

impl Run {
    /// Decides what `event`, arriving at `now`, changes in the run.
    ///
    /// # Errors
    ///
    /// [`IllegalEvent`] if the event means nothing in the present state; the run is unchanged then.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Result<Step, IllegalEvent> {
        Round::new(self, time::whole_millis(now)).play(event)
    }
}

/// A run in the middle of a step.
pub(crate) struct Round<'a> {
    run: &'a mut Run,
    now: Timestamp,
    step: Step,
    /// The instances that became final and whose consumers have not been told yet.
    settled: VecDeque<Settled>,
}

/// An instance that became final.
struct Settled {
    at: InstanceIndex,
    /// Whether the ending fires no alarm. MARK_FINISHED of a user, for example, is not a success of the object's own work, so
    /// `onSuccess` stays silent.
    is_silent: bool,
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

    /// Plays the first round of a run: every instance that waits for nothing becomes ready.
    pub(crate) fn begin(mut self) -> Step {
        for at in self.run.indices() {
            self.step.note_instance(at);
            if self.run[at].release.is_none_or(|release| release <= self.now) {
                self.release(at);
            }
        }
        self.close()
    }

    fn close(mut self) -> Step {
        self.spread();
        self.end_idle_resources();
        self.see_whether_over();
        if !self.step.is_empty() {
            self.run.count_revision();
        }
        self.step
    }

    fn take(&mut self, event: Event) -> Result<(), IllegalEvent> {
        match event {
            Event::Claimed { attempt, runner } => self.claim(&attempt, runner),
            Event::ProgressReported { attempt, handout, fields } => {
                let at = self.find(&attempt, Some(handout))?;
                self.report(at, fields)
            }
            Event::StatusSet { attempt, handout, outcome } => {
                let at = self.find(&attempt, Some(handout))?;
                self.apply(at, &attempt::Event::StatusSet(outcome))
            }
            Event::Released { attempt } => {
                let at = self.find(&attempt, None)?;
                self.apply(at, &attempt::Event::Released)
            }
            Event::CancelRequested { instances, reason } => self.cancel_named(&instances, &reason),
            Event::RerunRequested { instances, paused } => self.rerun_named(&instances, &paused),
            Event::MarkedFinished { instances } => self.mark_named(&instances),
            Event::ResourceReported { attempt, fields } => self.machine_reports(&attempt, fields),
            Event::ResourceCreated { attempt, fields } => {
                self.machine_says(&attempt, &resource::MachineEvent::Created, fields)
            }
            Event::ResourceGone { attempt, reason } => {
                self.machine_says(&attempt, &resource::MachineEvent::Gone { reason }, Vec::new())
            }
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

    /// Makes an instance final.
    fn end(&mut self, at: InstanceIndex, ending: Ending) {
        self.set_status(at, Status::Final(ending));
    }

    /// Gives an instance its status.
    fn set_status(&mut self, at: InstanceIndex, status: Status) {
        self.change(at, |instance| instance.status = status);
    }

    /// Makes an instance FINISHED because a user marked it, or because no other instance needed it. No alarm fires.
    fn finish_silently(&mut self, at: InstanceIndex) {
        self.change_and_tell(at, true, |instance| instance.status = Status::Final(Ending::Finished));
    }

    /// Changes an instance. If it became final, its consumers are told in this round.
    fn change(&mut self, at: InstanceIndex, change: impl FnOnce(&mut Instance)) {
        self.change_and_tell(at, false, change);
    }

    fn change_and_tell(&mut self, at: InstanceIndex, is_silent: bool, change: impl FnOnce(&mut Instance)) {
        let now = self.now;
        let is_settled = self.run.change(at, |instance| {
            let was_final = instance.is_final();
            change(instance);
            if !instance.is_final() {
                instance.ended = None;
                return false;
            }
            // A user may mark an instance as finished that is already final. Its consumers must hear of the new ending.
            let is_settled = !was_final || is_silent;
            if is_settled {
                instance.ended = Some(now);
                instance.canceling = None;
            }
            is_settled
        });
        if is_settled {
            self.settled.push_back(Settled { at, is_silent });
        }
        self.step.note_instance(at);
    }
}
