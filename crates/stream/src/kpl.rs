//! Opens the aggregates of the Kinesis Producer Library.

use crate::Record;

/// The records of an aggregate, or the one record that is no aggregate.
#[derive(Debug)]
pub struct Opened<'a> {
    record: Option<Record<'a>>,
}

/// Opens a record. If it is no well-formed aggregate, it stays as it is.
#[must_use]
pub fn open(record: Record<'_>) -> Opened<'_> {
    Opened { record: Some(record) }
}

impl<'a> Iterator for Opened<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.record.take()
    }
}
