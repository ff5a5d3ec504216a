//! One attempt at an instance.
//!
//! [`step`] decides what an event makes of the status; [`Attempt::apply`] also keeps the record: runner, times and reported
//! fields. Retries and consumers are decided elsewhere; see [`crate::instance`] and `cascade.rs`.
//!
//! The table shows the state after each event (a dash: the event is refused). `docs/state-machine.md` explains the words.
//!
//! |          | claimed | progress | set FINISHED | set FAILED | set FALSE | runner gone | cancel   | limit passed | woken early |
//! |----------|---------|----------|--------------|------------|-----------|-------------|----------|--------------|-------------|
//! | free     | held    | -        | -            | -          | -         | free        | CANCELED | free         | free        |
//! | held     | -       | RUNNING  | FINISHED     | FAILED     | not yet   | free        | CANCELED | free         | held        |
//! | RUNNING  | -       | RUNNING  | FINISHED     | FAILED     | not yet   | free        | stopping | FAILED       | RUNNING     |
//! | stopping | -       | CANCELED | FINISHED     | CANCELED   | CANCELED  | CANCELED    | stopping | CANCELED     | stopping    |
//! | not yet  | -       | -        | -            | -          | not yet   | not yet     | CANCELED | free         | not yet     |
//! | FINISHED | -       | FINISHED | FINISHED     | -          | -         | FINISHED    | FINISHED | FINISHED     | FINISHED    |
//! | FAILED   | -       | FAILED   | -            | FAILED     | -         | FAILED      | FAILED   | FAILED       | FAILED      |
//! | CANCELED | -       | CANCELED | CANCELED     | CANCELED   | CANCELED  | CANCELED    | CANCELED | CANCELED     | CANCELED    |
//!
//! The table shows the check of a precondition without `preconditionTimeout`. When that time has passed, `set FALSE` gives
//! FAILED, and a free check that no runner takes becomes FAILED too. An attempt that checks no precondition refuses `set FALSE`
//! while it is held or RUNNING.

mod step;

use definition::Field;
use definition::kind::field;
use definition::period::Period;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::TaskOutcome;
use crate::ids::{AttemptId, InstanceId, RunnerId, WorkerGroup};
use crate::task_error::TaskError;
use crate::{resource, status, time};

pub use step::{Event, Illegal, step};

/// One attempt to do the work of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The id of the attempt, `<instance>_Attempt=<n>`.
    pub id: AttemptId,
    /// The instance that the attempt belongs to.
    pub instance: InstanceId,
    /// The number of the attempt, from 1, counted over all reruns.
    pub number: u32,
    /// The rerun generation of the instance when the attempt was made.
    pub generation: u32,
    /// The status of the attempt.
    pub status: Status,
    /// How often the attempt was handed to a runner.
    #[serde(rename = "leases")]
    pub handouts: u32,
    /// The worker group whose runners may take the attempt.
    pub group: WorkerGroup,
    /// The attempt checks a precondition, so its runner may answer FALSE.
    #[serde(default, rename = "is_look")]
    pub is_precondition_check: bool,
    /// The time limits of the attempt and the retries that may follow.
    pub limits: Limits,
    /// The time at which the attempt was made: `@actualStartTime`. AWS shows this time even before a runner takes the attempt.
    pub created: Timestamp,
    /// The time at which the attempt was settled.
    pub ended: Option<Timestamp>,
    /// The runner that took the attempt last.
    pub hostname: Option<RunnerId>,
    /// The fields that the runner or the host reported, in order.
    pub reported: Vec<Field>,
    /// The time at which the runner last reported progress.
    pub reported_at: Option<Timestamp>,
    /// How often the precondition was checked and did not hold: `currentRetryCount`.
    #[serde(default, rename = "looks")]
    pub checks: u32,
    /// The time at which the precondition was last checked and did not hold: `lastRetryTime`.
    #[serde(default, rename = "looked_at")]
    pub checked_at: Option<Timestamp>,
}

