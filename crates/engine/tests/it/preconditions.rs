//! Preconditions: the runner that checks one, the number of checks, and the effect of its end on its owner.

use engine::{Event, InstanceId, RunOutcome, RunnerId, Status, TaskError, TaskOutcome};

use crate::harness::{STARTED, TestRun, shell, started_with};

const READY: &str = r##"{"id": "Ready", "type": "S3PrefixNotEmpty", "s3Prefix": "#{node.directoryPath}", "role": "r",
    "retryDelay": "5 minutes", "preconditionTimeout": "12 minutes", "maximumRetries": "1"}"##;
const IN: &str = r#"{"id": "In", "type": "S3DataNode", "directoryPath": "s3://in/raw",
    "precondition": {"ref": "Ready"}}"#;

/// Returns a run of `Work`, whose input `In` must not be empty.
fn guarded() -> TestRun {
    let work = shell("Work", r#", "input": {"ref": "In"}"#);
    started_with(r#", "failureAndRerunMode": "cascade""#, &format!("{IN}, {READY}, {work}"))
}

fn id(name: &str) -> InstanceId {
    InstanceId::from(format!("@{name}_{STARTED}"))
}

fn status(run: &TestRun, name: &str) -> Status {
    run.run.instance(id(name).as_str()).unwrap().wire_status()
}

fn check(run: &mut TestRun, outcome: TaskOutcome) {
    let newest = run.run.instance(id("Ready_In").as_str()).unwrap().newest_attempt().unwrap();
    let (attempt, handout) = (newest.id.clone(), newest.handouts + 1);
    run.step(Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("service") });
    run.step(Event::StatusSet { attempt, handout, outcome });
}

fn field(run: &TestRun, object: &str, key: &str) -> Option<String> {
    let form = engine::wire_objects::Form { evaluated: true, secrets_clear: false };
    let object = run.run.object(object, form).unwrap();
    object.string(key).map(str::to_owned).or_else(|| object.reference(key).map(ToString::to_string))
}

#[test]
fn a_precondition_is_checked_again_until_it_holds() {
    let mut run = guarded();
    let offers: Vec<_> =
        run.run.offers().map(|(attempt, group)| (attempt.to_string(), group.clone())).collect();
    let attempt = format!("{}_Attempt=1", id("Ready_In"));
    assert_eq!(offers, [(attempt.clone(), engine::WorkerGroup::service())]);
    assert_eq!(field(&run, &attempt, "s3Prefix").as_deref(), Some("s3://in/raw"));
    assert_eq!(field(&run, &attempt, "node"), Some(id("In").to_string()));
    check(&mut run, TaskOutcome::False);
    run.advance_minutes(4);
    assert_eq!(run.run.offers().count(), 0);
    run.advance_minutes(1);
    assert_eq!(run.run.offers().count(), 1);
    assert_eq!(field(&run, &attempt, "currentRetryCount").as_deref(), Some("1"));
    assert_eq!(
        (status(&run, "In"), status(&run, "Work")),
        (Status::WaitingOnDependencies, Status::WaitingOnDependencies)
    );
    check(&mut run, TaskOutcome::Finished);
    assert_eq!((status(&run, "Ready_In"), status(&run, "In")), (Status::Finished, Status::Finished));
    assert_eq!(status(&run, "Work"), Status::WaitingForRunner);
    run.finish("Work");
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
}

#[test]
fn a_precondition_that_does_not_hold_in_time_fails_its_owner() {
    let mut run = guarded();
    for minutes in [5, 5, 2] {
        check(&mut run, TaskOutcome::False);
        run.advance_minutes(minutes);
    }
    check(&mut run, TaskOutcome::False);
    assert_eq!((status(&run, "Ready_In"), status(&run, "In")), (Status::Failed, Status::Failed));
    assert_eq!(status(&run, "Work"), Status::CascadeFailed);
    // A rerun tries all of them again, and `preconditionTimeout` counts from the beginning.
    run.step(Event::RerunRequested { instances: [id("In")].into(), paused: [].into() });
    assert_eq!(status(&run, "Work"), Status::WaitingOnDependencies);
    check(&mut run, TaskOutcome::False);
    run.advance_minutes(5);
    check(&mut run, TaskOutcome::Finished);
    assert_eq!(status(&run, "Work"), Status::WaitingForRunner);
}

#[test]
fn errors_are_tries_and_false_answers_are_not() {
    let mut run = guarded();
    check(&mut run, TaskOutcome::False);
    run.advance_minutes(5);
    check(&mut run, TaskOutcome::Failed(TaskError::new("AccessDenied", "no")));
    assert_eq!(status(&run, "Ready_In"), Status::WaitingForRunner);
    run.advance_minutes(5);
    check(&mut run, TaskOutcome::Failed(TaskError::new("AccessDenied", "no")));
    assert_eq!((status(&run, "Ready_In"), status(&run, "In")), (Status::Failed, Status::Failed));
}

#[test]
fn a_worker_checks_in_the_group_of_the_owner_and_knows_the_owner() {
    let precondition =
        r##"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "test -e #{node.filePath}"}"##;
    let file = r#"{"id": "F", "type": "S3DataNode", "filePath": "s3://b/f", "workerGroup": "near",
        "precondition": {"ref": "Asked"}}"#;
    let run = started_with("", &format!("{precondition}, {file}"));
    let (attempt, group) = run.run.offers().next().unwrap();
    assert_eq!(group.as_str(), "near");
    let objects = run.run.task_objects(attempt);
    assert_eq!(objects[attempt.as_str()].string("command"), Some("test -e s3://b/f"));
    assert!(objects.contains_key(id("F").as_str()), "{:?}", objects.keys());
}

