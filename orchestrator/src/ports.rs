//! The ports to the services outside: stored objects, pipelines, and a topic.
//!
//! Three small traits in the words of the orchestrator. `aws.rs` implements them for the SDK's clients.

use std::future::Future;
use std::time::Duration;

use definition::Definition;
use jiff::Timestamp;

use crate::ledger::Facts;

/// The largest number of pages of one listing that are read. A service that never ends a listing must not stop the
/// handler for ever.
pub(crate) const MAX_PAGES: usize = 10_000;

/// The error of a call for which a service has no room at the moment. The service throttles its callers, or an error of its own
/// stopped the call. The same call may be made again.
#[derive(Debug, thiserror::Error)]
#[error("the service is busy")]
pub(crate) struct Busy(#[source] pub anyhow::Error);

/// A page of a listing, with the token of the next page if there is one.
pub(crate) type Page<T> = (Vec<T>, Option<String>);

/// An S3 object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub key: String,
    /// The ETag without quotation marks.
    pub etag: String,
    pub modified: Timestamp,
    pub size: u64,
}

/// An S3 object with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub body: Vec<u8>,
    pub etag: String,
}

/// The condition of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The key has no object: `If-None-Match: *`.
    Absent,
    /// The object has this ETag: `If-Match`.
    Unchanged(String),
}

/// The result of a conditional put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// The object was stored, with this ETag.
    Stored(String),
    /// The condition did not hold.
    Conflict,
}

/// The depth of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Only keys without a further `/` after the prefix.
    Level,
    /// Every key.
    All,
}

/// Objects in S3. Every call may be made again after [`Busy`], also if it was done the first time.
pub(crate) trait Storage: Sync {
    /// Reads an object; returns `None` if the key has none.
    fn get(&self, bucket: &str, key: &str) -> impl Future<Output = anyhow::Result<Option<Stored>>> + Send;

    /// Writes an object if the condition holds.
    fn put(
        &self,
        bucket: &str,
        key: &str,
        body: String,
        condition: Condition,
    ) -> impl Future<Output = anyhow::Result<Put>> + Send;

    /// Lists objects whose key begins with `prefix`, from the page with this token on.
    fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        depth: Depth,
        token: Option<String>,
    ) -> impl Future<Output = anyhow::Result<Page<Listed>>> + Send;

    /// Lists every object whose key begins with `prefix`.
    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        depth: Depth,
    ) -> impl Future<Output = anyhow::Result<Vec<Listed>>> + Send {
        async move {
            let (mut listed, mut token) = (Vec::new(), None);
            for _ in 0..MAX_PAGES {
                let (page, next) = self.list_page(bucket, prefix, depth, token).await?;
                listed.extend(page);
                token = next;
                if token.is_none() {
                    break;
                }
            }
            Ok(listed)
        }
    }

    /// Lists the first `limit` objects whose key begins with `prefix`; those after the key `after`, if it is given.
    fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = anyhow::Result<Vec<Listed>>> + Send;

    /// Deletes an object. If the key has none, the call succeeds.
    fn delete_object(&self, bucket: &str, key: &str) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Finds one key by a listing. A listing gives the time of an object in milliseconds; the answer to a HEAD request
    /// gives only seconds.
    fn find(&self, bucket: &str, key: &str) -> impl Future<Output = anyhow::Result<Option<Listed>>> + Send;
}

/// A pipeline to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPipeline {
    pub name: String,
    pub unique_id: String,
    pub tags: Vec<(String, String)>,
}

/// The id and the name of a pipeline, from ListPipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PipelineName {
    pub id: String,
    pub name: String,
}

/// The description of a pipeline, from DescribePipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub id: String,
    pub name: String,
    /// `@pipelineState`.
    pub state: String,
    pub tags: Vec<(String, String)>,
}

/// An instance of a pipeline, with its status, the ids of the instances that it needs, and the error of its last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceStatus {
    pub id: String,
    pub status: String,
    pub needs: Vec<String>,
    pub error_id: Option<String>,
}

/// A validation error from PutPipelineDefinition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub object: String,
    pub message: String,
}

