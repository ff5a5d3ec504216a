//! Work that is wasted if another handler changes the ledger first.

/// The result of work that is valid only while no other handler changes the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Conditional<T> {
    /// The work was done.
    Done(T),
    /// The ledger is no longer as it was read: read it again and decide again.
    LedgerChanged,
}

impl<T> Conditional<T> {
    /// Returns the same result with `change` applied to its value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Conditional<U> {
        match self {
            Self::Done(value) => Conditional::Done(change(value)),
            Self::LedgerChanged => Conditional::LedgerChanged,
        }
    }
}
