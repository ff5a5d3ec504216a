//! What can go wrong with a store.

use std::path::PathBuf;

use engine::{PipelineId, RunId};
use sqlite_writer::Failure;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed or deleted the run since it was loaded.
    #[error("run {run} of pipeline {pipeline} was changed by somebody else")]
    Conflict {
        /// The pipeline.
        pipeline: PipelineId,
        /// The run.
        run: RunId,
    },
    /// Somebody else saved something of the pipeline since it was loaded.
    #[error("pipeline {0} was changed by somebody else")]
    Raced(PipelineId),
    /// The pipeline was deleted meanwhile.
    #[error("there is no pipeline {0}")]
    NoPipeline(PipelineId),
    /// What is kept is from a newer program.
    #[error(
        "{place} is of schema version {found}, this program knows versions up to {known}: \
         use the newer program that wrote it"
    )]
    Newer {
        /// The data file, or the schema of a database.
        place: String,
        /// Its version.
        found: i64,
        /// The newest we know.
        known: i64,
    },
    /// The file cannot be opened.
    #[error("opening the data file {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Another server has the file.
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
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file that says who has the data file cannot be made.
    #[error("locking the data file {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database refused.
    #[error("{doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The URL of a database is not understood. Never quotes it: it may hold a password.
    #[error("the URL of the store {0}")]
    Url(String),
    /// PostgreSQL cannot be reached, or refuses us.
    #[error("connecting to the database {at}")]
    Connect {
        /// Host, port and database.
        at: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection to PostgreSQL broke; the next call connects anew.
    #[error("{doing}: the connection to the database {at} was lost")]
    Lost {
        /// What was being done.
        doing: &'static str,
        /// Host, port and database.
        at: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// PostgreSQL refused.
    #[error("{doing}")]
    Postgres {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The database cannot hold our texts.
    #[error(
        "the database {at} is of encoding {encoding}, which cannot hold every text: \
         make one with CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8'"
    )]
    Encoding {
        /// Host, port and database.
        at: String,
        /// Its encoding.
        encoding: String,
    },
    /// A name or id that not every database keeps.
    #[error("the {what} {text:?} holds a NUL character: leave it out")]
    Nul {
        /// Whose.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// The transaction that held the work could not be committed (a full disk, mostly).
    #[error("writing to the data file: {0}")]
    Commit(String),
    /// A row does not read.
    #[error("{what} in the store does not read")]
    Row {
        /// Which row.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The definition of a saved run cannot be resolved any more.
    #[error("the definition of run {run} does not resolve")]
    Plan {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: engine::ExpandError,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Returns whether somebody else changed or deleted meanwhile what was to be changed. Who loads it anew can change
    /// it, or sees that it is gone.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Raced(_) | Self::NoPipeline(_))
    }

    /// Returns what happened with all its causes, as a log tells it.
    #[must_use]
    pub fn chain(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    /// Returns the error as the writer of a data file tells it to other callers.
    pub(crate) fn failure(&self) -> Failure {
        let is_full = matches!(self, Self::Sqlite { source, .. } if is_full(source));
        Failure { message: self.chain(), is_full }
    }

    /// Returns a function that says what was being done.
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { doing, source }
    }

    /// Returns a function that says which row does not read.
    pub(crate) fn row(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Row { what: what.into(), source }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}
