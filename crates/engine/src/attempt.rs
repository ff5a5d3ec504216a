//! One attempt at an instance.
//!
//! [`step`] decides what an event makes of the status; [`Attempt::apply`] also keeps the record
//! (who, when, which fields). Retries and consumers are none of its business: see
//! [`crate::instance`] and [`crate::cascade`].

use definition::Field;
use definition::kind::field;
use definition::period::Period;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::TaskOutcome;
use crate::ids::{AttemptId, InstanceId, RunnerId, WorkerGroup};
use crate::task_error::{ATTEMPT_TIMEOUT, PRECONDITION_TIMEOUT, STALLED, TaskError};
use crate::{resource, status, time};

/// One try at an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Id, `<instance>_Attempt=<n>`.
    pub id: AttemptId,
    /// The instance that it tries.
    pub instance: InstanceId,
    /// From 1, counted over all reruns.
    pub number: u32,
    /// The rerun generation of the instance that it belongs to.
    pub generation: u32,
    /// Where it stands.
    pub status: Status,
    /// How often it was handed out.
    pub leases: u32,
    /// Who may take it.
    pub group: WorkerGroup,
    /// It is one at a precondition, which may be FALSE.
    #[serde(default, rename = "is_look")]
    pub is_precondition_check: bool,
    /// Its time limits and the retries that may follow.
    pub limits: Limits,
    /// When it was made: `@actualStartTime`, as AWS shows it even before a runner takes it.
    pub created: Timestamp,
    /// When it was settled.
    pub ended: Option<Timestamp>,
    /// The runner that took it last.
    pub hostname: Option<RunnerId>,
    /// What the runner reported, in order.
    pub reported: Vec<Field>,
    /// When the runner reported last.
    pub reported_at: Option<Timestamp>,
    /// How often it was looked at in vain, a precondition: `currentRetryCount`.
    #[serde(default, rename = "looks")]
    pub checks: u32,
    /// When it was looked at last: `lastRetryTime`.
    #[serde(default, rename = "looked_at")]
    pub checked_at: Option<Timestamp>,
}

/// Where an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Ready for a runner.
    WaitingForRunner {
        /// Handed to a runner that has not acknowledged yet.
        held: Option<Lease>,
    },
    /// A runner acknowledged and is at work.
    Running {
        /// Who.
        runner: RunnerId,
        /// Without a report until then it counts as stalled.
        silent_until: Timestamp,
        /// `attemptTimeout`, counted from the acknowledgement: waiting in line is no work.
        over_at: Option<Timestamp>,
        /// The runner's next report is answered with `canceled`.
        cancel_requested: bool,
    },
    /// A precondition that does not hold yet.
    NotYet {
        /// When it is looked at again.
        until: Timestamp,
    },
    /// An attempt at a resource is a machine, with a life of its own.
    Machine(resource::Status),
    /// Done.
    Finished,
    /// Failed, timed out or stalled.
    Failed(TaskError),
    /// Stopped.
    Canceled,
}

/// An attempt in the hands of a runner that has not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub runner: RunnerId,
    /// When the attempt is free again.
    pub until: Timestamp,
}

/// The time limits of an attempt, in milliseconds, and the retries after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From the handing out to the first report.
    pub acknowledge_ms: i64,
    /// `reportProgressTimeout`.
    pub silence_ms: i64,
    /// `attemptTimeout`.
    pub whole_ms: Option<i64>,
    /// `retryDelay`.
    pub retry_delay_ms: i64,
    /// `maximumRetries`.
    pub maximum_retries: u32,
    /// Until when a precondition must hold: `preconditionTimeout` after its first attempt.
    #[serde(default)]
    pub gives_up_at: Option<Timestamp>,
    /// Those of a machine, where it is an attempt at a resource.
    #[serde(default)]
    pub machine: Option<resource::Limits>,
}

impl Default for Limits {
    fn default() -> Self {
        let millis = |period: Period| i64::try_from(period.duration().as_millis()).unwrap_or(i64::MAX);
        Self {
            // ReportTaskProgress within 2 minutes, else reassign (API reference, PollForTask).
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
    /// Returns the word of the wire.
    #[must_use]
    pub fn word(&self) -> status::Status {
        match self {
            Self::WaitingForRunner { .. } | Self::NotYet { .. } => status::Status::WaitingForRunner,
            Self::Running { .. } => status::Status::Running,
            Self::Machine(machine) => machine.word(),
            Self::Finished => status::Status::Finished,
            Self::Failed(_) => status::Status::Failed,
            Self::Canceled => status::Status::Canceled,
        }
    }

    /// Returns whether the attempt is over.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.word().is_final()
    }

    /// Returns when a wake-up is due.
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

    /// Returns why it failed.
    #[must_use]
    pub fn error(&self) -> Option<&TaskError> {
        match self {
            Self::Failed(error) | Self::Machine(resource::Status::Failed(error)) => Some(error),
            Self::WaitingForRunner { .. }
            | Self::Running { .. }
            | Self::NotYet { .. }
            | Self::Machine(_)
            | Self::Finished
            | Self::Canceled => None,
        }
    }
}

/// Something that happened to one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Handed to a runner.
    Claimed(RunnerId),
    /// Its runner reported progress.
    ProgressReported,
    /// Its runner said how it ended.
    StatusSet(TaskOutcome),
    /// Its runner is gone.
    Released,
    /// Something that only machines meet with.
    Machine(resource::Event),
    /// It is to stop.
    CancelRequested,
    /// Time has passed.
    Woke,
}