/// The failure of a call to the pipeline service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    /// The service understood the call and refused it. The same call gets the same answer again.
    #[error("{0}")]
    Refused(String),
    /// The pipeline was deleted, or never existed.
    #[error("{0}")]
    Gone(String),
    /// The service has no room for the call at the moment, and the same call may be made again.
    #[error("the pipeline service is busy")]
    Busy(#[source] anyhow::Error),
    /// The service gave no clear answer, so another try may succeed.
    #[error("the pipeline service gave no usable answer")]
    Unanswered(#[source] anyhow::Error),
}

/// The pipeline service. Every call may be made again after [`PipelineError::Busy`].
pub(crate) trait Pipelines: Sync {
    /// Lists pipelines of the account, from the page with this marker on.
    fn names_page(
        &self,
        marker: Option<String>,
    ) -> impl Future<Output = Result<Page<PipelineName>, PipelineError>> + Send;

    /// Lists every pipeline of the account.
    fn names(&self) -> impl Future<Output = Result<Vec<PipelineName>, PipelineError>> + Send {
        async move {
            let (mut names, mut marker) = (Vec::new(), None);
            for _ in 0..MAX_PAGES {
                let (page, next) = self.names_page(marker).await?;
                names.extend(page);
                marker = next;
                if marker.is_none() {
                    break;
                }
            }
            Ok(names)
        }
    }

    /// Describes those of the pipelines that still exist.
    fn describe(
        &self,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<Description>, PipelineError>> + Send;

    /// Returns whether an instance of the pipeline has a final status other than FINISHED and SKIPPED.
    fn has_failures(&self, id: &str) -> impl Future<Output = Result<bool, PipelineError>> + Send;

    /// Returns every instance of the pipeline, with its status.
    fn instances(&self, id: &str) -> impl Future<Output = Result<Vec<InstanceStatus>, PipelineError>> + Send;

    /// Returns the facts about the pipeline's runs, from its instances.
    fn facts(&self, id: &str) -> impl Future<Output = Result<Facts, PipelineError>> + Send;

    /// Creates a pipeline and returns its id; a pipeline with the same name and unique id is returned as it is.
    fn create(&self, pipeline: &NewPipeline) -> impl Future<Output = Result<String, PipelineError>> + Send;

    /// Puts the definition and returns its validation errors. If there are none, the service has stored the definition.
    fn put_definition(
        &self,
        id: &str,
        definition: &Definition,
    ) -> impl Future<Output = Result<Vec<Refusal>, PipelineError>> + Send;

    /// Activates the pipeline. If the service refuses a second active run, the pipeline is active already, and the call
    /// succeeds.
    fn activate(&self, id: &str) -> impl Future<Output = Result<(), PipelineError>> + Send;

    /// Deletes the pipeline. If the pipeline does not exist, the call succeeds.
    fn delete(&self, id: &str) -> impl Future<Output = Result<(), PipelineError>> + Send;
}

/// A message for the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The id. Two notices with the same cause have the same id.
    pub id: String,
    /// The subject: one line that SNS accepts.
    pub subject: String,
    /// The text, not longer than SNS accepts.
    pub message: String,
    /// The contents of the notice for programs. They are sent as message attributes, by which subscriptions can filter.
    pub about: About,
}

/// The contents of a notice for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// The definition's name.
    pub definition: String,
    pub outcome: Outcome,
    /// The run key of the set's content, if the notice is about a whole set.
    pub run_key: Option<String>,
}

/// The kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A run could not start.
    NotStarted,
    /// The cap of the day put a set off.
    Deferred,
    /// A set waits for files.
    Incomplete,
    /// A definition cannot be used.
    BrokenDefinition,
    /// A key nearly matches a pattern.
    Unmatched,
    /// Several files match a pattern that allows one.
    TooManyFiles,
    /// A definition was removed while sets of it waited.
    RemovedDefinition,
}

impl Outcome {
    /// Returns the word in the message attribute `outcome`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::Deferred => "deferred",
            Self::Incomplete => "incomplete",
            Self::BrokenDefinition => "broken-definition",
            Self::Unmatched => "unmatched",
            Self::TooManyFiles => "too-many-files",
            Self::RemovedDefinition => "removed-definition",
        }
    }
}

/// The topic for notices.
pub(crate) trait Topic {
    /// Publishes a notice, at least once.
    fn publish(&self, notice: &Notice) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// The pauses between two tries of a call.
pub(crate) trait Pauses {
    /// Waits for this time.
    fn pause(&self, length: Duration) -> impl Future<Output = ()> + Send;
}

/// All edges of the orchestrator: storage, pipelines, topic, and pauses.
pub(crate) trait Edges: Storage + Pipelines + Topic + Pauses + Send + Sync {}

impl<E: Storage + Pipelines + Topic + Pauses + Send + Sync> Edges for E {}
