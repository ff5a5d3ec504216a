//! Aggregates: every record comes out, and data that is not an aggregate stays unchanged.

use md5::{Digest as _, Md5};
use stream::kpl;

use super::record;

/// Checks the bytes as a record, and as the message of an aggregate.
pub(crate) fn check(bytes: &[u8]) {
    opened(bytes);
    let digest = Md5::digest(bytes);
    opened(&[&[0xf3, 0x89, 0x9a, 0xc2], bytes, digest.as_slice()].concat());
}

fn opened(data: &[u8]) {
    let whole = record(data);
    let records: Vec<_> = kpl::open(whole).collect();
    assert!(!records.is_empty(), "a record never vanishes");
    if records[0].number.place.is_none() {
        assert_eq!(records, [whole]);
        return;
    }
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record.number.place, u32::try_from(place).ok());
        assert_eq!((record.number.sequence, record.arrival), (whole.number.sequence, whole.arrival));
    }
    assert!(records.iter().map(|record| record.data.len()).sum::<usize>() <= data.len());
}
