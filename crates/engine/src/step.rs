//! The result of one step of a run: the changes that the driver has to save, and the effects that it owes afterwards.

use std::collections::BTreeSet;

use crate::effect::Effect;
use crate::instance_index::{AttemptIndex, InstanceIndex};

/// The changes of one step, and the effects that the driver owes for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    instances: BTreeSet<InstanceIndex>,
    attempts: BTreeSet<AttemptIndex>,
    /// Whether the header of the run changed. It can change even if no instance and no attempt does.
    header: bool,
    /// The actions that the driver owes after it has saved the step.
    pub effects: Vec<Effect>,
    /// The answer to a progress report: whether the runner has to stop.
    pub canceled: bool,
}

impl Step {
    /// Returns whether there is nothing to save and nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.header && self.instances.is_empty() && self.attempts.is_empty() && self.effects.is_empty()
    }

    /// Returns the changed instances in order of creation.
    pub(crate) fn instances(&self) -> impl Iterator<Item = InstanceIndex> {
        self.instances.iter().copied()
    }

    /// Returns the changed attempts, oldest first within each instance.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = AttemptIndex> {
        self.attempts.iter().copied()
    }

    /// Notes that an instance has to be saved.
    pub(crate) fn note_instance(&mut self, at: InstanceIndex) {
        self.instances.insert(at);
    }

    /// Notes that an attempt has to be saved.
    pub(crate) fn note_attempt(&mut self, at: AttemptIndex) {
        self.attempts.insert(at);
    }

    /// Notes that the header has to be saved.
    pub(crate) fn note_header(&mut self) {
        self.header = true;
    }
}
