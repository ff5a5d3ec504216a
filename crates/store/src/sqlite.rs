//! The store in one SQLite file.
//!
//! One thread owns the connection, and calls that wait at the same time share one transaction and one flush of the disk
//! (see [`sqlite_writer`]). Reads go through the same thread, so they never see a change that is not durable.
//! Only the owner of the file may read it, since definitions hold secrets.

mod expire;
mod migrate;
mod read;
mod work;
mod write;

use std::fs::{File, TryLockError};
use std::path::Path;

use async_trait::async_trait;
use definition::Definition;
use engine::{AttemptId, Header, InstanceId, Notice, NoticeId, PipelineId, Run, RunId, WorkerGroup};
use jiff::Timestamp;
use rusqlite::Connection;
use sqlite_writer::{Flusher, Undo, Writer};

use crate::rows::RunRows;
use crate::{
    Batch, DefinitionVersion, DeletedPipeline, Expired, ExpiryMarker, Marker, Page, Pipeline, Query, Store,
    StoreError, Waiting,
};

/// A store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    /// The lock that keeps other servers from opening the file.
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens the file at `path`, and creates or migrates the file as needed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer program wrote the file; [`StoreError::Open`], [`StoreError::Log`],
    /// [`StoreError::Sqlite`] and [`StoreError::Commit`] if it cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opening = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(opening)?;
        owner_only(path);
        // `synchronous = NORMAL`: the flusher makes commits durable, so SQLite need not. `wal_autocheckpoint`: a few pages
        // change often, so the log may grow to 8,192 pages before each changed page is copied to its place once.
        // `cache_size`: 32 MiB of pages stay in memory.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; \
                 PRAGMA wal_autocheckpoint = 8192; PRAGMA cache_size = -32768;",
            )
            .map_err(opening)?;
        migrate::bring_up_to_date(&mut connection, path)?;
        let flusher = Flusher::of_log("store-flush", path)
            .map_err(|source| StoreError::Log { path: path.to_owned(), source })?;
        Ok(Self { writer: start(connection, Some(flusher))?, _lock: None })
    }

    /// Opens the file for a server. A server keeps parts of the file in memory, so no other server may open it.
    ///
    /// # Errors
    ///
    /// The errors of [`SqliteStore::open`]; [`StoreError::InUse`] if another server has the file, and
    /// [`StoreError::Lock`] if the lock file cannot be used.
    pub fn open_alone(path: &Path) -> Result<Self, StoreError> {
        // The lock file lies beside the real data file, so servers that open it through different links share one lock.
        // A file that does not exist yet has no links.
        let mut lock_path = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
        lock_path.push(".lock");
        let failed = |source| StoreError::Lock { path: path.to_owned(), source };
        let lock = File::create(Path::new(&lock_path)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Self { _lock: Some(lock), ..Self::open(path)? })
    }

    /// Opens a store in memory, which lives as long as the value.
    ///
    /// # Errors
    ///
    /// The errors of [`SqliteStore::open`].
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self { writer: start(memory()?, None)?, _lock: None })
    }

    /// Opens a store in memory that has no thread of its own. Every call works on its caller's thread, so that a program
    /// with one thread does the same things in the same order every time.
    ///
    /// # Errors
    ///
    /// The errors of [`SqliteStore::open`].
    pub fn in_memory_inline() -> Result<Self, StoreError> {
        Ok(Self { writer: Writer::inline(memory()?), _lock: None })
    }

    /// Allows the store to grow by at most `bytes` more; a larger write fails as on a full disk. `None` lifts the limit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] if the limit cannot be set.
    pub async fn limit_growth(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.run(move |connection| write::limit_growth(connection, bytes)).await
    }

    async fn run<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        work::run(&self.writer, work).await
    }
}

fn start(connection: Connection, flusher: Option<Flusher>) -> Result<Writer, StoreError> {
    Writer::start("store", connection, Undo::Repeat, flusher)
        .map_err(|error| StoreError::Commit(error.to_string()))
}

fn memory() -> Result<Connection, StoreError> {
    let path = Path::new(":memory:");
    let mut connection =
        Connection::open_in_memory().map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    migrate::bring_up_to_date(&mut connection, path)?;
    Ok(connection)
}

#[cfg(unix)]
fn owner_only(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // SQLite gives its log files the mode of the data file. A file system without modes is not a reason to stop.
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        tracing::warn!(path = %path.display(), %error, "the data file may be readable by others");
    }
}

#[cfg(not(unix))]
fn owner_only(_path: &Path) {}

