//! Durable pipelines, runs and notices.
//!
//! [`Store`] is the trait that the server's driver uses. [`SqliteStore`] keeps the data in one file, [`PostgresStore`] in
//! a schema of a database, and [`Location`] says which of them to open. A batch is on the disk once [`Store::save`] has
//! returned. Deliberately absent: decisions about runs, which `engine` makes, and caches, which the server has.
#![warn(missing_docs)]

mod batch;
mod column;
#[cfg(test)]
mod conformance;
mod error;
mod expiry;
mod location;
mod pipeline;
mod postgres;
mod query;
mod rows;
mod sqlite;

use async_trait::async_trait;
use definition::Definition;
use engine::{AttemptId, Header, InstanceId, Notice, NoticeId, PipelineId, Run, RunId, WorkerGroup};
use jiff::Timestamp;

pub use batch::{Batch, DefinitionVersion};
pub use error::StoreError;
pub use expiry::{Expired, ExpiryMarker};
pub use location::Location;
pub use pipeline::{DeletedPipeline, Pipeline, ScheduleSpan, Tag};
pub use postgres::{PostgresLocation, PostgresStore};
pub use query::{Marker, Page, Query, Selector, Sphere, TextField, TimeField};
pub use sqlite::SqliteStore;

/// The attempts that the runners of a worker group may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The worker group.
    pub group: WorkerGroup,
    /// The number of attempts.
    pub attempts: u64,
    /// The time at which the oldest of these attempts was made.
    pub oldest: Timestamp,
}

/// Keeps pipelines, runs and pending notices.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a new pipeline, or returns the one with the same name and unique id.
    ///
    /// [`StoreError::Nul`] says that a name or id holds U+0000; [`Store::save`] refuses such a text in the same way. Other
    /// texts may hold the character, and a search for an id with it finds nothing.
    async fn create_pipeline(&self, new: Pipeline) -> Result<Pipeline, StoreError>;

    /// Returns the pipeline `id`.
    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Pipeline>, StoreError>;

    /// Returns the revision of the pipeline: the number of saves of any part of it, by any server. `None` if there is no
    /// such pipeline.
    async fn revision(&self, id: &PipelineId) -> Result<Option<u64>, StoreError>;

    /// Returns the pipeline `id` that was deleted, or `None` if no pipeline of this id was.
    async fn deleted_pipeline(&self, id: &PipelineId) -> Result<Option<DeletedPipeline>, StoreError>;

    /// Lists the ids and names of at most `limit` pipelines in the order of their creation, beginning at `from`.
    async fn list_pipelines(
        &self,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<(PipelineId, String)>, StoreError>;

    /// Removes a pipeline with its definitions and runs, and remembers its id; its pending notices stay.
    /// Returns whether the pipeline existed.
    async fn delete_pipeline(&self, id: &PipelineId, now: Timestamp) -> Result<bool, StoreError>;

    /// Returns one of the two definitions of the pipeline; `None` if the pipeline does not have it yet.
    async fn definition(
        &self,
        id: &PipelineId,
        version: DefinitionVersion,
    ) -> Result<Option<Definition>, StoreError>;

    /// Saves the batch: all of it or, on an error, nothing. The batch is durable on return.
    ///
    /// [`StoreError::NoPipeline`] says that the pipeline was deleted. [`StoreError::Conflict`] says that another server has
    /// changed a run since it was loaded, and [`StoreError::PipelineChanged`] that the pipeline no longer has the revision of
    /// [`Batch::since`]: load and step again.
    async fn save(&self, batch: Batch) -> Result<(), StoreError>;

    /// Returns the open runs: those in which an instance can still move or become late.
    async fn open_runs(&self) -> Result<Vec<(PipelineId, RunId)>, StoreError>;

    /// Returns the pipelines that have a next run, with its due time, the earliest first.
    async fn upcoming(&self) -> Result<Vec<(PipelineId, Timestamp)>, StoreError>;

    /// Returns at most `limit` pipelines whose time to be woken is `now` or earlier, the longest overdue first.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<PipelineId>, StoreError>;

    /// Returns at most `limit` attempts that runners of `group` may take, the oldest first.
    async fn free(
        &self,
        group: &WorkerGroup,
        limit: usize,
    ) -> Result<Vec<(PipelineId, AttemptId)>, StoreError>;

    /// Returns the worker groups for which attempts wait, in the order of their names.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Returns the run that holds the instance.
    async fn run_of(&self, pipeline: &PipelineId, instance: &InstanceId)
    -> Result<Option<RunId>, StoreError>;

    /// Returns the headers of a pipeline's runs, oldest first.
    async fn runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError>;

    /// Returns the headers of a pipeline's unsettled runs, oldest first: those that are open or stuck.
    async fn unsettled_runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError>;

    /// Loads a run with all its instances and attempts.
    async fn load_run(&self, pipeline: &PipelineId, run: &RunId) -> Result<Option<Run>, StoreError>;

    /// Expires the runs that ended before `ended_before`, except open runs, stuck runs and the newest ended run of each
    /// pipeline. Reads a few runs, beginning at `from`, and returns where the next call begins. An expired run is gone for
    /// every reader at once; [`Store::clear_expired`] removes its instances and attempts later.
    ///
    /// The first call, without `from`, also forgets pipelines that were deleted before that time.
    async fn expire_runs(
        &self,
        ended_before: Timestamp,
        from: Option<ExpiryMarker>,
    ) -> Result<Expired, StoreError>;

    /// Removes a small part of the instances and attempts of expired runs; returns whether there may be more.
    async fn clear_expired(&self) -> Result<bool, StoreError>;

    /// Returns at most `limit` ids of instances or attempts that match the query, beginning at `from`. The ids of one run
    /// come in the order of their creation, and the order of all ids stays the same from page to page.
    async fn query(
        &self,
        pipeline: &PipelineId,
        query: Query,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<String>, StoreError>;

    /// Returns the notices that no topic has taken yet, oldest first.
    async fn pending_notices(&self) -> Result<Vec<Notice>, StoreError>;

    /// Claims a pending notice for half a minute, in which the caller publishes it; returns whether the claim succeeded. It
    /// fails if another server has claimed the notice, or if the notice is done.
    async fn claim_notice(&self, id: &NoticeId) -> Result<bool, StoreError>;

    /// Forgets a notice that its topic has taken.
    async fn notice_done(&self, id: &NoticeId) -> Result<(), StoreError>;

    /// Returns the secret of this store from which the access keys of machines are derived. The first call keeps `fresh`;
    /// every later call, by any server, returns the same secret.
    async fn machine_secret(&self, fresh: &str) -> Result<String, StoreError>;

    /// Returns whether other servers may have the store open as well.
    fn is_shared(&self) -> bool;

    /// Tells the other servers that these groups have more free attempts than the caller has pollers. A lost message does
    /// no harm: servers with pollers ask [`Store::free`] from time to time.
    async fn announce(&self, groups: &[WorkerGroup]) -> Result<(), StoreError>;

    /// Waits until another server tells of a group, and returns the group.
    async fn hear(&self) -> WorkerGroup;
}
