//! The engine decides what happens next in a run. It is a state machine without clock, I/O and randomness.
//!
//! [`expand`] makes a [`Run`] from a definition and an activation. [`Run::step`] takes an [`Event`] and returns a [`Step`]: the
//! changes, and the [`Effect`]s that the driver owes after it has saved them. `examples/run_to_the_end.rs` shows both.
//!
//! The engine does not know who polls, how a run is stored, or how a notice is sent. From bottom to top: the states of one
//! attempt, instance, machine and pipeline ([`attempt`], [`instance`], [`resource`], [`pipeline`]), the record of a run
//! (`run.rs`), the values of its fields (`scope.rs`), the handling of events (`round.rs`), and above all of them the making of
//! a run (`expand.rs`) and its pictures for people ([`wire_objects`], `why.rs`).
#![warn(missing_docs)]

mod alarm;
pub mod attempt;
mod cascade;
mod effect;
mod event;
mod expand;
mod expand_error;
mod header;
mod ids;
pub mod instance;
mod instance_index;
mod late;
mod needed_objects;
mod party;
pub mod pipeline;
mod plan;
pub mod resource;
mod roles;
mod round;
mod run;
mod runtime;
mod scope;
mod setup;
mod step;
mod summary;
mod task_error;
pub mod time;
mod timetable;
mod why;
pub mod wire_objects;

pub use attempt::Attempt;
pub use definition::MASK;
use definition::status;
pub use definition::status::{PipelineState, Status, UnknownStatus};
pub use effect::{Effect, Notice};
pub use event::{Event, TaskOutcome};
pub use expand::{Activation, Occasion, expand};
pub use expand_error::ExpandError;
pub use header::{Header, RunEnd, RunOutcome};
pub use ids::{AttemptId, InstanceId, NoticeId, PipelineId, RunId, RunnerId, TaskId, WorkerGroup};
pub use instance::Instance;
pub use party::Party;
pub use plan::Plan;
pub use roles::{WorkerTask, check, worker_tasks};
pub use round::IllegalEvent;
pub use run::Run;
pub use step::Step;
pub use task_error::{
    ATTEMPT_TIMEOUT, BAD_INPUT, INIT_TIMEOUT, INVALID_FIELD, PRECONDITION_TIMEOUT, RESOURCE_FAILED,
    RESOURCE_LOST, STALLED, TaskError,
};
pub use timetable::{Timetable, Upcoming};
pub use why::WHY;
