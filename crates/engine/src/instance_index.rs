//! Positions of instances and attempts in their run.

/// The position of an instance in its run, in order of creation. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceIndex(usize);

impl InstanceIndex {
    /// Returns the index of the instance at `position`, counted from 0.
    pub(crate) fn new(position: usize) -> Self {
        Self(position)
    }

    /// Returns the position, counted from 0.
    pub(crate) fn position(self) -> usize {
        self.0
    }
}

/// The position of an attempt in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttemptIndex {
    /// The instance that the attempt belongs to.
    pub(crate) instance: InstanceIndex,
    /// The position among the instance's attempts, counted from 0.
    pub(crate) attempt: usize,
}
