//! Shards: hash ranges, ids, and sequence numbers.

/// The number of a record in its stream, and the shard that took the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// The number. It rises by at least 1 from record to record, over all shards of the stream.
    pub number: u64,
    /// The shard.
    pub shard: ShardId,
}

/// A shard of a stream, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// The range of hash keys of a shard, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashRange {
    /// The first hash key.
    pub start: u128,
    /// The last hash key.
    pub end: u128,
}

/// Returns the hash ranges of a stream with `count` shards, in the order of the shards. At least one range is returned.
#[must_use]
pub fn ranges(count: u32) -> Vec<HashRange> {
    todo!("{count}")
}

/// Returns the hash key of a partition key: its MD5 as a number.
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    todo!("{partition_key}")
}

/// Returns the shard of a hash key in a stream with `count` shards.
#[must_use]
pub fn shard_of(hash_key: u128, count: u32) -> ShardId {
    todo!("{hash_key} {count}")
}

/// Reads an explicit hash key: a decimal number of 128 bits.
///
/// Returns `None` if the text is another one.
#[must_use]
pub fn explicit_hash_key(text: &str) -> Option<u128> {
    todo!("{text}")
}
