//! Writes the objects of a cut, and reads the raw and quarantine objects again.

use jiff::Timestamp;

use crate::file::Compression;
use crate::transform::Refusal;
use crate::{Record, RecordNumber};

/// Writes the content of an object. The same content gives the same bytes.
#[derive(Debug)]
pub struct ObjectWriter {}

impl ObjectWriter {
    /// Begins an object.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        todo!("{compression:?}")
    }

    /// Adds whole lines.
    pub fn write(&mut self, lines: &[u8]) {
        todo!("{lines:?}")
    }

    /// Returns the bytes of the object that are ready and were not taken before.
    pub fn take(&mut self) -> Vec<u8> {
        todo!()
    }

    /// Returns the last bytes of the object: all of them if none were taken before.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        todo!()
    }
}

/// Appends the line of the raw object for a record.
pub fn raw_line(record: &Record<'_>, out: &mut Vec<u8>) {
    todo!("{record:?} {out:?}")
}

/// Appends the line of the quarantine object for a refused record.
///
/// `version` is the version of the stream, and `ended` is the time of the cut.
pub fn quarantine_line(
    record: &Record<'_>,
    refusal: &Refusal,
    version: u32,
    ended: Timestamp,
    out: &mut Vec<u8>,
) {
    todo!("{record:?} {refusal:?} {version} {ended} {out:?}")
}

/// A record that was read from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The number of the record.
    pub number: RecordNumber,
    /// The partition key.
    pub partition_key: String,
    /// When the record was accepted.
    pub arrival: Timestamp,
    /// The bytes as the producer sent them.
    pub data: Vec<u8>,
}

impl StoredRecord {
    /// Returns the record.
    #[must_use]
    pub fn as_record(&self) -> Record<'_> {
        let Self { number, partition_key, arrival, data } = self;
        Record { number: *number, partition_key, arrival: *arrival, data }
    }
}

/// A refused record that was read from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The record.
    pub record: StoredRecord,
    /// The code of the refusal.
    pub error_code: String,
    /// The reason of the refusal.
    pub error_message: String,
    /// The version of the stream that refused the record.
    pub version: u32,
}

/// The reason why a line of an object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

/// Reads a line of a raw object.
///
/// # Errors
///
/// The reason why the line is not one of a raw object.
pub fn read_raw(line: &[u8]) -> Result<StoredRecord, LineError> {
    todo!("{line:?}")
}

/// Reads a line of a quarantine object.
///
/// # Errors
///
/// The reason why the line is not one of a quarantine object.
pub fn read_quarantined(line: &[u8]) -> Result<Quarantined, LineError> {
    todo!("{line:?}")
}
