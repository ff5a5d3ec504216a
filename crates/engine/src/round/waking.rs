//! Wake-ups in a round: the instances whose deadline has passed.

use crate::effect::Effect;
use crate::instance::Status;
use crate::instance_index::InstanceIndex;
use crate::round::Round;
use crate::{alarm, attempt, late, status};

impl Round<'_> {
    /// Moves on every instance whose deadline has passed.
    pub(super) fn wake(&mut self) {
        for at in self.run.due(self.now) {
            self.see_whether_late(at);
            let instance = &self.run[at];
            if instance.next_move().is_none_or(|due| due > self.now) {
                continue;
            }
            match instance.status {
                Status::RetryPause { .. } => self.try_again(at),
                Status::Trying => self.apply_to_newest(at, &attempt::Event::Woke),
                Status::WaitingOnDependencies => self.release(at),
                Status::Final(_) => {}
            }
        }
    }

    /// Fires the late alarms of an instance, once. `Terminate` cancels the instance, unless it is at work already.
    fn see_whether_late(&mut self, at: InstanceIndex) {
        let instance = &self.run[at];
        if instance.is_final() || instance.late_at.is_none_or(|late_at| late_at > self.now) {
            return;
        }
        self.change(at, |instance| instance.late_at = None);
        let notices = alarm::of_late(self.run, at);
        self.step.effects.extend(notices.into_iter().map(Effect::Publish));
        let instance = &self.run[at];
        if late::is_terminated(self.run, instance) && instance.wire_status() != status::Status::Running {
            // The instance is not final, so it can be canceled.
            let _ = self.cancel(at, "it had not started within its lateAfterTimeout".to_owned());
        }
    }
}
