//! Objects in the form in which the wire shows them.

use definition::PipelineObject;
use engine::wire_objects::{Form, MASK, component};
use engine::{AttemptId, TaskOutcome};

use crate::harness::{TestRun, instance, shell, started, started_with, try_start};

pub(crate) const PLAIN: Form = Form { evaluated: false, secrets_clear: false };
const EVALUATED: Form = Form { evaluated: true, secrets_clear: false };

fn copy() -> TestRun {
    let objects = r##"
        {"id": "Default", "scheduleType": "ondemand", "workerGroup": "#{myGroup}", "pipelineLogUri": "s3://l/x/"},
        {"id": "Load", "type": "CopyActivity", "input": {"ref": "In"}, "output": {"ref": "Table"}},
        {"id": "In", "type": "S3DataNode", "filePath": "s3://b/#{parent.@id}/#{format(@scheduledStartTime,'YYYY')}",
         "dataFormat": {"ref": "Csv"}},
        {"id": "Csv", "type": "CSV", "column": ["a #{myType}", "b INT"]},
        {"id": "Table", "type": "SqlDataNode", "table": "t", "database": {"ref": "Db"}},
        {"id": "Db", "type": "JdbcDatabase", "username": "u", "*password": "#{*myPassword}",
         "connectionString": "jdbc:x?password=#{*myPassword}"}"##;
    let rest = r#", "parameters": [{"id": "myGroup"}, {"id": "myType"}, {"id": "*myPassword"}],
        "values": {"myGroup": "wg", "myType": "INT", "*myPassword": "hush"}"#;
    try_start(objects, rest).unwrap()
}

fn strings(object: &PipelineObject, key: &str) -> Vec<String> {
    object.strings(key).map(str::to_owned).collect()
}

#[test]
fn a_task_holds_the_attempt_and_what_its_work_needs_evaluated_and_in_clear() {
    let run = copy();
    let attempt = run.newest_attempt("Load").0;
    let objects = run.run.task_objects(&attempt);
    let ids: Vec<_> = objects.keys().map(|id| id.as_str().to_owned()).collect();
    let wanted =
        ["@In_2030-01-31T22:00:00", "@Load_2030-01-31T22:00:00_Attempt=1", "@Table_2030-01-31T22:00:00"];
    assert_eq!(ids[..3], wanted);
    assert_eq!(ids[3..], ["Csv", "Db"]);
    assert_eq!(strings(&objects["Db"], "*password"), ["hush"]);
    assert_eq!(strings(&objects["Csv"], "column"), ["a INT", "b INT"]);
    assert_eq!(strings(&objects[wanted[0]], "filePath"), ["s3://b/In/2030"]);
    let own = &objects[wanted[1]];
    assert_eq!(own.reference("input").map(|id| id.as_str()), Some(wanted[0]));
    assert_eq!(own.reference("parent").map(|id| id.as_str()), Some("Load"));
    assert_eq!(strings(own, "@status"), ["WAITING_FOR_RUNNER"]);
    assert_eq!(strings(own, "workerGroup"), ["wg"]);
    let logs = "s3://l/x/df-1/Load/@Load_2030-01-31T22:00:00/@Load_2030-01-31T22:00:00_Attempt=1/";
    assert_eq!(strings(own, "@logLocation"), [logs]);
}

#[test]
fn secrets_are_masked_when_shown_also_inside_other_text() {
    let run = copy();
    let database = component(run.run.plan(), "Db", Some(&run.run), EVALUATED).unwrap();
    assert_eq!(strings(&database, "*password"), [MASK]);
    assert_eq!(strings(&database, "connectionString"), [format!("jdbc:x?password={MASK}")]);
    let raw = component(run.run.plan(), "Db", None, PLAIN).unwrap();
    assert_eq!(strings(&raw, "connectionString"), ["jdbc:x?password=#{*myPassword}"]);
    assert_eq!(strings(&raw, "*password"), [MASK]);
}

#[test]
fn an_instance_shows_its_status_and_times() {
    let mut run = copy();
    run.claim("Load");
    run.report("Load", &[("rowsLoaded", "7")]);
    let load = run.run.object(instance("Load").as_str(), EVALUATED).unwrap();
    assert_eq!(load.name, load.id.as_str());
    for (key, value) in [
        ("@sphere", "INSTANCE"),
        ("@status", "RUNNING"),
        ("@attemptCount", "1"),
        ("@triesLeft", "2"),
        ("@scheduledStartTime", "2030-01-31T22:00:00"),
        ("@actualStartTime", "2030-01-31T22:00:00"),
        ("@pipelineId", "df-1"),
        ("@version", "1"),
        ("rowsLoaded", "7"),
        ("hostname", "runner"),
    ] {
        assert_eq!(strings(&load, key), [value], "{key}");
    }
    assert_eq!(
        load.reference("@headAttempt").map(|id| id.as_str()),
        Some(run.newest_attempt("Load").0.as_str())
    );
    let table = run.run.object(instance("Table").as_str(), PLAIN).unwrap();
    assert_eq!(table.reference("@waitingOn").map(|id| id.as_str()), Some(load.id.as_str()));
}

