//! A record: some bytes, and facts that the stream knows about them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::shard::{SequenceNumber, SequenceNumberError};

/// A record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of the record.
    pub number: RecordNumber,
    /// The partition key that the producer gave.
    pub partition_key: &'a str,
    /// The time at which the record was accepted.
    pub arrival: Timestamp,
    /// The bytes as the producer sent them.
    pub data: &'a [u8],
}

/// The number of a record. A record in a KPL aggregate also has its place in the aggregate, counted from 0, because all
/// records of an aggregate share its sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber {
    /// The sequence number, which also says the shard.
    pub sequence: SequenceNumber,
    /// The place in the KPL aggregate.
    pub place: Option<u32>,
}

/// Writes the sequence number and, after a colon, the place in the aggregate.
impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{place}", self.sequence),
            None => self.sequence.fmt(f),
        }
    }
}

impl From<SequenceNumber> for RecordNumber {
    fn from(sequence: SequenceNumber) -> Self {
        Self { sequence, place: None }
    }
}

impl FromStr for RecordNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        let (sequence, place) = match text.split_once(':') {
            Some((sequence, place)) => (sequence, Some(place.parse().map_err(|_| SequenceNumberError)?)),
            None => (text, None),
        };
        Ok(Self { sequence: sequence.parse()?, place })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::shard::ShardId;

    /// Returns a record with these bytes.
    pub(crate) fn record(data: &[u8]) -> Record<'_> {
        Record {
            number: SequenceNumber { number: 5, shard: ShardId(0) }.into(),
            partition_key: "key \"1\"",
            arrival: "2026-01-05T10:20:30.123Z".parse().unwrap(),
            data,
        }
    }

    #[test]
    fn a_number_is_read_as_it_was_written() {
        let sequence = SequenceNumber { number: 9, shard: ShardId(3) };
        for place in [None, Some(0), Some(70_000)] {
            let number = RecordNumber { sequence, place };
            assert_eq!(number.to_string().parse(), Ok(number));
        }
        assert!("1:2".parse::<RecordNumber>().is_err());
        assert!(format!("{sequence}:x").parse::<RecordNumber>().is_err());
    }
}
