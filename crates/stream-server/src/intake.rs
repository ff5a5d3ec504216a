//! The parts of the server that every request uses, whatever its protocol: streams, clock, memory for bodies, places in the
//! log.

mod body;
mod budget;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_front::Hosts;
use sha2::{Digest as _, Sha256};
use sigv4::Verifier;
use stream::shard::{self, SequenceNumber, ShardId};

pub(crate) use body::{BodyError, read, unpack};
pub(crate) use budget::Budget;

use crate::config::Now;
use crate::deliver::Dock;
use crate::live::Version;
use crate::streams::Streams;

/// The parts of the server that requests use.
pub(crate) struct Intake {
    pub(crate) streams: Arc<Streams>,
    pub(crate) dock: Arc<Dock>,
    pub(crate) now: Now,
    pub(crate) region: String,
    pub(crate) account_id: String,
    pub(crate) hosts: Hosts,
    pub(crate) kinesis: Verifier,
    pub(crate) firehose: Verifier,
    pub(crate) budget: Budget,
    pub(crate) api_key: ApiKey,
    /// The number of records without a partition key. The shards take these records in turn.
    pub(crate) keyless: Arc<AtomicU64>,
}

/// The API key of the HTTP door, as its digest.
pub(crate) struct ApiKey([u8; 32]);

impl ApiKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Returns whether `given` is the key. Comparing digests takes the same time wherever they differ, so that the time does
    /// not reveal anything about the key.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        <[u8; 32]>::from(Sha256::digest(given)) == self.0
    }
}

/// Returns the shard of a record. Records without a partition key take the shards in turn; `keyless` counts these
/// records.
pub(crate) fn shard_of(keyless: &AtomicU64, version: &Version, key: &str, hash: Option<u128>) -> u32 {
    let shards = version.stream.shards;
    if shards.get() == 1 {
        return 0;
    }
    match hash {
        Some(hash) => shard::shard_of(hash, shards).0,
        None if key.is_empty() => {
            let turn = keyless.fetch_add(1, Ordering::Relaxed) % u64::from(shards.get());
            u32::try_from(turn).unwrap_or_default()
        }
        None => shard::shard_of(shard::hash_key(key), shards).0,
    }
}

/// Returns the sequence number and the id of the shard of each record, as text.
pub(crate) fn texts(places: &[(u64, u32)]) -> impl ExactSizeIterator<Item = (String, String)> {
    places.iter().map(|(number, shard)| {
        let (number, shard) = (*number, ShardId(*shard));
        (SequenceNumber { number, shard }.to_string(), shard.to_string())
    })
}
