//! Checks the body of a POST before it is accepted.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::Stream;

/// The answer to a body that is refused, with the status 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorError {
    /// The sentence of the answer, such as `Malformed JSON`.
    pub sentence: &'static str,
    /// The reason, without content of the record. It is ASCII, so that a header can hold it.
    pub detail: String,
}

/// Checks a body, and returns the data of its records: one for each JSON text.
///
/// `now` is the time for `@arrivalTimestamp`, and `partition_key` for `@partitionKey`.
///
/// # Errors
///
/// The first reason to refuse the body. A body is accepted as a whole or not at all.
pub fn check<'b>(
    stream: &Stream,
    body: &'b [u8],
    partition_key: &str,
    now: Timestamp,
) -> Result<Vec<Cow<'b, [u8]>>, DoorError> {
    todo!("{stream:?} {body:?} {partition_key} {now}")
}
