//! Resources on a schedule: their intervals, and their machines during deactivations, pauses and reruns.

use engine::{Event, RunnerId, Status, TaskOutcome};
use jiff::SignedDuration;

use crate::harness::{STARTED, TestRun, scheduled, shell};

#[test]
fn each_interval_has_a_resource_of_its_own_from_its_start_on() {
    let schedule = format!(
        r#"{{"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "{STARTED}", "occurrences": "2"}}"#
    );
    let default = r#"{"id": "Default", "scheduleType": "timeseries", "runsOn": {"ref": "Box"}}"#;
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let work = shell("Work", r#", "schedule": {"ref": "Hourly"}"#);
    let objects = [default.to_owned(), schedule, machine.to_owned(), work].join(", ");
    let mut run = crate::harness::scheduled(&objects);
    assert_eq!(run.statuses(), ["Box WAITING_ON_DEPENDENCIES", "Work WAITING_ON_DEPENDENCIES"]);
    assert!(run.run.instances()[0].release.is_none(), "from the start of its interval on");
    run.advance_minutes(60);
    assert_eq!(run.statuses(), ["Box CREATING", "Work WAITING_ON_DEPENDENCIES"]);
    run.created("Box");
    assert_eq!(run.status("Work"), Status::WaitingForRunner);
}

#[test]
fn a_skipped_instance_that_is_rerun_has_its_resource_made() {
    let schedule = format!(
        r#"{{"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "{STARTED}", "occurrences": "2"}}"#
    );
    let default = r#"{"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"}, "runsOn": {"ref": "Box"}}"#;
    let machine = r#"{"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}"#;
    let objects = [default.to_owned(), schedule, machine.to_owned(), shell("Work", "")].join(", ");
    let mut run = crate::harness::passed_over(&objects);
    assert_eq!(run.statuses(), ["Box SKIPPED", "Work SKIPPED"]);
    run.rerun("Work");
    assert_eq!(run.statuses(), ["Box CREATING", "Work WAITING_ON_DEPENDENCIES"]);
}

/// Returns a run of two hourly loads on one cluster.
fn hourly_on_a_farm() -> TestRun {
    let schedule = |id: &str, period: &str| {
        format!(
            r#"{{"id": "{id}", "type": "Schedule", "period": "{period}", "startDateTime": "{STARTED}",
                "endDateTime": "2030-02-01T00:00:00"}}"#
        )
    };
    let default = r#"{"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"}, "runsOn": {"ref": "Farm"}}"#;
    let farm = r#"{"id": "Farm", "type": "EmrCluster", "schedule": {"ref": "Whole"}}"#;
    let objects = [schedule("Hourly", "1 hour"), schedule("Whole", "2 hours"), farm.to_owned()];
    scheduled(&format!("{default}, {}, {}", objects.join(", "), shell("Load", "")))
}

/// Hands the only attempt on offer to a runner.
fn claim_offered(run: &mut TestRun) -> engine::AttemptId {
    let attempt = run.run.offers().next().unwrap().0.clone();
    run.step(Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("runner") });
    attempt
}

fn deactivated(cancel: bool) -> Event {
    Event::Deactivated { cancel: cancel.then(|| "deactivated".to_owned()) }
}

#[test]
fn a_deactivation_ends_the_machine_and_later_intervals_get_another() {
    let mut run = hourly_on_a_farm();
    run.created("Farm");
    claim_offered(&mut run);
    run.step(deactivated(true));
    let loads = ["Load CANCELED", "Load WAITING_ON_DEPENDENCIES"];
    assert_eq!(run.statuses(), [&["Farm SHUTTING_DOWN"], &loads[..]].concat());
    assert!(run.run.is_active(), "its machine is still there");
    run.gone("Farm", "ended");
    assert_eq!(run.statuses(), [&["Farm FINISHED"], &loads[..]].concat());
    assert!(!run.run.is_active() && run.run.end().is_none());
    run.advance_minutes(60);
    assert_eq!(run.status("Farm"), Status::Finished, "it waits for the activation");
    run.step(Event::Activated { skip_until: None });
    assert_eq!(run.status("Farm"), Status::Creating);
}

