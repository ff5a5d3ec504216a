//! Why a definition cannot be run: by its inheritance, its schedules, or its workers.

use definition::ObjectId;
use definition::inherit::InheritError;
use definition::kind::field::FieldError;

use crate::ids::InstanceId;

/// Why a definition cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// An activity has nobody to do it.
    #[error(
        "object `{object}` has no `workerGroup`: name the group of the task runners that do it, or in `runsOn` the \
         resource that does"
    )]
    NoWorkerGroup {
        /// The object.
        object: ObjectId,
    },
    /// An object runs on a schedule and has none.
    #[error(
        "object `{object}` has no `schedule`: refer to a Schedule, or set `scheduleType` to `ondemand` on Default"
    )]
    NoSchedule {
        /// The object.
        object: ObjectId,
    },
    /// A field holds what it must not.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Two instances would be called alike.
    #[error("two instances would have the id `{id}`: give `{object}` another id")]
    SameId {
        /// The component of one of them.
        object: ObjectId,
        /// The id.
        id: InstanceId,
    },
    /// Objects wait for each other in a circle.
    #[error("object `{object}` waits for itself, by `dependsOn`, `input` and `output`")]
    Cycle {
        /// One of them.
        object: ObjectId,
    },
    /// Objects cannot inherit as they say.
    #[error(transparent)]
    Inherit(#[from] InheritError),
}
