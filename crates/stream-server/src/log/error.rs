//! The reason why a log cannot be opened, read or written.

use std::io;
use std::path::PathBuf;

use sqlite_writer::{Failure, is_full};

/// The reason why a log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The data file cannot be opened.
    #[error("the data file {} cannot be opened", path.display())]
    Open {
        /// The data file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: rusqlite::Error,
    },
    /// A file of the log cannot be used.
    #[error("{doing} {} failed", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The work that failed.
        doing: &'static str,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Another server has the log.
    #[error("another server uses the data files in {}", .0.display())]
    InUse(PathBuf),
    /// A newer program wrote the log.
    #[error("the data file {} has version {found}, and this program knows versions up to {known}: use a newer program", path.display())]
    Newer {
        /// The data file.
        path: PathBuf,
        /// The version of the file.
        found: i64,
        /// The greatest known version.
        known: i64,
    },
    /// The file has no tables: its creation was interrupted before the stream accepted anything.
    #[error("the data file {} was never finished", .0.display())]
    Unfinished(PathBuf),
    /// Two files are logs of the same stream.
    #[error("the data files {} and {} belong to the same stream: remove the one that was copied", first.display(), second.display())]
    Twice {
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// The name cannot be that of a stream.
    #[error("the name of the data file {} is not that of a stream", .0.display())]
    Name(PathBuf),
    /// A statement failed.
    #[error("{doing} failed")]
    Sqlite {
        /// The work that failed.
        doing: &'static str,
        /// The reason.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk is full.
    #[error("the disk of the data file is full: free some space")]
    Full,
    /// A change was not committed, or not flushed.
    #[error("{0}")]
    Commit(String),
    /// A row has an unexpected content.
    #[error("the data file is damaged: {0}")]
    Damaged(String),
    /// The log is being closed.
    #[error("the data file is closed")]
    Closed,
}

impl LogError {
    /// Returns the function that makes an error of a failed statement.
    pub(super) fn doing(doing: &'static str) -> impl Fn(rusqlite::Error) -> Self + Copy {
        move |source| if is_full(&source) { Self::Full } else { Self::Sqlite { doing, source } }
    }

    /// Returns this error as the reason for which a job of the writer failed.
    pub(super) fn failure(&self) -> Failure {
        Failure { message: http_front::with_causes(self), is_full: matches!(self, Self::Full) }
    }

    /// Returns the error of a group of jobs that was not committed.
    pub(super) fn of(failure: &Failure) -> Self {
        if failure.is_full { Self::Full } else { Self::Commit(failure.message.clone()) }
    }
}

/// The reason why records are not accepted.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum AppendError {
    /// As much waits as the stream may keep.
    #[error(
        "the stream already keeps {waiting_bytes} bytes that are not delivered yet, and its `maxBacklogGB` allows {limit_bytes}: \
         try again later"
    )]
    Backlog {
        /// The bytes that wait.
        waiting_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The disk is full.
    #[error("the disk of the data file is full: free some space and try again")]
    DiskFull,
    /// Nothing can be made durable any more.
    #[error("{0}")]
    Broken(String),
    /// The server is stopping.
    #[error("the server is stopping: try again later")]
    Closed,
}

impl AppendError {
    pub(super) fn of(failure: &Failure) -> Self {
        if failure.is_full { Self::DiskFull } else { Self::Broken(failure.message.clone()) }
    }
}
