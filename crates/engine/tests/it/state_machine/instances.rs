//! The tables of instances: each state is brought about in a small run, and each event is played on it.

use engine::{Event, Instance, InstanceId, RunnerId, TaskError, TaskOutcome, instance};

use jiff::SignedDuration;

use super::table;
use crate::harness::{STARTED, TestRun, shell, started_with};

const INTRO: &str = "
## An instance

There is one table for each kind of instance. A dash means that the event is refused and changes nothing.

- WAITING_ON_DEPENDENCIES: the instance waits for its dependencies, or for its resource (`runsOn`).
- `waits for its time`, `waits for an activation`: the instance may not start before a time of its schedule, or before its
  pipeline is activated again.
- `withheld`: the instance is ready, and a user has paused its component.
- `retry pause`: the newest attempt failed, tries are left, and another attempt may end better. Errors `BadInput` and fields
  that cannot be evaluated fail again every time, so no retry follows them. The instance is shown as WAITING_FOR_RUNNER.
- SKIPPED: an activation with a later start passed over the interval.
- `dependency CANCELED`: a dependency that is FAILED or CASCADE_FAILED has the same effect. There is no effect if
  `failureAndRerunMode` is not `cascade`.
- `rerun`: tries are counted from the beginning again.
- `deactivate`: an instance that has begun is stopped, or may end by itself (`let end`). An instance that waits for its
  time waits for the next activation, which may pass over it.
";

const DATA: &str = "
### A data node

A data node has no attempts. It is FINISHED as soon as its dependencies are.

";

const PRECONDITION_INTRO: &str = "
### A precondition

A precondition waits for the dependencies of its owner. It is then checked until it holds, and its owner waits for it.
After `FALSE` it waits for the next check. It is FAILED if `preconditionTimeout` passes first, and its owner fails with it.

";

/// An event of a table: its name, and a function that plays it and returns `false` if it is refused.
type Column = (&'static str, fn(&mut TestRun, &str) -> bool);
/// A state of a table: its name, and a function that brings it about.
type Row = (&'static str, fn() -> TestRun);

pub(super) fn section() -> String {
    let activity = of("Work", ACTIVITY, ACTIVITY_EVENTS);
    let node = of("Node", NODE, NODE_EVENTS);
    let precondition = of("Asked_Work", PRECONDITION, PRECONDITION_EVENTS);
    format!("{INTRO}\n### An activity\n\n{activity}{DATA}{node}{PRECONDITION_INTRO}{precondition}")
}

fn of(name: &str, rows: &'static [Row], columns: &[Column]) -> String {
    let rows = rows.iter().map(|(row, make)| {
        assert_eq!(state(&make(), name), *row, "the table's own row");
        let cell = |(_, play): &Column| {
            let mut driven = make();
            if play(&mut driven, name) { state(&driven, name) } else { "-".to_owned() }
        };
        (*row, columns.iter().map(cell).collect())
    });
    let names: Vec<_> = columns.iter().map(|(column, _)| *column).collect();
    table(&names, rows)
}

pub(super) fn found<'a>(driven: &'a TestRun, name: &str) -> &'a Instance {
    driven.run.instance(&format!("@{name}_{STARTED}")).expect("an instance")
}

pub(super) fn state(driven: &TestRun, name: &str) -> String {
    let instance = found(driven, name);
    let is_check = |it: &Instance| {
        it.newest_attempt()
            .is_some_and(|newest| matches!(newest.status, engine::attempt::Status::NotYet { .. }))
    };
    match &instance.status {
        instance::Status::RetryPause { .. } if instance.is_paused => "retry pause, paused".to_owned(),
        instance::Status::RetryPause { .. } => "retry pause".to_owned(),
        instance::Status::WaitingOnDependencies if instance.release.is_some() => {
            let is_suspended = driven.run.header().is_suspended;
            let waits = if is_suspended { "waits for an activation" } else { "waits for its time" };
            if instance.is_paused { format!("{waits}, paused") } else { waits.to_owned() }
        }
        instance::Status::WaitingOnDependencies if instance.is_withheld => "withheld".to_owned(),
        instance::Status::WaitingOnDependencies if instance.is_paused => {
            "WAITING_ON_DEPENDENCIES, paused".to_owned()
        }
        instance::Status::Trying if is_check(instance) => "not yet".to_owned(),
        instance::Status::Trying if instance.is_paused => format!("{}, paused", instance.wire_status()),
        instance::Status::Trying if instance.canceling.is_some() => {
            format!("{}, stopping", instance.wire_status())
        }
        _ => instance.wire_status().to_string(),
    }
}

pub(super) fn id(name: &str) -> InstanceId {
    InstanceId::from(format!("@{name}_{STARTED}"))
}

pub(super) fn play(driven: &mut TestRun, event: Event) -> bool {
    driven.try_step(event).is_ok()
}

