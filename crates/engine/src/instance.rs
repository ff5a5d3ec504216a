//! One instance: its dependencies, its attempts, its retries.
//!
//! The table shows the state of an activity after each event (a dash: the event is refused). `it` is the runner that works
//! on the newest attempt. `docs/state-machine.md` has the full table, and those of the other kinds of instances.
//!
//! |                         | dependency FINISHED | dependency CANCELED | it says FAILED | cancel            | rerun                   |
//! |-------------------------|---------------------|---------------------|----------------|-------------------|-------------------------|
//! | WAITING_ON_DEPENDENCIES | WAITING_FOR_RUNNER  | CASCADE_FAILED      | -              | CANCELED          | -                       |
//! | withheld                | withheld            | -                   | -              | CANCELED          | -                       |
//! | WAITING_FOR_RUNNER      | WAITING_FOR_RUNNER  | -                   | -              | CANCELED          | -                       |
//! | RUNNING                 | RUNNING             | -                   | retry pause    | RUNNING, stopping | -                       |
//! | RUNNING, stopping       | RUNNING, stopping   | -                   | CANCELED       | RUNNING, stopping | -                       |
//! | retry pause             | retry pause         | -                   | retry pause    | CANCELED          | -                       |
//! | FINISHED                | FINISHED            | -                   | -              | -                 | WAITING_FOR_RUNNER      |
//! | FAILED                  | FAILED              | -                   | -              | -                 | WAITING_FOR_RUNNER      |
//! | CASCADE_FAILED          | CASCADE_FAILED      | -                   | -              | -                 | CASCADE_FAILED          |
//! | CANCELED                | CANCELED            | CANCELED            | -              | -                 | WAITING_ON_DEPENDENCIES |
//! | SKIPPED                 | SKIPPED             | -                   | -              | -                 | WAITING_FOR_RUNNER      |
//! | waits for its time      | waits for its time  | CASCADE_FAILED      | -              | CANCELED          | -                       |

use definition::ObjectId;
use definition::schedule::Interval;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::{self, Attempt};
use crate::header::Header;
use crate::ids::InstanceId;
use crate::task_error::{RESOURCE_LOST, TaskError};
use crate::{resource, status, time};

/// One component in one run, and in one interval if it has a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The id of the instance, `@<component>_<scheduled start>`.
    pub id: InstanceId,
    /// The object of the definition that the instance stands for.
    pub component: ObjectId,
    /// The position of the instance in the order of creation.
    pub sequence: usize,
    /// The role of the instance in its run.
    pub role: Role,
    /// The interval: `@scheduledStartTime` and `@scheduledEndTime`. Instances that an older program stored have none; they ran
    /// on demand, at the start of their run.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// The earliest time at which the instance may start; `None` once that time has come.
    #[serde(default)]
    pub release: Option<Timestamp>,
    /// The time at which the instance becomes late, unless it is final by then. This is `lateAfterTimeout` after the time at
    /// which the instance could start.
    #[serde(default)]
    pub late_at: Option<Timestamp>,
    /// Whether a user paused the component. A paused instance does not start.
    #[serde(default)]
    pub is_paused: bool,
    /// Whether the instance is withheld: ready to start, or with a free attempt, but paused.
    #[serde(default, rename = "is_held_back")]
    pub is_withheld: bool,
    /// Of a precondition: its owner, which is the instance that the precondition guards (`node`).
    #[serde(default)]
    pub guards: Option<InstanceId>,
    /// The resource instance that the work runs on: `runsOn`.
    #[serde(default)]
    pub runs_on: Option<InstanceId>,
    /// The status of the instance.
    pub status: Status,
    /// The instances that must be FINISHED first. The list never changes, so a store keeps it apart and writes it once.
    #[serde(skip)]
    pub depends_on: Vec<InstanceId>,
    /// Whether `failureAndRerunMode` is `cascade`.
    pub cascade: bool,
    /// The rerun generation: how often the instance was rerun.
    pub generation: u32,
    /// The time at which the run of the instance began: `@actualStartTime`.
    pub started: Timestamp,
    /// The time at which the instance became final: `@actualEndTime`.
    pub ended: Option<Timestamp>,
    /// The reason of a requested cancellation, until the attempt has ended. A runner learns of the cancellation with its next
    /// report; a machine first shuts down.
    pub canceling: Option<String>,
    /// The attempts, oldest first. A store keeps them in rows of their own.
    #[serde(skip)]
    pub attempts: Vec<Attempt>,
}

