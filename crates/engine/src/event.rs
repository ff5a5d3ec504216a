//! Events: everything that can happen to a run.

use std::collections::BTreeSet;

use definition::{Field, ObjectId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AttemptId, InstanceId, RunnerId};
use crate::task_error::TaskError;

/// An event that happened to a run, or a command that a user gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The service handed the attempt out to a runner that polled.
    Claimed {
        /// The attempt, which was free.
        attempt: AttemptId,
        /// The runner.
        runner: RunnerId,
    },
    /// A runner reported progress. The first report acknowledges the task.
    ProgressReported {
        /// The attempt of the task.
        attempt: AttemptId,
        /// The number of the handout that the report is about.
        handout: u32,
        /// Fields for the attempt. Each key replaces the values that were reported under it before.
        fields: Vec<Field>,
    },
    /// A runner reported the end of its task.
    StatusSet {
        /// The attempt of the task.
        attempt: AttemptId,
        /// The number of the handout that the report is about.
        handout: u32,
        /// How the task ended.
        outcome: TaskOutcome,
    },
    /// The runner that holds the attempt or works on it is gone, so the same attempt is free again.
    Released {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A user cancels instances.
    CancelRequested {
        /// All instances that one command names. The command happens to all of them, or to none.
        instances: BTreeSet<InstanceId>,
        /// The `cancellationReason` of each canceled instance.
        reason: String,
    },
    /// Every instance that is not final has to stop, because the pipeline is deleted.
    RunCanceled {
        /// The `cancellationReason` of each canceled instance.
        reason: String,
    },
    /// The pipeline is deactivated: instances that wait for their time keep waiting until the next activation.
    Deactivated {
        /// The reason why the instances that have begun are canceled: their `cancellationReason`. Without a reason, these
        /// instances may end by themselves.
        cancel: Option<String>,
    },
    /// The pipeline is activated: instances that waited for the activation go on.
    Activated {
        /// Instances that wait for their time become SKIPPED if their interval begins before this time.
        skip_until: Option<Timestamp>,
    },
    /// A user reruns instances.
    RerunRequested {
        /// The instances.
        instances: BTreeSet<InstanceId>,
        /// The components that are paused now. An ended run gets no event for a pause, so the rerun
        /// carries the pauses.
        paused: BTreeSet<ObjectId>,
    },
    /// A user marks instances as finished.
    MarkedFinished {
        /// The instances.
        instances: BTreeSet<InstanceId>,
    },
    /// The host describes a machine that it is making or has made; the status of the machine does not change.
    ResourceReported {
        /// The attempt at the resource; each attempt is one machine.
        attempt: AttemptId,
        /// Fields for the attempt, such as `@resourceStatus`. Each key replaces the values that were reported under it before.
        fields: Vec<Field>,
    },
    /// The host has made a machine, and its workers take tasks.
    ResourceCreated {
        /// The attempt at the resource; each attempt is one machine.
        attempt: AttemptId,
        /// Fields for the attempt, such as `@resourceId`.
        fields: Vec<Field>,
    },
    /// A machine does not exist, because it could not be made, disappeared, or was ended on request.
    ResourceGone {
        /// The attempt at the resource; each attempt is one machine.
        attempt: AttemptId,
        /// The reason in the host's words.
        reason: String,
    },
    /// A user pauses components: none of their instances starts.
    Paused {
        /// The components.
        components: BTreeSet<ObjectId>,
    },
    /// A user resumes components: withheld instances go on.
    Resumed {
        /// The components.
        components: BTreeSet<ObjectId>,
    },
    /// Time has passed. A wake-up that comes early changes nothing.
    Woke,
}

/// The end of a task, as its runner reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskOutcome {
    /// `FINISHED`.
    Finished,
    /// `FAILED`.
    Failed(TaskError),
    /// `FALSE`: the precondition does not hold yet.
    False,
}