/// The status of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// A runner may take the attempt, or has taken it and not acknowledged it yet.
    WaitingForRunner {
        /// Set while the attempt is held: a runner took it and has not acknowledged it yet.
        held: Option<Lease>,
    },
    /// A runner acknowledged the attempt and is at work.
    Running {
        /// The runner.
        runner: RunnerId,
        /// The time until which the runner has to report; after that the attempt counts as stalled.
        silent_until: Timestamp,
        /// The time at which `attemptTimeout` is over. It counts from the acknowledgement, because waiting for a runner is not work.
        over_at: Option<Timestamp>,
        /// Whether the runner's next report is answered with `canceled`.
        cancel_requested: bool,
    },
    /// The precondition does not hold yet.
    NotYet {
        /// The time at which the precondition is checked again.
        until: Timestamp,
    },
    /// An attempt at a resource is a machine, which has statuses of its own.
    Machine(resource::MachineStatus),
    /// The work is done.
    Finished,
    /// The attempt failed, timed out or stalled.
    Failed(TaskError),
    /// The attempt was stopped.
    Canceled,
}

/// The hold of a runner on an attempt that it has not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The runner.
    pub runner: RunnerId,
    /// The time at which the attempt becomes free again.
    pub until: Timestamp,
}

/// The time limits of an attempt, in milliseconds, and the retries after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time from the handout to the first report, which acknowledges the task.
    pub acknowledge_ms: i64,
    /// The longest time between two progress reports: `reportProgressTimeout`.
    pub silence_ms: i64,
    /// The longest time from the acknowledgement to the end: `attemptTimeout`.
    pub whole_ms: Option<i64>,
    /// The pause before the next attempt, or before the next check of a precondition: `retryDelay`.
    pub retry_delay_ms: i64,
    /// The number of attempts that may follow the first: `maximumRetries`.
    pub maximum_retries: u32,
    /// The time at which a precondition that does not hold fails: `preconditionTimeout` after the first attempt of the same
    /// generation was made.
    #[serde(default)]
    pub gives_up_at: Option<Timestamp>,
    /// The limits of the machine, if this is an attempt at a resource.
    #[serde(default)]
    pub machine: Option<resource::Limits>,
}

impl Default for Limits {
    fn default() -> Self {
        let millis = |period: Period| i64::try_from(period.duration().as_millis()).unwrap_or(i64::MAX);
        Self {
            // A runner has to call ReportTaskProgress within 2 minutes, or the task is reassigned (API reference, PollForTask).
            acknowledge_ms: 2 * 60_000,
            silence_ms: millis(field::REPORT_PROGRESS_TIMEOUT.usual()),
            whole_ms: None,
            retry_delay_ms: millis(field::RETRY_DELAY.usual()),
            maximum_retries: field::MAXIMUM_RETRIES.usual(),
            gives_up_at: None,
            machine: None,
        }
    }
}

impl Status {
    /// Returns the status word of the wire.
    #[must_use]
    pub fn wire_status(&self) -> status::Status {
        match self {
            Self::WaitingForRunner { .. } | Self::NotYet { .. } => status::Status::WaitingForRunner,
            Self::Running { .. } => status::Status::Running,
            Self::Machine(machine) => machine.wire_status(),
            Self::Finished => status::Status::Finished,
            Self::Failed(_) => status::Status::Failed,
            Self::Canceled => status::Status::Canceled,
        }
    }

    /// Returns whether the attempt is settled: its status never changes again.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.wire_status().is_final()
    }

    /// Returns when the attempt has to be woken.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::WaitingForRunner { held } => held.as_ref().map(|lease| lease.until),
            Self::Running { silent_until, over_at, .. } => {
                Some(over_at.map_or(*silent_until, |over| over.min(*silent_until)))
            }
            Self::NotYet { until } => Some(*until),
            Self::Machine(machine) => machine.deadline(),
            Self::Finished | Self::Failed(_) | Self::Canceled => None,
        }
    }

    /// Returns the error of a failed attempt.
    #[must_use]
    pub fn error(&self) -> Option<&TaskError> {
        match self {
            Self::Failed(error) | Self::Machine(resource::MachineStatus::Failed(error)) => Some(error),
            Self::WaitingForRunner { .. }
            | Self::Running { .. }
            | Self::NotYet { .. }
            | Self::Machine(_)
            | Self::Finished
            | Self::Canceled => None,
        }
    }
}