fn begins(driven: &mut TestRun, name: &str) -> bool {
    let Some(attempt) = found(driven, name).newest_attempt().map(|newest| newest.id.clone()) else {
        return false;
    };
    play(driven, Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("r") }) && {
        let handout = driven.run.attempt(&attempt).unwrap().handouts;
        play(driven, Event::ProgressReported { attempt, handout, fields: vec![] })
    }
}

fn set(driven: &mut TestRun, name: &str, outcome: TaskOutcome) -> bool {
    let newest = found(driven, name).newest_attempt().map(|newest| (newest.id.clone(), newest.handouts));
    newest.is_some_and(|(attempt, handout)| play(driven, Event::StatusSet { attempt, handout, outcome }))
}

fn failed(id: &str) -> TaskOutcome {
    TaskOutcome::Failed(TaskError::new(id, "it broke"))
}

fn pass(driven: &mut TestRun, _: &str) -> bool {
    // The time passes in steps of a minute, because the driver too wakes a run again and again.
    (0..60).for_each(|_| driven.advance_minutes(1));
    true
}

/// Plays `steps` one after another; none of them is refused.
fn after(mut driven: TestRun, name: &str, steps: &[fn(&mut TestRun, &str) -> bool]) -> TestRun {
    assert!(steps.iter().all(|step| step(&mut driven, name)), "no step is refused");
    driven
}

