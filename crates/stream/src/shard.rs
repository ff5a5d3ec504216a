//! Shards: hash ranges, ids, and sequence numbers.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use md5::{Digest as _, Md5};

/// The number of a record in its stream, and the shard that took the record.
///
/// As text it has 56 digits, as those of AWS, and is laid out as those: from the highest bit on, the version 2, the
/// number, the shard, and 2 again. So the texts rise with the numbers, and clients find the shard in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// The number. It rises from record to record, over all shards of the stream.
    pub number: u64,
    /// The shard.
    pub shard: ShardId,
}

/// The error of a text that is not a sequence number of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sequence number of this stream")]
pub struct SequenceNumberError;

/// 10 to the power of 28: a number of 56 digits has two halves, which fit into 128 bits each.
const HALF: u128 = 10_u128.pow(28);
/// The halves of 2 to the power of 185: the version 2 in the highest four of 188 bits.
const VERSION: (u128, u128) = (4_903_985_730_770_844_346_746_710_486, 8_809_893_875_799_651_909_875_269_632);
/// The bits below the number: the shard, and four bits for the version.
const NUMBER_SHIFT: u32 = 36;
const SHARD_SHIFT: u32 = 4;
const LAST_BITS: u128 = 2;

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from(self.number) << NUMBER_SHIFT;
        let low = VERSION.1 + (number | (u128::from(self.shard.0) << SHARD_SHIFT) | LAST_BITS);
        write!(f, "{}{:028}", VERSION.0 + low / HALF, low % HALF)
    }
}

impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        let read = || {
            let is_number = text.len() == 56 && text.bytes().all(|byte| byte.is_ascii_digit());
            let (high, low) = text.split_at_checked(28).filter(|_| is_number)?;
            let high = high.parse::<u128>().ok()?.checked_sub(VERSION.0)?;
            let low = high.checked_mul(HALF)?.checked_add(low.parse().ok()?)?.checked_sub(VERSION.1)?;
            let number = u64::try_from(low >> NUMBER_SHIFT).ok()?;
            let below = low & ((1 << NUMBER_SHIFT) - 1);
            let shard = u32::try_from(below >> SHARD_SHIFT).ok()?;
            (below & 0xf == LAST_BITS).then_some(Self { number, shard: ShardId(shard) })
        };
        read().ok_or(SequenceNumberError)
    }
}

/// A shard of a stream, counted from 0. As text: `shardId-000000000000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

/// The range of hash keys of a shard, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    /// The first hash key.
    pub start: u128,
    /// The last hash key.
    pub end: u128,
}

/// Returns the length of the range of each shard but the last one, which takes the rest: 2^128 / `count`, as in AWS.
fn width(count: NonZeroU32) -> u128 {
    let count = u128::from(count.get());
    // The type holds 2^128 - 1. The length for one shard is one more, which makes no difference: it is the last shard.
    let is_divisor = count > 1 && u128::MAX % count == count - 1;
    u128::MAX / count + u128::from(is_divisor)
}

/// Returns the hash ranges of a stream with `count` shards, in the order of the shards.
#[must_use]
pub fn ranges(count: NonZeroU32) -> Vec<HashRange> {
    let (width, last) = (width(count), count.get() - 1);
    let range = |shard: u32| {
        let start = u128::from(shard) * width;
        HashRange { start, end: if shard == last { u128::MAX } else { start + (width - 1) } }
    };
    (0..=last).map(range).collect()
}

/// Returns the hash key of a partition key: its MD5 as a number.
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// Returns the shard of a hash key in a stream with `count` shards.
#[must_use]
pub fn shard_of(hash_key: u128, count: NonZeroU32) -> ShardId {
    let shard = u32::try_from(hash_key / width(count)).unwrap_or(u32::MAX);
    ShardId(shard.min(count.get() - 1))
}

/// Reads an explicit hash key: a decimal number of 128 bits without a zero too many.
///
/// Returns `None` if the text is another one.
#[must_use]
pub fn explicit_hash_key(text: &str) -> Option<u128> {
    let is_canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| is_canonical)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn the_shard_of_a_key_is_the_one_of_its_md5() {
        assert_eq!(hash_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
        assert_eq!(shard_of(hash_key("a"), count(2)), ShardId(0));
        assert_eq!(shard_of(1 << 127, count(2)), ShardId(1));
        assert_eq!(ShardId(3).to_string(), "shardId-000000000003");
        // The ranges of AWS for two and for three shards end at these keys.
        assert_eq!(ranges(count(2))[0].end, 170_141_183_460_469_231_731_687_303_715_884_105_727);
        assert_eq!(ranges(count(3))[0].end, 113_427_455_640_312_821_154_458_202_477_256_070_484);
        for shards in [1, 2, 3, 1_000] {
            assert_eq!(shard_of(u128::MAX, count(shards)), ShardId(shards - 1));
        }
    }

    #[test]
    fn an_explicit_hash_key_is_a_number_of_128_bits() {
        assert_eq!(explicit_hash_key("340282366920938463463374607431768211455"), Some(u128::MAX));
        assert_eq!(explicit_hash_key("0"), Some(0));
        for text in ["340282366920938463463374607431768211456", "", "+1", "-1", "01", "1 "] {
            assert_eq!(explicit_hash_key(text), None, "{text}");
        }
    }

    #[test]
    fn sequence_numbers_have_the_form_of_aws() {
        let text = SequenceNumber { number: 0, shard: ShardId(0) }.to_string();
        assert_eq!(text, "49039857307708443467467104868809893875799651909875269634");
        for other in [
            "",
            "1",
            &"9".repeat(56),
            &"0".repeat(56),
            &text.replace("269634", "269633"),
            &"\u{e4}".repeat(28),
        ] {
            assert_eq!(other.parse::<SequenceNumber>(), Err(SequenceNumberError), "{other}");
        }
    }

    proptest! {
        #[test]
        fn sequence_numbers_rise_with_their_numbers(one: u64, other: u64, shard: u32, another: u32) {
            let one = SequenceNumber { number: one, shard: ShardId(shard) };
            let other = SequenceNumber { number: other, shard: ShardId(another) };
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
            prop_assert_eq!(one.to_string().len(), 56);
            prop_assert_eq!(one.to_string().parse(), Ok(one));
        }

        #[test]
        fn every_hash_key_is_in_the_range_of_its_shard(key: u128, shards in 1..2_000_u32) {
            let ranges = ranges(count(shards));
            let range = ranges[shard_of(key, count(shards)).0 as usize];
            prop_assert!(range.start <= key && key <= range.end);
            prop_assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, u128::MAX));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end.checked_add(1) == Some(pair[1].start)));
        }
    }
}
