//! Errors of the stores.

use std::path::PathBuf;

use engine::{PipelineId, RunId};
use sqlite_writer::{Failure, is_full};

/// The reason why a store refused a call or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another server or call has changed or deleted the run since it was loaded.
    #[error("run {run} of pipeline {pipeline} was changed since it was loaded")]
    Conflict {
        /// The pipeline.
        pipeline: PipelineId,
        /// The run.
        run: RunId,
    },
    /// Another server or call has saved something of the pipeline since it was loaded.
    #[error("pipeline {0} was changed since it was loaded")]
    PipelineChanged(PipelineId),
    /// The pipeline does not exist; it may have been deleted meanwhile.
    #[error("there is no pipeline {0}")]
    NoPipeline(PipelineId),
    /// A newer program has written the data.
    #[error(
        "{tables} has schema version {found}, but this program knows versions up to {known} only: \
         use the newer program that wrote it"
    )]
    Newer {
        /// The data file, or the schema of a database.
        tables: String,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The data file cannot be opened.
    #[error("opening the data file {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// Another server has the data file open.
    #[error(
        "another server has the data file {path} open: stop it, or keep the pipelines in PostgreSQL, \
         which several servers may share"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The log beside the data file cannot be opened.
    #[error("opening the log of the data file {path}")]
    Log {
        /// The data file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The lock file beside the data file cannot be made or locked.
    #[error("locking the data file {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// SQLite could not carry out the operation.
    #[error("{doing}")]
    Sqlite {
        /// The operation that failed.
        doing: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The URL of the store is not understood. The text goes on after "the URL of the store", and never quotes the URL,
    /// which may hold a password.
    #[error("the URL of the store {0}")]
    Url(String),
    /// PostgreSQL cannot be reached, or refuses the user.
    #[error("connecting to the database {at}")]
    Connect {
        /// Host, port and database.
        at: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection to PostgreSQL broke; the next call makes a new one.
    #[error("{doing}: the connection to the database {at} was lost")]
    Lost {
        /// The operation that failed.
        doing: &'static str,
        /// Host, port and database.
        at: String,
        /// The cause.
        #[source]
        source: tokio_postgres::Error,
    },
    /// PostgreSQL could not carry out the operation.
    #[error("{doing}")]
    Postgres {
        /// The operation that failed.
        doing: &'static str,
        /// The cause.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The encoding of the database cannot hold every text.
    #[error(
        "the database {at} has the encoding {encoding}, which cannot hold every text: \
         make another database with CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8'"
    )]
    Encoding {
        /// Host, port and database.
        at: String,
        /// Its encoding.
        encoding: String,
    },
    /// A name or id holds a character that not every database can keep.
    #[error("the {what} {text:?} holds a NUL character: leave it out")]
    Nul {
        /// The kind of name or id.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// The transaction could not be committed, for example on a full disk. The text says why.
    #[error("writing to the data file: {0}")]
    Commit(String),
    /// A row of the store is damaged, or of an unknown form.
    #[error("{what} in the store cannot be read")]
    Row {
        /// The kind of row.
        what: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The definition of a saved run can no longer be resolved.
    #[error("the definition of run {run} cannot be resolved")]
    Plan {
        /// The run.
        run: RunId,
        /// The cause.
        #[source]
        source: engine::ExpandError,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Returns whether another server or call has changed or deleted the data meanwhile. The caller can load the data again,
    /// and then change them or find that they are gone.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::PipelineChanged(_) | Self::NoPipeline(_))
    }

    /// Returns the error with all its causes, for a log.
    #[must_use]
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    /// Returns the error in the form that the writer of a data file can hand on to all callers of a group.
    pub(crate) fn failure(&self) -> Failure {
        let is_full = matches!(self, Self::Sqlite { source, .. } if is_full(source));
        Failure { message: self.chain(), is_full }
    }

    /// Returns a function that adds the name of the operation to SQLite's error.
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { doing, source }
    }

    /// Returns a function that adds the kind of row to an error of reading or writing JSON.
    pub(crate) fn row(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Row { what: what.into(), source }
    }
}
