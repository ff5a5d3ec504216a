//! Scheduled runs: when they begin, which intervals they hold, and which are passed over.

use std::sync::Arc;

use engine::{Activation, Event, ExpandError, Occasion, Plan, Run, RunOutcome, Status, Timetable, Upcoming};
use jiff::Timestamp;

use crate::harness::{TestRun, activation, plan, shell};

const HOURLY: &str = r#"{"id": "Hourly", "type": "Schedule", "period": "1 hour",
    "startDateTime": "2030-01-31T22:00:00", "occurrences": "2"}"#;

fn at(text: &str) -> Timestamp {
    engine::time::parse(text).unwrap()
}

/// A pipeline whose runs are made when their time comes.
struct Scheduled {
    plan: Arc<Plan>,
    timetable: Arc<Timetable>,
    next: Option<Upcoming>,
}

fn scheduled(kind: &str, objects: &str) -> Scheduled {
    let default = format!(
        r#"{{"id": "Default", "scheduleType": "{kind}", "schedule": {{"ref": "Hourly"}}, "workerGroup": "g",
            "failureAndRerunMode": "CASCADE"}}"#
    );
    let plan = plan(&format!("{default}, {HOURLY}, {objects}"), "").unwrap();
    let timetable = Arc::new(Timetable::of(&plan, at("2030-01-31T22:00:00")).unwrap().unwrap());
    let next = timetable.next(None);
    Scheduled { plan, timetable, next }
}

impl Scheduled {
    fn begin(&mut self, is_skipped: bool) -> TestRun {
        let upcoming @ Upcoming { end, due, .. } = self.next.unwrap();
        self.next = self.timetable.next(Some(end));
        let timetable = Arc::clone(&self.timetable);
        let occasion = Occasion::Scheduled { timetable, upcoming, is_skipped };
        let activation = Activation { at: due, occasion, ..activation() };
        let (run, step) = engine::expand(Arc::clone(&self.plan), activation).unwrap();
        TestRun { now: due, run, effects: step.effects }
    }
}

fn field(run: &Run, id: &str, key: &str) -> String {
    let form = engine::wire_objects::Form { evaluated: true, secrets_clear: false };
    run.object(id, form).unwrap().string(key).unwrap_or_default().to_owned()
}

const WORK: &str = r##"{"id": "Out", "type": "S3DataNode", "directoryPath": "s3://out/#{@scheduledStartTime}"},
    {"id": "Work", "type": "ShellCommandActivity", "output": {"ref": "Out"},
     "command": "day #{day(@scheduledEndTime)}"}"##;

#[test]
fn each_interval_has_a_run_of_its_own_with_its_times() {
    let mut pipeline = scheduled("cron", WORK);
    let (first, second) = (pipeline.begin(false), pipeline.begin(false));
    assert_eq!(pipeline.next, None);
    assert_eq!(first.offers(), ["@Work_2030-01-31T22:00:00_Attempt=1 g"]);
    assert_eq!(second.now, at("2030-01-31T23:00:00"));
    let id = "@Work_2030-01-31T23:00:00";
    assert_eq!(field(&second.run, id, "@scheduledStartTime"), "2030-01-31T23:00:00");
    assert_eq!(field(&second.run, id, "@scheduledEndTime"), "2030-02-01T00:00:00");
    assert_eq!(field(&second.run, id, "command"), "day 1");
    let out = "@Out_2030-01-31T23:00:00";
    assert_eq!(field(&second.run, out, "directoryPath"), "s3://out/2030-01-31T23:00:00");
}

#[test]
fn a_timeseries_run_begins_when_its_interval_is_over() {
    let mut pipeline = scheduled("timeseries", WORK);
    let first = pipeline.begin(false);
    assert_eq!(first.now, at("2030-01-31T23:00:00"));
    assert_eq!(first.offers(), ["@Work_2030-01-31T22:00:00_Attempt=1 g"], "but its times are the same");
}

#[test]
fn a_run_that_is_passed_over_is_skipped_and_ends_at_once() {
    let mut pipeline = scheduled("cron", WORK);
    let first = pipeline.begin(true);
    assert_eq!(first.status("Work"), Status::Skipped);
    assert_eq!(first.run.end().map(|end| end.outcome), Some(RunOutcome::Skipped));
    assert!(first.effects.iter().all(|effect| !matches!(effect, engine::Effect::Offer { .. })));
}