#[test]
fn an_attempt_keeps_its_error() {
    let mut run = copy();
    run.fail("Load", "E", "no");
    let attempt = run.run.object("@Load_2030-01-31T22:00:00_Attempt=1", PLAIN).unwrap();
    assert_eq!(strings(&attempt, "errorId"), ["E"]);
    assert_eq!(strings(&attempt, "errorMessage"), ["no"]);
    assert_eq!(attempt.reference("@instanceParent").map(|id| id.as_str()), Some(instance("Load").as_str()));
    assert!(run.run.object("@Load_2030-01-31T22:00:00_Attempt=2", PLAIN).is_none());
}

#[test]
fn a_component_shows_the_health_of_its_newest_instance() {
    let mut run = copy();
    run.claim("Load");
    run.set_task_status("Load", TaskOutcome::Finished);
    let load = component(run.run.plan(), "Load", Some(&run.run), PLAIN).unwrap();
    assert_eq!(strings(&load, "@healthStatus"), ["HEALTHY"]);
    assert_eq!(strings(&load, "@sphere"), ["COMPONENT"]);
    // A component shows its own fields as written, and no inherited ones.
    assert_eq!(load.string("workerGroup"), None);
}

#[test]
fn a_text_is_evaluated_as_if_it_stood_in_the_object() {
    let run = copy();
    let id = instance("Load");
    let value = run.run.evaluate(id.as_str(), "#{input.filePath} #{myType} #{name}");
    assert_eq!(value, Ok(format!("s3://b/In/2030 INT {id}")));
    assert!(run.run.evaluate(id.as_str(), "#{input.@actualEndTime}").is_err());
    assert!(run.run.evaluate("nowhere", "x").is_err());
    assert_eq!(run.run.evaluate("Db", "#{*password} #{*myPassword}"), Ok(format!("{MASK} {MASK}")));
}

#[test]
fn fields_that_refer_to_each_other_in_a_circle_are_an_error() {
    let run = started_with("", &shell("A", r##", "myA": "#{myB}", "myB": "#{myA}""##));
    let error =
        run.run.attempt(&AttemptId::from("@A_2030-01-31T22:00:00_Attempt=1")).map(|attempt| &attempt.status);
    assert!(format!("{error:?}").contains("refers to itself"), "{error:?}");
}

/// Returns fields that each use the next one many times, in the way of `use_of`. Evaluating all of them would take for ever.
fn tower(use_of: impl Fn(usize) -> String) -> String {
    let level = |n: usize| format!(r#""my_{n}": "{}""#, use_of(n + 1).repeat(40));
    let levels: Vec<String> = (0..12).map(level).collect();
    format!(r#"{}, "my_12": "x""#, levels.join(", "))
}

#[test]
fn fields_that_use_each_other_too_many_times_are_an_error() {
    for tower in [tower(|n| format!("#{{my_{n}}}")), tower(|n| format!("#{{myMe.my_{n}}}"))] {
        let run = started_with("", &shell("A", &format!(r#", "myMe": {{"ref": "A"}}, {tower}"#)));
        let error = run
            .run
            .attempt(&AttemptId::from("@A_2030-01-31T22:00:00_Attempt=1"))
            .map(|attempt| &attempt.status);
        assert!(format!("{error:?}").contains("too many steps"), "{error:?}");
    }
}

#[test]
fn an_alarm_whose_fields_use_each_other_too_many_times_is_still_sent() {
    let tower = tower(|n| format!("#{{my_{n}}}"));
    let mail = format!(
        r##"{{"id": "Mail", "type": "SnsAlarm", "topicArn": "t", "role": "r", "subject": "s", "message": "#{{my_0}}", {tower}}}"##
    );
    let mut run =
        started(&format!("{mail}, {}", shell("A", r#", "onFail": {"ref": "Mail"}, "maximumRetries": "0""#)));
    run.fail("A", "E", "no");
    assert_eq!(run.notices().len(), 1);
}
