//! What a user asks of several instances in one word is one change, whatever order they are named in.

use std::collections::BTreeSet;

use engine::{Effect, Event, InstanceId, RunOutcome, Status, TaskOutcome};

use crate::harness::{Driven, drive_with, instance, shell};

const CASCADE: &str = r#", "failureAndRerunMode": "cascade", "maximumRetries": "0""#;

fn named(components: &[&str]) -> BTreeSet<InstanceId> {
    components.iter().map(|component| instance(component)).collect()
}

fn cancel(components: &[&str]) -> Event {
    Event::CancelRequested { instances: named(components), reason: "asked".to_owned() }
}

fn mark(components: &[&str]) -> Event {
    Event::MarkedFinished { instances: named(components) }
}

fn rerun(components: &[&str]) -> Event {
    Event::RerunRequested { instances: named(components), paused: [].into() }
}

/// A run whose end is told, of activities that each wait for those after the colon.
fn told(activities: &[(&str, &str)]) -> Driven {
    let alarm = |id: &str, once: &str| {
        format!(
            r#"{{"id": "{id}", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "{id}", "message": "m"{once}}}"#
        )
    };
    let once = r#", "myOncePerRun": "true""#;
    let alarms = [alarm("Good", once), alarm("Bad", once), alarm("Fallen", "")];
    let activity = |(id, after): &(&str, &str)| match *after {
        "" => shell(id, ""),
        after => shell(id, &format!(r#", "dependsOn": {{"ref": "{after}"}}, "onFail": {{"ref": "Fallen"}}"#)),
    };
    let objects: Vec<_> = activities.iter().map(activity).chain(alarms).collect();
    let default = format!(r#", "onSuccess": {{"ref": "Good"}}, "onFail": {{"ref": "Bad"}}{CASCADE}"#);
    drive_with(&default, &objects.join(", "))
}

fn subjects(run: &Driven) -> Vec<&str> {
    run.notices().iter().map(|notice| notice.subject.as_str()).collect()
}

#[test]
fn the_end_of_a_run_is_judged_once_after_all_of_it() {
    let mut run = told(&[("A", ""), ("B", "")]);
    run.claim("A");
    run.fail("B", "E", "no luck");
    // By the first alone the run would have ended with the failure of the second.
    let step = run.step(mark(&["A", "B"]));
    assert_eq!(step.effects.iter().filter(|effect| matches!(effect, Effect::Ended(_))).count(), 1);
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
    assert_eq!(subjects(&run), ["Good"]);
}

#[test]
fn what_is_marked_is_not_begun_though_it_waited_for_something_that_is_marked_too() {
    let mut run = told(&[("A", ""), ("B", "A")]);
    run.step(mark(&["A", "B"]));
    assert_eq!((run.status("B"), run.offers().len()), (Status::Finished, 0));
    assert!(run.run.instance(instance("B").as_str()).unwrap().attempts.is_empty());
    assert_eq!(subjects(&run), ["Good"]);
}

#[test]
fn what_is_canceled_along_with_what_it_waits_for_did_not_fall() {
    let mut run = told(&[("A", ""), ("B", "A"), ("C", "B")]);
    run.step(cancel(&["A", "B"]));
    let statuses = ["A", "B", "C"].map(|component| run.status(component));
    assert_eq!(statuses, [Status::Canceled, Status::Canceled, Status::CascadeFailed]);
    // Of the end of the run, and of C.
    assert_eq!(subjects(&run), ["Fallen", "Bad"]);
}

#[test]
fn it_happens_to_all_or_to_none() {
    let mut run = told(&[("A", ""), ("B", ""), ("C", "")]);
    run.finish("A");
    let before = run.run.clone();
    for event in [cancel(&["A", "B"]), rerun(&["A", "B"]), mark(&["B", "Nobody"])] {
        assert!(run.try_step(event).is_err());
        assert_eq!((run.run.header(), run.run.instances()), (before.header(), before.instances()));
    }
}

#[test]
fn what_runs_on_a_resource_is_canceled_along_with_it() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = drive_with("", &format!("{machine}, {}", shell("Work", r#", "runsOn": {"ref": "Box"}"#)));
    run.step(cancel(&["Box", "Work"]));
    assert_eq!((run.status("Box"), run.status("Work")), (Status::ShuttingDown, Status::Canceled));
}

#[test]
fn a_resource_is_not_marked_though_all_that_runs_on_it_is() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = drive_with("", &format!("{machine}, {}", shell("Work", r#", "runsOn": {"ref": "Box"}"#)));
    assert!(run.try_step(mark(&["Box", "Work"])).is_err());
    assert_eq!(run.status("Work"), Status::WaitingOnDependencies);
}

#[test]
fn what_is_tried_again_waits_for_what_is_tried_again_along_with_it() {
    // In whatever order they were created.
    for activities in [[("A", ""), ("B", "A")], [("B", "A"), ("A", "")]] {
        let mut run = told(&activities);
        run.finish("A");
        run.finish("B");
        let before = run.run.header().generation;
        run.step(rerun(&["A", "B"]));
        assert_eq!(run.offers(), [format!("{}_Attempt=2 g", instance("A"))]);
        assert_eq!(
            (run.status("B"), run.run.header().generation),
            (Status::WaitingOnDependencies, before + 1)
        );
        run.finish("A");
        assert_eq!(run.offers(), [format!("{}_Attempt=2 g", instance("B"))]);
        run.finish("B");
        assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
    }
}

#[test]
fn an_owner_that_is_tried_again_waits_for_its_precondition_that_is_asked_again() {
    let asked = r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true"}"#;
    let work = shell("Work", r#", "precondition": {"ref": "Asked"}"#);
    for ends in [TaskOutcome::Finished, TaskOutcome::Failed(engine::TaskError::new("BadInput", "no"))] {
        let mut run = drive_with(CASCADE, &format!("{work}, {asked}"));
        let look = |run: &mut Driven, number: u32| {
            let attempt = engine::AttemptId::new(&instance("Asked_Work"), number);
            run.step(Event::Claimed { attempt: attempt.clone(), runner: "r".into() });
            run.step(Event::StatusSet { attempt, lease: 1, outcome: TaskOutcome::Finished });
        };
        look(&mut run, 1);
        run.claim("Work");
        run.set("Work", ends);
        run.step(rerun(&["Work", "Asked_Work"]));
        assert_eq!(run.offers(), [format!("{}_Attempt=2 g", instance("Asked_Work"))]);
        look(&mut run, 2);
        assert_eq!(run.offers(), [format!("{}_Attempt=2 g", instance("Work"))]);
    }
}

#[test]
fn what_fell_is_tried_again_along_with_what_it_fell_with() {
    let mut run = told(&[("A", ""), ("B", "A"), ("C", "B")]);
    run.fail("A", "E", "no luck");
    assert_eq!(subjects(&run), ["Fallen", "Fallen", "Bad"]);
    run.step(rerun(&["A", "B"]));
    assert_eq!(run.status("C"), Status::WaitingOnDependencies, "it rises as it fell");
    for activity in ["A", "B", "C"] {
        run.finish(activity);
    }
    assert_eq!(subjects(&run)[3..], ["Good"], "nothing fell again meanwhile");
}

#[test]
fn what_runs_on_a_resource_is_tried_again_along_with_it_on_one_machine() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = drive_with("", &format!("{machine}, {}", shell("Work", r#", "runsOn": {"ref": "Box"}"#)));
    run.created("Box");
    run.finish("Work");
    run.gone("Box", "ended");
    run.step(rerun(&["Box", "Work"]));
    assert_eq!((run.status("Box"), run.status("Work")), (Status::Creating, Status::WaitingOnDependencies));
    assert_eq!(run.run.instance(instance("Box").as_str()).unwrap().generation, 1);
    run.created("Box");
    assert_eq!(run.offers().len(), 1);
}

#[test]
fn components_that_depend_on_each_other_are_paused_and_resumed_in_one_word() {
    let mut run = told(&[("A", ""), ("B", "A")]);
    let components: BTreeSet<_> = ["A".into(), "B".into()].into();
    run.claim("A");
    run.step(Event::Paused { components: components.clone() });
    run.set("A", TaskOutcome::Finished);
    assert_eq!((run.status("B"), run.offers().len()), (Status::WaitingOnDependencies, 0));
    run.step(Event::Resumed { components });
    assert_eq!(run.offers().len(), 1);
}
