//! A command that names several instances is one change, whatever order they are named in.

use std::collections::BTreeSet;

use engine::{Effect, Event, InstanceId, RunOutcome, Status, TaskOutcome};

use crate::harness::{TestRun, instance, shell, started_with};

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

/// Returns a run with an alarm for its end. An activity depends on the one that follows it in its pair.
fn told(activities: &[(&str, &str)]) -> TestRun {
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
    started_with(&default, &objects.join(", "))
}

fn subjects(run: &TestRun) -> Vec<&str> {
    run.notices().iter().map(|notice| notice.subject.as_str()).collect()
}

#[test]
fn a_command_that_names_several_instances_ends_the_run_once() {
    let mut run = told(&[("A", ""), ("B", "")]);
    run.claim("A");
    run.fail("B", "E", "no luck");
    // If the run were judged after the first instance, it would have ended with the failure of the second.
    let step = run.step(mark(&["A", "B"]));
    assert_eq!(step.effects.iter().filter(|effect| matches!(effect, Effect::Ended(_))).count(), 1);
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
    assert_eq!(subjects(&run), ["Good"]);
}

#[test]
fn an_instance_marked_along_with_its_dependency_does_not_begin() {
    let mut run = told(&[("A", ""), ("B", "A")]);
    run.step(mark(&["A", "B"]));
    assert_eq!((run.status("B"), run.offers().len()), (Status::Finished, 0));
    assert!(run.run.instance(instance("B").as_str()).unwrap().attempts.is_empty());
    assert_eq!(subjects(&run), ["Good"]);
}

#[test]
fn an_instance_canceled_along_with_its_dependency_is_canceled_and_did_not_fall() {
    let mut run = told(&[("A", ""), ("B", "A"), ("C", "B")]);
    run.step(cancel(&["A", "B"]));
    let statuses = ["A", "B", "C"].map(|component| run.status(component));
    assert_eq!(statuses, [Status::Canceled, Status::Canceled, Status::CascadeFailed]);
    // One notice is about the end of the run, and one about C.
    assert_eq!(subjects(&run), ["Fallen", "Bad"]);
}

#[test]
fn a_command_happens_to_all_named_instances_or_to_none() {
    let mut run = told(&[("A", ""), ("B", ""), ("C", "")]);
    run.finish("A");
    let before = run.run.clone();
    for event in [cancel(&["A", "B"]), rerun(&["A", "B"]), mark(&["B", "Nobody"])] {
        assert!(run.try_step(event).is_err());
        assert_eq!((run.run.header(), run.run.instances()), (before.header(), before.instances()));
    }
}

#[test]
fn users_of_a_resource_are_canceled_along_with_it() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = started_with("", &format!("{machine}, {}", shell("Work", r#", "runsOn": {"ref": "Box"}"#)));
    run.step(cancel(&["Box", "Work"]));
    assert_eq!((run.status("Box"), run.status("Work")), (Status::ShuttingDown, Status::Canceled));
}

#[test]
fn a_resource_with_a_machine_cannot_be_marked_even_with_all_its_users() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = started_with("", &format!("{machine}, {}", shell("Work", r#", "runsOn": {"ref": "Box"}"#)));
    assert!(run.try_step(mark(&["Box", "Work"])).is_err());
    assert_eq!(run.status("Work"), Status::WaitingOnDependencies);
}

#[test]
fn a_rerun_instance_waits_for_its_dependencies_that_are_rerun_along_with_it() {
    // The order of their creation does not matter.
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
fn a_rerun_owner_waits_for_its_precondition_that_is_checked_again() {
    let asked = r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true"}"#;
    let work = shell("Work", r#", "precondition": {"ref": "Asked"}"#);
    for ends in [TaskOutcome::Finished, TaskOutcome::Failed(engine::TaskError::new("BadInput", "no"))] {
        let mut run = started_with(CASCADE, &format!("{work}, {asked}"));
        let check = |run: &mut TestRun, number: u32| {
            let attempt = engine::AttemptId::new(&instance("Asked_Work"), number);
            run.step(Event::Claimed { attempt: attempt.clone(), runner: "r".into() });
            run.step(Event::StatusSet { attempt, handout: 1, outcome: TaskOutcome::Finished });
        };
        check(&mut run, 1);
        run.claim("Work");
        run.set_task_status("Work", ends);
        run.step(rerun(&["Work", "Asked_Work"]));
        assert_eq!(run.offers(), [format!("{}_Attempt=2 g", instance("Asked_Work"))]);
        check(&mut run, 2);
        assert_eq!(run.offers(), [format!("{}_Attempt=2 g", instance("Work"))]);
    }
}

#[test]
fn a_fallen_instance_is_rerun_along_with_the_cause_of_its_fall() {
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
fn users_rerun_along_with_their_resource_share_one_machine() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = started_with("", &format!("{machine}, {}", shell("Work", r#", "runsOn": {"ref": "Box"}"#)));
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
fn components_that_depend_on_each_other_are_paused_and_resumed_by_one_command() {
    let mut run = told(&[("A", ""), ("B", "A")]);
    let components: BTreeSet<_> = ["A".into(), "B".into()].into();
    run.claim("A");
    run.step(Event::Paused { components: components.clone() });
    run.set_task_status("A", TaskOutcome::Finished);
    assert_eq!((run.status("B"), run.offers().len()), (Status::WaitingOnDependencies, 0));
    run.step(Event::Resumed { components });
    assert_eq!(run.offers().len(), 1);
}