/// A run of Before, then Work; `asks` may give Work a precondition.
fn work(asks: &str) -> TestRun {
    let asked = r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true",
        "retryDelay": "5 minutes", "preconditionTimeout": "30 minutes"}"#;
    let node = r#"{"id": "Node", "type": "S3DataNode", "filePath": "s3://b/n"}"#;
    let more = format!(r#", "dependsOn": {{"ref": "Before"}}{asks}"#);
    let writer = shell("Before", r#", "output": {"ref": "Node"}"#);
    let default = r#", "failureAndRerunMode": "cascade", "maximumRetries": "1""#;
    let asked = if asks.is_empty() { String::new() } else { format!("{asked}, ") };
    started_with(default, &format!("{asked}{node}, {writer}, {}", shell("Work", &more)))
}

fn new() -> TestRun {
    work("")
}

fn new_precondition() -> TestRun {
    work(r#", "precondition": {"ref": "Asked"}"#)
}

fn skipped() -> TestRun {
    let schedule = format!(
        r#"{{"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "{STARTED}", "occurrences": "2"}}"#
    );
    let default =
        r#"{"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"}, "workerGroup": "g"}"#;
    let objects = format!("{default}, {schedule}, {}, {}", shell("Before", ""), shell("Work", ""));
    crate::harness::passed_over(&objects)
}

/// Returns the same run as [`new`], on a schedule and before the end of the interval.
fn to_come() -> TestRun {
    let schedule = format!(
        r#"{{"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "{STARTED}", "occurrences": "2"}}"#
    );
    let default = r#"{"id": "Default", "scheduleType": "timeseries", "schedule": {"ref": "Hourly"},
        "workerGroup": "g", "failureAndRerunMode": "cascade", "maximumRetries": "1"}"#;
    let work = shell("Work", r#", "dependsOn": {"ref": "Before"}"#);
    crate::harness::scheduled(&format!("{default}, {schedule}, {}, {work}", shell("Before", "")))
}

fn dependency_finished(it: &mut TestRun, _: &str) -> bool {
    play(it, Event::MarkedFinished { instances: [id("Before")].into() })
}

fn dependency_canceled(it: &mut TestRun, _: &str) -> bool {
    play(it, Event::CancelRequested { instances: [id("Before")].into(), reason: "asked".to_owned() })
}

fn finishes(it: &mut TestRun, name: &str) -> bool {
    set(it, name, TaskOutcome::Finished)
}

fn fails(it: &mut TestRun, name: &str) -> bool {
    set(it, name, failed("Oops"))
}

fn fails_for_good(it: &mut TestRun, name: &str) -> bool {
    set(it, name, failed("BadInput"))
}

fn says_false(it: &mut TestRun, name: &str) -> bool {
    set(it, name, TaskOutcome::False)
}

fn canceled(it: &mut TestRun, name: &str) -> bool {
    play(it, Event::CancelRequested { instances: [id(name)].into(), reason: "asked".to_owned() })
}

fn rerun(it: &mut TestRun, name: &str) -> bool {
    play(it, Event::RerunRequested { instances: [id(name)].into(), paused: [].into() })
}

fn marked(it: &mut TestRun, name: &str) -> bool {
    play(it, Event::MarkedFinished { instances: [id(name)].into() })
}

fn owner_over(it: &mut TestRun, _: &str) -> bool {
    marked(it, "Work")
}

fn paused(it: &mut TestRun, name: &str) -> bool {
    play(it, Event::Paused { components: [found(it, name).component.clone()].into() })
}

fn resumed(it: &mut TestRun, name: &str) -> bool {
    play(it, Event::Resumed { components: [found(it, name).component.clone()].into() })
}

fn deactivated(it: &mut TestRun, _: &str) -> bool {
    play(it, Event::Deactivated { cancel: Some("asked".to_owned()) })
}

fn let_end(it: &mut TestRun, _: &str) -> bool {
    play(it, Event::Deactivated { cancel: None })
}

fn activated(it: &mut TestRun, _: &str) -> bool {
    play(it, Event::Activated { skip_until: None })
}

fn passed_over(it: &mut TestRun, _: &str) -> bool {
    let skip_until = Some(it.now + SignedDuration::from_hours(1));
    play(it, Event::Activated { skip_until })
}

const ACTIVITY: &[Row] = &[
    ("WAITING_ON_DEPENDENCIES", new),
    ("withheld", || after(new(), "Work", &[paused, dependency_finished])),
    ("WAITING_FOR_RUNNER", || after(new(), "Work", &[dependency_finished])),
    ("RUNNING", || after(new(), "Work", &[dependency_finished, begins])),
    ("RUNNING, stopping", || after(new(), "Work", &[dependency_finished, begins, canceled])),
    ("retry pause", || after(new(), "Work", &[dependency_finished, begins, fails])),
    ("FINISHED", || after(new(), "Work", &[dependency_finished, begins, finishes])),
    ("FAILED", || after(new(), "Work", &[dependency_finished, begins, fails_for_good])),
    ("CASCADE_FAILED", || after(new(), "Work", &[dependency_canceled])),
    ("CANCELED", || after(new(), "Work", &[canceled])),
    ("SKIPPED", skipped),
    ("waits for its time", to_come),
    ("waits for an activation", || after(to_come(), "Work", &[deactivated])),
];

const ACTIVITY_EVENTS: &[Column] = &[
    ("dependency FINISHED", dependency_finished),
    ("dependency CANCELED", dependency_canceled),
    ("a runner begins", begins),
    ("it says FINISHED", finishes),
    ("it says FAILED", fails),
    ("FAILED for good", fails_for_good),
    ("an hour passes", pass),
    ("cancel", canceled),
    ("rerun", rerun),
    ("mark finished", marked),
    ("pause", paused),
    ("resume", resumed),
    ("deactivate", deactivated),
    ("deactivate, let end", let_end),
    ("activate", activated),
    ("activate, from later on", passed_over),
];

const NODE: &[Row] = &[
    ("WAITING_ON_DEPENDENCIES", new),
    ("withheld", || after(new(), "Node", &[paused, dependency_finished])),
    ("FINISHED", || after(new(), "Node", &[dependency_finished])),
    ("CASCADE_FAILED", || after(new(), "Node", &[dependency_canceled])),
    ("CANCELED", || after(new(), "Node", &[canceled])),
];

const NODE_EVENTS: &[Column] = &[
    ("its writer FINISHED", dependency_finished),
    ("its writer CANCELED", dependency_canceled),
    ("an hour passes", pass),
    ("cancel", canceled),
    ("rerun", rerun),
    ("mark finished", marked),
    ("pause", paused),
    ("resume", resumed),
    ("deactivate", deactivated),
    ("deactivate, let end", let_end),
];

const PRECONDITION: &[Row] = &[
    ("WAITING_ON_DEPENDENCIES", new_precondition),
    ("withheld", || after(new_precondition(), "Asked_Work", &[paused, dependency_finished])),
    ("WAITING_FOR_RUNNER", || after(new_precondition(), "Asked_Work", &[dependency_finished])),
    ("RUNNING", || after(new_precondition(), "Asked_Work", &[dependency_finished, begins])),
    ("not yet", || after(new_precondition(), "Asked_Work", &[dependency_finished, begins, says_false])),
    ("retry pause", || after(new_precondition(), "Asked_Work", &[dependency_finished, begins, fails])),
    ("FINISHED", || after(new_precondition(), "Asked_Work", &[dependency_finished, begins, finishes])),
    ("FAILED", || after(new_precondition(), "Asked_Work", &[dependency_finished, begins, fails_for_good])),
    ("CANCELED", || after(new_precondition(), "Asked_Work", &[canceled])),
];

const PRECONDITION_EVENTS: &[Column] = &[
    ("dependency FINISHED", dependency_finished),
    ("dependency CANCELED", dependency_canceled),
    ("a check begins", begins),
    ("it says FINISHED", finishes),
    ("it says FALSE", says_false),
    ("it says FAILED", fails),
    ("FAILED for good", fails_for_good),
    ("an hour passes", pass),
    ("its owner is over", owner_over),
    ("cancel", canceled),
    ("rerun", rerun),
    ("mark finished", marked),
    ("pause", paused),
    ("resume", resumed),
    ("deactivate", deactivated),
    ("deactivate, let end", let_end),
];