/// The role of an instance in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Work for a task runner.
    Activity,
    /// Data, which is FINISHED as soon as its dependencies are.
    DataNode,
    /// A condition that is checked again and again until it holds.
    Precondition,
    /// A machine or cluster that other instances run on.
    Resource,
}

/// The status of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The instance waits: for a dependency, its time, its resource, or the end of a pause.
    WaitingOnDependencies,
    /// The newest attempt is under way; the status of the attempt says how far it is.
    Trying,
    /// The newest attempt failed, and another follows after a pause.
    RetryPause {
        /// The time at which the next attempt is made.
        until: Timestamp,
    },
    /// The instance is over. It changes again only if a user reruns it, or, for a resource, if another instance needs it.
    ///
    /// A store keeps the ending without the word `Final` around it, as older programs wrote this status.
    #[serde(untagged)]
    Final(Ending),
}

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The work of the instance is done, or a user marked the instance as finished.
    Finished,
    /// The last attempt failed, and no retry follows.
    Failed,
    /// The instance is a resource that ran longer than its `terminateAfter`.
    TimedOut,
    /// An instance on which this instance depends ended badly.
    CascadeFailed {
        /// The chain of causes, from the first failure to the direct cause.
        on: Vec<InstanceId>,
    },
    /// A user, a deactivation or the engine stopped the instance.
    Canceled {
        /// The reason: `cancellationReason`.
        reason: String,
    },
    /// An activation with a later start passed over the interval of the instance.
    Skipped,
}

impl Ending {
    /// Returns the status as the API shows it.
    #[must_use]
    pub fn wire_status(&self) -> status::Status {
        match self {
            Self::Finished => status::Status::Finished,
            Self::Failed => status::Status::Failed,
            Self::TimedOut => status::Status::TimedOut,
            Self::CascadeFailed { .. } => status::Status::CascadeFailed,
            Self::Canceled { .. } => status::Status::Canceled,
            Self::Skipped => status::Status::Skipped,
        }
    }

    /// Returns whether the instance ended badly. Its consumers fall if their `failureAndRerunMode` is `cascade`.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::CascadeFailed { .. } | Self::Canceled { .. } => true,
            Self::Finished | Self::Skipped => false,
        }
    }
}

