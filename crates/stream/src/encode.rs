//! Writes the objects of a cut, and reads the raw and quarantine objects again.
//!
//! Each object is lines of JSON. A raw object has the records as they came. A quarantine object has the refused records
//! with Firehose's names for the reasons.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::write::GzEncoder;
use flate2::{Compression as Level, GzBuilder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::file::Compression;
use crate::refusal::Refusal;
use crate::{Record, RecordNumber};

/// Writes the content of an object. The same content gives the same bytes.
#[derive(Debug)]
pub struct ObjectWriter(Writer);

#[derive(Debug)]
enum Writer {
    Plain(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl ObjectWriter {
    /// Begins an object.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self(match compression {
            Compression::Uncompressed => Writer::Plain(Vec::new()),
            // The header has neither a time nor a system, so that the bytes follow from the content.
            Compression::Gzip => {
                let header = GzBuilder::new().mtime(0).operating_system(255);
                Writer::Gzip(Box::new(header.write(Vec::new(), Level::fast())))
            }
        })
    }

    /// Adds whole lines.
    pub fn write(&mut self, lines: &[u8]) {
        match &mut self.0 {
            Writer::Plain(bytes) => bytes.extend_from_slice(lines),
            // Writing to memory does not fail.
            Writer::Gzip(encoder) => drop(encoder.write_all(lines)),
        }
    }

    /// Returns the bytes of the object that are ready and were not taken before.
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.0 {
            Writer::Plain(bytes) => std::mem::take(bytes),
            Writer::Gzip(encoder) => std::mem::take(encoder.get_mut()),
        }
    }

    /// Returns the last bytes of the object: all of them if none were taken before.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            Writer::Plain(bytes) => bytes,
            // Writing to memory does not fail.
            Writer::Gzip(encoder) => encoder.finish().unwrap_or_default(),
        }
    }
}

/// A line of a raw object.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLine<'a> {
    sequence_number: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<u32>,
    partition_key: Cow<'a, str>,
    /// Milliseconds since 1970, as Firehose writes times.
    arrival_timestamp: i64,
    /// The data: the text itself or, as `encoding` says, base64.
    data: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<Cow<'a, str>>,
}

/// A line of a quarantine object.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuarantineLine<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: Cow<'a, str>,
    error_message: Cow<'a, str>,
    attempt_ending_timestamp: i64,
    /// The data in base64.
    raw_data: Cow<'a, str>,
    sequence_number: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<u32>,
    partition_key: Cow<'a, str>,
    /// The version of the stream that refused the record.
    stream_version: u32,
}

fn append(line: &impl Serialize, out: &mut Vec<u8>) {
    // These lines have text and numbers only, and writing to memory does not fail.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}

/// Appends the line of the raw object for a record.
pub fn raw_line(record: &Record<'_>, out: &mut Vec<u8>) {
    let (data, encoding) = match std::str::from_utf8(record.data) {
        Ok(text) => (Cow::Borrowed(text), None),
        Err(_) => (Cow::Owned(BASE64.encode(record.data)), Some(Cow::Borrowed("base64"))),
    };
    let line = RawLine {
        sequence_number: record.number.sequence.to_string().into(),
        sub_sequence_number: record.number.place,
        partition_key: record.partition_key.into(),
        arrival_timestamp: record.arrival.as_millisecond(),
        data,
        encoding,
    };
    append(&line, out);
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
    let line = QuarantineLine {
        attempts_made: 1,
        arrival_timestamp: record.arrival.as_millisecond(),
        error_code: refusal.code.as_str().into(),
        error_message: refusal.message.as_str().into(),
        attempt_ending_timestamp: ended.as_millisecond(),
        raw_data: BASE64.encode(record.data).into(),
        sequence_number: record.number.sequence.to_string().into(),
        sub_sequence_number: record.number.place,
        partition_key: record.partition_key.into(),
        stream_version: version,
    };
    append(&line, out);
}

/// A record that was read from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The number of the record.
    pub number: RecordNumber,
    /// The partition key.
    pub partition_key: String,
    /// The time at which the record was accepted.
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

/// The reason why a line of an object cannot be read. It has no content of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line is not a JSON object with the fields of such a line.
    #[error("not a line of such an object (column {column})")]
    Malformed {
        /// The column at which the reason was found, in bytes, counted from 1.
        column: usize,
    },
    /// A field has a value that is not legal.
    #[error("the field `{field}` has a value that cannot be read")]
    Field {
        /// The field.
        field: &'static str,
    },
}

fn parsed<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Result<T, LineError> {
    serde_json::from_slice(line).map_err(|error| LineError::Malformed { column: error.column() })
}

fn stored(
    (sequence, place): (&str, Option<u32>),
    partition_key: Cow<'_, str>,
    arrival: i64,
    data: Vec<u8>,
) -> Result<StoredRecord, LineError> {
    let sequence = sequence.parse().map_err(|_| LineError::Field { field: "sequenceNumber" })?;
    let arrival =
        Timestamp::from_millisecond(arrival).map_err(|_| LineError::Field { field: "arrivalTimestamp" })?;
    let number = RecordNumber { sequence, place };
    Ok(StoredRecord { number, partition_key: partition_key.into_owned(), arrival, data })
}

