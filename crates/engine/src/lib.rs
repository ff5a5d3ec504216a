//! What happens next in a run: a state machine without clock, I/O or randomness.
//!
//! [`expand`] makes a [`Run`] of a definition and an activation; [`Run::step`] takes an [`Event`]
//! and returns a [`Step`]: what changed, and the [`Effect`]s that the driver owes once it is saved.
//! Deliberately absent: who polls, how a run is stored, how a notice is sent.
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
