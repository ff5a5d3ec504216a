//! The transitions of an attempt: decides its next status when an event arrives.

use jiff::{SignedDuration, Timestamp};

use crate::attempt::{Attempt, Lease, Limits, Status};
use crate::event::TaskOutcome;
use crate::ids::RunnerId;
use crate::task_error::{ATTEMPT_TIMEOUT, PRECONDITION_TIMEOUT, STALLED, TaskError};
use crate::{resource, time};

/// An event that concerns one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The attempt was handed to this runner.
    Claimed(RunnerId),
    /// The runner reported progress.
    ProgressReported,
    /// The runner reported the end of the task.
    StatusSet(TaskOutcome),
    /// The runner is gone.
    Released,
    /// An event that only machines have.
    Machine(resource::MachineEvent),
    /// The attempt has to stop.
    CancelRequested,
    /// The attempt was woken, because time has passed.
    Woke,
}

/// The event is refused in this status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal;

/// Returns the status of `attempt` after `event`, which arrives at `now`.
///
/// # Errors
///
/// [`Illegal`] if the event is refused. Late and repeated reports are ordinary.
pub fn step(attempt: &Attempt, event: &Event, now: Timestamp) -> Result<Status, Illegal> {
    match &attempt.status {
        Status::WaitingForRunner { held } => waiting_for_runner(attempt, held.as_ref(), event, now),
        Status::Running { .. } => running(attempt, event, now),
        Status::NotYet { until } => not_yet(attempt, *until, event, now),
        Status::Machine(machine) => of_machine(attempt, machine, event, now),
        Status::Finished | Status::Failed(_) | Status::Canceled => settled(attempt, event, now),
    }
}

fn waiting_for_runner(
    attempt: &Attempt,
    held: Option<&Lease>,
    event: &Event,
    now: Timestamp,
) -> Result<Status, Illegal> {
    let free = Status::WaitingForRunner { held: None };
    match (event, held) {
        (Event::Claimed(runner), None) => {
            let until = time::later(now, SignedDuration::from_millis(attempt.limits.acknowledge_ms));
            Ok(Status::WaitingForRunner { held: Some(Lease { runner: runner.clone(), until }) })
        }
        (Event::ProgressReported, Some(lease)) => Ok(started(&attempt.limits, &lease.runner, now)),
        // A short task may end before its first report.
        (Event::StatusSet(outcome), Some(_)) => outcome_status(attempt, outcome, now),
        // The runner did not acknowledge in time, so the same attempt is free again.
        (Event::Woke, Some(lease)) if lease.until <= now => Ok(free),
        // No runner took the check before the deadline.
        (Event::Woke, None) if attempt.deadline().is_some_and(|at| at <= now) => Ok(not_in_time()),
        (Event::Woke, Some(_) | None) => Ok(attempt.status.clone()),
        (Event::Released, Some(_) | None) => Ok(free),
        (Event::CancelRequested, Some(_) | None) => Ok(Status::Canceled),
        (Event::Claimed(_), Some(_))
        | (Event::ProgressReported | Event::StatusSet(_), None)
        | (Event::Machine(_), Some(_) | None) => Err(Illegal),
    }
}

fn of_machine(
    attempt: &Attempt,
    machine: &resource::MachineStatus,
    event: &Event,
    now: Timestamp,
) -> Result<Status, Illegal> {
    let limits = attempt.limits.machine.clone().unwrap_or_default();
    let event = match event {
        Event::Machine(event) => event,
        Event::CancelRequested => &resource::MachineEvent::CancelRequested,
        Event::Woke => &resource::MachineEvent::Woke,
        // No runner works on a machine, so the events of runners are refused.
        Event::Claimed(_) | Event::ProgressReported | Event::StatusSet(_) | Event::Released => {
            return Err(Illegal);
        }
    };
    let next = resource::step(machine, &limits, event, now);
    next.map(Status::Machine).map_err(|resource::Illegal| Illegal)
}

fn started(limits: &Limits, runner: &RunnerId, now: Timestamp) -> Status {
    let after = |millis| time::later(now, SignedDuration::from_millis(millis));
    Status::Running {
        runner: runner.clone(),
        silent_until: after(limits.silence_ms),
        over_at: limits.whole_ms.map(after),
        cancel_requested: false,
    }
}

