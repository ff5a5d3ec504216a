//! What the orchestrator needs of the world: stored objects, pipelines, a topic.
//!
//! Three small traits in the orchestrator's words; [`crate::aws`] implements them for the SDK clients.

use std::future::Future;

use definition::Definition;
use jiff::Timestamp;

use crate::report::Notice;

/// An S3 object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub key: String,
    /// Without quotation marks.
    pub etag: String,
    pub modified: Timestamp,
    pub size: u64,
}

/// An S3 object with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub body: Vec<u8>,
    pub etag: String,
}

/// What must hold for a put to take place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing has the key: `If-None-Match: *`.
    Absent,
    /// The object is still this one: `If-Match`.
    Unchanged(String),
}

/// What a conditional put did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It took place; the new ETag.
    Stored(String),
    /// Its condition did not hold.
    Conflict,
}

/// How far down a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Keys without a further `/` after the prefix.
    Level,
    /// Every key.
    All,
}

/// Objects in S3.
pub(crate) trait Storage {
    fn get(&self, bucket: &str, key: &str) -> impl Future<Output = anyhow::Result<Option<Stored>>> + Send;

    fn put(
        &self,
        bucket: &str,
        key: &str,
        body: String,
        condition: Condition,
    ) -> impl Future<Output = anyhow::Result<Put>> + Send;

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        depth: Depth,
    ) -> impl Future<Output = anyhow::Result<Vec<Listed>>> + Send;

    /// Looks one key up in a listing, which unlike a HEAD shows milliseconds.
    fn find(&self, bucket: &str, key: &str) -> impl Future<Output = anyhow::Result<Option<Listed>>> + Send;
}

/// A pipeline that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPipeline {
    pub name: String,
    pub unique_id: String,
    pub tags: Vec<(String, String)>,
}

/// Id and name of a pipeline, as ListPipelines gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PipelineName {
    pub id: String,
    pub name: String,
}

/// What DescribePipelines says about a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub id: String,
    pub name: String,
    /// `@pipelineState`.
    pub state: String,
    pub tags: Vec<(String, String)>,
}

/// An instance of a pipeline and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceStatus {
    pub id: String,
    pub status: String,
    pub needs: Vec<String>,
}

/// A validation error of PutPipelineDefinition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub object: String,
    pub message: String,
}

/// Why a call to the pipeline service came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    /// The service understood and says no; the same call again gets the same answer.
    #[error("{0}")]
    Refused(String),
    /// The pipeline does not exist (any more).
    #[error("{0}")]
    Gone(String),
    /// No answer that settles it; worth another try.
    #[error("the pipeline service gave no usable answer")]
    Unanswered(#[source] anyhow::Error),
}

/// The pipeline service.
pub(crate) trait Pipelines {
    fn names(&self) -> impl Future<Output = Result<Vec<PipelineName>, PipelineError>> + Send;

    /// Describes the pipelines that still exist.
    fn describe(
        &self,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<Description>, PipelineError>> + Send;

    /// Returns whether an instance of the pipeline ended with another status than FINISHED.
    fn has_failures(&self, id: &str) -> impl Future<Output = Result<bool, PipelineError>> + Send;

    /// Returns every instance of the pipeline, with its status.
    fn instances(&self, id: &str) -> impl Future<Output = Result<Vec<InstanceStatus>, PipelineError>> + Send;

    fn create(&self, pipeline: &NewPipeline) -> impl Future<Output = Result<String, PipelineError>> + Send;

    /// Puts the definition; validation errors are an answer, not a failure.
    fn put_definition(
        &self,
        id: &str,
        definition: &Definition,
    ) -> impl Future<Output = Result<Vec<Refusal>, PipelineError>> + Send;

    /// Activates the pipeline; one that has as many runs as it may is active already.
    fn activate(&self, id: &str) -> impl Future<Output = Result<(), PipelineError>> + Send;

    /// Deletes the pipeline; one that is gone is no failure.
    fn delete(&self, id: &str) -> impl Future<Output = Result<(), PipelineError>> + Send;
}

/// Where notices go.
pub(crate) trait Topic {
    fn publish(&self, notice: &Notice) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// All of it: the world as one handler sees it.
pub(crate) trait Edges: Storage + Pipelines + Topic + Send + Sync {}

impl<E: Storage + Pipelines + Topic + Send + Sync> Edges for E {}
