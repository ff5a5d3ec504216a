//! One machine or cluster of a resource, from the request for it until it is gone.
//!
//! [`step`] decides what an event makes of the machine. The round (`round/resources.rs`, `round/machines.rs`) decides what
//! follows for the instances that run on it. The driver asks a host to make and end the machine.
//!
//! The table shows the state after each event (a dash: the event is refused).
//!
//! |                         | the host made it        | it is gone | unneeded                | cancel                  | initTimeout or terminateAfter passed |
//! |-------------------------|-------------------------|------------|-------------------------|-------------------------|--------------------------------------|
//! | CREATING                | RUNNING                 | FAILED     | SHUTTING_DOWN, FINISHED | SHUTTING_DOWN, CANCELED | SHUTTING_DOWN, FAILED                |
//! | RUNNING                 | RUNNING                 | FAILED     | SHUTTING_DOWN, FINISHED | SHUTTING_DOWN, CANCELED | SHUTTING_DOWN, TIMEDOUT              |
//! | SHUTTING_DOWN, FINISHED | SHUTTING_DOWN, FINISHED | FINISHED   | SHUTTING_DOWN, FINISHED | SHUTTING_DOWN, FINISHED | SHUTTING_DOWN, FINISHED              |
//! | SHUTTING_DOWN, FAILED   | SHUTTING_DOWN, FAILED   | FAILED     | SHUTTING_DOWN, FAILED   | SHUTTING_DOWN, CANCELED | SHUTTING_DOWN, FAILED                |
//! | SHUTTING_DOWN, TIMEDOUT | SHUTTING_DOWN, TIMEDOUT | TIMEDOUT   | SHUTTING_DOWN, TIMEDOUT | SHUTTING_DOWN, TIMEDOUT | SHUTTING_DOWN, TIMEDOUT              |
//! | SHUTTING_DOWN, CANCELED | SHUTTING_DOWN, CANCELED | CANCELED   | SHUTTING_DOWN, CANCELED | SHUTTING_DOWN, CANCELED | SHUTTING_DOWN, CANCELED              |
//! | FINISHED                | -                       | FINISHED   | FINISHED                | FINISHED                | FINISHED                             |
//! | FAILED                  | -                       | FAILED     | FAILED                  | FAILED                  | FAILED                               |
//! | TIMEDOUT                | -                       | TIMEDOUT   | TIMEDOUT                | TIMEDOUT                | TIMEDOUT                             |
//! | CANCELED                | -                       | CANCELED   | CANCELED                | CANCELED                | CANCELED                             |

use definition::PipelineObject;
use definition::kind::field::{self, FieldError, OnResourceFailure, OnTaskFailure};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::status::Status;
use crate::task_error::{INIT_TIMEOUT, RESOURCE_FAILED, RESOURCE_LOST, TaskError};
use crate::time;

/// The status of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MachineStatus {
    /// The host is making the machine.
    Creating {
        /// The time at which `initTimeout` is over.
        until: Option<Timestamp>,
    },
    /// The machine exists, and its workers take tasks.
    Running {
        /// The time at which `terminateAfter` is over and the machine is ended, even if it is at work.
        until: Option<Timestamp>,
    },
    /// The host is ending the machine.
    ShuttingDown {
        /// The reason, which decides the status once the machine is gone.
        end: ShutdownReason,
    },
    /// The machine is gone, and its work is done.
    Finished,
    /// The machine disappeared, was never made, or was not made in time.
    Failed(TaskError),
    /// The machine is gone, because `terminateAfter` passed.
    TimedOut,
    /// The machine is gone, because it was canceled.
    Canceled,
}

/// The reason why a machine is ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShutdownReason {
    /// No instance needs the machine any more.
    Finished,
    /// The machine was not made in time.
    Failed(TaskError),
    /// `terminateAfter` has passed.
    TimedOut,
    /// A user, a deactivation, or a failed task stopped the machine.
    Canceled,
}

/// An event of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// The host has made the machine.
    Created,
    /// The machine does not exist, because it could not be made, disappeared, or was ended on request.
    Gone {
        /// The reason in the host's words.
        reason: String,
    },
    /// No instance runs on the machine any more, and none will.
    Unneeded,
    /// The machine has to stop.
    CancelRequested,
    /// Time has passed, so the time limits have to be checked.
    Woke,
}

/// The event is refused in this status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal;

/// The time limits of a machine, in milliseconds, and the consequences of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time in which the machine is made: `initTimeout`.
    pub init_ms: Option<i64>,
    /// The longest time for which the machine runs: `terminateAfter`.
    pub terminate_after_ms: Option<i64>,
    /// `actionOnResourceFailure` is `retrynone`: a lost machine is not replaced.
    pub stays_lost: bool,
    /// `actionOnTaskFailure` is `terminate`: the machine ends when work on it has failed.
    pub ends_with_failed_task: bool,
}