impl Instance {
    /// Returns the instance without the parts that a store keeps apart: dependencies and attempts.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            id: self.id.clone(),
            component: self.component.clone(),
            sequence: self.sequence,
            role: self.role,
            interval: self.interval,
            release: self.release,
            late_at: self.late_at,
            is_paused: self.is_paused,
            is_withheld: self.is_withheld,
            guards: self.guards.clone(),
            runs_on: self.runs_on.clone(),
            status: self.status.clone(),
            depends_on: Vec::new(),
            cascade: self.cascade,
            generation: self.generation,
            started: self.started,
            ended: self.ended,
            canceling: self.canceling.clone(),
            attempts: Vec::new(),
        }
    }

    /// Returns the newest attempt: `@headAttempt`.
    #[must_use]
    pub fn newest_attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Returns the interval of the instance in the run of `header`.
    pub(crate) fn interval_in(&self, header: &Header) -> Interval {
        self.interval.unwrap_or(Interval { start: header.scheduled, end: header.scheduled })
    }

    /// Returns whether the newest attempt is free.
    pub(crate) fn has_free_attempt(&self) -> bool {
        self.newest_attempt().is_some_and(Attempt::is_free)
    }

    /// Returns whether the instance is a resource that is up: its machine is RUNNING.
    pub(crate) fn is_up(&self) -> bool {
        let machine =
            self.newest_attempt().filter(|_| self.status == Status::Trying).and_then(Attempt::machine);
        matches!(machine, Some(resource::MachineStatus::Running { .. }))
    }

    /// Returns the status as the API shows it.
    #[must_use]
    pub fn wire_status(&self) -> status::Status {
        match &self.status {
            Status::WaitingOnDependencies => status::Status::WaitingOnDependencies,
            Status::Trying => self
                .newest_attempt()
                .map_or(status::Status::WaitingForRunner, |attempt| attempt.status.wire_status()),
            Status::RetryPause { .. } if self.role == Role::Resource => status::Status::Scheduled,
            // Between two attempts AWS shows WAITING_FOR_RUNNER.
            Status::RetryPause { .. } => status::Status::WaitingForRunner,
            Status::Final(ending) => ending.wire_status(),
        }
    }

    /// Returns how the instance ended; `None` if it is not final.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        match &self.status {
            Status::Final(ending) => Some(ending),
            // A settled attempt is not the end: a retry may follow.
            Status::WaitingOnDependencies | Status::Trying | Status::RetryPause { .. } => None,
        }
    }

    /// Returns whether the instance is over, as [`Status::Final`] says.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.ending().is_some()
    }

    /// Returns whether the instance is FINISHED.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ending() == Some(&Ending::Finished)
    }

    /// Returns whether the instance ended badly, as [`Ending::is_bad`] says.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.ending().is_some_and(Ending::is_bad)
    }

    /// Returns whether the instance can move on without another instance: by its time, its runner, its host, or a user who
    /// resumes it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.status {
            Status::Trying | Status::RetryPause { .. } => true,
            // The user who paused the instance may resume it.
            Status::WaitingOnDependencies => self.release.is_some() || self.is_withheld,
            Status::Final(_) => false,
        }
    }

    /// Returns whether the instance is at work, or a runner may take it.
    ///
    /// Instances that wait for their time, or for a user to resume them, are not active.
    #[must_use]
    pub fn is_active(&self) -> bool {
        match self.status {
            Status::Trying => !self.is_withheld,
            Status::RetryPause { .. } => !self.is_paused,
            Status::WaitingOnDependencies | Status::Final(_) => false,
        }
    }

    /// Returns the number of attempts in the present rerun generation.
    #[must_use]
    pub fn tries(&self) -> u32 {
        let tries = self.attempts.iter().rev().take_while(|attempt| attempt.generation == self.generation);
        u32::try_from(tries.count()).unwrap_or(u32::MAX)
    }

    /// Returns the number of attempts that may still be made in the present rerun generation: `@triesLeft`.
    #[must_use]
    pub fn tries_left(&self) -> u32 {
        let limit = self
            .newest_attempt()
            .map_or(attempt::Limits::default().maximum_retries, |newest| newest.limits.maximum_retries);
        (limit + 1).saturating_sub(self.tries())
    }

    /// Returns the error of the newest attempt.
    #[must_use]
    pub fn error(&self) -> Option<&TaskError> {
        self.newest_attempt()?.status.error()
    }

    /// Returns when the instance has to be woken: for its [`next_move`](Self::next_move), or because it becomes late.
    ///
    /// In a suspended run, an instance that waits for its time is not woken to start.
    #[must_use]
    pub(crate) fn deadline(&self, is_suspended: bool) -> Option<Timestamp> {
        let is_released = self.status != Status::WaitingOnDependencies;
        let next = self.next_move().filter(|_| is_released || !is_suspended);
        // A final instance is never late.
        let late = self.late_at.filter(|_| !self.is_final());
        late.map_or(next, |late| Some(next.map_or(late, |next| next.min(late))))
    }

    /// Returns the time at which the instance changes without any other event: its start, a time limit of its attempt, or the
    /// end of a retry pause.
    #[must_use]
    pub(crate) fn next_move(&self) -> Option<Timestamp> {
        match &self.status {
            Status::Trying => self.newest_attempt().and_then(Attempt::deadline),
            Status::RetryPause { .. } if self.is_paused => None,
            Status::RetryPause { until } => Some(*until),
            Status::WaitingOnDependencies => self.release,
            Status::Final(_) => None,
        }
    }

    /// Makes an instance SKIPPED. The instance was never tried.
    pub(crate) fn skip(&mut self, now: Timestamp) {
        self.status = Status::Final(Ending::Skipped);
        // If a user reruns the instance before its time, it still waits for that time.
        self.release = self.release.filter(|at| *at > now);
        self.ended = Some(now);
    }

    /// Returns the status that follows from the newest attempt.
    #[must_use]
    pub fn after_attempt(&self, now: Timestamp) -> Status {
        let Some(newest) = self.newest_attempt() else { return self.status.clone() };
        match &newest.status {
            attempt::Status::WaitingForRunner { .. }
            | attempt::Status::Running { .. }
            | attempt::Status::NotYet { .. } => Status::Trying,
            attempt::Status::Finished => Status::Final(Ending::Finished),
            attempt::Status::Canceled => self.canceled(),
            attempt::Status::Failed(error) => self.after_failure(newest, error, now),
            attempt::Status::Machine(machine) => match machine {
                resource::MachineStatus::Creating { .. }
                | resource::MachineStatus::Running { .. }
                | resource::MachineStatus::ShuttingDown { .. } => Status::Trying,
                resource::MachineStatus::Finished => Status::Final(Ending::Finished),
                resource::MachineStatus::TimedOut => Status::Final(Ending::TimedOut),
                resource::MachineStatus::Canceled => self.canceled(),
                resource::MachineStatus::Failed(error) => self.after_failure(newest, error, now),
            },
        }
    }

    fn canceled(&self) -> Status {
        Status::Final(Ending::Canceled { reason: self.canceling.clone().unwrap_or_default() })
    }

    fn after_failure(&self, newest: &Attempt, error: &TaskError, now: Timestamp) -> Status {
        let stays_lost = newest.limits.machine.as_ref().is_some_and(|limits| limits.stays_lost);
        let is_lost = error.id.as_deref() == Some(RESOURCE_LOST);
        if !error.is_retryable() || self.tries_left() == 0 || (is_lost && stays_lost) {
            return Status::Final(Ending::Failed);
        }
        let delay = SignedDuration::from_millis(newest.limits.retry_delay_ms);
        Status::RetryPause { until: time::later(now, delay) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_keeps_its_stored_form() {
        let cascade = Ending::CascadeFailed { on: vec![InstanceId::from("@A_2030-01-31T22:00:00")] };
        let forms = [
            (Status::WaitingOnDependencies, r#""WaitingOnDependencies""#),
            (Status::Trying, r#""Trying""#),
            (
                Status::RetryPause { until: Timestamp::UNIX_EPOCH },
                r#"{"RetryPause":{"until":"1970-01-01T00:00:00Z"}}"#,
            ),
            (Status::Final(Ending::Finished), r#""Finished""#),
            (Status::Final(Ending::Failed), r#""Failed""#),
            (Status::Final(Ending::TimedOut), r#""TimedOut""#),
            (Status::Final(cascade), r#"{"CascadeFailed":{"on":["@A_2030-01-31T22:00:00"]}}"#),
            (
                Status::Final(Ending::Canceled { reason: "asked".to_owned() }),
                r#"{"Canceled":{"reason":"asked"}}"#,
            ),
            (Status::Final(Ending::Skipped), r#""Skipped""#),
        ];
        for (status, form) in forms {
            assert_eq!(serde_json::to_string(&status).unwrap(), form);
            assert_eq!(serde_json::from_str::<Status>(form).unwrap(), status);
        }
        assert!(serde_json::from_str::<Status>(r#""Unheard""#).is_err());
    }

    #[test]
    fn an_instance_that_an_older_program_stored_is_read() {
        let stored = r#"{"id":"@A_2030-01-31T22:00:00","component":"A","sequence":3,"role":"Activity",
            "is_paused":true,"is_held_back":true,"status":{"Canceled":{"reason":"asked"}},"cascade":false,
            "generation":1,"started":"2030-01-31T22:00:00Z","ended":null,"canceling":null}"#;
        let instance: Instance = serde_json::from_str(stored).unwrap();
        assert!(instance.is_withheld && instance.is_final() && instance.interval.is_none());
        let again = serde_json::to_string(&instance).unwrap();
        assert!(again.contains(r#""is_held_back":true"#), "{again}");
        assert_eq!(serde_json::from_str::<Instance>(&again).unwrap(), instance);
    }
}
