//! The rules of order, retry, cascade, cancellation and rerun.

use engine::{Effect, Event, Occasion, RunOutcome, RunnerId, Status, TaskError, TaskOutcome, expand};
use jiff::SignedDuration;

use crate::harness::{TestRun, activation, instance, plan, shell, started, started_with, try_start};

/// Returns a run of `In -> Load -> Table -> Build`, and of `After`, which depends on Build.
fn chain(more: &str) -> TestRun {
    let nodes = r#"{"id": "In", "type": "S3DataNode", "filePath": "s3://b/in"},
                   {"id": "Table", "type": "S3DataNode", "filePath": "s3://b/table"}"#;
    let load = shell("Load", r#", "input": {"ref": "In"}, "output": {"ref": "Table"}"#);
    let build = shell("Build", r#", "input": {"ref": "Table"}"#);
    let after = shell("After", r#", "dependsOn": {"ref": "Build"}"#);
    started_with(more, &format!("{after}, {build}, {load}, {nodes}"))
}

const CASCADE: &str = r#", "failureAndRerunMode": "CASCADE""#;

#[test]
fn an_input_that_nothing_produces_is_finished_at_once_and_an_output_waits_for_its_producer() {
    let mut run = chain("");
    assert_eq!(run.status("In"), Status::Finished);
    assert_eq!(run.status("Table"), Status::WaitingOnDependencies);
    assert_eq!(run.offers(), ["@Load_2030-01-31T22:00:00_Attempt=1 g"]);
    run.finish("Load");
    assert_eq!(run.status("Table"), Status::Finished);
    assert_eq!(run.offers(), ["@Build_2030-01-31T22:00:00_Attempt=1 g"]);
}

#[test]
fn waiting_on_lists_the_unfinished_dependencies() {
    let run = chain("");
    let build = run.run.instance(instance("Build").as_str()).unwrap();
    assert_eq!(run.run.waiting_on(build), [instance("Table")]);
}

#[test]
fn a_run_ends_when_every_instance_is_final() {
    let mut run = chain("");
    for activity in ["Load", "Build", "After"] {
        assert_eq!(run.run.end(), None);
        run.finish(activity);
    }
    assert_eq!(run.run.end().map(|end| (end.outcome, end.stuck)), Some((RunOutcome::Finished, false)));
    assert_eq!(run.effects.last(), Some(&Effect::Ended(RunOutcome::Finished)));
}

#[test]
fn a_run_without_work_ends_at_once() {
    let run = started(r#"{"id": "In", "type": "S3DataNode"}"#);
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
}

#[test]
fn a_failed_attempt_is_tried_again_after_the_retry_delay() {
    let mut run = started(&shell("A", ""));
    run.fail("A", "E", "no");
    assert_eq!((run.status("A"), run.offers().len()), (Status::WaitingForRunner, 0));
    run.advance_minutes(1);
    assert_eq!(run.offers(), ["@A_2030-01-31T22:00:00_Attempt=2 g"]);
}

#[test]
fn an_instance_fails_after_one_try_and_maximum_retries() {
    let mut run = started(&shell("A", r#", "maximumRetries": "1""#));
    run.fail("A", "E", "no");
    run.advance_minutes(1);
    run.fail("A", "E", "no again");
    assert_eq!(run.status("A"), Status::Failed);
    let error = run.run.instance(instance("A").as_str()).unwrap().error().cloned();
    assert_eq!(error, Some(TaskError::new("E", "no again")));
    assert_eq!(run.run.end().map(|end| (end.outcome, end.stuck)), Some((RunOutcome::Failed, false)));
}

#[test]
fn bad_input_fails_at_once() {
    let mut run = started(&shell("A", ""));
    run.fail("A", "BadInput:Header", "no column `id`");
    assert_eq!(run.status("A"), Status::Failed);
}

#[test]
fn a_field_that_cannot_be_evaluated_fails_the_attempt_and_is_reported() {
    let run = started(&shell("A", r##", "scriptArgument": "#{nowhere}""##));
    assert_eq!(run.status("A"), Status::Failed);
    let error = run.run.instance(instance("A").as_str()).unwrap().error().cloned().unwrap();
    let message = error.message.unwrap();
    assert_eq!(message, "object `A`, field `scriptArgument`: `nowhere` has no value here");
}

#[test]
fn a_field_whose_value_is_not_allowed_fails_the_attempt_with_the_message_of_validation() {
    let run = started(&shell("A", r##", "maximumRetries": "#{4000 + 5000}""##));
    assert_eq!(run.status("A"), Status::Failed);
    let error = run.run.instance(instance("A").as_str()).unwrap().error().cloned().unwrap();
    let reason = "'maximumRetries' value must be a whole number from 0 to 1000. Found '9000'";
    assert_eq!(error.message.unwrap(), format!("object `A`, field `maximumRetries`: {reason}"));
}

#[test]
fn a_task_that_is_not_acknowledged_is_handed_out_again_under_a_new_task_id() {
    let mut run = started(&shell("A", ""));
    run.claim("A");
    let (attempt, handout) = run.newest_attempt("A");
    assert_eq!(run.run.next_wake(), Some(run.now + SignedDuration::from_mins(2)));
    run.advance_minutes(2);
    assert_eq!(run.offers(), ["@A_2030-01-31T22:00:00_Attempt=1 g"]);
    let late = Event::ProgressReported { attempt: attempt.clone(), handout, fields: vec![] };
    assert!(run.try_step(late.clone()).is_err());
    run.claim("A");
    assert_eq!(run.newest_attempt("A"), (attempt, handout + 1));
    assert!(run.try_step(late).is_err());
}

#[test]
fn the_attempt_of_a_runner_that_is_gone_is_free_at_once() {
    let mut run = started(&shell("A", ""));
    run.claim("A");
    run.report("A", &[]);
    let held: Vec<_> = run.run.handed_out().map(|(_, runner)| runner.clone()).collect();
    assert_eq!(held, [RunnerId::from("runner")]);
    let attempt = run.newest_attempt("A").0;
    run.step(Event::Released { attempt });
    assert_eq!(run.offers(), ["@A_2030-01-31T22:00:00_Attempt=1 g"]);
}

#[test]
fn a_stalled_attempt_is_retried_and_its_runner_is_told_to_stop() {
    let mut run = started(&shell("A", r#", "reportProgressTimeout": "5 minutes""#));
    run.claim("A");
    run.report("A", &[]);
    let (attempt, handout) = run.newest_attempt("A");
    run.advance_minutes(5);
    run.advance_minutes(1);
    assert_eq!(run.newest_attempt("A").0.parts().unwrap().1, 2);
    let step = run.step(Event::ProgressReported { attempt, handout, fields: vec![] });
    assert!(step.canceled && step.is_empty());
}

#[test]
fn with_cascade_all_consumers_downstream_fall_with_a_failure() {
    let mut run = chain(CASCADE);
    run.fail("Load", "BadInput", "no");
    for fallen in ["Table", "Build", "After"] {
        assert_eq!(run.status(fallen), Status::CascadeFailed, "{fallen}");
    }
    let after = run.run.object(instance("After").as_str(), crate::objects::PLAIN).unwrap();
    let chain: Vec<_> = after.references("@cascadeFailedOn").map(|id| id.as_str()).collect();
    let load_first = [instance("Load"), instance("Table"), instance("Build")];
    assert_eq!(chain, load_first.each_ref().map(|id| id.as_str()));
    assert_eq!(run.run.end().map(|end| (end.outcome, end.stuck)), Some((RunOutcome::Failed, false)));
}

#[test]
fn failure_mode_and_number_of_active_runs_may_be_expressions() {
    let mut run = chain(r##", "failureAndRerunMode": "#{myMode}", "myMode": "Cascade""##);
    run.fail("Load", "BadInput", "no");
    assert_eq!(run.status("Build"), Status::CascadeFailed);
    let default = r##"{"id": "Default", "maxActiveInstances": "#{myMost + 1}"}"##;
    let values = r#", "parameters": [{"id": "myMost", "type": "Integer", "default": "2"}]"#;
    let plan = plan(default, values).unwrap();
    assert_eq!((plan.max_active_instances(false), plan.max_active_instances(true)), (3, 3));
}

#[test]
fn without_cascade_consumers_wait_for_ever_and_the_run_counts_as_stuck() {
    let mut run = chain("");
    run.fail("Load", "BadInput", "no");
    assert_eq!(run.status("Build"), Status::WaitingOnDependencies);
    assert_eq!(run.run.end().map(|end| (end.outcome, end.stuck)), Some((RunOutcome::Failed, true)));
}

#[test]
fn marking_a_failure_finished_frees_its_consumers() {
    let mut run = chain("");
    run.fail("Load", "BadInput", "no");
    run.step(Event::MarkedFinished { instances: [instance("Load")].into() });
    assert_eq!(run.run.end(), None);
    run.finish("Build");
    run.finish("After");
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
}

#[test]
fn a_rerun_also_reruns_fallen_consumers_and_counts_tries_from_the_beginning() {
    let mut run = chain(CASCADE);
    run.fail("Load", "BadInput", "no");
    run.rerun("Load");
    assert_eq!(run.run.end(), None);
    assert_eq!(run.status("After"), Status::WaitingOnDependencies);
    assert_eq!(run.offers(), ["@Load_2030-01-31T22:00:00_Attempt=2 g"]);
    for activity in ["Load", "Build", "After"] {
        run.finish(activity);
    }
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
}

#[test]
fn a_rerun_consumer_falls_again_while_the_cause_is_still_bad() {
    let mut run = chain(CASCADE);
    run.fail("Load", "BadInput", "no");
    run.rerun("Build");
    assert_eq!(run.status("Build"), Status::CascadeFailed);
}

#[test]
fn rerunning_a_finished_object_without_cascade_reruns_that_object_only() {
    let mut run = chain("");
    run.finish("Load");
    run.finish("Build");
    run.rerun("Load");
    run.finish("Load");
    assert_eq!(run.status("Build"), Status::Finished);
    run.finish("After");
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
}

#[test]
fn waiting_instances_are_canceled_at_once_and_running_ones_by_their_next_report() {
    let mut run = chain(CASCADE);
    run.claim("Load");
    run.report("Load", &[]);
    run.cancel("After").unwrap();
    assert_eq!(run.status("After"), Status::Canceled);
    run.cancel("Load").unwrap();
    assert_eq!(run.status("Load"), Status::Running);
    assert!(run.report("Load", &[]).canceled);
    assert_eq!(run.status("Load"), Status::Canceled);
    assert_eq!(run.status("Build"), Status::CascadeFailed);
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Canceled));
    assert!(run.cancel("Load").is_err());
}

#[test]
fn canceling_the_run_stops_every_instance_that_is_not_final() {
    let mut run = chain("");
    run.finish("Load");
    run.step(Event::RunCanceled { reason: "deleted".to_owned() });
    assert_eq!(run.status("Load"), Status::Finished);
    assert_eq!(run.status("Build"), Status::Canceled);
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Canceled));
}

#[test]
fn a_second_activation_within_a_second_is_a_second_later() {
    let plan = plan(r#"{"id": "Default", "scheduleType": "ONDEMAND"}"#, "").unwrap();
    let first = expand(plan.clone(), activation()).unwrap().0;
    let latest = Some(first.header().scheduled);
    let second = expand(plan, engine::Activation { occasion: Occasion::OnDemand { latest }, ..activation() })
        .unwrap()
        .0;
    assert_eq!(first.header().id.as_str(), "2030-01-31T22:00:00");
    assert_eq!(second.header().id.as_str(), "2030-01-31T22:00:01");
}

#[test]
fn a_definition_that_cannot_run_is_refused_with_object_and_field() {
    let refused = |objects: &str| match try_start(objects, "") {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    };
    let default = r#"{"id": "Default", "scheduleType": "ondemand", "workerGroup": "g"}"#;
    let on_nothing = shell("A", r#", "runsOn": {"ref": "M"}"#);
    let bare = r#"{"id": "Default", "scheduleType": "ondemand"}"#;
    assert!(refused(&format!("{bare}, {on_nothing}")).starts_with("object `A` has no `workerGroup`"));
    let a = shell("A", r#", "dependsOn": {"ref": "B"}"#);
    let b = shell("B", r#", "dependsOn": {"ref": "A"}"#);
    assert!(refused(&format!("{default}, {a}, {b}")).contains("waits for itself"));
}

#[test]
fn a_step_lists_only_the_instances_that_it_changed() {
    let many: Vec<_> = (0..50).map(|n| shell(&format!("A{n}"), "")).collect();
    let mut run = started(&many.join(", "));
    let attempt = run.newest_attempt("A7").0;
    let step = run.step(Event::Claimed { attempt, runner: RunnerId::from("r") });
    assert_eq!(run.run.changed_instances(&step).count(), 1);
    assert_eq!(run.run.changed_attempts(&step).count(), 1);
    assert_eq!(run.run.header().revision, 2);
}

#[test]
fn a_precondition_answer_is_no_end_of_an_activity() {
    let mut run = started(&shell("A", ""));
    run.claim("A");
    let (attempt, handout) = run.newest_attempt("A");
    assert!(run.try_step(Event::StatusSet { attempt, handout, outcome: TaskOutcome::False }).is_err());
}