impl Attempt {
    /// Returns whether the attempt is free: no runner holds it or works on it, and it is not settled.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.status == Status::WaitingForRunner { held: None }
    }

    /// Returns when the attempt has to be woken.
    ///
    /// A free check of a precondition fails if no runner takes the check in time. The last check becomes free when
    /// `preconditionTimeout` is over, so the deadline of a free check is `acknowledge_ms` later.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let last = self.limits.gives_up_at.filter(|_| self.is_precondition_check && self.is_free());
        let last = last.map(|at| time::later(at, SignedDuration::from_millis(self.limits.acknowledge_ms)));
        self.status.deadline().or(last)
    }

    /// Returns the runner that holds the attempt or works on it.
    #[must_use]
    pub fn runner(&self) -> Option<&RunnerId> {
        match &self.status {
            Status::WaitingForRunner { held } => held.as_ref().map(|lease| &lease.runner),
            Status::Running { runner, .. } => Some(runner),
            Status::NotYet { .. }
            | Status::Machine(_)
            | Status::Finished
            | Status::Failed(_)
            | Status::Canceled => None,
        }
    }

    /// Returns the status of the machine, if this is an attempt at a resource.
    #[must_use]
    pub fn machine(&self) -> Option<&resource::MachineStatus> {
        match &self.status {
            Status::Machine(machine) => Some(machine),
            Status::WaitingForRunner { .. }
            | Status::Running { .. }
            | Status::NotYet { .. }
            | Status::Finished
            | Status::Failed(_)
            | Status::Canceled => None,
        }
    }

    /// Applies `event` to the status and keeps the record. An illegal event changes nothing.
    ///
    /// # Errors
    ///
    /// The same as [`step`].
    pub fn apply(&mut self, event: &Event, now: Timestamp) -> Result<(), Illegal> {
        let status = step(self, event, now)?;
        match event {
            Event::Claimed(runner) => {
                self.handouts += 1;
                self.hostname = Some(runner.clone());
            }
            Event::ProgressReported if !self.status.is_settled() => self.reported_at = Some(now),
            Event::StatusSet(TaskOutcome::False) if self.runner().is_some() => {
                self.checks += 1;
                self.checked_at = Some(now);
            }
            Event::ProgressReported
            | Event::StatusSet(_)
            | Event::Released
            | Event::Machine(_)
            | Event::CancelRequested
            | Event::Woke => {}
        }
        if status.is_settled() && !self.status.is_settled() {
            self.ended = Some(now);
        }
        self.status = status;
        Ok(())
    }

    /// Cancels an attempt whose end no longer matters. Its runner learns of this by the answer to its next report.
    pub(crate) fn abandon(&mut self, now: Timestamp) {
        if !self.status.is_settled() {
            self.status = Status::Canceled;
            self.ended = Some(now);
        }
    }

    /// Keeps the reported `fields`. Each key replaces the values that were reported under it before.
    pub fn report(&mut self, fields: Vec<Field>) {
        self.reported.retain(|old| fields.iter().all(|new| new.key != old.key));
        self.reported.extend(fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_error::{ATTEMPT_TIMEOUT, STALLED};

    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + MINUTE * i32::try_from(minutes).unwrap()
    }

    fn attempt() -> Attempt {
        let instance = InstanceId::from("@a_2030-01-31T22:00:00");
        Attempt {
            id: AttemptId::new(&instance, 1),
            instance,
            number: 1,
            generation: 0,
            status: Status::WaitingForRunner { held: None },
            handouts: 0,
            group: WorkerGroup::from("g"),
            limits: Limits { whole_ms: Some(20 * 60_000), ..Limits::default() },
            created: at(0),
            ended: None,
            hostname: None,
            reported: Vec::new(),
            reported_at: None,
            is_precondition_check: false,
            checks: 0,
            checked_at: None,
        }
    }

    fn after(events: &[(i64, Event)]) -> Attempt {
        let mut attempt = attempt();
        for (minute, event) in events {
            attempt.apply(event, at(*minute)).unwrap();
        }
        attempt
    }

    fn claimed() -> Event {
        Event::Claimed(RunnerId::from("r"))
    }

    #[test]
    fn a_claim_starts_the_acknowledgement_window() {
        assert_eq!(after(&[(0, claimed())]).status.deadline(), Some(at(2)));
        assert!(after(&[(0, claimed()), (2, Event::Woke)]).is_free());
        assert!(!after(&[(0, claimed()), (1, Event::Woke)]).is_free());
    }

    #[test]
    fn an_activity_refuses_false() {
        for events in [vec![(0, claimed())], vec![(0, claimed()), (1, Event::ProgressReported)]] {
            assert_eq!(after(&events).apply(&Event::StatusSet(TaskOutcome::False), at(1)), Err(Illegal));
        }
    }

    #[test]
    fn an_unmet_check_is_counted_and_followed_by_another_until_the_time_is_over() {
        let mut check = attempt();
        check.is_precondition_check = true;
        check.limits.gives_up_at = Some(at(15));
        for (minute, event) in
            [(0, claimed()), (1, Event::StatusSet(TaskOutcome::False)), (10, Event::Woke), (11, Event::Woke)]
        {
            check.apply(&event, at(minute)).unwrap();
        }
        assert!(check.is_free(), "ten minutes of retryDelay are over");
        assert_eq!((check.checks, check.checked_at), (1, Some(at(1))));
        check.apply(&claimed(), at(11)).unwrap();
        check.apply(&Event::StatusSet(TaskOutcome::False), at(11)).unwrap();
        assert_eq!(
            check.status,
            Status::NotYet { until: at(15) },
            "the last check is made when the time is over"
        );
        check.apply(&Event::Woke, at(15)).unwrap();
        check.apply(&claimed(), at(15)).unwrap();
        check.apply(&Event::StatusSet(TaskOutcome::False), at(15)).unwrap();
        assert!(matches!(&check.status, Status::Failed(error) if !error.is_retryable()));
    }

    #[test]
    fn a_held_attempt_is_not_handed_out_twice() {
        assert_eq!(after(&[(0, claimed())]).apply(&claimed(), at(0)), Err(Illegal));
    }

    #[test]
    fn the_first_report_acknowledges() {
        let attempt = after(&[(0, claimed()), (1, Event::ProgressReported)]);
        assert_eq!(attempt.status.wire_status(), status::Status::Running);
        assert_eq!(attempt.status.deadline(), Some(at(16)));
    }

    #[test]
    fn silence_is_a_stall_and_the_attempt_timeout_counts_from_the_acknowledgement() {
        let running = [(0, claimed()), (1, Event::ProgressReported)];
        let id = |attempt: Attempt| match attempt.status {
            Status::Failed(error) => error.id.unwrap_or_default(),
            other => format!("{other:?}"),
        };
        let stalled = after(&[&running[..], &[(16, Event::Woke)]].concat());
        assert_eq!(id(stalled), STALLED);
        let late = after(&[&running[..], &[(12, Event::ProgressReported), (21, Event::Woke)]].concat());
        assert_eq!(id(late), ATTEMPT_TIMEOUT);
    }

    #[test]
    fn a_runner_at_work_learns_of_the_cancellation_by_its_next_report() {
        let events = [(0, claimed()), (1, Event::ProgressReported), (2, Event::CancelRequested)];
        assert_eq!(after(&events).status.wire_status(), status::Status::Running);
        let reported = after(&[&events[..], &[(3, Event::ProgressReported)]].concat());
        assert_eq!(reported.status, Status::Canceled);
    }

    #[test]
    fn a_released_attempt_is_the_same_attempt_under_the_next_lease() {
        let events = [(0, claimed()), (1, Event::ProgressReported), (2, Event::Released), (2, claimed())];
        let attempt = after(&events);
        assert_eq!((attempt.number, attempt.handouts), (1, 2));
    }

    #[test]
    fn a_repeated_end_is_accepted_and_another_is_not() {
        let mut attempt = after(&[(0, claimed()), (1, Event::StatusSet(TaskOutcome::Finished))]);
        assert_eq!(attempt.apply(&Event::StatusSet(TaskOutcome::Finished), at(2)), Ok(()));
        let failed = Event::StatusSet(TaskOutcome::Failed(TaskError::default()));
        assert_eq!(attempt.apply(&failed, at(2)), Err(Illegal));
        assert_eq!(attempt.ended, Some(at(1)));
    }

    #[test]
    fn a_report_replaces_the_fields_of_its_keys() {
        let mut attempt = attempt();
        attempt.report(vec![Field::string("note", "a"), Field::string("rowsLoaded", "1")]);
        attempt.report(vec![Field::string("note", "b"), Field::string("note", "c")]);
        let kept: Vec<_> = attempt.reported.iter().map(|field| field.key.as_str()).collect();
        assert_eq!(kept, ["rowsLoaded", "note", "note"]);
    }

    #[test]
    fn checks_keep_their_stored_names() {
        let stored =
            serde_json::to_value(Attempt { checks: 3, checked_at: Some(at(1)), ..attempt() }).unwrap();
        assert_eq!(stored["is_look"], false);
        assert_eq!((&stored["looks"], &stored["looked_at"]), (&3.into(), &"1970-01-01T00:01:00Z".into()));
        let back: Attempt = serde_json::from_value(stored).unwrap();
        assert_eq!((back.checks, back.checked_at), (3, Some(at(1))));
    }
}
