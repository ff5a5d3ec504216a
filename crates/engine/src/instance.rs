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

/// A component compiled for one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Id, `@<component>_<scheduled start>`.
    pub id: InstanceId,
    /// The object of the definition.
    pub component: ObjectId,
    /// Place in the order of creation.
    pub sequence: usize,
    /// Whether it has work to do or only stands for data.
    pub role: Role,
    /// Its interval: `@scheduledStartTime` and `@scheduledEndTime`. What was stored before there were any ran on
    /// demand, at its run's start.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// When it may start at the earliest, until it may.
    #[serde(default)]
    pub release: Option<Timestamp>,
    /// When it is late, unless it is over by then: `lateAfterTimeout` after it was released.
    #[serde(default)]
    pub late_at: Option<Timestamp>,
    /// A user paused its component: nothing of it starts.
    #[serde(default)]
    pub is_paused: bool,
    /// It would have started, or be on offer, were it not paused.
    #[serde(default, rename = "is_held_back")]
    pub is_withheld: bool,
    /// The instance that it is a precondition of: `node`.
    #[serde(default)]
    pub guards: Option<InstanceId>,
    /// The instance of the resource that it is worked on: `runsOn`.
    #[serde(default)]
    pub runs_on: Option<InstanceId>,
    /// Where it stands.
    pub status: Status,
    /// What must be FINISHED first. Never changes, so a store keeps it apart and writes it once.
    #[serde(skip)]
    pub depends_on: Vec<InstanceId>,
    /// `failureAndRerunMode` is `cascade`.
    pub cascade: bool,
    /// How often it was rerun.
    pub generation: u32,
    /// When it became active: `@actualStartTime`.
    pub started: Timestamp,
    /// When it became final: `@actualEndTime`.
    pub ended: Option<Timestamp>,
    /// A cancellation that its runner has still to hear of.
    pub canceling: Option<String>,
    /// Its attempts, oldest first. Kept in rows of their own.
    #[serde(skip)]
    pub attempts: Vec<Attempt>,
}

/// What an instance is to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Work for a runner.
    Activity,
    /// Data: FINISHED as soon as what it depends on is.
    DataNode,
    /// A look at whether something holds, again and again until it does.
    Precondition,
    /// A machine or cluster that others run on.
    Resource,
}

/// Where an instance stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Something that it depends on is not FINISHED.
    WaitingOnDependencies,
    /// The newest attempt tells.
    Trying,
    /// Between two tries.
    RetryPause {
        /// When the next attempt is made.
        until: Timestamp,
    },
    /// Over. Only a command of a user, or an instance that needs this one again, changes it.
    ///
    /// A stored status names the ending itself, without this level.
    #[serde(untagged)]
    Final(Ending),
}

/// How an instance ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Its work is done, or a user marked it as finished.
    Finished,
    /// Its last attempt failed.
    Failed,
    /// A resource ran longer than its `terminateAfter`.
    TimedOut,
    /// An instance that it depends on failed.
    CascadeFailed {
        /// The chain of causes, from the first failure to the direct cause.
        on: Vec<InstanceId>,
    },
    /// A user, a deactivation or the engine stopped it.
    Canceled {
        /// The reason: `cancellationReason`.
        reason: String,
    },
    /// An activation with a later start passed over its interval.
    Skipped,
}

impl Ending {
    /// Returns the status word of the wire.
    #[must_use]
    pub fn word(&self) -> status::Status {
        match self {
            Self::Finished => status::Status::Finished,
            Self::Failed => status::Status::Failed,
            Self::TimedOut => status::Status::TimedOut,
            Self::CascadeFailed { .. } => status::Status::CascadeFailed,
            Self::Canceled { .. } => status::Status::Canceled,
            Self::Skipped => status::Status::Skipped,
        }
    }

    /// Returns whether dependants must not start.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::CascadeFailed { .. } | Self::Canceled { .. } => true,
            Self::Finished | Self::Skipped => false,
        }
    }
}

impl Instance {
    /// Returns the instance without what is kept apart: dependencies and attempts.
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

    /// Returns whether a runner could take the newest attempt, were it on offer.
    pub(crate) fn has_free_attempt(&self) -> bool {
        self.newest_attempt().is_some_and(Attempt::is_free)
    }

    /// Returns whether the instance is a resource whose machine is RUNNING.
    pub(crate) fn is_up(&self) -> bool {
        let machine =
            self.newest_attempt().filter(|_| self.status == Status::Trying).and_then(Attempt::machine);
        matches!(machine, Some(resource::Status::Running { .. }))
    }