#[test]
fn a_deactivation_that_lets_work_end_keeps_its_machine_until_then() {
    let mut run = hourly_on_a_farm();
    run.step(deactivated(false));
    assert_eq!(run.status("Farm"), Status::Creating, "the first load waits for it");
    run.created("Farm");
    let attempt = claim_offered(&mut run);
    run.advance_minutes(1);
    assert_eq!((run.status("Farm"), run.run.is_active()), (Status::Running, true));
    run.step(Event::StatusSet { attempt, handout: 1, outcome: TaskOutcome::Finished });
    assert_eq!(run.status("Farm"), Status::ShuttingDown);
}

#[test]
fn work_that_was_paused_while_its_machine_ended_gets_another_when_it_is_resumed() {
    let mut run = hourly_on_a_farm();
    run.created("Farm");
    run.step(Event::Paused { components: ["Load".into()].into() });
    run.step(deactivated(false));
    assert_eq!(run.status("Farm"), Status::ShuttingDown);
    run.gone("Farm", "ended");
    assert!(!run.run.is_active());
    run.step(Event::Resumed { components: ["Load".into()].into() });
    assert_eq!((run.status("Farm"), run.offers().len()), (Status::Creating, 0));
    run.created("Farm");
    assert_eq!(run.offers().len(), 1);
}

/// Returns a run of two hours, with a load in each hour on a cluster of its own.
fn two_hours(objects: &str, of_load: &str) -> TestRun {
    let schedule = |id: &str, period: &str| {
        format!(r#"{{"id": "{id}", "type": "Schedule", "period": "{period}", "startDateTime": "{STARTED}"}}"#)
    };
    let farm = r#"{"id": "Farm", "type": "EmrCluster"}"#;
    let objects = [
        r#"{"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"}}"#.to_owned(),
        schedule("Hourly", "1 hour"),
        schedule("Whole", "2 hours"),
        format!("{farm}{objects}"),
        shell("Load", &format!(r#", "runsOn": {{"ref": "Farm"}}{of_load}"#)),
        shell("Sum", r#", "workerGroup": "g", "schedule": {"ref": "Whole"}"#),
    ];
    scheduled(&objects.join(", "))
}

#[test]
fn a_paused_resource_that_is_rerun_for_nobody_is_finished() {
    let mut run = two_hours("", "");
    run.step(Event::Paused { components: ["Farm".into()].into() });
    // The second hour is passed over before it has begun.
    let second = run.run.instances().iter().rfind(|it| it.component.as_str() == "Farm").unwrap().id.clone();
    run.step(Event::Activated { skip_until: Some(run.now + SignedDuration::from_mins(119)) });
    assert_eq!(run.run.instance(second.as_str()).unwrap().wire_status(), Status::Skipped);
    run.step(Event::RerunRequested { instances: [second.clone()].into(), paused: [].into() });
    assert_eq!(run.run.instance(second.as_str()).unwrap().wire_status(), Status::Finished);
}

#[test]
fn rerunning_a_resource_reruns_no_precondition_whose_owner_was_skipped() {
    let asked = r#", {"id": "Asked", "type": "ShellCommandPrecondition", "command": "true"}"#;
    let mut run = two_hours(asked, r#", "precondition": {"ref": "Asked"}"#);
    let second = |run: &TestRun, component: &str| {
        run.run.instances().iter().rfind(|it| it.component.as_str() == component).unwrap().clone()
    };
    let check = second(&run, "Asked").id;
    run.step(Event::CancelRequested { instances: [check].into(), reason: "no need".to_owned() });
    run.step(Event::Activated { skip_until: Some(run.now + SignedDuration::from_mins(119)) });
    let farm = second(&run, "Farm").id;
    run.step(Event::RerunRequested { instances: [farm].into(), paused: [].into() });
    let words = ["Asked", "Load"].map(|component| second(&run, component).wire_status());
    assert_eq!(words, [Status::Canceled, Status::Skipped]);
}
