//! Lists the attempts on which runners that poll, runners that have taken them, or the host of machines have to act next.
//!
//! The driver calls these functions after a restart. While the driver runs, effects tell it the same.

use crate::attempt::Attempt;
use crate::ids::{AttemptId, RunnerId, WorkerGroup};
use crate::instance::Instance;
use crate::run::Run;

impl Run {
    /// Returns the attempts that a poller may take now.
    pub fn offers(&self) -> impl Iterator<Item = (&AttemptId, &WorkerGroup)> {
        self.live_attempts()
            .filter_map(|(instance, newest)| Some((&newest.id, self.offered_to(instance, newest)?)))
    }

    /// Returns the worker group that may take an attempt at `instance` now; `None` if nobody may.
    #[must_use]
    pub fn offered_to<'a>(&self, instance: &Instance, attempt: &'a Attempt) -> Option<&'a WorkerGroup> {
        (attempt.is_free() && self.may_be_taken(instance)).then_some(&attempt.group)
    }

    /// Returns the attempts that a runner holds or works on.
    pub fn handed_out(&self) -> impl Iterator<Item = (&Attempt, &RunnerId)> {
        self.live_attempts().filter_map(|(_, newest)| newest.runner().map(|runner| (newest, runner)))
    }

    /// Returns the attempts at resources whose machines the host has to make, to keep, or to end.
    pub fn machines(&self) -> impl Iterator<Item = &Attempt> {
        let newest = self.resources().filter_map(|resource| self[resource].newest_attempt());
        newest.filter(|attempt| !attempt.status.is_settled())
    }

    /// Returns each live instance that was tried, with its newest attempt.
    fn live_attempts(&self) -> impl Iterator<Item = (&Instance, &Attempt)> {
        let live = self.instances().iter().filter(|instance| instance.is_live());
        live.filter_map(|instance| Some((instance, instance.newest_attempt()?)))
    }
}
