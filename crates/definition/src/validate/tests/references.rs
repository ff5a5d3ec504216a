//! References, and objects that wait for each other.

use super::*;

#[test]
fn a_dangling_reference_is_reported_with_the_nearest_id() {
    one_error(
        r#"{"id": "Node", "type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Cvs"}},
           {"id": "Csv", "type": "CSV"}"#,
        "Node.dataFormat DANGLING_REFERENCE:  'dataFormat' refers to 'Cvs', which does not exist (did you mean 'Csv'?)",
    );
    one_error(
        r#"{"id": "A", "type": "CSV", "myFriend": {"ref": "Fromat"}}, {"id": "Format", "type": "CSV"}"#,
        "A.myFriend DANGLING_REFERENCE:  'myFriend' refers to 'Fromat', which does not exist (did you mean 'Format'?)",
    );
    let near = errors(
        r#"{"id": "A", "type": "CSV", "parent": {"ref": "Formats"}}, {"id": "Format", "type": "CSV"}"#,
    );
    assert!(near[0].ends_with("(did you mean 'Format'?)"), "{near:?}");
}

#[test]
fn references_must_be_of_the_right_type_in_the_words_of_the_service() {
    one_error(
        r#"{"id": "A", "type": "ShellCommandActivity", "command": "x", "schedule": {"ref": "Default"}}"#,
        "A.schedule INVALID_FIELD_VALUE:  'schedule' values must be of type 'Schedule'. Found values of type \
         'Default'",
    );
    one_error(
        r#"{"id": "A", "type": "ShellCommandActivity", "command": "x", "onFail": {"ref": "B"}},
           {"id": "B", "type": "CSV"}"#,
        "A.onFail INVALID_FIELD_VALUE:  'onFail' values must be of type 'SnsAlarm' or 'Terminate'. Found values of \
         type 'CSV'",
    );
    one_error(
        r#"{"id": "A", "type": "SqlDataNode", "table": "t", "database": "Db"}"#,
        r#"A.database INVALID_FIELD_VALUE:  'database' must be a reference: write {"ref": "Db"}"#,
    );
}

#[test]
fn cycles_of_parents_and_of_waiting_are_errors() {
    one_error(
        r#"{"id": "A", "parent": {"ref": "A"}}, {"id": "B", "parent": {"ref": "A"}}"#,
        "A.parent INHERITANCE_CYCLE:  the parents of object `A` form a cycle: `A`",
    );
    let shell = r#""type": "ShellCommandActivity", "command": "x""#;
    one_error(
        &format!(
            r#"{{"id": "A", {shell}, "dependsOn": {{"ref": "B"}}}}, {{"id": "B", {shell}, "dependsOn": {{"ref": "C"}}}},
               {{"id": "C", {shell}, "dependsOn": {{"ref": "B"}}}}"#
        ),
        "B.dependsOn DEPENDENCY_CYCLE:  objects wait for each other in a cycle: 'B', 'C', then 'B' again",
    );
    one_error(
        &format!(
            r#"{{"id": "A", {shell}, "input": {{"ref": "N"}}, "output": {{"ref": "N"}}}},
               {{"id": "N", "type": "S3DataNode", "directoryPath": "s3://b/"}}"#
        ),
        "A.- DEPENDENCY_CYCLE:  objects wait for each other in a cycle: 'A', 'N', then 'A' again",
    );
}

#[test]
fn a_longer_interval_waits_for_a_limited_number_of_shorter_ones() {
    let schedules = |short: &str| {
        format!(
            r#"{{"id": "Daily", "type": "Schedule", "period": "1 day", "startDateTime": "2030-01-31T22:00:00"}},
            {{"id": "Short", "type": "Schedule", "period": "{short}", "startDateTime": "2030-01-31T22:00:00"}},
            {{"id": "Load", "type": "ShellCommandActivity", "command": "l", "schedule": {{"ref": "Short"}},
              "scheduleType": "cron"}},
            {{"id": "Sum", "type": "ShellCommandActivity", "command": "s", "schedule": {{"ref": "Daily"}},
              "scheduleType": "cron", "dependsOn": {{"ref": "Load"}}}}"#
        )
    };
    let limit_errors = |short: &str| {
        let errors = errors(&schedules(short));
        errors.into_iter().filter(|line| line.contains("LIMIT_EXCEEDED")).collect::<Vec<_>>()
    };
    assert_eq!(limit_errors("1 hour"), Vec::<String>::new());
    assert_eq!(
        limit_errors("30 minutes"),
        [
            "Sum.dependsOn LIMIT_EXCEEDED:  'Sum' runs every 1 day and 'Load' every 30 minutes, so 'Sum' would wait \
             for 48 instances at once; at most 32 are allowed"
        ]
    );
}