#[test]
fn the_precondition_of_a_fallen_owner_is_canceled() {
    let first = shell("First", "");
    let asked = r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true"}"#;
    let second = shell("Second", r#", "dependsOn": {"ref": "First"}, "precondition": {"ref": "Asked"}"#);
    let more = r#", "failureAndRerunMode": "cascade", "maximumRetries": "0""#;
    let mut run = started_with(more, &format!("{first}, {asked}, {second}"));
    run.fail("First", "Oops", "it broke");
    assert_eq!(
        (status(&run, "Second"), status(&run, "Asked_Second")),
        (Status::CascadeFailed, Status::Canceled)
    );
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Failed));
    run.rerun("First");
    let waiting = Status::WaitingOnDependencies;
    assert_eq!((status(&run, "Second"), status(&run, "Asked_Second")), (waiting, waiting));
    run.finish("First");
    assert_eq!((status(&run, "Second"), status(&run, "Asked_Second")), (waiting, Status::WaitingForRunner));
}

#[test]
fn the_precondition_of_a_final_owner_is_not_checked_any_more() {
    for event in [
        Event::CancelRequested { instances: [id("In")].into(), reason: "asked".to_owned() },
        Event::MarkedFinished { instances: [id("In")].into() },
    ] {
        let mut run = guarded();
        check(&mut run, TaskOutcome::False);
        run.step(event);
        assert_eq!(status(&run, "Ready_In"), Status::Canceled);
        if status(&run, "Work") == Status::WaitingForRunner {
            run.finish("Work");
        }
        assert!(run.run.end().is_some(), "{:?}", run.run.instances());
    }
}

#[test]
fn a_precondition_that_nobody_checks_fails_when_its_time_is_over() {
    let mut run = guarded();
    run.advance_minutes(12);
    assert_eq!(status(&run, "Ready_In"), Status::WaitingForRunner, "the last check may take its time");
    run.advance_minutes(2);
    assert_eq!((status(&run, "Ready_In"), status(&run, "In")), (Status::Failed, Status::Failed));
}

#[test]
fn a_precondition_fires_inherited_alarms_but_leaves_those_of_default_to_its_owner() {
    let alarm = |id: &str| {
        format!(
            r#"{{"id": "{id}", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "{id}", "message": "m"}}"#
        )
    };
    let ready = |parent: &str| {
        format!(
            r#"{{"id": "Ready", "type": "S3KeyExists", "s3Key": "s3://b/k", "role": "r", "maximumRetries": "0"{parent}}}"#
        )
    };
    let file =
        r#"{"id": "In", "type": "S3DataNode", "filePath": "s3://b/f", "precondition": {"ref": "Ready"}}"#;
    let family = r#"{"id": "Guards", "parent": {"ref": "Old"}}, {"id": "Old", "onFail": {"ref": "Own"}}"#;
    for (parent, told) in [("", vec!["All"]), (r#", "parent": {"ref": "Guards"}"#, vec!["Own", "All"])] {
        let objects = [file, &ready(parent), family, &alarm("All"), &alarm("Own")].join(", ");
        let mut run = started_with(r#", "onFail": {"ref": "All"}"#, &objects);
        check(&mut run, TaskOutcome::Failed(TaskError::new("E", "refused")));
        assert_eq!(run.notices().iter().map(|notice| notice.subject.as_str()).collect::<Vec<_>>(), told);
    }
}

#[test]
fn a_precondition_canceled_with_its_finished_owner_does_not_fail_the_run() {
    let alarm = |id: &str| {
        format!(
            r#"{{"id": "{id}", "type": "SnsAlarm", "myOncePerRun": "true", "topicArn": "arn:t", "subject": "{id}",
                "message": "m"}}"#
        )
    };
    let more = r#", "onSuccess": {"ref": "Good"}, "onFail": {"ref": "Bad"}"#;
    let work = shell("Work", r#", "precondition": {"ref": "Ready"}"#);
    let ready = READY.replace("#{node.directoryPath}", "s3://in/raw");
    let mut run = started_with(more, &[alarm("Good"), alarm("Bad"), ready, work].join(", "));
    run.step(Event::MarkedFinished { instances: [id("Work")].into() });
    assert_eq!(status(&run, "Ready_Work"), Status::Canceled);
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Finished);
    assert_eq!(run.notices().iter().map(|notice| notice.subject.as_str()).collect::<Vec<_>>(), ["Good"]);
}