impl Limits {
    /// Reads the limits of a resource whose fields are evaluated.
    ///
    /// Periods become milliseconds as if they began at `now`, because months differ in length.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the value of a field cannot be read.
    pub(crate) fn of(object: &PipelineObject, now: Timestamp) -> Result<Self, FieldError> {
        let millis =
            |period: definition::period::Period| period.after(now).as_millisecond() - now.as_millisecond();
        Ok(Self {
            init_ms: field::INIT_TIMEOUT.of(object)?.map(millis),
            terminate_after_ms: field::TERMINATE_AFTER.of(object)?.map(|after| millis(after.0)),
            stays_lost: field::ACTION_ON_RESOURCE_FAILURE.of(object)? == OnResourceFailure::RetryNone,
            ends_with_failed_task: field::ACTION_ON_TASK_FAILURE.of(object)? == OnTaskFailure::Terminate,
        })
    }
}

impl MachineStatus {
    /// Returns the status of a machine that the host is asked to make at `now`.
    #[must_use]
    pub fn new(limits: &Limits, now: Timestamp) -> Self {
        Self::Creating { until: after(now, limits.init_ms) }
    }

    /// Returns the status word of the wire.
    #[must_use]
    pub fn wire_status(&self) -> Status {
        match self {
            Self::Creating { .. } => Status::Creating,
            Self::Running { .. } => Status::Running,
            Self::ShuttingDown { .. } => Status::ShuttingDown,
            Self::Finished => Status::Finished,
            Self::Failed(_) => Status::Failed,
            Self::TimedOut => Status::TimedOut,
            Self::Canceled => Status::Canceled,
        }
    }

    /// Returns when the machine has to be woken.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Creating { until } | Self::Running { until } => *until,
            Self::ShuttingDown { .. }
            | Self::Finished
            | Self::Failed(_)
            | Self::TimedOut
            | Self::Canceled => None,
        }
    }
}

/// Returns the status of a machine after `event`, which arrives at `now`.
///
/// # Errors
///
/// [`Illegal`] if the event is refused.
pub fn step(
    status: &MachineStatus,
    limits: &Limits,
    event: &MachineEvent,
    now: Timestamp,
) -> Result<MachineStatus, Illegal> {
    match status {
        MachineStatus::Creating { until } => Ok(creating(*until, limits, event, now)),
        MachineStatus::Running { until } => Ok(running(*until, event, now)),
        MachineStatus::ShuttingDown { end } => Ok(shutting_down(end, event)),
        MachineStatus::Finished
        | MachineStatus::Failed(_)
        | MachineStatus::TimedOut
        | MachineStatus::Canceled => match event {
            // The machine was made too late. The driver has to end it.
            MachineEvent::Created => Err(Illegal),
            MachineEvent::Gone { .. }
            | MachineEvent::Unneeded
            | MachineEvent::CancelRequested
            | MachineEvent::Woke => Ok(status.clone()),
        },
    }
}

fn creating(
    until: Option<Timestamp>,
    limits: &Limits,
    event: &MachineEvent,
    now: Timestamp,
) -> MachineStatus {
    match event {
        MachineEvent::Created => MachineStatus::Running { until: after(now, limits.terminate_after_ms) },
        MachineEvent::Gone { reason } => MachineStatus::Failed(TaskError::new(
            RESOURCE_FAILED,
            format!("the machine could not be created: {reason}"),
        )),
        MachineEvent::Unneeded => MachineStatus::ShuttingDown { end: ShutdownReason::Finished },
        MachineEvent::CancelRequested => MachineStatus::ShuttingDown { end: ShutdownReason::Canceled },
        MachineEvent::Woke if until.is_some_and(|until| until <= now) => {
            let text = "the machine was not created within its initTimeout";
            MachineStatus::ShuttingDown { end: ShutdownReason::Failed(TaskError::new(INIT_TIMEOUT, text)) }
        }
        MachineEvent::Woke => MachineStatus::Creating { until },
    }
}

fn running(until: Option<Timestamp>, event: &MachineEvent, now: Timestamp) -> MachineStatus {
    match event {
        MachineEvent::Gone { reason } => MachineStatus::Failed(TaskError::new(
            RESOURCE_LOST,
            format!("the machine disappeared while it was in use: {reason}"),
        )),
        MachineEvent::Unneeded => MachineStatus::ShuttingDown { end: ShutdownReason::Finished },
        MachineEvent::CancelRequested => MachineStatus::ShuttingDown { end: ShutdownReason::Canceled },
        MachineEvent::Woke if until.is_some_and(|until| until <= now) => {
            MachineStatus::ShuttingDown { end: ShutdownReason::TimedOut }
        }
        // A host may report the machine twice.
        MachineEvent::Created | MachineEvent::Woke => MachineStatus::Running { until },
    }
}

