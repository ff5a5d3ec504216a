//! Opens the aggregates of the Kinesis Producer Library.
//!
//! An aggregate is a magic number, a message of protocol buffers, and the MD5 of the message. The message is read here,
//! because it has three kinds of fields and a reader of all of protocol buffers is a large dependency:
//!
//! ```text
//! message AggregatedRecord { repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2;
//!                            repeated Record records = 3; }
//! message Record { required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2;
//!                  required bytes data = 3; repeated Tag tags = 4; }
//! ```
//!
//! Data that is not a well-formed aggregate stays as it is, so every record of a producer comes out once.

use std::iter::Enumerate;
use std::vec;

use md5::{Digest as _, Md5};

use crate::{Record, RecordNumber};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const MD5_LENGTH: usize = 16;

/// The partition key and the data of a record.
type Parts<'a> = (&'a str, &'a [u8]);

/// The records of an aggregate, or the one record that is not an aggregate.
#[derive(Debug)]
pub struct Opened<'a> {
    record: Record<'a>,
    /// The records of the aggregate that are not returned yet, with their places.
    rest: Option<Enumerate<vec::IntoIter<Parts<'a>>>>,
    is_done: bool,
}

/// Opens a record. If it is not a well-formed aggregate, it stays as it is.
#[must_use]
pub fn open(record: Record<'_>) -> Opened<'_> {
    let rest = message(record.data).and_then(read).map(|records| records.into_iter().enumerate());
    Opened { record, rest, is_done: false }
}

impl<'a> Iterator for Opened<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let Some(rest) = &mut self.rest else {
            return (!std::mem::replace(&mut self.is_done, true)).then_some(self.record);
        };
        let (place, (partition_key, data)) = rest.next()?;
        // A message has fewer records than 2^32, because each has several bytes.
        let number = RecordNumber { place: u32::try_from(place).ok(), ..self.record.number };
        Some(Record { number, partition_key, data, ..self.record })
    }
}

/// Returns the message of an aggregate, if magic number and MD5 are right.
fn message(data: &[u8]) -> Option<&[u8]> {
    let behind = data.strip_prefix(&MAGIC)?;
    let (message, digest) = behind.split_at_checked(behind.len().checked_sub(MD5_LENGTH)?)?;
    (Md5::digest(message).as_slice() == digest).then_some(message)
}

/// Returns the partition keys and the data of the records of a message. A message without records is not read as
/// an aggregate, because a record would vanish.
fn read(message: &[u8]) -> Option<Vec<Parts<'_>>> {
    let (mut keys, mut records) = (Vec::new(), Vec::new());
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(key)) => keys.push(std::str::from_utf8(key).ok()?),
            (3, Value::Bytes(record)) => records.push(read_record(record)?),
            (1 | 3, Value::Number(_)) => return None,
            _ => {}
        }
    }
    // The table of keys may stand behind the records.
    let with_key = |(index, data): (u64, _)| Some((*keys.get(usize::try_from(index).ok()?)?, data));
    let records: Vec<_> = records.into_iter().map(with_key).collect::<Option<_>>()?;
    (!records.is_empty()).then_some(records)
}

fn read_record(message: &[u8]) -> Option<(u64, &[u8])> {
    let (mut key, mut data) = (None, None);
    let mut fields = Fields(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(index)) => key = Some(index),
            (3, Value::Bytes(bytes)) => data = Some(bytes),
            (1, Value::Bytes(_)) | (3, Value::Number(_)) => return None,
            _ => {}
        }
    }
    Some((key?, data?))
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message that are not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Returns the number and the value of the next field: `Some(None)` at the end, and `None` if the message is malformed.
    #[expect(clippy::option_option, reason = "`?` ends the reading of a malformed message")]
    fn next(&mut self) -> Option<Option<(u64, Value<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(first & 0x7f);
            // The tenth byte has one bit of 64.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::tests::record;

    /// Returns the keys and the data of the records that come out.
    fn opened(data: &[u8]) -> Vec<(String, Vec<u8>, Option<u32>)> {
        let own =
            |record: Record<'_>| (record.partition_key.to_owned(), record.data.to_vec(), record.number.place);
        open(record(data)).map(own).collect()
    }

    /// Returns the whole of an aggregate with this message.
    fn aggregate(message: &[u8]) -> Vec<u8> {
        [&MAGIC, message, Md5::digest(message).as_slice()].concat()
    }

    // The files were made with the Python library aws-kinesis-agg 1.2.3: see tests/kpl/README.md.

    #[test]
    fn an_aggregate_of_another_library_is_opened() {
        let three = opened(include_bytes!("../tests/kpl/three.bin"));
        let expected: [(&str, &[u8]); 3] =
            [("user-1", b"{\"n\":1}"), ("user-2", b"{\"n\":2}\n"), ("user-1", b"\x00\xff not JSON")];
        for (place, (key, data)) in expected.into_iter().enumerate() {
            assert_eq!(three[place], (key.to_owned(), data.to_vec(), u32::try_from(place).ok()));
        }
        assert_eq!(
            opened(include_bytes!("../tests/kpl/one.bin")),
            [("key".to_owned(), b"{\"a\":1}".to_vec(), Some(0))]
        );
        assert_eq!(
            opened(include_bytes!("../tests/kpl/empty_data.bin")),
            [("k".to_owned(), Vec::new(), Some(0))]
        );
        let many = opened(include_bytes!("../tests/kpl/many.bin"));
        assert_eq!(many.len(), 300);
        for (at, (key, data, _)) in many.iter().enumerate() {
            let text = format!("{{\"n\":{at},\"text\":\"{}\"}}", "x".repeat(at % 50));
            assert_eq!((key, data), (&format!("k{}", at % 7), &text.into_bytes()));
        }
    }

    #[test]
    fn other_data_stays_as_it_is() {
        let three = include_bytes!("../tests/kpl/three.bin");
        let mut changed = three.to_vec();
        changed[10] ^= 1;
        let wrong_key = aggregate(b"\x0a\x01k\x1a\x05\x08\x01\x1a\x01x");
        let no_data = aggregate(b"\x0a\x01k\x1a\x02\x08\x00");
        let cut_off = aggregate(b"\x0a\x01k\x1a\x50\x08\x00");
        for data in [
            b"",
            &b"{}"[..],
            &MAGIC,
            &three[..50],
            &changed,
            &aggregate(b""),
            &aggregate(b"\x0a\x01k"),
            &wrong_key,
            &no_data,
            &cut_off,
        ] {
            assert_eq!(opened(data), [("key \"1\"".to_owned(), data.to_vec(), None)]);
        }
        let good = aggregate(b"\x1a\x05\x08\x00\x1a\x01x\x0a\x01k\x28\x07\x35abcd\x39abcdefgh");
        assert_eq!(opened(&good), [("k".to_owned(), b"x".to_vec(), Some(0))]);
    }

    #[test]
    fn a_number_has_64_bits_at_the_most() {
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Fields(&largest).varint(), Some(u64::MAX));
        let larger = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Fields(&larger).varint(), None);
        let longer = [&[0x80; 10][..], &[0x01]].concat();
        assert_eq!(Fields(&longer).varint(), None);
    }

    proptest! {
        #[test]
        fn no_message_is_lost_and_none_panics(message: Vec<u8>) {
            let data = aggregate(&message);
            let opened = opened(&data);
            prop_assert!(!opened.is_empty());
            prop_assert!(opened[0].2.is_some() || opened[0].1 == data);
        }
    }
}
