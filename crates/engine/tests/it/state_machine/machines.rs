//! The tables of resources: one machine, and the instance whose attempt it is.

use engine::resource::{self, Limits, MachineStatus, ShutdownReason, step};
use engine::{Event, TaskError};

use super::instances::{found, id, play, state};
use super::{at, table};
use crate::harness::{STARTED, TestRun, shell, started_with};

const INTRO: &str = "
## A resource

### Its machine

An attempt at a resource is a machine or a cluster. The host makes it and ends it. Each row is a state of the machine;
`SHUTTING_DOWN, X` becomes X once the machine is gone. `unneeded`: all instances that run on it are over, or nothing moves
any more that could use it.

";

const INSTANCE: &str = "
### Its instance

`Work` runs on the resource. The resource is made when the first instance that runs on it is ready. A dash means, as above,
that the event is refused and changes nothing.

- If the resource becomes FAILED, TIMEDOUT or CANCELED, the instances that run on it are CANCELED.
- If its machine fails and tries are left (`maximumRetries`), the next machine is made after a retry pause, in which the
  resource is shown as SCHEDULED. Work that was under way has failed; work that nobody had begun waits. With `retrynone`, a
  lost machine is not replaced.
- A resource that is over is made again, as another attempt, when an instance that runs on it becomes ready: after a rerun,
  or because a user marked the resource as finished too early.
- A deactivation cancels the resource. If an instance that runs on it waits for its time, the machine ends as if nobody
  needed it, and is made again after the next activation.

";

pub(super) fn section() -> String {
    let names: Vec<_> = events().iter().map(|(event, ..)| *event).collect();
    let limits = Limits::default();
    let rows = statuses().into_iter().map(|status| {
        let cell = |(_, event, minute): &(_, resource::MachineEvent, i64)| {
            step(&status, &limits, event, at(*minute)).map_or("-".to_owned(), |next| name(&next).to_owned())
        };
        (name(&status), events().iter().map(cell).collect())
    });
    let machine = table(&names, rows);
    let names: Vec<_> = COLUMNS.iter().map(|(event, _)| *event).collect();
    let rows = ROWS.iter().map(|(row, make)| {
        assert_eq!(state(&make(), "Box"), *row, "the table's own row");
        let cell = |(_, played): &Column| {
            let mut driven = make();
            let is_legal = played(&mut driven);
            if is_legal { state(&driven, "Box") } else { "-".to_owned() }
        };
        (*row, COLUMNS.iter().map(cell).collect())
    });
    let instance = table(&names, rows);
    format!("{INTRO}{machine}{INSTANCE}{instance}")
}

fn statuses() -> Vec<MachineStatus> {
    let ending = |end| MachineStatus::ShuttingDown { end };
    vec![
        MachineStatus::Creating { until: Some(at(10)) },
        MachineStatus::Running { until: Some(at(10)) },
        ending(ShutdownReason::Finished),
        ending(ShutdownReason::Failed(TaskError::default())),
        ending(ShutdownReason::TimedOut),
        ending(ShutdownReason::Canceled),
        MachineStatus::Finished,
        MachineStatus::Failed(TaskError::default()),
        MachineStatus::TimedOut,
        MachineStatus::Canceled,
    ]
}

fn name(status: &MachineStatus) -> &'static str {
    match status {
        MachineStatus::Creating { .. } => "CREATING",
        MachineStatus::Running { .. } => "RUNNING",
        MachineStatus::ShuttingDown { end: ShutdownReason::Finished } => "SHUTTING_DOWN, FINISHED",
        MachineStatus::ShuttingDown { end: ShutdownReason::Failed(_) } => "SHUTTING_DOWN, FAILED",
        MachineStatus::ShuttingDown { end: ShutdownReason::TimedOut } => "SHUTTING_DOWN, TIMEDOUT",
        MachineStatus::ShuttingDown { end: ShutdownReason::Canceled } => "SHUTTING_DOWN, CANCELED",
        MachineStatus::Finished => "FINISHED",
        MachineStatus::Failed(_) => "FAILED",
        MachineStatus::TimedOut => "TIMEDOUT",
        MachineStatus::Canceled => "CANCELED",
    }
}

fn events() -> Vec<(&'static str, resource::MachineEvent, i64)> {
    vec![
        ("the host made it", resource::MachineEvent::Created, 1),
        ("it is gone", resource::MachineEvent::Gone { reason: "gone".to_owned() }, 1),
        ("unneeded", resource::MachineEvent::Unneeded, 1),
        ("cancel", resource::MachineEvent::CancelRequested, 1),
        ("initTimeout or terminateAfter passed", resource::MachineEvent::Woke, 10),
        ("woken early", resource::MachineEvent::Woke, 1),
    ]
}

