//! The end of a run: decides in each round whether the run is over, and how it ended.

use crate::alarm;
use crate::effect::Effect;
use crate::header::{RunEnd, RunOutcome};
use crate::ids::InstanceId;
use crate::instance::{Ending, Instance, Role, Status};
use crate::round::Round;
use crate::run::Run;

impl Round<'_> {
    /// Closes the run if no instance is live, and opens it again otherwise. A closed run may be stuck: then some of its
    /// instances wait for ever.
    pub(super) fn see_whether_over(&mut self) {
        if self.run.live() > 0 {
            return self.run.reopen();
        }
        if self.run.end().is_some() && self.step.is_empty() {
            return;
        }
        let (outcome, stuck) = outcome(self.run);
        let generation = self.run.header().generation;
        let before = self.run.end().cloned();
        // If the step does not change how the run ended, the time of the end stays the same. A late alarm is an example.
        let is_same = |before: &&RunEnd| {
            (before.outcome, before.generation, before.stuck) == (outcome, generation, stuck)
        };
        let at = before.as_ref().filter(is_same).map_or(self.now, |before| before.at);
        // In a run that has ended, the only deadlines left are those after which an instance is late.
        self.run.close(RunEnd { at, outcome, generation, stuck, late_at: self.run.next_wake() });
        let is_published =
            before.is_some_and(|before| (before.outcome, before.generation) == (outcome, generation));
        if is_published || outcome == RunOutcome::Skipped {
            return;
        }
        let notices = alarm::of_run(self.run, outcome);
        self.step.effects.extend(notices.into_iter().map(Effect::Publish));
        self.step.effects.push(Effect::Ended(outcome));
    }
}

/// Decides how a run ended, and whether it is stuck.
///
/// A precondition does not count if its owner is FINISHED. If such a precondition did not finish, then a user has marked
/// the owner as finished, and the precondition no longer matters to the run.
fn outcome(run: &Run) -> (RunOutcome, bool) {
    // In a skipped run, a resource is FINISHED because no instance needed its machine.
    let is_unused = |it: &Instance| it.role == Role::Resource && it.is_finished();
    let is_skipped = |instance: &Instance| instance.ending() == Some(&Ending::Skipped) || is_unused(instance);
    if !run.instances().is_empty() && run.instances().iter().all(is_skipped) {
        return (RunOutcome::Skipped, false);
    }
    let is_done = |owner: &InstanceId| run.instance(owner.as_str()).is_some_and(Instance::is_finished);
    let counts = |instance: &&Instance| !instance.guards.as_ref().is_some_and(is_done);
    let any = |test: fn(&Instance) -> bool| run.instances().iter().filter(counts).any(test);
    let stuck = any(|instance| instance.status == Status::WaitingOnDependencies);
    let failed = any(|instance| matches!(instance.ending(), Some(Ending::Failed | Ending::TimedOut)));
    let canceled = any(|instance| matches!(instance.ending(), Some(Ending::Canceled { .. })));
    let fallen = any(|instance| matches!(instance.ending(), Some(Ending::CascadeFailed { .. })));
    match (failed, canceled, fallen || stuck) {
        (true, _, _) => (RunOutcome::Failed, stuck),
        (false, true, _) => (RunOutcome::Canceled, stuck),
        (false, false, true) => (RunOutcome::Failed, stuck),
        (false, false, false) => (RunOutcome::Finished, stuck),
    }
}
