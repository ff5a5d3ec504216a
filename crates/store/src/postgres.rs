//! The store in a schema of a PostgreSQL database.
//!
//! Several servers may have the store open. A batch is saved in one transaction. A server that saves a run locks the run's
//! row, and saves only if the row still has the revision that the server knows. Reads never wait for writes. The tables
//! are those of the SQLite store, in a schema of their own.

mod expire;
mod location;
mod messages;
mod migrate;
mod read;
mod session;
mod write;

use async_trait::async_trait;
use definition::Definition;
use engine::{AttemptId, Header, InstanceId, Notice, NoticeId, PipelineId, Run, RunId, WorkerGroup};
use jiff::Timestamp;

use crate::column::{self, check_batch, check_pipeline, is_keepable};
use crate::{
    Batch, DefinitionVersion, DeletedPipeline, Expired, ExpiryMarker, Marker, Page, Pipeline, Query, Store,
    StoreError, Waiting,
};
use messages::Messages;
use session::{Sessions, is_contention};

pub use location::PostgresLocation;

/// The number of tries to create a pipeline. A try fails if another server creates the same pipeline first, and
/// deletes it before this server reads it.
const MOST_CREATIONS: usize = 10;

/// A store in a schema of a PostgreSQL database.
pub struct PostgresStore {
    sessions: Sessions,
    messages: Messages,
}

impl PostgresStore {
    /// Connects, and creates or migrates the schema as needed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] if a newer program wrote the schema; [`StoreError::Connect`],
    /// [`StoreError::Encoding`] and [`StoreError::Postgres`] if the database cannot be used.
    pub async fn open(location: &PostgresLocation) -> Result<Self, StoreError> {
        let sessions = Sessions::new(location)?;
        migrate::bring_up_to_date(&sessions, location).await?;
        Ok(Self { sessions, messages: Messages::new(location.clone()) })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn create_pipeline(&self, new: Pipeline) -> Result<Pipeline, StoreError> {
        let doing = "creating a pipeline";
        check_pipeline(&new)?;
        let (creation_key, body) = (write::creation_key(&new), column::write("a pipeline", &new)?);
        // A server that creates the same pipeline at the same time waits here for the first, and then reads it.
        let sql = "INSERT INTO pipelines (id, name, creation_key, body) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (creation_key) DO NOTHING RETURNING seq";
        for _ in 0..MOST_CREATIONS {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&new.id.as_str(), &new.name, &creation_key, &body];
            if !self.sessions.rows(doing, sql, &values).await?.is_empty() {
                return Ok(new);
            }
            if let Some(existing) = read::pipeline_by_key(&self.sessions, &creation_key).await? {
                return Ok(existing);
            }
        }
        Err(StoreError::NoPipeline(new.id))
    }

    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Pipeline>, StoreError> {
        read::pipeline(&self.sessions, id).await
    }

    async fn revision(&self, id: &PipelineId) -> Result<Option<u64>, StoreError> {
        read::revision(&self.sessions, id).await
    }

    async fn deleted_pipeline(&self, id: &PipelineId) -> Result<Option<DeletedPipeline>, StoreError> {
        read::deleted_pipeline(&self.sessions, id).await
    }