/// The event means nothing in this status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegal;

/// Decides what `event`, arriving at `now`, makes of `attempt`.
///
/// # Errors
///
/// [`Illegal`] if the event means nothing there; late and doubled reports are ordinary.
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
        // Nobody acknowledged in time: the same attempt is free again.
        (Event::Woke, Some(lease)) if lease.until <= now => Ok(free),
        // Nobody came to look.
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
    machine: &resource::Status,
    event: &Event,
    now: Timestamp,
) -> Result<Status, Illegal> {
    let limits = attempt.limits.machine.clone().unwrap_or_default();
    let event = match event {
        Event::Machine(event) => event,
        Event::CancelRequested => &resource::Event::CancelRequested,
        Event::Woke => &resource::Event::Woke,
        // No runner holds it.
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
        // FALSE is a precondition's answer; an activity has no such end.
        TaskOutcome::False if !attempt.is_precondition_check => Err(Illegal),
        TaskOutcome::False => {
            let until = time::later(now, SignedDuration::from_millis(attempt.limits.retry_delay_ms));
            Ok(check_again(attempt, until, now))
        }
    }
}

/// Waits for the next look, if there is still time for one.
fn check_again(attempt: &Attempt, until: Timestamp, now: Timestamp) -> Status {
    match attempt.limits.gives_up_at {
        Some(at) if at <= now => not_in_time(),
        // The last look is at the very end.
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
        // A runner may say twice what it saw.
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
        // The answer to this report says `canceled`; the runner need not call SetTaskStatus then.
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
            format!("the attempt did not end within its attemptTimeout; `{runner}` worked on it"),
        ))),
        Event::Woke => Ok(Status::Failed(TaskError::new(
            STALLED,
            format!("`{runner}` reported no progress within reportProgressTimeout"),
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
        // A runner that was told to stop may still say how it stopped.
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

impl Attempt {
    /// Returns whether a runner may take it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.status == Status::WaitingForRunner { held: None }
    }

    /// Returns when a wake-up is due: the status's own, or the time at which a look that nobody takes has failed. The
    /// very last look begins when the time is over, so it has as long as an acknowledgement.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let last = self.limits.gives_up_at.filter(|_| self.is_precondition_check && self.is_free());
        let last = last.map(|at| time::later(at, SignedDuration::from_millis(self.limits.acknowledge_ms)));
        self.status.deadline().or(last)
    }

    /// Returns the runner that holds it or works on it.
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

    /// Returns where the machine stands that it is, if it is an attempt at a resource.
    #[must_use]
    pub fn machine(&self) -> Option<&resource::Status> {
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

    /// Steps the status by `event` and keeps the record; an illegal event changes nothing.
    ///
    /// # Errors
    ///
    /// As [`step`].
    pub fn apply(&mut self, event: &Event, now: Timestamp) -> Result<(), Illegal> {
        let status = step(self, event, now)?;
        match event {
            Event::Claimed(runner) => {
                self.leases += 1;
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

    /// Gives up an attempt whose end no longer matters; its runner learns by its next report.
    pub(crate) fn abandon(&mut self, now: Timestamp) {
        if !self.status.is_settled() {
            self.status = Status::Canceled;
            self.ended = Some(now);
        }
    }

    /// Keeps the reported `fields`: each key replaces what stood under it.
    pub fn report(&mut self, fields: Vec<Field>) {
        self.reported.retain(|old| fields.iter().all(|new| new.key != old.key));
        self.reported.extend(fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            leases: 0,
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
    fn false_is_no_end_of_an_activity() {
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
        assert_eq!(check.status, Status::NotYet { until: at(15) }, "the last look is at the very end");
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
        assert_eq!(attempt.status.word(), status::Status::Running);
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
        assert_eq!(after(&events).status.word(), status::Status::Running);
        let told = after(&[&events[..], &[(3, Event::ProgressReported)]].concat());
        assert_eq!(told.status, Status::Canceled);
    }

    #[test]
    fn a_released_attempt_is_the_same_attempt_under_the_next_lease() {
        let events = [(0, claimed()), (1, Event::ProgressReported), (2, Event::Released), (2, claimed())];
        let attempt = after(&events);
        assert_eq!((attempt.number, attempt.leases), (1, 2));
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