fn outcome_status(attempt: &Attempt, outcome: &TaskOutcome, now: Timestamp) -> Result<Status, Illegal> {
    match outcome {
        TaskOutcome::Finished => Ok(Status::Finished),
        TaskOutcome::Failed(error) => Ok(Status::Failed(error.clone())),
        // Only a precondition may answer FALSE.
        TaskOutcome::False if !attempt.is_precondition_check => Err(Illegal),
        TaskOutcome::False => {
            let until = time::later(now, SignedDuration::from_millis(attempt.limits.retry_delay_ms));
            Ok(check_again(attempt, until, now))
        }
    }
}

/// Waits for the next check of a precondition, if there is still time for one.
fn check_again(attempt: &Attempt, until: Timestamp, now: Timestamp) -> Status {
    match attempt.limits.gives_up_at {
        Some(at) if at <= now => not_in_time(),
        // The last check takes place when `preconditionTimeout` is over, even if `retryDelay` is not over by then.
        Some(at) => Status::NotYet { until: until.min(at) },
        None => Status::NotYet { until },
    }
}

fn not_in_time() -> Status {
    let text = "the precondition did not hold within its preconditionTimeout";
    Status::Failed(TaskError::new(PRECONDITION_TIMEOUT, text))
}

fn not_yet(attempt: &Attempt, until: Timestamp, event: &Event, now: Timestamp) -> Result<Status, Illegal> {
    match event {
        Event::Woke if until <= now => Ok(Status::WaitingForRunner { held: None }),
        // A runner may repeat its FALSE.
        Event::Woke | Event::Released | Event::StatusSet(TaskOutcome::False) => Ok(attempt.status.clone()),
        Event::CancelRequested => Ok(Status::Canceled),
        Event::Claimed(_) | Event::ProgressReported | Event::StatusSet(_) | Event::Machine(_) => Err(Illegal),
    }
}

fn running(attempt: &Attempt, event: &Event, now: Timestamp) -> Result<Status, Illegal> {
    let Status::Running { runner, silent_until, over_at, cancel_requested } = &attempt.status else {
        return Err(Illegal);
    };
    match event {
        // The answer to this report says `canceled`; the runner need not call SetTaskStatus after it.
        Event::ProgressReported if *cancel_requested => Ok(Status::Canceled),
        Event::ProgressReported => Ok(Status::Running {
            runner: runner.clone(),
            silent_until: time::later(now, SignedDuration::from_millis(attempt.limits.silence_ms)),
            over_at: *over_at,
            cancel_requested: false,
        }),
        Event::StatusSet(TaskOutcome::Failed(_) | TaskOutcome::False) if *cancel_requested => {
            Ok(Status::Canceled)
        }
        Event::StatusSet(outcome) => outcome_status(attempt, outcome, now),
        Event::Released if *cancel_requested => Ok(Status::Canceled),
        Event::Released => Ok(Status::WaitingForRunner { held: None }),
        Event::CancelRequested => Ok(Status::Running {
            runner: runner.clone(),
            silent_until: *silent_until,
            over_at: *over_at,
            cancel_requested: true,
        }),
        Event::Woke if attempt.status.deadline().is_none_or(|due| due > now) => Ok(attempt.status.clone()),
        Event::Woke if *cancel_requested => Ok(Status::Canceled),
        Event::Woke if over_at.is_some_and(|over| over <= now) => Ok(Status::Failed(TaskError::new(
            ATTEMPT_TIMEOUT,
            format!("the attempt on task runner `{runner}` did not end within its attemptTimeout"),
        ))),
        Event::Woke => Ok(Status::Failed(TaskError::new(
            STALLED,
            format!("task runner `{runner}` reported no progress within reportProgressTimeout"),
        ))),
        Event::Claimed(_) | Event::Machine(_) => Err(Illegal),
    }
}

fn settled(attempt: &Attempt, event: &Event, now: Timestamp) -> Result<Status, Illegal> {
    let status = &attempt.status;
    match (event, status) {
        // The answer to a late report says `canceled`, so that the runner stops.
        (Event::ProgressReported | Event::Released | Event::CancelRequested | Event::Woke, _) => {
            Ok(status.clone())
        }
        // A runner that was told to stop may still report how it stopped.
        (Event::StatusSet(_), Status::Canceled) => Ok(status.clone()),
        (Event::StatusSet(outcome), Status::Finished | Status::Failed(_)) => {
            match outcome_status(attempt, outcome, now) {
                Ok(repeated) if repeated == *status => Ok(repeated),
                Ok(_) | Err(Illegal) => Err(Illegal),
            }
        }
        (
            Event::StatusSet(_),
            Status::WaitingForRunner { .. }
            | Status::Running { .. }
            | Status::NotYet { .. }
            | Status::Machine(_),
        )
        | (Event::Claimed(_) | Event::Machine(_), _) => Err(Illegal),
    }
}
