//! Lateness: `lateAfterTimeout` and `onLateAction`.

use std::sync::Arc;

use engine::{Activation, Occasion, Status, Timetable};

use crate::harness::{TestRun, activation, plan, shell};

/// Returns a run with an hourly `Work`, which is late after 10 minutes and has the late actions `actions`, and with the objects
/// `more`.
fn hourly_work(actions: &str, more: &str) -> TestRun {
    let text = format!(
        r##"{{"id": "Default", "scheduleType": "cron", "schedule": {{"ref": "Hourly"}}, "workerGroup": "g"}},
        {{"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "2030-01-31T22:00:00"}},
        {{"id": "Stop", "type": "Terminate"}},
        {{"id": "Tell", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "late", "message": "#{{node.name}}"}},
        {}{more}"##,
        shell("Work", &format!(r#", "lateAfterTimeout": "10 minutes", "onLateAction": {actions}"#))
    );
    let plan = plan(&text, "").unwrap();
    let timetable = Arc::new(Timetable::of(&plan, activation().at).unwrap().unwrap());
    let upcoming = timetable.next(None).unwrap();
    let occasion = Occasion::Scheduled { timetable, upcoming, is_skipped: false };
    let (run, step) = engine::expand(plan, Activation { occasion, ..activation() }).unwrap();
    TestRun { now: run.header().started, run, effects: step.effects }
}

#[test]
fn a_late_instance_is_reported_once_and_stopped_if_it_has_not_started() {
    let mut run = hourly_work(r#"[{"ref": "Tell"}, {"ref": "Stop"}]"#, "");
    run.advance_minutes(9);
    assert!(run.notices().is_empty());
    run.advance_minutes(1);
    let message = format!("@Work_{}", crate::harness::STARTED);
    assert_eq!(run.notices().iter().map(|notice| notice.message.clone()).collect::<Vec<_>>(), [message]);
    assert_eq!(run.status("Work"), Status::Canceled);
    run.advance_minutes(10);
    assert_eq!(run.notices().len(), 1);
}

#[test]
fn a_late_instance_at_work_is_reported_and_goes_on() {
    let mut run = hourly_work(r#"[{"ref": "Tell"}, {"ref": "Stop"}]"#, "");
    run.claim("Work");
    run.report("Work", &[]);
    run.advance_minutes(10);
    assert_eq!((run.notices().len(), run.status("Work")), (1, Status::Running));
    run.set_task_status("Work", engine::TaskOutcome::Finished);
    assert_eq!(run.status("Work"), Status::Finished);
}

#[test]
fn an_instance_that_waits_for_ever_is_late_even_after_its_run_ended() {
    let work = r#"{"ref": "Tell"}, "dependsOn": {"ref": "Before"}"#;
    let mut run = hourly_work(work, &format!(", {}", shell("Before", r#", "maximumRetries": "0""#)));
    run.fail("Before", "E", "no luck");
    let ended = run.run.end().cloned().unwrap();
    assert!(ended.stuck && run.run.header().is_awake());
    assert_eq!(run.run.next_wake(), ended.late_at);
    run.advance_minutes(9);
    assert!(run.notices().is_empty());
    run.advance_minutes(1);
    assert_eq!(run.notices().len(), 1);
    let told = run.run.end().unwrap();
    assert_eq!((told.at, told.late_at, run.run.header().is_awake()), (ended.at, None, false));
}

#[test]
fn an_instance_that_ends_in_time_is_not_late() {
    let mut run = hourly_work(r#"{"ref": "Tell"}"#, "");
    run.finish("Work");
    assert_eq!(run.run.next_wake(), None);
    run.advance_minutes(60);
    assert!(run.notices().is_empty());
}
