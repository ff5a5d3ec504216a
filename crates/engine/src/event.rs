//! What can happen to a run.

use std::collections::BTreeSet;

use definition::{Field, ObjectId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, InstanceId, RunnerId};
use crate::task_error::TaskError;

/// Something that happened to a run, or was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The attempt was handed to a runner that polled.
    Claimed {
        /// The attempt that was on offer.
        attempt: AttemptId,
        /// Who took it.
        runner: RunnerId,
    },
    /// A runner reported progress; the first report acknowledges the task.
    ProgressReported {
        /// The attempt of the task.
        attempt: AttemptId,
        /// The lease of the task.
        lease: u32,
        /// Fields for the attempt; a key replaces what was reported under it before.
        fields: Vec<Field>,
    },
    /// A runner said how its task ended.
    StatusSet {
        /// The attempt of the task.
        attempt: AttemptId,
        /// The lease of the task.
        lease: u32,
        /// How it ended.
        outcome: TaskOutcome,
    },
    /// The runner that holds the attempt is known to be gone: the same attempt is free again.
    Released {
        /// The attempt that it held.
        attempt: AttemptId,
    },
    /// A user wants the instances stopped.
    CancelRequested {
        /// All that one command names, as in the other commands of users: it is one change.
        instances: BTreeSet<InstanceId>,
        /// Becomes the field `cancellationReason`.
        reason: String,
    },
    /// Everything that is not final is to stop: the pipeline is deleted or deactivated.
    RunCanceled {
        /// Becomes the field `cancellationReason` of each.
        reason: String,
    },
    /// The pipeline is deactivated: nothing's time comes any more until it is activated again.
    Deactivated {
        /// What has begun is to stop: the field `cancellationReason` of each. Without it that may end by itself.
        cancel: Option<String>,
    },
    /// The pipeline is activated, be it again: what waited for that goes on.
    Activated {
        /// What waits for its time and has an interval that begins before this is passed over.
        skip_until: Option<Timestamp>,
    },
    /// A user wants the instances tried again.
    RerunRequested {
        /// The instances.
        instances: BTreeSet<InstanceId>,
        /// The components that are paused now: nobody tells a run that is over.
        paused: BTreeSet<ObjectId>,
    },
    /// A user says that the instances count as done.
    MarkedFinished {
        /// The instances.
        instances: BTreeSet<InstanceId>,
    },
    /// The host says something of a machine that it makes or has, and no more than that.
    ResourceReported {
        /// The attempt of the resource that the machine is.
        attempt: AttemptId,
        /// Fields for it, such as `@resourceStatus`; a key replaces what was reported under it before.
        fields: Vec<Field>,
    },
    /// The host has made a machine: its workers take tasks.
    ResourceCreated {
        /// The attempt of the resource that the machine is.
        attempt: AttemptId,
        /// Fields for it, such as `@resourceId`.
        fields: Vec<Field>,
    },
    /// A machine is not there: it could not be made, it went by itself, or it was ended as asked.
    ResourceGone {
        /// The attempt of the resource that the machine is.
        attempt: AttemptId,
        /// Why, in the host's words.
        reason: String,
    },
    /// Nothing of the components is to start.
    Paused {
        /// The components.
        components: BTreeSet<ObjectId>,
    },
    /// What was held back may go on.
    Resumed {
        /// The components.
        components: BTreeSet<ObjectId>,
    },
    /// Time has passed; a wake-up that comes early changes nothing.
    Woke,
}

/// How a task ended, in its runner's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskOutcome {
    /// `FINISHED`.
    Finished,
    /// `FAILED`.
    Failed(TaskError),
    /// `FALSE`: the precondition does not hold yet.
    False,
}
