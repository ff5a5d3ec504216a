//! Resources: when a machine is made, when it is ended, and how its failure affects the instances that run on it.

use engine::instance::Ending;
use engine::{Effect, Event, RunOutcome, RunnerId, Status, TaskError, TaskOutcome};

use crate::harness::{STARTED, TestRun, instance, shell, started_with, try_start};

/// Returns a run of the resource `Box` with the given fields, and of `objects`, which run on it.
fn with_box(fields: &str, objects: &[String]) -> TestRun {
    let machine =
        format!(r#"{{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"{fields}}}"#);
    started_with(r#", "runsOn": {"ref": "Box"}"#, &format!("{machine}, {}", objects.join(", ")))
}

/// Returns a run of First, then Second, on one machine.
fn chain(fields: &str) -> TestRun {
    with_box(fields, &[shell("First", ""), shell("Second", r#", "dependsOn": {"ref": "First"}"#)])
}

/// Returns the attempt ids of the machines about which the host was asked, oldest first.
fn asked(run: &TestRun) -> Vec<String> {
    let effects = run.effects.iter().filter_map(|effect| match effect {
        Effect::Resource { attempt } => Some(attempt.to_string()),
        Effect::Offer { .. } | Effect::Publish(_) | Effect::Ended(_) => None,
    });
    effects.collect()
}

fn reason(run: &TestRun, component: &str) -> String {
    let id = instance(component);
    match &run.run.instance(id.as_str()).unwrap().status {
        engine::instance::Status::Final(Ending::Canceled { reason }) => reason.replace(STARTED, "T"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_resource_is_made_for_its_first_user_and_ended_after_its_last() {
    let mut run = chain("");
    assert_eq!(
        run.statuses(),
        ["Box CREATING", "First WAITING_ON_DEPENDENCIES", "Second WAITING_ON_DEPENDENCIES"]
    );
    assert_eq!((run.offers(), asked(&run)), (vec![], vec![format!("@Box_{STARTED}_Attempt=1")]));
    run.created("Box");
    assert_eq!(run.offers(), [format!("@First_{STARTED}_Attempt=1 df-1/@Box_{STARTED}")]);
    run.finish("First");
    run.finish("Second");
    assert_eq!(run.statuses(), ["Box SHUTTING_DOWN", "First FINISHED", "Second FINISHED"]);
    assert!(run.run.end().is_none(), "its machine is still there");
    run.gone("Box", "ended");
    assert_eq!(run.status("Box"), Status::Finished);
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Finished);
    assert_eq!(run.run.machines().count(), 0);
}

#[test]
fn a_resource_waits_until_a_user_is_ready_for_it() {
    let before = shell("Before", r#", "workerGroup": "own""#);
    let work = shell("Work", r#", "dependsOn": {"ref": "Before"}, "runsOn": {"ref": "Box"}"#);
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = started_with("", &[machine.to_owned(), before, work].join(", "));
    assert_eq!(run.status("Box"), Status::WaitingOnDependencies);
    run.finish("Before");
    assert_eq!(run.status("Box"), Status::Creating);
}

#[test]
fn a_resource_whose_users_all_failed_while_it_waited_is_finished_and_was_never_made() {
    let before = shell("Before", r#", "workerGroup": "own", "maximumRetries": "0""#);
    let work = shell(
        "Work",
        r#", "dependsOn": {"ref": "Before"}, "runsOn": {"ref": "Box"}, "failureAndRerunMode": "cascade""#,
    );
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let mut run = started_with("", &[machine.to_owned(), before, work].join(", "));
    run.fail("Before", "Oops", "it broke");
    assert_eq!(run.statuses(), ["Box FINISHED", "Before FAILED", "Work CASCADE_FAILED"]);
    assert!(asked(&run).is_empty());
}

#[test]
fn a_resource_without_users_is_never_made() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let run = started_with("", &format!("{machine}, {}", shell("Work", "")));
    assert_eq!(run.statuses(), ["Work WAITING_FOR_RUNNER"]);
}

#[test]
fn checks_by_workers_run_where_their_owner_does_and_need_the_resource_first() {
    let asked = r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true"}"#;
    let landed = r#"{"id": "Landed", "type": "S3KeyExists", "s3Key": "s3://b/k", "role": "r"}"#;
    let work = shell("Work", r#", "precondition": [{"ref": "Asked"}, {"ref": "Landed"}]"#);
    let mut run = with_box("", &[asked.to_owned(), landed.to_owned(), work]);
    assert_eq!(
        run.statuses(),
        [
            "Box CREATING",
            "Work WAITING_ON_DEPENDENCIES",
            "Asked WAITING_ON_DEPENDENCIES",
            "Landed WAITING_FOR_RUNNER"
        ]
    );
    run.created("Box");
    let group = format!("df-1/@Box_{STARTED}");
    assert!(run.offers()[0].ends_with(&group), "{:?}", run.offers());
    assert_eq!(run.offers().len(), 2);
}

#[test]
fn a_retry_uses_the_same_resource() {
    let mut run = chain("");
    run.created("Box");
    run.fail("First", "Oops", "no");
    run.advance_minutes(1);
    assert_eq!(run.offers(), [format!("@First_{STARTED}_Attempt=2 df-1/@Box_{STARTED}")]);
    assert_eq!(asked(&run).len(), 2, "created, and RUNNING");
}

#[test]
fn a_machine_that_cannot_be_made_is_tried_again_and_then_its_users_are_canceled() {
    let mut run = chain(r#", "maximumRetries": "1", "retryDelay": "5 minutes""#);
    run.gone("Box", "no capacity");
    assert_eq!(run.status("Box"), Status::Scheduled);
    run.advance_minutes(5);
    assert_eq!(run.status("Box"), Status::Creating);
    run.gone("Box", "no capacity");
    assert_eq!(run.statuses(), ["Box FAILED", "First CANCELED", "Second CANCELED"]);
    assert_eq!(
        reason(&run, "First"),
        "its resource `@Box_T` failed: the machine could not be created: no capacity"
    );
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Failed);
}

#[test]
fn a_machine_that_is_not_made_within_init_timeout_fails() {
    let mut run = chain(r#", "maximumRetries": "0", "initTimeout": "10 minutes""#);
    run.advance_minutes(10);
    assert_eq!(run.statuses()[..2], ["Box SHUTTING_DOWN", "First WAITING_ON_DEPENDENCIES"]);
    run.gone("Box", "ended");
    assert_eq!(run.statuses(), ["Box FAILED", "First CANCELED", "Second CANCELED"]);
}

#[test]
fn lost_work_is_tried_again_on_a_new_machine_and_other_work_spends_no_try() {
    let objects = [shell("Busy", ""), shell("Free", ""), shell("Done", "")];
    let mut run = with_box(r#", "retryDelay": "5 minutes""#, &objects);
    run.created("Box");
    run.finish("Done");
    run.claim("Busy");
    run.report("Busy", &[]);
    run.gone("Box", "spot price");
    assert_eq!(
        run.statuses(),
        ["Box SCHEDULED", "Busy WAITING_FOR_RUNNER", "Free WAITING_FOR_RUNNER", "Done FINISHED"]
    );
    assert!(run.offers().is_empty(), "no worker is there to take them");
    let attempt = run.newest_attempt("Free").0;
    let taken = run.try_step(Event::Claimed { attempt, runner: RunnerId::from("r") });
    assert_eq!(taken.unwrap_err().to_string(), format!("object `@Box_{STARTED}` is SCHEDULED"));
    run.advance_minutes(5);
    assert_eq!(run.status("Busy"), Status::WaitingOnDependencies, "its retry waits for the machine");
    run.created("Box");
    let offers: Vec<_> =
        run.offers().iter().map(|offer| offer.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(offers, [format!("@Busy_{STARTED}_Attempt=2"), format!("@Free_{STARTED}_Attempt=1")]);
    run.finish("Busy");
    run.finish("Free");
    run.gone("Box", "ended");
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Finished);
}

#[test]
fn retrynone_makes_no_new_machine_for_a_lost_machine() {
    let mut run = chain(r#", "actionOnResourceFailure": "RetryNone""#);
    run.gone("Box", "no capacity");
    assert_eq!(run.status("Box"), Status::Scheduled, "nothing has run on the machine yet");
    run.advance_minutes(1);
    run.created("Box");
    run.claim("First");
    run.report("First", &[]);
    run.gone("Box", "spot price");
    assert_eq!(run.statuses(), ["Box FAILED", "First CANCELED", "Second CANCELED"]);
    assert!(run.report("First", &[]).canceled, "a runner that still works on it is told to stop");
}

#[test]
fn terminate_after_ends_a_machine_and_cancels_its_users_without_retry() {
    let mut run = chain(r#", "terminateAfter": "1 hour", "actionOnResourceFailure": "retryall""#);
    run.advance_minutes(30);
    run.created("Box");
    run.claim("First");
    for _ in 0..6 {
        run.report("First", &[]);
        run.advance_minutes(10);
    }
    assert_eq!(run.statuses(), ["Box SHUTTING_DOWN", "First CANCELED", "Second CANCELED"]);
    assert_eq!(reason(&run, "First"), "its resource `@Box_T` reached its terminateAfter");
    run.gone("Box", "ended");
    assert_eq!(run.status("Box"), Status::TimedOut);
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Failed);
}

#[test]
fn a_failed_task_ends_the_resource_only_if_action_on_task_failure_says_so() {
    let failed = |action: &str| {
        let objects = [shell("Bad", r#", "maximumRetries": "0""#), shell("Good", "")];
        let mut run = with_box(action, &objects);
        run.created("Box");
        run.fail("Bad", "Oops", "no");
        run.statuses()
    };
    assert_eq!(failed(""), ["Box RUNNING", "Bad FAILED", "Good WAITING_FOR_RUNNER"]);
    let terminate = failed(r#", "actionOnTaskFailure": "terminate""#);
    assert_eq!(terminate, ["Box SHUTTING_DOWN", "Bad FAILED", "Good CANCELED"]);
}

#[test]
fn a_canceled_resource_cancels_its_users_and_a_rerun_reruns_them() {
    let mut run = chain("");
    run.created("Box");
    run.claim("First");
    run.report("First", &[]);
    run.cancel("Box").unwrap();
    assert_eq!(run.statuses(), ["Box SHUTTING_DOWN", "First CANCELED", "Second CANCELED"]);
    run.gone("Box", "ended");
    assert_eq!(run.status("Box"), Status::Canceled);
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Canceled);
    run.rerun("Box");
    assert_eq!(
        run.statuses(),
        ["Box CREATING", "First WAITING_ON_DEPENDENCIES", "Second WAITING_ON_DEPENDENCIES"]
    );
    run.created("Box");
    run.finish("First");
    run.finish("Second");
    run.gone("Box", "ended");
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Finished);
}

#[test]
fn the_resource_of_a_rerun_activity_is_made_again() {
    let mut run = chain("");
    run.created("Box");
    run.finish("First");
    run.finish("Second");
    run.rerun("Second");
    assert_eq!(run.status("Box"), Status::ShuttingDown);
    run.gone("Box", "ended");
    assert_eq!(run.statuses(), ["Box CREATING", "First FINISHED", "Second WAITING_ON_DEPENDENCIES"]);
    assert_eq!(run.newest_attempt("Box").0.as_str(), format!("@Box_{STARTED}_Attempt=2"));
    run.created("Box");
    run.finish("Second");
    run.gone("Box", "ended");
    run.rerun("Second");
    assert_eq!(run.statuses()[0], "Box CREATING", "also when the machine is gone already");
}

#[test]
fn a_run_that_is_canceled_waits_for_its_machines() {
    let mut run = chain("");
    run.created("Box");
    run.claim("First");
    run.report("First", &[]);
    run.step(Event::RunCanceled { reason: "deactivated".to_owned() });
    assert_eq!(run.statuses(), ["Box SHUTTING_DOWN", "First CANCELED", "Second CANCELED"]);
    assert!(run.run.end().is_none());
    run.gone("Box", "ended");
    assert_eq!(run.run.end().unwrap().outcome, RunOutcome::Canceled);
}

#[test]
fn a_resource_that_only_stuck_work_would_use_is_ended() {
    let mut run = chain(r#", "maximumRetries": "0""#);
    run.created("Box");
    for _ in 0..3 {
        run.fail("First", "Oops", "no");
        run.advance_minutes(1);
    }
    assert_eq!(run.statuses(), ["Box SHUTTING_DOWN", "First FAILED", "Second WAITING_ON_DEPENDENCIES"]);
    run.gone("Box", "ended");
    assert!(run.run.end().unwrap().stuck);
    run.step(Event::MarkedFinished { instances: [instance("First")].into() });
    assert_eq!(run.statuses(), ["Box CREATING", "First FINISHED", "Second WAITING_ON_DEPENDENCIES"]);
}

#[test]
fn the_fields_that_a_host_reports_are_shown() {
    let mut run = chain("");
    let attempt = run.newest_attempt("Box").0;
    let field = |key: &str, value: &str| definition::Field::string(key, value);
    let said = vec![field("@resourceStatus", "pending")];
    let step = run.step(Event::ResourceReported { attempt: attempt.clone(), fields: said.clone() });
    assert!(!step.is_empty());
    assert!(
        run.step(Event::ResourceReported { attempt: attempt.clone(), fields: said }).is_empty(),
        "a repeated report changes nothing"
    );
    let created = vec![field("@resourceId", "i-1"), field("@resourceStatus", "running")];
    run.step(Event::ResourceCreated { attempt: attempt.clone(), fields: created });
    let form = engine::wire_objects::Form { evaluated: true, secrets_clear: false };
    for id in [attempt.as_str(), instance("Box").as_str()] {
        let object = run.run.object(id, form).unwrap();
        assert_eq!(
            (object.string("@resourceId"), object.string("@resourceStatus"), object.string("@status")),
            (Some("i-1"), Some("running"), Some("RUNNING"))
        );
    }
    run.gone("Box", "spot price");
    let object = run.run.object(attempt.as_str(), form).unwrap();
    assert_eq!(
        object.string("@failureReason"),
        Some("the machine disappeared while it was in use: spot price")
    );
    let late = run.try_step(Event::ResourceCreated { attempt: attempt.clone(), fields: vec![] });
    assert_eq!(late.unwrap_err().to_string(), format!("attempt `{attempt}` is FAILED"));
}

#[test]
fn runners_cannot_take_a_machine() {
    let mut run = chain("");
    let (attempt, handout) = run.newest_attempt("Box");
    for event in [
        Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("r") },
        Event::ProgressReported { attempt: attempt.clone(), handout, fields: vec![] },
        Event::StatusSet { attempt: attempt.clone(), handout, outcome: TaskOutcome::Finished },
        Event::Released { attempt },
        Event::MarkedFinished { instances: [instance("Box")].into() },
    ] {
        assert!(run.try_step(event.clone()).is_err(), "{event:?}");
    }
}

#[test]
fn fields_that_cannot_be_evaluated_fail_the_resource_before_a_host_is_asked() {
    let run = chain(r##", "imageId": "#{noSuchField}""##);
    assert_eq!(run.statuses(), ["Box FAILED", "First CANCELED", "Second CANCELED"]);
    assert!(reason(&run, "First").contains("object `Box`, field `imageId`"), "{}", reason(&run, "First"));
}

#[test]
fn the_users_of_a_paused_resource_wait() {
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let before = shell("Before", r#", "workerGroup": "g""#);
    let work = shell("Work", r#", "dependsOn": {"ref": "Before"}, "runsOn": {"ref": "Box"}"#);
    let mut run = started_with("", &[machine.to_owned(), before, work].join(", "));
    run.step(Event::Paused { components: ["Box".into()].into() });
    run.finish("Before");
    assert_eq!(run.status("Box"), Status::WaitingOnDependencies);
    assert!(run.run.end().is_none(), "somebody may resume it");
    run.step(Event::Resumed { components: ["Box".into()].into() });
    assert_eq!(run.status("Box"), Status::Creating);
}

#[test]
fn a_resource_fires_its_own_alarms() {
    let alarm = |id: &str| {
        format!(
            r##"{{"id": "{id}", "type": "SnsAlarm", "topicArn": "t", "role": "r", "subject": "{id} #{{node.@status}}", "message": "#{{node.errorMessage}}"}}"##
        )
    };
    let told = r#", "maximumRetries": "0", "onFail": {"ref": "Bad"}, "onSuccess": {"ref": "Good"}"#;
    let objects = [alarm("Bad"), alarm("Good"), shell("Work", "")];
    let mut run = with_box(told, &objects);
    run.created("Box");
    run.finish("Work");
    assert!(run.notices().is_empty());
    run.gone("Box", "ended");
    assert_eq!(run.notices()[0].subject, "Good FINISHED");
    let mut run = with_box(told, &objects);
    run.gone("Box", "no capacity");
    assert_eq!(run.notices()[0].message, "the machine could not be created: no capacity");
}

#[test]
fn an_activity_needs_a_worker_group_or_a_resource() {
    let default = r#"{"id": "Default", "scheduleType": "ondemand"}"#;
    let refused = try_start(&format!("{default}, {}", shell("A", "")), "").err().unwrap().to_string();
    assert!(refused.contains("`workerGroup`") && refused.contains("`runsOn`"), "{refused}");
    let wrong = shell("A", r#", "runsOn": {"ref": "N"}"#);
    let node = r#"{"id": "N", "type": "S3DataNode", "filePath": "s3://b/n"}"#;
    assert!(try_start(&format!("{default}, {node}, {wrong}"), "").is_err());
}

#[test]
fn a_failed_attempt_says_that_its_machine_disappeared() {
    let mut run = chain(r#", "maximumRetries": "5""#);
    for _ in 0..3 {
        run.created("Box");
        run.claim("First");
        run.report("First", &[]);
        run.gone("Box", "spot price");
        run.advance_minutes(1);
    }
    assert_eq!(run.status("First"), Status::Failed, "maximumRetries counts lost machines too");
    let error: &TaskError = run.run.instances()[1].error().unwrap();
    assert_eq!(error.id.as_deref(), Some(engine::RESOURCE_LOST));
}
