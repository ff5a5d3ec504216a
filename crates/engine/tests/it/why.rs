//! The sentence that says why an instance waits.

use engine::{Event, InstanceId, RunnerId, TaskError, TaskOutcome};

use crate::harness::{STARTED, TestRun, shell, started, started_with};

fn why(run: &TestRun, name: &str) -> String {
    let instance = run.run.instance(&format!("@{name}_{STARTED}")).unwrap();
    run.run.why_it_waits(instance).unwrap_or_default().replace(STARTED, "T")
}

fn chain() -> TestRun {
    let second = shell("Second", r#", "dependsOn": {"ref": "First"}"#);
    started(&format!("{}, {second}", shell("First", "")))
}

#[test]
fn an_instance_under_way_says_who_has_to_act_next() {
    let mut run = chain();
    let runner = "waits for a task runner that polls worker group `g`";
    assert_eq!(
        (why(&run, "First"), why(&run, "Second")),
        (runner.into(), format!("waits for @First_T, which {runner}"))
    );
    run.claim("First");
    assert_eq!(why(&run, "First"), "waits for the task runner on runner to acknowledge it");
    run.report("First", &[]);
    assert_eq!(
        (why(&run, "First"), why(&run, "Second")),
        (String::new(), "waits for @First_T, which is RUNNING".into())
    );
    run.set_task_status("First", TaskOutcome::Failed(TaskError::new("Oops", "the disk is full")));
    let retry =
        "waits until 2030-01-31T22:01:00 for its next attempt, because attempt 1 failed: the disk is full";
    assert_eq!(why(&run, "First"), retry);
}

#[test]
fn an_instance_that_will_never_go_on_by_itself_says_what_to_do() {
    let mut run = started_with(
        r#", "maximumRetries": "0""#,
        &format!("{}, {}", shell("First", ""), shell("Second", r#", "dependsOn": {"ref": "First"}"#)),
    );
    run.fail("First", "Oops", "it broke");
    assert_eq!(why(&run, "Second"), "waits for @First_T, which is FAILED: rerun it, or mark it as finished");
    let mut run = chain();
    run.step(Event::Paused { components: ["First".into()].into() });
    assert_eq!(why(&run, "First"), "is withheld: `First` is PAUSED until a user resumes it");
}

#[test]
fn a_precondition_that_does_not_hold_yet_says_how_often_it_was_checked() {
    let ready = r#"{"id": "Ready", "type": "S3KeyExists", "s3Key": "s3://b/k", "role": "r"}"#;
    let mut run = started(&format!("{ready}, {}", shell("Work", r#", "precondition": {"ref": "Ready"}"#)));
    assert_eq!(why(&run, "Ready_Work"), "waits for the service to check it");
    let id = InstanceId::from(format!("@Ready_Work_{STARTED}"));
    let attempt = run.run.instance(id.as_str()).unwrap().newest_attempt().unwrap().id.clone();
    run.step(Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("service") });
    run.step(Event::StatusSet { attempt, handout: 1, outcome: TaskOutcome::False });
    let waits = "does not hold yet: checked once, the next time at 2030-01-31T22:01:00";
    assert_eq!(why(&run, "Ready_Work"), waits);
    assert_eq!(why(&run, "Work"), format!("waits for @Ready_Work_T, which {waits}"));
}

#[test]
fn an_instance_in_a_chain_names_the_instance_that_holds_up_the_chain() {
    let second = shell("Second", r#", "dependsOn": {"ref": "First"}"#);
    let third = shell("Third", r#", "dependsOn": [{"ref": "Second"}, {"ref": "First"}]"#);
    let mut run = started(&format!("{}, {second}, {third}", shell("First", "")));
    run.claim("First");
    run.report("First", &[]);
    assert_eq!(why(&run, "Third"), "waits for @First_T, which is RUNNING");
}

#[test]
fn an_instance_that_waits_for_a_resource_says_how_far_the_resource_is() {
    let machine =
        r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r", "maximumRetries": "1"}"#;
    let second = shell("Second", r#", "dependsOn": {"ref": "First"}"#);
    let mut run = started_with(
        r#", "runsOn": {"ref": "Box"}"#,
        &format!("{machine}, {}, {second}", shell("First", "")),
    );
    let on_its_way = "waits for resource @Box_T, which is being created";
    assert_eq!(why(&run, "First"), on_its_way);
    assert_eq!(why(&run, "Box"), "is being created");
    assert_eq!(why(&run, "Second"), on_its_way);
    let attempt = run.newest_attempt("Box").0;
    let fields = vec![definition::Field::string("@resourceStatus", "all 2 places are taken")];
    run.step(Event::ResourceReported { attempt, fields });
    assert_eq!(why(&run, "First"), format!("{on_its_way}: all 2 places are taken"));
    run.created("Box");
    assert_eq!(
        (why(&run, "First"), why(&run, "Box")),
        ("waits for a worker of resource @Box_T".into(), String::new())
    );
    run.gone("Box", "spot price");
    let waits = "is created again at 2030-01-31T22:01:00, because attempt 1 failed: the machine disappeared while it was in use: spot price";
    assert_eq!(why(&run, "Box"), waits);
    assert_eq!(why(&run, "First"), format!("waits for resource @Box_T, which {waits}"));
}

#[test]
fn many_dependencies_are_counted() {
    let first: Vec<_> = (0..5).map(|number| shell(&format!("A{number}"), "")).collect();
    let after: Vec<_> = (0..5).map(|number| format!(r#"{{"ref": "A{number}"}}"#)).collect();
    let last = shell("Last", &format!(r#", "dependsOn": [{}]"#, after.join(", ")));
    let run = started(&format!("{}, {last}", first.join(", ")));
    assert!(why(&run, "Last").ends_with("; and for 2 more"), "{}", why(&run, "Last"));
}
