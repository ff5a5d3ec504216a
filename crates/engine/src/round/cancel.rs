//! Cancellations in a round: by a user, by a deactivation, or because an instance is no longer needed.

use crate::attempt;
use crate::instance::{Ending, Status};
use crate::instance_index::InstanceIndex;
use crate::round::{IllegalEvent, Round};

impl Round<'_> {
    /// Cancels an instance. A runner that works on the instance is told of the cancellation in the answer to its next report.
    ///
    /// # Errors
    ///
    /// If the instance is final.
    pub(super) fn cancel(&mut self, at: InstanceIndex, reason: String) -> Result<(), IllegalEvent> {
        let instance = &self.run[at];
        match instance.status {
            Status::WaitingOnDependencies | Status::RetryPause { .. } => {
                self.end(at, Ending::Canceled { reason });
                self.drop_users_of_canceled(at);
                Ok(())
            }
            Status::Trying => {
                self.change(at, |instance| instance.canceling = Some(reason));
                // This event does not change a machine that is already shutting down.
                self.apply_to_newest(at, &attempt::Event::CancelRequested);
                Ok(())
            }
            Status::Final(_) => {
                Err(IllegalEvent::Instance { instance: instance.id.clone(), status: instance.wire_status() })
            }
        }
    }

    /// Cancels every instance that is not final.
    pub(super) fn cancel_all(&mut self, reason: &str) {
        for at in self.run.indices() {
            // `cancel` refuses final instances, which stay as they are.
            let _ = self.cancel(at, reason.to_owned());
        }
    }

    /// Cancels the open preconditions of an instance that is final: their answer no longer matters.
    pub(super) fn cancel_preconditions_of(&mut self, at: InstanceIndex) {
        let open: Vec<_> = self.run.preconditions(at).filter(|it| !self.run[*it].is_final()).collect();
        for precondition in open {
            let reason = format!("its owner `{}` is over", self.run[at].id);
            // The precondition is not final, so it can be canceled.
            let _ = self.cancel(precondition, reason);
        }
    }
}
