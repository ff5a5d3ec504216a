//! Durable pipelines, runs and notices.
//!
//! [`Store`] is what the driver needs; [`SqliteStore`] keeps it in one file, [`PostgresStore`] in a database,
//! and [`Location`] says which. What `save` has acknowledged is on the disk. Deliberately absent: any decision
//! about runs (that is `engine`), and caching (that is the server).
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
pub use pipeline::{Pipeline, Tag};
pub use postgres::{PostgresLocation, PostgresStore};
pub use query::{Marker, Page, Query, Selector, Sphere, TextField, TimeField};
pub use sqlite::SqliteStore;

/// Keeps pipelines, runs and pending notices.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a new pipeline, or returns the one with the same name and unique id.
    ///
    /// [`StoreError::Nul`] says that a name or id holds U+0000, as it does of [`Store::save`]. Other texts may
    /// hold it; asking for an id that holds it finds nothing.
    async fn create_pipeline(&self, new: Pipeline) -> Result<Pipeline, StoreError>;

    /// Returns the pipeline `id`.
    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Pipeline>, StoreError>;

    /// Returns how often something of the pipeline was saved, by whomever; `None` if there is no such pipeline.
    async fn revision(&self, id: &PipelineId) -> Result<Option<u64>, StoreError>;

    /// Returns whether there was a pipeline `id` once.
    async fn was_deleted(&self, id: &PipelineId) -> Result<bool, StoreError>;

    /// Lists ids and names in order of creation.
    async fn list_pipelines(
        &self,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<(PipelineId, String)>, StoreError>;

    /// Removes a pipeline with its definitions and runs, and remembers its id; its pending notices stay.
    /// Returns whether it was there.
    async fn delete_pipeline(&self, id: &PipelineId, now: Timestamp) -> Result<bool, StoreError>;

    /// Returns a definition of the pipeline.
    async fn definition(
        &self,
        id: &PipelineId,
        version: DefinitionVersion,
    ) -> Result<Option<Definition>, StoreError>;

    /// Saves the batch: all of it or, on an error, nothing. It is durable on return.
    ///
    /// [`StoreError::NoPipeline`] says that the pipeline was deleted. [`StoreError::Conflict`] says that a run was changed
    /// by somebody else since it was loaded, [`StoreError::Raced`] that the pipeline is not what [`Batch::since`] says: load and step again.
    async fn save(&self, batch: Batch) -> Result<(), StoreError>;

    /// Returns the runs in which something moves, or is yet to be late.
    async fn open_runs(&self) -> Result<Vec<(PipelineId, RunId)>, StoreError>;

    /// Returns the pipelines whose next run has a time, and when that is.
    async fn upcoming(&self) -> Result<Vec<(PipelineId, Timestamp)>, StoreError>;

    /// Returns the pipelines that wanted to be woken at `now` or before, the longest overdue first, `limit` at most.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<PipelineId>, StoreError>;

    /// Returns attempts that runners of `group` may take, the oldest first, `limit` at most.
    async fn free(
        &self,
        group: &WorkerGroup,
        limit: usize,
    ) -> Result<Vec<(PipelineId, AttemptId)>, StoreError>;

    /// Returns the run that holds the instance.
    async fn run_of(&self, pipeline: &PipelineId, instance: &InstanceId)
    -> Result<Option<RunId>, StoreError>;

    /// Returns the headers of a pipeline's runs, oldest first.
    async fn runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError>;

    /// Returns the headers of those runs of a pipeline that are not settled, oldest first: something moves in them, or
    /// something waits for ever.
    async fn unsettled_runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError>;

    /// Loads a run whole.
    async fn load_run(&self, pipeline: &PipelineId, run: &RunId) -> Result<Option<Run>, StoreError>;

    /// Lets those runs expire that came to rest before `ended_before`, except for stuck ones and for the newest of each
    /// pipeline to have ended. Looks at a few of them, from `from` on, and says where to go on. What expires is gone for
    /// every reader at once; what it leaves is cleared away by [`Store::clear_expired`].
    async fn expire_runs(
        &self,
        ended_before: Timestamp,
        from: Option<ExpiryMarker>,
    ) -> Result<Expired, StoreError>;

    /// Clears away a small part of what expired runs left; returns whether there may be more.
    async fn clear_expired(&self) -> Result<bool, StoreError>;

    /// Answers a question after instances or attempts with their ids: those of a run in order of creation, and all in
    /// an order that lasts from page to page.
    async fn query(
        &self,
        pipeline: &PipelineId,
        query: Query,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<String>, StoreError>;

    /// Returns the notices that no topic has taken yet, oldest first.
    async fn pending_notices(&self) -> Result<Vec<Notice>, StoreError>;

    /// Claims a pending notice for the time that publishing it takes, half a minute; returns whether it is the
    /// caller's now. It is not if another server has claimed it, or if it is done.
    async fn claim_notice(&self, id: &NoticeId) -> Result<bool, StoreError>;

    /// Forgets a notice that its topic took.
    async fn notice_done(&self, id: &NoticeId) -> Result<(), StoreError>;

    /// Returns whether other servers may have the store open as well.
    fn is_shared(&self) -> bool;

    /// Tells the other servers that there is more work for these groups than pollers of the caller. A word that is lost
    /// does no harm: whoever has pollers asks [`Store::free`] from time to time.
    async fn tell(&self, groups: &[WorkerGroup]) -> Result<(), StoreError>;

    /// Waits for a group that another server told of.
    async fn hear(&self) -> WorkerGroup;
}
