//! The reasons why a definition cannot be run.

use definition::ObjectId;
use definition::inherit::InheritError;
use definition::kind::field::FieldError;

use crate::ids::InstanceId;

/// The reason why a definition cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// No worker group and no resource is named for an activity, or for a precondition that task runners check.
    #[error(
        "object `{object}` has no `workerGroup`: name the worker group of the task runners that do the work, or in \
         `runsOn` the resource that the work runs on"
    )]
    NoWorkerGroup {
        /// The object.
        object: ObjectId,
    },
    /// The schedule type of an object needs a schedule, and the object has none.
    #[error(
        "object `{object}` has no `schedule`: refer to a Schedule, or set `scheduleType` to `ondemand` on Default"
    )]
    NoSchedule {
        /// The object.
        object: ObjectId,
    },
    /// A field has a value that is not allowed.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Two instances would have the same id.
    #[error("two instances would have the id `{id}`: give `{object}` another id")]
    SameId {
        /// The component of one of the two instances.
        object: ObjectId,
        /// The id.
        id: InstanceId,
    },
    /// Objects depend on each other in a circle.
    #[error("object `{object}` waits for itself, through `dependsOn`, `input` and `output`")]
    Cycle {
        /// One object of the circle.
        object: ObjectId,
    },
    /// The `parent` fields cannot be resolved.
    #[error(transparent)]
    Inherit(#[from] InheritError),
}
