//! Deactivation and activation of the pipeline, as a run sees them.

use jiff::Timestamp;

use crate::round::Round;

impl Round<'_> {
    /// Suspends the run if instances wait for their time. These instances do not start before the next activation.
    ///
    /// The instances whose time has come are canceled for the reason `cancel`; if `cancel` is `None`, they go on.
    pub(super) fn deactivate(&mut self, cancel: Option<&str>) {
        if self.run.instances().iter().any(|it| it.release.is_some() && !it.is_final()) {
            self.suspend(true);
        }
        let Some(reason) = cancel else { return };
        for at in self.run.indices() {
            // A resource with users that still wait for their time is not canceled, so that they can run on it later.
            if self.run[at].release.is_none() && !self.run.has_users_to_come(at) {
                // Final instances stay as they are.
                let _ = self.cancel(at, reason.to_owned());
            }
        }
    }

    /// Lets a suspended run go on. Instances that wait for their time become SKIPPED if their interval begins before
    /// `skip_until`.
    pub(super) fn activate(&mut self, skip_until: Option<Timestamp>) {
        self.suspend(false);
        let (now, until) = (self.now, skip_until.unwrap_or(Timestamp::MIN));
        for at in self.run.indices() {
            let instance = &self.run[at];
            let is_passed_over = self.run.interval(instance).start < until;
            if instance.release.is_some() && !instance.is_final() && is_passed_over {
                self.change(at, |instance| instance.skip(now));
            }
        }
        self.wake();
    }

    fn suspend(&mut self, is_suspended: bool) {
        if self.run.header().is_suspended != is_suspended {
            self.run.set_suspended(is_suspended);
            self.step.note_header();
        }
    }
}
