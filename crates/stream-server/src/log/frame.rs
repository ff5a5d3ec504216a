//! The bytes of records in a blob of the log: each record is a frame of fixed fields, the partition key, and the data.
//!
//! A request frames its records before it takes any lock, and decodes their data straight into the frames. The sequence
//! numbers are not in the frames: the records of a row have consecutive numbers, and the row has the first.

use jiff::Timestamp;

use super::error::LogError;

/// The bytes before the key: arrival in milliseconds, length of the data, length of the key.
const HEAD: usize = 8 + 4 + 2;

/// A record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The number of the record among all of the stream.
    pub(crate) number: u64,
    pub(crate) arrived: Timestamp,
    /// The partition key; empty if the producer gave none.
    pub(crate) key: &'a str,
    pub(crate) data: &'a [u8],
}

/// Records of one request, framed, in the order of the request.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The frames of each shard. A request touches few shards, so a list is enough.
    parts: Vec<Part>,
    /// For each record: the index of its part, and its place among the records there.
    places: Vec<(usize, u64)>,
    bytes: u64,
}

/// The framed records of one shard.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) shard: u32,
    pub(super) records: u64,
    pub(super) frames: Vec<u8>,
}

impl Group {
    /// Appends a record; `write` appends its data to the buffer.
    ///
    /// # Errors
    ///
    /// The error of `write`. The group must not be used after it.
    pub(crate) fn push<E>(
        &mut self,
        shard: u32,
        arrived: Timestamp,
        key: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let index = self.parts.iter().position(|part| part.shard == shard).unwrap_or_else(|| {
            self.parts.push(Part { shard, records: 0, frames: Vec::new() });
            self.parts.len() - 1
        });
        let Part { records, frames, .. } = &mut self.parts[index];
        let place = frames.len();
        frames.extend_from_slice(&arrived.as_millisecond().to_le_bytes());
        frames.extend_from_slice(&[0; 4]);
        let key_length = u16::try_from(key.len()).expect("the door limits partition keys to 256 characters");
        frames.extend_from_slice(&key_length.to_le_bytes());
        frames.extend_from_slice(key.as_bytes());
        let begun = frames.len();
        write(frames)?;
        let length = frames.len() - begun;
        let stated = u32::try_from(length).expect("the door limits the size of bodies");
        frames[place + 8..place + 12].copy_from_slice(&stated.to_le_bytes());
        self.places.push((index, *records));
        *records += 1;
        self.bytes += length as u64;
        Ok(())
    }

    /// Returns the number of records.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the bytes of all data.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the partition keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.parts
            .iter()
            .flat_map(|part| Frames::new(0, &part.frames))
            .filter_map(|record| Some(record.ok()?.key))
    }

    /// Returns the framed records of each shard, and the plan by which the records find their numbers.
    pub(super) fn split(self) -> (Vec<Part>, Plan) {
        let shards = self.parts.iter().map(|part| part.shard).collect();
        (self.parts, Plan { shards, places: self.places })
    }
}

/// Says which number each record of a request has, once the first numbers of its parts are known.
#[derive(Debug)]
pub(super) struct Plan {
    /// The shard of each part.
    shards: Vec<u32>,
    places: Vec<(usize, u64)>,
}

impl Plan {
    /// Returns the number and the shard of each record, in the order of the request. `firsts` has the number of the first
    /// record of each part.
    pub(super) fn numbers(&self, firsts: &[u64]) -> Vec<(u64, u32)> {
        self.places.iter().map(|(part, place)| (firsts[*part] + place, self.shards[*part])).collect()
    }
}

/// Reads frames one after another.
pub(crate) struct Frames<'a> {
    number: u64,
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Reads the frames in `bytes`. The first record has the number `first`.
    pub(crate) fn new(first: u64, bytes: &'a [u8]) -> Self {
        Self { number: first, rest: bytes }
    }

    /// Returns the number of bytes that are not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Record<'a>, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let number = self.number;
        self.number += 1;
        match read(number, self.rest) {
            Some((record, rest)) => {
                self.rest = rest;
                Some(Ok(record))
            }
            None => {
                self.rest = &[];
                Some(Err(LogError::Damaged(format!("the record with the number {number} is unreadable"))))
            }
        }
    }
}

fn read(number: u64, bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let arrived = i64::from_le_bytes(head.get(0..8)?.try_into().ok()?);
    let data_length = u32::from_le_bytes(head.get(8..12)?.try_into().ok()?);
    let key_length = u16::from_le_bytes(head.get(12..14)?.try_into().ok()?);
    let (key, rest) = rest.split_at_checked(usize::from(key_length))?;
    let (data, rest) = rest.split_at_checked(usize::try_from(data_length).ok()?)?;
    let arrived = Timestamp::from_millisecond(arrived).ok()?;
    Some((Record { number, arrived, key: std::str::from_utf8(key).ok()?, data }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(records: &[(u32, &str, &[u8])]) -> Group {
        let mut group = Group::default();
        for (shard, key, data) in records {
            let write = |buffer: &mut Vec<u8>| {
                buffer.extend_from_slice(data);
                Ok::<(), ()>(())
            };
            group.push(*shard, Timestamp::UNIX_EPOCH, key, write).unwrap();
        }
        group
    }

    #[test]
    fn records_read_back_and_find_their_numbers() {
        let group = group(&[(0, "a", b"one"), (1, "", b""), (0, "c", b"three")]);
        assert_eq!((group.len(), group.bytes()), (3, 8));
        assert_eq!(group.keys().collect::<Vec<_>>(), ["a", "c", ""]);
        let (parts, plan) = group.split();
        assert_eq!(plan.numbers(&[7, 20]), [(7, 0), (20, 1), (8, 0)]);
        let read = |part: &Part| {
            let records = Frames::new(7, &part.frames).map(|record| record.unwrap());
            records.map(|it| (it.number, it.key.to_owned(), it.data.to_vec())).collect::<Vec<_>>()
        };
        let first = [(7, "a".to_owned(), b"one".to_vec()), (8, "c".to_owned(), b"three".to_vec())];
        assert_eq!(read(&parts[0]), first);
        assert_eq!(read(&parts[1]), [(7, String::new(), vec![])]);
    }

    #[test]
    fn a_cut_off_frame_is_an_error_and_ends_the_reading() {
        let frames = group(&[(0, "key", b"data")]).split().0.remove(0).frames;
        for length in 1..frames.len() {
            let read: Vec<_> = Frames::new(1, &frames[..length]).collect();
            assert!(matches!(&read[..], [Err(LogError::Damaged(_))]), "{length}: {read:?}");
        }
    }
}
