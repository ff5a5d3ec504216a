//! The answers to the questions of users, as the admin routes send them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::live::HotKey;

/// All streams.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamList {
    /// The streams, in the order of their names.
    pub streams: Vec<StreamSummary>,
}

/// The state of a stream.
///
/// `waiting_records` and the records of all delivered cuts add up to `accepted_records`. `delivered`, `quarantined` and
/// `left_out` add up to the records of all delivered cuts after aggregates of the Kinesis Producer Library were opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamSummary {
    /// The name.
    pub name: String,
    /// `ACTIVE`, `FILE_GONE` (its file was removed) or `DELETING` (the waiting records are delivered first).
    pub state: String,
    /// The source of its definition: `file`, `kinesis` or `firehose`.
    pub origin: String,
    /// The version of the definition in force; 0 if none is usable.
    pub version: u64,
    /// How many records a second came in during the last ten seconds.
    pub records_per_second: f64,
    /// The records that were accepted since the stream exists.
    pub accepted_records: u64,
    /// The records that are not delivered.
    pub waiting_records: u64,
    /// The bytes of their data.
    pub waiting_bytes: u64,
    /// The time at which the oldest of them arrived.
    pub oldest: Option<Timestamp>,
    /// The records in data objects.
    pub delivered: u64,
    /// The lines in data objects. A record may be several lines.
    pub delivered_lines: u64,
    /// The records that were put into quarantine.
    pub quarantined: u64,
    /// The records without content. No object contains them.
    pub left_out: u64,
    /// The number of cuts, the one that is being delivered included.
    pub cuts: u64,
    /// The partition key that at least half of the records of the last minutes have.
    pub hot_key: Option<HotKey>,
    /// One sentence that says why records wait, or why the newest file is not in force.
    pub why: Option<String>,
}

/// Records that are in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tail {
    /// The records, the oldest first.
    pub records: Vec<TailRecord>,
    /// The sequence number to ask after next.
    pub next: Option<String>,
}

/// A record in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TailRecord {
    /// The sequence number.
    pub sequence_number: String,
    /// The partition key; empty if the producer gave none.
    pub partition_key: String,
    /// The time at which the record was accepted.
    pub arrival: Timestamp,
    /// The data. Bytes that are not UTF-8 are replaced.
    pub data: String,
}

/// The result of a flush.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flushed {
    /// The records that waited.
    pub records: u64,
    /// The data objects, as `s3://bucket/key`.
    pub objects: Vec<String>,
}

/// The result of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The raw or quarantine objects that were read.
    pub objects_read: u64,
    /// The records in them.
    pub records: u64,
    /// The lines in new data objects.
    pub lines: u64,
    /// The records that the definition refuses.
    pub refused: u64,
    /// The new data objects, as `s3://bucket/key`.
    pub objects: Vec<String>,
    /// The data objects that an earlier replay had put.
    pub already_there: u64,
    /// The lines in them.
    #[serde(default)]
    pub lines_already_there: u64,
}

/// Refused records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Quarantine {
    /// The newest of them.
    pub records: Vec<QuarantinedRecord>,
    /// The number of all of them.
    pub total: u64,
}

/// A refused record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuarantinedRecord {
    /// The sequence number.
    pub sequence_number: String,
    /// The time at which the record was accepted.
    pub arrival: Timestamp,
    /// The code of the refusal, in the words of Firehose.
    pub error_code: String,
    /// The reason of the refusal. It has no content of the record.
    pub error_message: String,
    /// The version of the definition that refused the record.
    pub version: u64,
    /// The quarantine object, as `s3://bucket/key`.
    pub object: String,
}