/// Reads a line of a raw object.
///
/// # Errors
///
/// The reason why the line is not one of a raw object.
pub fn read_raw(line: &[u8]) -> Result<StoredRecord, LineError> {
    let line: RawLine<'_> = parsed(line)?;
    let data = match line.encoding.as_deref() {
        None => line.data.into_owned().into_bytes(),
        Some("base64") => {
            BASE64.decode(line.data.as_ref()).map_err(|_| LineError::Field { field: "data" })?
        }
        Some(_) => return Err(LineError::Field { field: "encoding" }),
    };
    let number = (line.sequence_number.as_ref(), line.sub_sequence_number);
    stored(number, line.partition_key, line.arrival_timestamp, data)
}

/// Reads a line of a quarantine object.
///
/// # Errors
///
/// The reason why the line is not one of a quarantine object.
pub fn read_quarantined(line: &[u8]) -> Result<Quarantined, LineError> {
    let line: QuarantineLine<'_> = parsed(line)?;
    let data = BASE64.decode(line.raw_data.as_ref()).map_err(|_| LineError::Field { field: "rawData" })?;
    let number = (line.sequence_number.as_ref(), line.sub_sequence_number);
    Ok(Quarantined {
        record: stored(number, line.partition_key, line.arrival_timestamp, data)?,
        error_code: line.error_code.into_owned(),
        error_message: line.error_message.into_owned(),
        version: line.stream_version,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;
    use crate::record::tests::record;
    use crate::refusal::ErrorCode;

    #[test]
    fn the_lines_have_the_names_of_firehose() {
        let mut out = Vec::new();
        raw_line(&record(b"{\"a\":\"\xc3\xa4\"}\n"), &mut out);
        raw_line(&record(b"\xff"), &mut out);
        let refusal =
            Refusal { code: ErrorCode::MissingField, message: "the field `a` is missing".to_owned() };
        let mut refused = record(b"{}");
        refused.number.place = Some(2);
        quarantine_line(&refused, &refusal, 7, "2026-01-05T10:25:00Z".parse().unwrap(), &mut out);
        let head = r#"{"sequenceNumber":"49039857307708443467467104868809893875799652253472653314","partitionKey":"key \"1\"","arrivalTimestamp":1767608430123"#;
        let expected = [
            format!("{head},\"data\":\"{{\\\"a\\\":\\\"\u{e4}\\\"}}\\n\"}}"),
            format!("{head},\"data\":\"/w==\",\"encoding\":\"base64\"}}"),
            r#"{"attemptsMade":1,"arrivalTimestamp":1767608430123,"errorCode":"DataFormatConversion.MalformedData","errorMessage":"the field `a` is missing","attemptEndingTimestamp":1767608700000,"rawData":"e30=","sequenceNumber":"49039857307708443467467104868809893875799652253472653314","subSequenceNumber":2,"partitionKey":"key \"1\"","streamVersion":7}"#.to_owned(),
        ];
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let read = read_quarantined(expected[2].as_bytes()).unwrap();
        assert_eq!(read.record.as_record(), refused);
        assert_eq!((read.version, read.error_message.as_str()), (7, "the field `a` is missing"));
    }

    #[test]
    fn gzip_of_the_same_lines_has_the_same_bytes() {
        let written = |pieces: bool| {
            let mut writer = ObjectWriter::new(Compression::Gzip);
            let mut bytes = Vec::new();
            for number in 0..10_000 {
                writer.write(format!("{{\"number\":{number}}}\n").as_bytes());
                if pieces && number % 1_000 == 0 {
                    bytes.extend(writer.take());
                }
            }
            bytes.extend(writer.finish());
            bytes
        };
        assert_eq!(written(false), written(true));
        assert_eq!(written(true)[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
        let mut text = String::new();
        let bytes = written(true);
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 10_000);
        let mut plain = ObjectWriter::new(Compression::Uncompressed);
        plain.write(b"a\n");
        assert_eq!(plain.take(), b"a\n");
        plain.write(b"b\n");
        assert_eq!(plain.finish(), b"b\n");
    }

    #[test]
    fn other_lines_are_refused_without_their_content() {
        let error = |line: &str| read_raw(line.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("{\"secret\":"), "not a line of such an object (column 10)");
        let line =
            r#"{"sequenceNumber":"1","partitionKey":"","arrivalTimestamp":1,"data":"","encoding":"base64"}"#;
        assert_eq!(error(line), "the field `sequenceNumber` has a value that cannot be read");
        assert!(error(&line.replace("base64", "hex")).contains("`encoding`"));
        assert!(error(&line.replace("\"data\":\"\"", "\"data\":\"*\"")).contains("`data`"));
        assert!(read_quarantined(line.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(data: Vec<u8>, key: String, place: Option<u32>) {
            let mut record = record(&data);
            record.partition_key = &key;
            record.number.place = place;
            let (mut raw, mut refused) = (Vec::new(), Vec::new());
            raw_line(&record, &mut raw);
            let read = read_raw(&raw).unwrap();
            prop_assert_eq!(read.as_record(), record);
            let refusal = Refusal { code: ErrorCode::NotJson, message: key.clone() };
            quarantine_line(&record, &refusal, 1, record.arrival, &mut refused);
            let read = read_quarantined(&refused).unwrap();
            prop_assert_eq!(read.record.as_record(), record);
            prop_assert_eq!(raw.iter().chain(&refused).filter(|byte| **byte == b'\n').count(), 2);
        }
    }
}
