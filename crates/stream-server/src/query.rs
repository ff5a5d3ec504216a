//! The requests of users: to show the waiting and the recent records, to deliver now, to list refused records, and to replay.

mod flush;
mod objects;
mod quarantine;
mod replay;
mod tail;

pub(crate) use flush::flush;
pub(crate) use quarantine::list as quarantine;
pub(crate) use replay::replay;
pub(crate) use tail::{Wish, tail};

use jiff::Timestamp;

use crate::log::LogError;

/// The reason why a question cannot be answered, or a wish not be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no such stream.
    #[error("there is no stream `{0}`")]
    NoStream(String),
    /// A text is not a sequence number.
    #[error("`{0}` is not a sequence number of this server")]
    Sequence(String),
    /// The stream has no definition that can be read.
    #[error("{0}")]
    Undefined(String),
    /// The records cannot be delivered now. They stay in the log, and the delivery is tried again.
    #[error("{0}; the records stay in the data file, and the delivery is tried again")]
    NotDelivered(String),
    /// The server stops.
    #[error("the server is stopping")]
    Stopping,
    /// The stream keeps no raw objects.
    #[error(
        "the stream `{0}` keeps no raw objects (`raw` is false), so that only refused records can be replayed"
    )]
    NoRaw(String),
    /// S3 did not answer as it should.
    #[error("{0}")]
    S3(String),
    /// An object cannot be read.
    #[error("line {line} of s3://{bucket}/{key} is unreadable: {reason}")]
    Object {
        /// The bucket of the object.
        bucket: String,
        /// The key of the object.
        key: String,
        /// The line, counted from 1.
        line: u64,
        /// The reason, without content of the line.
        reason: String,
    },
    /// The time span of a replay is empty.
    #[error(
        "nothing is from {from} on and before {to}: give a time that is later than the first as the second"
    )]
    Span {
        /// The first time.
        from: Timestamp,
        /// The time after the last.
        to: Timestamp,
    },
    /// The log failed.
    #[error("the data file of the stream failed")]
    Log(#[from] LogError),
    /// A file of the spool folder cannot be used.
    #[error("the folder of the server's files cannot be used")]
    Spool(#[from] std::io::Error),
}

/// A time span of a replay: from a time on, and before another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}
