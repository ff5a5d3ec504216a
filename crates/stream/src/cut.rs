//! Decides when the waiting records of a stream become an object.

use jiff::{SignedDuration, Timestamp};

/// How much a stream collects before it delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// The number of bytes of records after which the stream delivers.
    pub bytes: u64,
    /// The time that a record waits at the most.
    pub interval: SignedDuration,
}

/// The records that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number of their bytes.
    pub bytes: u64,
    /// When the oldest of them arrived.
    pub oldest: Timestamp,
}

/// What to do with the records that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Deliver them now.
    Cut,
    /// Decide again at this time, or when more has arrived.
    WakeAt(Timestamp),
    /// No record waits. Decide again when one has arrived.
    Nothing,
}

/// Decides whether the records that wait are delivered at `now`.
#[must_use]
pub fn decide(waiting: Option<Waiting>, now: Timestamp, buffering: Buffering) -> Decision {
    todo!("{waiting:?} {now} {buffering:?}")
}
