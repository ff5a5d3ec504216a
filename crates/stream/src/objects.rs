//! The names of the objects of a cut.
//!
//! The names follow from the cut alone, so that a cut that is delivered a second time has the same names.

use jiff::Timestamp;

use crate::Stream;
use crate::prefix::Prefix;

/// A place for objects, as a stream file writes it: `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The prefix.
    pub prefix: Prefix,
}

/// The buckets of streams whose files name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Homes {
    /// The drop bucket.
    pub drop: String,
    /// The bucket of the records as they came, such as `downspout-raw`.
    pub raw: String,
}

/// The bucket and the key of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Object {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// Where the records of objects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A cut of the log.
    Cut {
        /// The id of the stream. It differs between streams of the same name.
        stream_id: &'a str,
        /// The number of the cut.
        number: u64,
    },
    /// A raw or quarantine object that is replayed.
    Replay {
        /// The bucket of the object.
        bucket: &'a str,
        /// The key of the object.
        key: &'a str,
    },
}

/// The names of the objects with the records of a cut. An object without records is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The lines.
    pub data: S3Object,
    /// The records as they came, with gzip. `None` if the stream keeps none.
    pub raw: Option<S3Object>,
    /// The refused records, with gzip.
    pub quarantine: S3Object,
}

impl Objects {
    /// Names the objects.
    ///
    /// `version` is the version of the stream, and `oldest` is when the oldest of the records arrived: Firehose takes the
    /// time in prefix and name from it.
    #[must_use]
    pub fn of(stream: &Stream, homes: &Homes, origin: Origin<'_>, version: u32, oldest: Timestamp) -> Self {
        todo!("{stream:?} {homes:?} {origin:?} {version} {oldest}")
    }
}