    async fn list_pipelines(
        &self,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<(PipelineId, String)>, StoreError> {
        read::list_pipelines(&self.sessions, from, limit).await
    }

    async fn delete_pipeline(&self, id: &PipelineId, now: Timestamp) -> Result<bool, StoreError> {
        if !is_keepable(id.as_str()) {
            return Ok(false);
        }
        match self.sessions.carry_out(&write::delete_pipeline(id, now)).await {
            Ok(()) => Ok(true),
            Err(StoreError::NoPipeline(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn definition(
        &self,
        id: &PipelineId,
        version: DefinitionVersion,
    ) -> Result<Option<Definition>, StoreError> {
        read::definition(&self.sessions, id, version).await
    }

    async fn save(&self, batch: Batch) -> Result<(), StoreError> {
        check_batch(&batch)?;
        let statements = write::save(&batch)?;
        if statements.is_empty() {
            return Ok(());
        }
        self.sessions.carry_out(&statements).await.map_err(|error| match (&error, batch.runs.first()) {
            // At every try another server was changing the same rows. The caller can load and step again, as after any
            // conflict.
            (StoreError::Postgres { source, .. }, Some(run)) if is_contention(source) => {
                let (pipeline, run) = (run.header.pipeline.clone(), run.header.id.clone());
                StoreError::Conflict { pipeline, run }
            }
            _ => error,
        })
    }

    async fn open_runs(&self) -> Result<Vec<(PipelineId, RunId)>, StoreError> {
        read::open_runs(&self.sessions).await
    }

    async fn upcoming(&self) -> Result<Vec<(PipelineId, Timestamp)>, StoreError> {
        read::upcoming(&self.sessions).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<PipelineId>, StoreError> {
        read::overdue(&self.sessions, now, limit).await
    }

    async fn free(
        &self,
        group: &WorkerGroup,
        limit: usize,
    ) -> Result<Vec<(PipelineId, AttemptId)>, StoreError> {
        read::free(&self.sessions, group, limit).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        read::waiting(&self.sessions).await
    }

    async fn run_of(
        &self,
        pipeline: &PipelineId,
        instance: &InstanceId,
    ) -> Result<Option<RunId>, StoreError> {
        read::run_of(&self.sessions, pipeline, instance).await
    }

    async fn runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        read::runs(&self.sessions, pipeline).await
    }

    async fn unsettled_runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        read::unsettled_runs(&self.sessions, pipeline).await
    }

    async fn load_run(&self, pipeline: &PipelineId, run: &RunId) -> Result<Option<Run>, StoreError> {
        read::run(&self.sessions, pipeline, run).await
    }

    async fn expire_runs(
        &self,
        ended_before: Timestamp,
        from: Option<ExpiryMarker>,
    ) -> Result<Expired, StoreError> {
        expire::runs(&self.sessions, ended_before, from).await
    }

    async fn clear_expired(&self) -> Result<bool, StoreError> {
        expire::clear(&self.sessions).await
    }

    async fn query(
        &self,
        pipeline: &PipelineId,
        query: Query,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<String>, StoreError> {
        read::query(&self.sessions, pipeline, &query, from, limit).await
    }

    async fn pending_notices(&self) -> Result<Vec<Notice>, StoreError> {
        read::pending_notices(&self.sessions).await
    }

    async fn claim_notice(&self, id: &NoticeId) -> Result<bool, StoreError> {
        // The time is the database's, since the clocks of servers may differ.
        let sql = "UPDATE notices SET claimed_by = $2, claimed_until = clock_timestamp() + interval '30 seconds' \
                   WHERE id = $1 AND (claimed_by = $2 OR claimed_until IS NULL OR claimed_until < clock_timestamp()) \
                   RETURNING seq";
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&id.as_str(), &self.messages.server()];
        Ok(!self.sessions.rows("claiming a notice", sql, &key).await?.is_empty())
    }

    async fn notice_done(&self, id: &NoticeId) -> Result<(), StoreError> {
        let sql = "DELETE FROM notices WHERE id = $1";
        self.sessions.rows("removing a published notice", sql, &[&id.as_str()]).await.map(|_| ())
    }

    async fn machine_secret(&self, fresh: &str) -> Result<String, StoreError> {
        // The update changes nothing. It makes the statement return the row also if another server was first.
        let sql = "INSERT INTO machine_secret (only_row, secret) VALUES (true, $1) \
                   ON CONFLICT (only_row) DO UPDATE SET secret = machine_secret.secret RETURNING secret";
        let rows = self.sessions.rows("reading the secret of machines", sql, &[&fresh]).await?;
        Ok(rows[0].get(0))
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn announce(&self, groups: &[WorkerGroup]) -> Result<(), StoreError> {
        self.messages.announce(&self.sessions, groups).await
    }

    async fn hear(&self) -> WorkerGroup {
        self.messages.hear().await
    }
}

#[cfg(test)]
mod tests;
