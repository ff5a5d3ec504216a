//! Work that is wasted if another handler changes the ledger first.

/// The result of work that is valid only while no other handler changes the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Raced<T> {
    /// The work was done.
    Done(T),
    /// The ledger is no longer as it was read: read it again and decide again.
    LedgerChanged,
}

impl<T> Raced<T> {
    /// Returns the same result with `change` applied to its value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Raced<U> {
        match self {
            Self::Done(value) => Raced::Done(change(value)),
            Self::LedgerChanged => Raced::LedgerChanged,
        }
    }
}