/// Returns a run of Work on a machine, after Before, which needs no machine.
fn new() -> TestRun {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r", "maximumRetries": "1",
        "initTimeout": "20 minutes", "terminateAfter": "40 minutes", "retryDelay": "5 minutes"}"#;
    let work = shell("Work", r#", "dependsOn": {"ref": "Before"}, "runsOn": {"ref": "Box"}"#);
    started_with("", &format!("{machine}, {}, {work}", shell("Before", "")))
}

fn ready(it: &mut TestRun) -> bool {
    play(it, Event::MarkedFinished { instances: [id("Before")].into() })
}

fn of_newest_attempt(it: &mut TestRun, event: fn(engine::AttemptId) -> Event) -> bool {
    let newest = found(it, "Box").newest_attempt().map(|newest| newest.id.clone());
    newest.is_some_and(|attempt| play(it, event(attempt)))
}

fn created(it: &mut TestRun) -> bool {
    of_newest_attempt(it, |attempt| Event::ResourceCreated { attempt, fields: vec![] })
}

fn gone(it: &mut TestRun) -> bool {
    of_newest_attempt(it, |attempt| Event::ResourceGone { attempt, reason: "gone".to_owned() })
}

fn users_over(it: &mut TestRun) -> bool {
    play(it, Event::MarkedFinished { instances: [id("Work")].into() })
}

fn pass(it: &mut TestRun) -> bool {
    (0..20).for_each(|_| it.advance_minutes(1));
    true
}

fn canceled(it: &mut TestRun) -> bool {
    play(it, Event::CancelRequested { instances: [id("Box")].into(), reason: "asked".to_owned() })
}

fn rerun(it: &mut TestRun) -> bool {
    play(it, Event::RerunRequested { instances: [id("Box")].into(), paused: [].into() })
}

fn user_rerun(it: &mut TestRun) -> bool {
    play(it, Event::RerunRequested { instances: [id("Work")].into(), paused: [].into() })
}

fn marked(it: &mut TestRun) -> bool {
    play(it, Event::MarkedFinished { instances: [id("Box")].into() })
}

fn paused(it: &mut TestRun) -> bool {
    play(it, Event::Paused { components: ["Box".into()].into() })
}

fn resumed(it: &mut TestRun) -> bool {
    play(it, Event::Resumed { components: ["Box".into()].into() })
}

fn deactivated(it: &mut TestRun) -> bool {
    play(it, Event::Deactivated { cancel: Some("asked".to_owned()) })
}

fn let_end(it: &mut TestRun) -> bool {
    play(it, Event::Deactivated { cancel: None })
}

fn activated(it: &mut TestRun) -> bool {
    play(it, Event::Activated { skip_until: None })
}

fn after(steps: &[fn(&mut TestRun) -> bool]) -> TestRun {
    let mut driven = new();
    assert!(steps.iter().all(|step| step(&mut driven)), "no step is refused");
    driven
}

fn skipped() -> TestRun {
    let schedule = format!(
        r#"{{"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "{STARTED}", "occurrences": "2"}}"#
    );
    let default = r#"{"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"}, "runsOn": {"ref": "Box"}}"#;
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let work =
        [shell("Before", r#", "runsOn": {"ref": "Box"}"#), shell("Work", r#", "runsOn": {"ref": "Box"}"#)];
    crate::harness::passed_over(&format!("{default}, {schedule}, {machine}, {}", work.join(", ")))
}

type Row = (&'static str, fn() -> TestRun);

const ROWS: &[Row] = &[
    ("WAITING_ON_DEPENDENCIES", new),
    ("withheld", || after(&[paused, ready])),
    ("CREATING", || after(&[ready])),
    ("RUNNING", || after(&[ready, created])),
    ("SHUTTING_DOWN", || after(&[ready, created, users_over])),
    ("SHUTTING_DOWN, stopping", || after(&[ready, created, canceled])),
    ("retry pause", || after(&[ready, gone])),
    ("FINISHED", || after(&[ready, created, users_over, gone])),
    ("FAILED", || after(&[ready, gone, pass, gone])),
    ("TIMEDOUT", || after(&[ready, created, pass, pass, gone])),
    ("CANCELED", || after(&[canceled])),
    ("SKIPPED", skipped),
];

/// An event of a table: its name, and a function that plays it and returns `false` if it is refused.
type Column = (&'static str, fn(&mut TestRun) -> bool);

const COLUMNS: &[Column] = &[
    ("Work is ready", ready),
    ("the host made it", created),
    ("it is gone", gone),
    ("Work is over", users_over),
    ("20 minutes pass", pass),
    ("cancel", canceled),
    ("rerun", rerun),
    ("Work is rerun", user_rerun),
    ("mark finished", marked),
    ("pause", paused),
    ("resume", resumed),
    ("deactivate", deactivated),
    ("deactivate, let end", let_end),
    ("activate", activated),
];