/// Hourly loads and one sum of them. Each load uses a list that is made once. `Daily`, the schedule of the list and the
/// sum, is only three hours long.
const DAILY: &str = r#"{"id": "Daily", "type": "Schedule", "period": "3 hours", "startDateTime": "2030-01-31T22:00:00",
        "occurrences": "1"},
        {"id": "List", "type": "ShellCommandActivity", "command": "l", "schedule": {"ref": "Daily"}},
        {"id": "Load", "type": "ShellCommandActivity", "command": "l", "dependsOn": {"ref": "List"}},
        {"id": "Sum", "type": "ShellCommandActivity", "command": "s", "schedule": {"ref": "Daily"},
         "dependsOn": {"ref": "Load"}}"#;

#[test]
fn a_skipped_instance_that_is_rerun_waits_for_its_time() {
    let mut run = scheduled("cron", DAILY).begin(false);
    let (list, load) = ("@List_2030-01-31T22:00:00", "@Load_2030-01-31T23:00:00");
    run.step(Event::MarkedFinished { instances: [list.into(), "@Load_2030-01-31T22:00:00".into()].into() });
    run.step(Event::Activated { skip_until: Some(at("2030-01-31T23:30:00")) });
    let status = |run: &TestRun| run.run.instance(load).unwrap().wire_status();
    assert_eq!(status(&run), Status::Skipped);
    run.step(Event::RerunRequested { instances: [load.into()].into(), paused: [].into() });
    assert_eq!((status(&run), run.offers()), (Status::WaitingOnDependencies, vec![]));
    run.advance_minutes(60);
    assert_eq!(run.offers(), [format!("{load}_Attempt=1 g")]);
}

#[test]
fn each_instance_waits_for_its_time_and_for_dependencies_of_overlapping_intervals() {
    let mut run = scheduled("cron", DAILY).begin(false);
    let statuses = |run: &TestRun| -> Vec<String> {
        run.run.instances().iter().map(|it| format!("{} {}", it.id, it.wire_status())).collect()
    };
    let [list, first, sum, second] = [
        "@List_2030-01-31T22:00:00",
        "@Load_2030-01-31T22:00:00",
        "@Sum_2030-01-31T22:00:00",
        "@Load_2030-01-31T23:00:00",
    ];
    assert_eq!(
        statuses(&run),
        [
            format!("{list} WAITING_FOR_RUNNER"),
            format!("{first} WAITING_ON_DEPENDENCIES"),
            format!("{sum} WAITING_ON_DEPENDENCIES"),
            format!("{second} WAITING_ON_DEPENDENCIES"),
        ]
    );
    let finish = |run: &mut TestRun, id: &str| {
        run.step(Event::MarkedFinished { instances: [id.into()].into() });
    };
    finish(&mut run, list);
    assert_eq!(run.offers(), [format!("{first}_Attempt=1 g")], "the second load waits for its hour");
    finish(&mut run, first);
    assert_eq!(run.run.next_wake(), Some(at("2030-01-31T23:00:00")));
    assert!(run.run.end().is_none());
    run.advance_minutes(60);
    assert_eq!(run.offers(), [format!("{second}_Attempt=1 g")]);
    finish(&mut run, second);
    assert_eq!(run.offers(), [format!("{sum}_Attempt=1 g")]);
    finish(&mut run, sum);
    assert_eq!(run.run.end().map(|end| end.outcome), Some(RunOutcome::Finished));
}

#[test]
fn a_schedule_type_may_be_a_parameter() {
    let of = |value: &str| {
        let default = r##"{"id": "Default", "scheduleType": "#{myType}", "schedule": {"ref": "Hourly"},
            "workerGroup": "g"}"##;
        let values = format!(r#", "parameters": [{{"id": "myType"}}], "values": {{"myType": "{value}"}}"#);
        let plan = plan(&format!("{default}, {HOURLY}, {WORK}"), &values).unwrap();
        Timetable::of(&plan, at("2030-01-31T22:00:00"))
    };
    assert_eq!(of("OnDemand"), Ok(None));
    let due = |value: &str| of(value).unwrap().unwrap().next(None).unwrap().due;
    assert_eq!([due("cron"), due("timeseries")], [at("2030-01-31T22:00:00"), at("2030-01-31T23:00:00")]);
    let error = of("daily").unwrap_err().to_string();
    let reason = "'scheduleType' value must be 'cron' or 'timeseries' or 'ondemand'. Found 'daily'";
    assert!(error.ends_with(&format!("field `scheduleType`: {reason}")), "{error}");
}

