//! The host: supplies machines for resources (`runsOn`). A host is a cloud, or the computer of the service itself.
//!
//! The service asks the host for a machine again and again as long as a run wants the machine. Afterwards the service
//! asks the host to end the machine, until the machine is gone. So nothing is lost when the service or the host stops
//! in between.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use definition::kind::Kind;
use definition::kind::field::FieldError;
use definition::{Field, ObjectId, PipelineObject};
use engine::{AttemptId, Party, PipelineId, WorkerGroup};
use jiff::Timestamp;
use sigv4::Credentials;

pub use store::Tag;

/// Returns the host of an account. A host lists its machines, and the service ends those that no run of the account wants, so
/// a host must not list the machines of another account.
pub type HostOfAccount = Arc<dyn Fn(&str) -> Arc<dyn Host> + Send + Sync>;

/// Supplies machines for resources, with workers on them.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Returns whether the host supplies machines for resources of this type.
    fn supplies(&self, kind: Kind) -> bool;

    /// Returns why the host's workers cannot do `work`, by object and field, as far as the definition shows. Returns
    /// nothing for work that other workers do.
    ///
    /// The service refuses an activation if any of its work has a hindrance, since that work would fail later.
    fn hindrances(&self, work: &PlannedWork<'_>) -> Vec<FieldError>;

    /// Returns how many places the host has: for how many resources it can have machines at the same time. `None` means
    /// that the host knows no limit.
    ///
    /// The service refuses a run that needs more machines at once. A host with a limit gives places to a whole
    /// [party](Resource::party) or to none of it: otherwise two parties could each wait for the places of the other.
    fn places(&self) -> Option<usize> {
        None
    }

    /// Creates the machine of `resource`, with workers that poll the worker group of `resource`, unless the machine
    /// exists. Returns the machine's state.
    ///
    /// Returns soon, however long the creation takes. The service calls this method again whenever the state may have
    /// changed, and after a restart of the service. After a restart, the host must recognize a RUNNING machine by its
    /// id, or replace it. If the machine ended by itself, the host does not create it again, and this method returns
    /// [`MachineState::Gone`] until the service calls [`terminate`](Self::terminate).
    ///
    /// # Errors
    ///
    /// If the host cannot tell the state now. The service asks again.
    async fn create(&self, resource: &Resource) -> Result<MachineState>;

    /// Ends the machine `id`. Returns whether it is gone; if not, the service asks again. A machine that the host does
    /// not know is gone.
    ///
    /// # Errors
    ///
    /// If the host cannot tell now whether the machine is gone. The service asks again.
    async fn terminate(&self, id: &ResourceId) -> Result<bool>;

    /// Returns all machines of the host. The service then terminates those that no run wants. The service calls this method at
    /// its start and after each change. A machine that has ended may be among them once, so that its run learns of its end even
    /// if the server that watched the machine was lost.
    ///
    /// # Errors
    ///
    /// If the host cannot list its machines now. The service asks again.
    async fn existing(&self) -> Result<Vec<ResourceId>>;

    /// Waits until the state of a machine may have changed. A host that does not notice changes waits for a while
    /// instead.
    async fn changed(&self);
}

/// Work for a worker: an activity, or the check of a precondition.
#[derive(Clone, Copy, Debug)]
pub struct PlannedWork<'a> {
    /// The activity or precondition.
    pub object: &'a PipelineObject,
    /// The object that the precondition guards.
    pub guards: Option<&'a PipelineObject>,
    /// The workers that are to do it.
    pub by: Workers<'a>,
    /// All objects of the definition, by id. Expressions are evaluated as far as they do not depend on a run; the
    /// others are left as they were written.
    pub objects: &'a HashMap<ObjectId, PipelineObject>,
}

/// The workers that are to do some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers<'a> {
    /// The workers of a resource of this type, which the host supplies.
    OfResource(Kind),
    /// The task runners that poll this worker group.
    InGroup(&'a str),
}

/// A machine or cluster that a run wants.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The id of the machine: the same id always means the same machine.
    pub id: ResourceId,
    /// The type of the resource.
    pub kind: Kind,
    /// The worker group that the machine's workers poll. No other task runner polls it.
    pub worker_group: WorkerGroup,
    /// The resources of the same run, including this one, that must all run at once.
    pub party: Party,
    /// The time since when the run wants the machine. A host with few places serves the longest wait first.
    pub since: Timestamp,
    /// The fields of the resource, evaluated, with those that the host reported before (`@resourceId`).
    pub object: PipelineObject,
    /// The tags of the pipeline, for machines that can have tags.
    pub tags: Vec<Tag>,
    /// A key with which the machine's workers may sign. It is good for the work of `worker_group` alone, as long as the run has
    /// the machine.
    pub credentials: Credentials,
}

/// Identifies a machine or cluster among those of all pipelines and attempts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The pipeline that the machine works for.
    pub pipeline: PipelineId,
    /// The attempt at the resource. Each attempt has a machine of its own.
    pub attempt: AttemptId,
}

/// The state of a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum MachineState {
    /// The machine is being created. The fields are added to its attempt: `@resourceStatus` tells people what the
    /// creation waits for.
    Creating(Vec<Field>),
    /// The machine's workers poll. The fields are added to its attempt, such as `@resourceId`.
    Running(Vec<Field>),
    /// The machine could not be created, or it ended. The text is the reason.
    Gone(String),
}

impl ResourceId {
    /// Reads an id from the text that [`Display`](fmt::Display) writes. Returns `None` for any other text.
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
