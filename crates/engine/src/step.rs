//! The result of one step of a run: what the driver has to save, and what it owes after that.

use std::collections::BTreeSet;

use crate::effect::Effect;

/// What a step changed, and what the driver owes for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Changed instances, by place in the run.
    pub(crate) instances: BTreeSet<usize>,
    /// Changed attempts, by place of the instance and of the attempt in it.
    pub(crate) attempts: BTreeSet<(usize, usize)>,
    /// The header changed, be it alone.
    pub(crate) header: bool,
    /// What to do once the step is saved.
    pub effects: Vec<Effect>,
    /// The answer to a progress report: the runner should stop.
    pub canceled: bool,
}

impl Step {
    /// Returns whether there is nothing to save and nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.header && self.instances.is_empty() && self.attempts.is_empty() && self.effects.is_empty()
    }
}
