//! Who supplies the workers of resources (`runsOn`): what the service needs of a cloud, or of the machine it runs on.
//!
//! A host is asked, never told once: the service asks for what is wanted as long as it is wanted, and for the end of
//! what is not until that is gone. So nothing is lost when either of them stops in between.

use std::collections::HashMap;
use std::fmt;

use anyhow::Result;
use async_trait::async_trait;
use definition::kind::Kind;
use definition::kind::field::FieldError;
use definition::{Field, ObjectId, PipelineObject};
use engine::{AttemptId, Party, PipelineId, WorkerGroup};
use jiff::Timestamp;

/// Supplies workers for resources.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Returns whether it supplies workers for resources of this type.
    fn supplies(&self, kind: Kind) -> bool;

    /// Returns what keeps its workers from `work`, by object and field, as far as the definition tells; nothing where
    /// the work is for others.
    ///
    /// What is hindered is refused before anything starts, and would fail later.
    fn hindrances(&self, work: &Work<'_>) -> Vec<FieldError>;

    /// Returns how many resources it can have at the same time; `None` where it knows no bound.
    ///
    /// What needs more of them at once is refused. A host with a bound makes room for a whole [party](Resource::party)
    /// or for none of it: else two would hold what each waits for.
    fn places(&self) -> Option<usize> {
        None
    }

    /// Sees to it that `resource` has workers that poll its group, and returns how far that is.
    ///
    /// Returns soon, however long the making takes: it is called again whenever something may have changed, and after a
    /// restart of the service, when what is RUNNING must be known again by its id, or be made good. What went by itself
    /// is [`Standing::Gone`] from then on, until it is terminated.
    ///
    /// # Errors
    ///
    /// When it cannot tell now: it is asked again.
    async fn create(&self, resource: &Resource) -> Result<Standing>;

    /// Ends what was made for `id`, and returns whether it is gone: if not, it is asked again. An id that it knows
    /// nothing of is gone.
    ///
    /// # Errors
    ///
    /// When it cannot tell now: it is asked again.
    async fn terminate(&self, id: &ResourceId) -> Result<bool>;

    /// Returns what it has, whoever asked for it: what nobody wants any more is terminated then.
    ///
    /// # Errors
    ///
    /// When it cannot tell now: it is asked again.
    async fn existing(&self) -> Result<Vec<ResourceId>>;

    /// Waits until something may stand otherwise than was told last. A host that nobody tells waits for a while.
    async fn changed(&self);
}

/// Something that workers are to do: an activity, or a look at a precondition.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The activity or precondition.
    pub object: &'a PipelineObject,
    /// What the precondition guards.
    pub guards: Option<&'a PipelineObject>,
    /// Who is to do it.
    pub by: Workers<'a>,
    /// All objects of the definition, by id. Expressions are evaluated as far as they do not depend on a run; those that
    /// do stand as they were written.
    pub objects: &'a HashMap<ObjectId, PipelineObject>,
}

/// Who does some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers<'a> {
    /// Those of a resource of this type, which the host supplies.
    OfResource(Kind),
    /// Whoever polls this worker group.
    InGroup(&'a str),
}

/// One machine or cluster that the service wants.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its id: the same id, the same machine.
    pub id: ResourceId,
    /// Its type.
    pub kind: Kind,
    /// The group that its workers poll, and nobody else.
    pub worker_group: WorkerGroup,
    /// The resources of its run that have to be there together with it for any of them to be done with.
    pub party: Party,
    /// When it was wanted first: who can make a few only goes by age.
    pub since: Timestamp,
    /// Its fields, evaluated, with what was told of it before (`@resourceId`).
    pub object: PipelineObject,
}

/// Names one machine or cluster among those of all pipelines and tries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The pipeline that it works for.
    pub pipeline: PipelineId,
    /// The attempt at the resource that it is.
    pub attempt: AttemptId,
}

/// How far a host is with a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is being made. The fields become those of its attempt: `@resourceStatus` says to people what it waits for.
    Creating(Vec<Field>),
    /// Its workers poll. The fields become those of its attempt, such as `@resourceId`.
    Running(Vec<Field>),
    /// It is not there and will not be, for the reason given: it could not be made, or it went.
    Gone(String),
}

impl ResourceId {
    /// Returns the id whose text is `text`; `None` if we never made such a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pipeline, attempt) = text.split_once('/')?;
        let attempt = AttemptId::from(attempt);
        attempt.parts()?;
        Some(Self { pipeline: PipelineId::from(pipeline), attempt })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = ResourceId {
            pipeline: PipelineId::from("df-1"),
            attempt: AttemptId::from("@a/b_2030-01-31T22:00:00_Attempt=2"),
        };
        assert_eq!(ResourceId::parse(&id.to_string()), Some(id));
        assert_eq!(ResourceId::parse("df-1/nonsense"), None);
    }
}