#[async_trait]
impl Store for SqliteStore {
    async fn create_pipeline(&self, new: Pipeline) -> Result<Pipeline, StoreError> {
        self.run(move |connection| write::create_pipeline(connection, &new)).await
    }

    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Pipeline>, StoreError> {
        let id = id.clone();
        self.run(move |connection| read::pipeline(connection, &id)).await
    }

    async fn revision(&self, id: &PipelineId) -> Result<Option<u64>, StoreError> {
        let id = id.clone();
        self.run(move |connection| read::revision(connection, &id)).await
    }

    async fn deleted_pipeline(&self, id: &PipelineId) -> Result<Option<DeletedPipeline>, StoreError> {
        let id = id.clone();
        self.run(move |connection| read::deleted_pipeline(connection, &id)).await
    }

    async fn list_pipelines(
        &self,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<(PipelineId, String)>, StoreError> {
        self.run(move |connection| read::list_pipelines(connection, from.clone(), limit)).await
    }

    async fn delete_pipeline(&self, id: &PipelineId, now: Timestamp) -> Result<bool, StoreError> {
        let id = id.clone();
        self.run(move |connection| write::delete_pipeline(connection, &id, now)).await
    }

    async fn definition(
        &self,
        id: &PipelineId,
        version: DefinitionVersion,
    ) -> Result<Option<Definition>, StoreError> {
        let id = id.clone();
        self.run(move |connection| read::definition(connection, &id, version)).await
    }

    async fn save(&self, batch: Batch) -> Result<(), StoreError> {
        self.run(move |connection| write::save(connection, &batch)).await
    }

    async fn open_runs(&self) -> Result<Vec<(PipelineId, RunId)>, StoreError> {
        self.run(read::open_runs).await
    }

    async fn upcoming(&self) -> Result<Vec<(PipelineId, Timestamp)>, StoreError> {
        self.run(read::upcoming).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<PipelineId>, StoreError> {
        self.run(move |connection| read::overdue(connection, now, limit)).await
    }

    async fn free(
        &self,
        group: &WorkerGroup,
        limit: usize,
    ) -> Result<Vec<(PipelineId, AttemptId)>, StoreError> {
        let group = group.clone();
        self.run(move |connection| read::free(connection, &group, limit)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.run(read::waiting).await
    }

    async fn run_of(
        &self,
        pipeline: &PipelineId,
        instance: &InstanceId,
    ) -> Result<Option<RunId>, StoreError> {
        let (pipeline, instance) = (pipeline.clone(), instance.clone());
        self.run(move |connection| read::run_of(connection, &pipeline, &instance)).await
    }

    async fn runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        let pipeline = pipeline.clone();
        self.run(move |connection| read::runs(connection, &pipeline)).await
    }

    async fn unsettled_runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        let pipeline = pipeline.clone();
        self.run(move |connection| read::unsettled_runs(connection, &pipeline)).await
    }

    async fn load_run(&self, pipeline: &PipelineId, run: &RunId) -> Result<Option<Run>, StoreError> {
        let (pipeline, run) = (pipeline.clone(), run.clone());
        let rows = self.run(move |connection| read::run(connection, &pipeline, &run)).await?;
        rows.map(RunRows::into_run).transpose()
    }

    async fn expire_runs(
        &self,
        ended_before: Timestamp,
        from: Option<ExpiryMarker>,
    ) -> Result<Expired, StoreError> {
        self.run(move |connection| expire::runs(connection, ended_before, from.clone())).await
    }

    async fn clear_expired(&self) -> Result<bool, StoreError> {
        self.run(expire::clear).await
    }

    async fn query(
        &self,
        pipeline: &PipelineId,
        query: Query,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<String>, StoreError> {
        let pipeline = pipeline.clone();
        self.run(move |connection| read::query(connection, &pipeline, &query, from.clone(), limit)).await
    }

    async fn pending_notices(&self) -> Result<Vec<Notice>, StoreError> {
        self.run(read::pending_notices).await
    }

    async fn claim_notice(&self, id: &NoticeId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.run(move |connection| read::has_notice(connection, &id)).await
    }

    async fn notice_done(&self, id: &NoticeId) -> Result<(), StoreError> {
        let id = id.clone();
        self.run(move |connection| write::notice_done(connection, &id)).await
    }

    async fn machine_secret(&self, fresh: &str) -> Result<String, StoreError> {
        let fresh = fresh.to_owned();
        self.run(move |connection| write::machine_secret(connection, &fresh)).await
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn announce(&self, _groups: &[WorkerGroup]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn hear(&self) -> WorkerGroup {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