    /// Returns the word of the wire.
    #[must_use]
    pub fn word(&self) -> status::Status {
        match &self.status {
            Status::WaitingOnDependencies => status::Status::WaitingOnDependencies,
            Status::Trying => self
                .newest_attempt()
                .map_or(status::Status::WaitingForRunner, |attempt| attempt.status.word()),
            Status::RetryPause { .. } if self.role == Role::Resource => status::Status::Scheduled,
            // Between two tries it waits for a runner, with one try less left.
            Status::RetryPause { .. } => status::Status::WaitingForRunner,
            Status::Final(ending) => ending.word(),
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

    /// Returns whether the instance is over, until a user reruns it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.ending().is_some()
    }

    /// Returns whether the instance is FINISHED.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ending() == Some(&Ending::Finished)
    }

    /// Returns whether the instance ended so that its consumers must not start.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.ending().is_some_and(Ending::is_bad)
    }

    /// Returns whether something will move by itself or by its runner.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.status {
            Status::Trying | Status::RetryPause { .. } => true,
            // Whoever paused it lets it go on.
            Status::WaitingOnDependencies => self.release.is_some() || self.is_withheld,
            Status::Final(_) => false,
        }
    }

    /// Returns whether it is at work, or a runner may take it: not what waits for its time or for somebody to resume it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        match self.status {
            Status::Trying => !self.is_withheld,
            Status::RetryPause { .. } => !self.is_paused,
            Status::WaitingOnDependencies | Status::Final(_) => false,
        }
    }

    /// Returns how many attempts its present generation has had.
    #[must_use]
    pub fn tries(&self) -> u32 {
        let tries = self.attempts.iter().rev().take_while(|attempt| attempt.generation == self.generation);
        u32::try_from(tries.count()).unwrap_or(u32::MAX)
    }

    /// Returns how many attempts may still be made: `@triesLeft`.
    #[must_use]
    pub fn tries_left(&self) -> u32 {
        let limit = self
            .newest_attempt()
            .map_or(attempt::Limits::default().maximum_retries, |head| head.limits.maximum_retries);
        (limit + 1).saturating_sub(self.tries())
    }

    /// Returns the error of the newest attempt.
    #[must_use]
    pub fn error(&self) -> Option<&TaskError> {
        self.newest_attempt()?.status.error()
    }

    /// Returns when a wake-up is due; in a run that is suspended, nothing's time comes.
    #[must_use]
    pub(crate) fn deadline(&self, is_suspended: bool) -> Option<Timestamp> {
        let is_released = self.status != Status::WaitingOnDependencies;
        let next = self.next_move().filter(|_| is_released || !is_suspended);
        // What is over is not late any more.
        let late = self.late_at.filter(|_| !self.is_final());
        late.map_or(next, |late| Some(next.map_or(late, |next| next.min(late))))
    }

    /// Returns when it goes on by itself.
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

    /// Passes an instance over that was not tried yet.
    pub(crate) fn skip(&mut self, now: Timestamp) {
        self.status = Status::Final(Ending::Skipped);
        // What is still to come is waited for if somebody reruns it.
        self.release = self.release.filter(|at| *at > now);
        self.ended = Some(now);
    }

    /// Decides where the instance stands now that its newest attempt may be settled.
    #[must_use]
    pub fn after_attempt(&self, now: Timestamp) -> Status {
        let Some(head) = self.newest_attempt() else { return self.status.clone() };
        match &head.status {
            attempt::Status::WaitingForRunner { .. }
            | attempt::Status::Running { .. }
            | attempt::Status::NotYet { .. } => Status::Trying,
            attempt::Status::Finished => Status::Final(Ending::Finished),
            attempt::Status::Canceled => self.canceled(),
            attempt::Status::Failed(error) => self.after_failure(head, error, now),
            attempt::Status::Machine(machine) => match machine {
                resource::Status::Creating { .. }
                | resource::Status::Running { .. }
                | resource::Status::ShuttingDown { .. } => Status::Trying,
                resource::Status::Finished => Status::Final(Ending::Finished),
                resource::Status::TimedOut => Status::Final(Ending::TimedOut),
                resource::Status::Canceled => self.canceled(),
                resource::Status::Failed(error) => self.after_failure(head, error, now),
            },
        }
    }

    fn canceled(&self) -> Status {
        Status::Final(Ending::Canceled { reason: self.canceling.clone().unwrap_or_default() })
    }

    fn after_failure(&self, head: &Attempt, error: &TaskError, now: Timestamp) -> Status {
        let stays_lost = head.limits.machine.as_ref().is_some_and(|limits| limits.stays_lost);
        let is_lost = error.id.as_deref() == Some(RESOURCE_LOST);
        if !error.is_retryable() || self.tries_left() == 0 || (is_lost && stays_lost) {
            return Status::Final(Ending::Failed);
        }
        let delay = SignedDuration::from_millis(head.limits.retry_delay_ms);
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
