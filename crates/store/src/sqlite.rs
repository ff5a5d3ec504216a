//! The store in one SQLite file.
//!
//! One thread owns the connection. It takes whatever work has queued up, does it in one
//! transaction and answers after the commit: many writers share one flush of the disk. Each
//! piece of work stands under a savepoint of its own, so that one refusal leaves the others.
//! The file is readable by its owner only, since definitions hold secrets.

mod migrate;
mod read;
mod thread;
mod write;

use std::path::Path;

use async_trait::async_trait;
use definition::Definition;
use engine::{Header, Notice, NoticeId, PipelineId, Run, RunId};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::{Batch, DefinitionVersion, Marker, Page, Pipeline, Query, Store, StoreError};
use thread::Writer;

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file at `path`, made or brought up to date as needed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer program wrote it; [`StoreError::Open`] and
    /// [`StoreError::Sqlite`] if it cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opening = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(opening)?;
        owner_only(path);
        // Acknowledged means on the disk, so FULL; the log makes that one flush per commit.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;",
            )
            .map_err(opening)?;
        migrate::bring_up_to_date(&mut connection, path)?;
        Ok(Self { writer: Writer::start(connection)? })
    }

    /// Opens a store that lives as long as the value.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`].
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let mut connection = Connection::open_in_memory()
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        migrate::bring_up_to_date(&mut connection, path)?;
        Ok(Self { writer: Writer::start(connection)? })
    }
}

#[cfg(unix)]
fn owner_only(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // The log files take their mode from the data file. A file system without modes is no reason to stop.
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        tracing::warn!(path = %path.display(), %error, "the data file may be readable by others");
    }
}

#[cfg(not(unix))]
fn owner_only(_path: &Path) {}

#[async_trait]
impl Store for SqliteStore {
    async fn create_pipeline(&self, new: Pipeline) -> Result<Pipeline, StoreError> {
        self.writer.run(move |connection| write::create_pipeline(connection, new)).await
    }

    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Pipeline>, StoreError> {
        let id = id.clone();
        self.writer.run(move |connection| read::pipeline(connection, &id)).await
    }

    async fn was_deleted(&self, id: &PipelineId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer.run(move |connection| read::was_deleted(connection, &id)).await
    }

    async fn list_pipelines(
        &self,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<(PipelineId, String)>, StoreError> {
        self.writer.run(move |connection| read::list_pipelines(connection, from, limit)).await
    }

    async fn delete_pipeline(&self, id: &PipelineId, now: Timestamp) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer.run(move |connection| write::delete_pipeline(connection, &id, now)).await
    }

    async fn definition(
        &self,
        id: &PipelineId,
        version: DefinitionVersion,
    ) -> Result<Option<Definition>, StoreError> {
        let id = id.clone();
        self.writer.run(move |connection| read::definition(connection, &id, version)).await
    }

    async fn save(&self, batch: Batch) -> Result<(), StoreError> {
        self.writer.run(move |connection| write::save(connection, &batch)).await
    }

    async fn open_runs(&self) -> Result<Vec<(PipelineId, RunId)>, StoreError> {
        self.writer.run(read::open_runs).await
    }

    async fn runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        let pipeline = pipeline.clone();
        self.writer.run(move |connection| read::runs(connection, &pipeline)).await
    }

    async fn load_run(&self, pipeline: &PipelineId, run: &RunId) -> Result<Option<Run>, StoreError> {
        let (pipeline, run) = (pipeline.clone(), run.clone());
        self.writer.run(move |connection| read::run(connection, &pipeline, &run)).await
    }

    async fn query(
        &self,
        pipeline: &PipelineId,
        query: Query,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<String>, StoreError> {
        let pipeline = pipeline.clone();
        self.writer.run(move |connection| read::query(connection, &pipeline, &query, from, limit)).await
    }

    async fn pending_notices(&self) -> Result<Vec<Notice>, StoreError> {
        self.writer.run(read::pending_notices).await
    }

    async fn notice_done(&self, id: &NoticeId) -> Result<(), StoreError> {
        let id = id.clone();
        self.writer.run(move |connection| write::notice_done(connection, &id)).await
    }
}
