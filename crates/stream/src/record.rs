//! A record: some bytes, and what the stream knows about them.

use jiff::Timestamp;

use crate::shard::SequenceNumber;

/// A record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of the record.
    pub number: RecordNumber,
    /// The partition key that the producer gave.
    pub partition_key: &'a str,
    /// When the record was accepted.
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