#[test]
fn an_object_without_a_schedule_is_refused_by_name() {
    let lone = r#"{"id": "A", "type": "ShellCommandActivity", "command": "a", "workerGroup": "g"}"#;
    let plan = plan(lone, "").unwrap();
    let error = Timetable::of(&plan, Timestamp::UNIX_EPOCH).unwrap_err();
    assert_eq!(error, ExpandError::NoSchedule { object: "A".into() });
}

#[test]
fn objects_whose_schedules_do_not_nest_may_not_depend_on_each_other() {
    let timetable = |more: &str| {
        let objects = format!(
            r#"{{"id": "Default", "scheduleType": "cron", "workerGroup": "g"}},
            {{"id": "Midnight", "type": "Schedule", "period": "1 day", "startDateTime": "2030-02-01T00:00:00"}},
            {{"id": "Noon", "type": "Schedule", "period": "1 day", "startDateTime": "2030-02-01T12:00:00"}},
            {{"id": "Extract", "type": "ShellCommandActivity", "command": "e", "schedule": {{"ref": "Midnight"}}}},
            {{"id": "Report", "type": "ShellCommandActivity", "command": "r", "schedule": {{"ref": "Noon"}}{more}}}"#
        );
        Timetable::of(&plan(&objects, "").unwrap(), Timestamp::UNIX_EPOCH)
    };
    assert!(timetable("").is_ok());
    let error = timetable(r#", "dependsOn": {"ref": "Extract"}"#).unwrap_err().to_string();
    assert!(error.starts_with("object `Report`, field `dependsOn`: refers to `Extract`"), "{error}");
}

#[test]
fn a_run_of_more_than_a_hundred_thousand_instances_is_refused() {
    let timetable = |hourly: usize, more: &str| {
        let default =
            r#"{"id": "Default", "scheduleType": "cron", "workerGroup": "g", "schedule": {"ref": "Hourly"}}"#;
        let rare = r#"{"id": "Rare", "type": "Schedule", "period": "3 years", "startDateTime": "2030-01-31T22:00:00"}"#;
        let once = shell("Once", r#", "schedule": {"ref": "Rare"}"#);
        let ready = r#"{"id": "Ready", "type": "ShellCommandPrecondition", "command": "true"}"#;
        let hourly: Vec<_> = (0..hourly).map(|number| shell(&format!("A{number}"), more)).collect();
        let objects = format!("{default}, {HOURLY}, {rare}, {once}, {ready}, {}", hourly.join(", "));
        Timetable::of(&plan(&objects, "").unwrap(), Timestamp::UNIX_EPOCH)
    };
    let preconditions = r#", "precondition": {"ref": "Ready"}"#;
    assert!(timetable(3, "").is_ok() && timetable(1, preconditions).is_ok());
    for (hourly, more) in [(4, ""), (2, preconditions)] {
        let error = timetable(hourly, more).unwrap_err().to_string();
        assert!(error.contains("holds 105121 instances of this definition; at most 100000 fit"), "{error}");
    }
}

#[test]
fn a_longer_schedule_that_comes_later_makes_nothing_twice() {
    let hourly = scheduled("cron", WORK);
    let made = hourly.next.unwrap().end;
    let monthly =
        HOURLY.replace("\"Hourly\"", "\"Monthly\"").replace("1 hour", "1 month").replace("22:00", "00:00");
    let objects = format!(
        r#"{WORK}, {monthly}, {{"id": "Sum", "type": "ShellCommandActivity", "command": "s",
            "schedule": {{"ref": "Monthly"}}}}"#
    );
    let next = scheduled("cron", &objects).timetable.next(Some(made)).unwrap();
    assert_eq!((next.start, next.due), (made, made), "the next run begins where the last one ended");
}

#[test]
fn the_mail_of_a_run_names_the_end_of_its_interval() {
    let alarm = r##"{"id": "Tell", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "s", "myOncePerRun": "true",
        "message": "#{node.@scheduledStartTime} to #{node.@scheduledEndTime}"},
        {"id": "Work", "type": "ShellCommandActivity", "command": "w", "onSuccess": {"ref": "Tell"}}"##;
    let mut run = scheduled("cron", alarm).begin(false);
    run.step(Event::Claimed { attempt: run.newest_attempt("Work").0, runner: "r".into() });
    run.set_task_status("Work", engine::TaskOutcome::Finished);
    assert_eq!(run.notices()[0].message, "2030-01-31T22:00:00 to 2030-01-31T23:00:00");
}