fn shutting_down(end: &ShutdownReason, event: &MachineEvent) -> MachineStatus {
    match (event, end) {
        (MachineEvent::Gone { .. }, ShutdownReason::Finished) => MachineStatus::Finished,
        (MachineEvent::Gone { .. }, ShutdownReason::Failed(error)) => MachineStatus::Failed(error.clone()),
        (MachineEvent::Gone { .. }, ShutdownReason::TimedOut) => MachineStatus::TimedOut,
        (MachineEvent::Gone { .. }, ShutdownReason::Canceled) => MachineStatus::Canceled,
        // CANCELED replaces FAILED, because a failed resource would be tried again.
        (MachineEvent::CancelRequested, ShutdownReason::Failed(_)) => {
            MachineStatus::ShuttingDown { end: ShutdownReason::Canceled }
        }
        (
            // `Created` is legal: the host may finish making the machine before the request to end it arrives.
            MachineEvent::Created
            | MachineEvent::Unneeded
            | MachineEvent::CancelRequested
            | MachineEvent::Woke,
            ShutdownReason::Finished
            | ShutdownReason::Failed(_)
            | ShutdownReason::TimedOut
            | ShutdownReason::Canceled,
        ) => MachineStatus::ShuttingDown { end: end.clone() },
    }
}

fn after(now: Timestamp, millis: Option<i64>) -> Option<Timestamp> {
    millis.map(|millis| time::later(now, SignedDuration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn after_events(events: &[(i64, MachineEvent)]) -> MachineStatus {
        let limits =
            Limits { init_ms: Some(10 * 60_000), terminate_after_ms: Some(60 * 60_000), ..Limits::default() };
        let first = MachineStatus::new(&limits, at(0));
        events
            .iter()
            .fold(first, |status, (minute, event)| step(&status, &limits, event, at(*minute)).unwrap())
    }

    fn gone() -> MachineEvent {
        MachineEvent::Gone { reason: "no capacity".to_owned() }
    }

    #[test]
    fn a_machine_is_made_used_ended_and_gone() {
        let made = [(0, MachineEvent::Created)];
        assert_eq!(after_events(&made).wire_status(), Status::Running);
        let unneeded = [(0, MachineEvent::Created), (5, MachineEvent::Unneeded)];
        assert_eq!(after_events(&unneeded).wire_status(), Status::ShuttingDown);
        let ended = [(0, MachineEvent::Created), (5, MachineEvent::Unneeded), (6, gone())];
        assert_eq!(after_events(&ended), MachineStatus::Finished);
    }

    #[test]
    fn a_machine_has_init_timeout_to_be_made() {
        assert_eq!(after_events(&[(9, MachineEvent::Woke)]), MachineStatus::Creating { until: Some(at(10)) });
        let ended = after_events(&[(10, MachineEvent::Woke), (11, gone())]);
        assert!(matches!(ended, MachineStatus::Failed(error) if error.id.as_deref() == Some(INIT_TIMEOUT)));
    }

    #[test]
    fn terminate_after_counts_from_the_creation_of_the_machine() {
        let running = [(7, MachineEvent::Created)];
        assert_eq!(after_events(&running).deadline(), Some(at(67)));
        let ended = after_events(&[(7, MachineEvent::Created), (67, MachineEvent::Woke), (68, gone())]);
        assert_eq!(ended, MachineStatus::TimedOut);
    }

    #[test]
    fn a_machine_that_disappears_has_failed() {
        let id = |status| match status {
            MachineStatus::Failed(TaskError { id, .. }) => id.unwrap_or_default(),
            other => format!("{other:?}"),
        };
        assert_eq!(id(after_events(&[(1, gone())])), RESOURCE_FAILED);
        assert_eq!(id(after_events(&[(1, MachineEvent::Created), (2, gone())])), RESOURCE_LOST);
    }

    #[test]
    fn a_machine_canceled_while_it_shuts_down_is_not_tried_again() {
        let canceled = [(10, MachineEvent::Woke), (11, MachineEvent::CancelRequested), (12, gone())];
        assert_eq!(after_events(&canceled), MachineStatus::Canceled);
        let finished = [(1, MachineEvent::Unneeded), (2, MachineEvent::CancelRequested), (3, gone())];
        assert_eq!(after_events(&finished), MachineStatus::Finished);
    }
}
