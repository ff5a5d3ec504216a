//! Types, required fields, and the values that fields may hold.

use super::*;

#[test]
fn missing_required_fields_and_choices_are_reported() {
    assert_eq!(
        errors(r#"{"id": "A", "type": "SqlActivity"}, {"id": "B", "type": "S3DataNode"}"#),
        [
            "A.database MISSING_FIELD:  'database' is required on type 'SqlActivity'",
            "A.script MISSING_FIELD:  one of 'script', 'scriptUri' is required on type 'SqlActivity'",
            "B.filePath MISSING_FIELD:  one of 'filePath', 'directoryPath', 'manifestFilePath' is required on type \
             'S3DataNode'",
        ]
    );
    one_error(
        r#"{"id": "S", "type": "Schedule", "period": "1 day", "startAt": "FIRST_ACTIVATION_DATE_TIME",
            "startDateTime": "2030-01-01T00:00:00"}"#,
        "S.startDateTime CONFLICTING_FIELDS:  only one of 'startDateTime', 'startAt' is allowed",
    );
}

#[test]
fn a_database_needs_a_password_or_the_name_of_its_secret() {
    let database = |fields: &str| {
        errors(&format!(
            r##"{{"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:x", "jdbcDriverClass": "c", "username": "u"{fields}}}"##
        ))
    };
    assert_eq!(database(""), ["Db.*password MISSING_FIELD:  '*password' is required on type 'JdbcDatabase'"]);
    assert_eq!(database(r#", "myPasswordSecret": "secretsmanager:prod/db""#), Vec::<String>::new());
    assert_eq!(
        database(r#", "myPasswordSecret": "hush""#),
        [
            "Db.myPasswordSecret INVALID_FIELD_VALUE:  'myPasswordSecret' value must be the name of a secret: secretsmanager:NAME, \
             ssm:NAME or an ARN"
        ]
    );
}

#[test]
fn an_activity_needs_a_runner_a_schedule_and_an_alarm_needs_a_role() {
    let text = r#"{"objects": [{"id": "A", "type": "ShellCommandActivity", "command": "x"},
        {"id": "B", "type": "SnsAlarm", "topicArn": "t", "subject": "s", "message": "m"}]}"#;
    let report = validate(&file::parse(text).unwrap());
    assert_eq!(
        lines(&report.errors),
        [
            "A.runsOn MISSING_FIELD:  one of 'runsOn', 'workerGroup' is required on type 'ShellCommandActivity'",
            "A.schedule MISSING_FIELD:  'schedule' is required unless 'scheduleType' is 'ondemand' (on the Default \
             object)",
            "B.role MISSING_FIELD:  'role' is required on type 'SnsAlarm'",
        ]
    );
}

#[test]
fn cron_and_timeseries_are_legal() {
    let text = r#"{"objects": [
        {"id": "Default", "scheduleType": "CRON", "schedule": {"ref": "S"}, "workerGroup": "w"},
        {"id": "S", "type": "Schedule", "period": "1 Hour", "startDateTime": "2030-01-31T22:00:00"},
        {"id": "A", "type": "ShellCommandActivity", "command": "x", "scheduleType": "timeseries"}]}"#;
    assert_eq!(lines(&validate(&file::parse(text).unwrap()).errors), Vec::<String>::new());
}

#[test]
fn values_are_checked_by_what_their_field_holds() {
    let activity = r#"{"id": "A", "type": "ShellCommandActivity", "command": "x", "#;
    for (fields, message) in [
        (r#""stage": "yes"}"#, "'stage' value must be 'true' or 'false'. Found 'yes'"),
        (
            r#""maximumRetries": "1001"}"#,
            "'maximumRetries' value must be a whole number from 0 to 1000. Found '1001'",
        ),
        (
            r#""maximumRetries": "two"}"#,
            "'maximumRetries' value must be a whole number from 0 to 1000. Found 'two'",
        ),
        (
            r#""attemptTimeout": "2 lightyears"}"#,
            "'attemptTimeout' value must be a period such as '15 minutes' (minutes, hours, days, weeks, months or \
             years). Found '2 lightyears'",
        ),
        (
            r#""failureAndRerunMode": "cascad"}"#,
            "'failureAndRerunMode' value must be 'none' or 'cascade'. Found 'cascad'",
        ),
        (r#""stdout": ["x", "y"]}"#, "'stdout' takes one value. Found 2"),
    ] {
        let found = errors(&format!("{activity}{fields}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(&format!("INVALID_FIELD_VALUE:  {message}")), "{found:?}");
    }
}

#[test]
fn a_start_must_be_a_literal_time_in_the_words_of_the_service() {
    let schedule = |start: &str| {
        errors(&format!(
            r#"{{"id": "Schedule", "type": "Schedule", "period": "1 day", "startDateTime": "{start}"}}"#
        ))
    };
    assert_eq!(
        schedule("tomorrow"),
        [
            "Schedule.startDateTime INVALID_FIELD_VALUE:  'startDateTime' value must be a literal datetime value."
        ]
    );
    for legal in ["2030-01-31T22:00:00", "#{makeDate(2030,1,31)}", "makeDate(2030,1,31)"] {
        assert_eq!(schedule(legal), Vec::<String>::new(), "{legal}");
    }
}

#[test]
fn a_schedule_ends_once_after_its_start() {
    let found = errors(
        r#"{"id": "S", "type": "Schedule", "period": "5 minutes", "startDateTime": "2030-01-31T22:00:00",
            "endDateTime": "2030-01-31T22:00:00", "occurrences": "2"}"#,
    );
    assert_eq!(
        found,
        [
            "S.period INVALID_FIELD_VALUE:  'period' value must be a period from 15 minutes to 3 years. Found '5 \
             minutes'",
            "S.endDateTime INVALID_FIELD_VALUE:  'endDateTime' must be after 'startDateTime'",
            "S.occurrences CONFLICTING_FIELDS:  only one of 'occurrences', 'endDateTime' is allowed",
        ]
    );
}

#[test]
fn values_of_parameters_are_put_in_before_a_field_is_checked() {
    let objects = r##"{"id": "A", "type": "ShellCommandActivity", "command": "x", "attemptTimeout": "#{myTime} Hours"}"##;
    let with = |value: &str| {
        let rest = format!(r#", "parameters": [{{"id": "myTime"}}], "values": {{"myTime": "{value}"}}"#);
        validate(&definition(objects, &rest)).errors.len()
    };
    assert_eq!((with("2"), with("two")), (0, 1));
}

#[test]
fn on_demand_may_be_said_by_an_expression() {
    let objects = r##"{"id": "P", "scheduleType": "#{myType}", "myType": "OnDemand"},
        {"id": "A", "type": "ShellCommandActivity", "parent": {"ref": "P"}, "command": "x"}"##;
    assert_eq!(errors(objects), Vec::<String>::new());
}

#[test]
fn runtime_fields_cannot_be_set_and_resources_have_no_runner() {
    one_error(
        r#"{"id": "A", "type": "CSV", "@status": "FINISHED"}"#,
        "A.@status READ_ONLY_FIELD:  '@status' is read-only: only the service can set it",
    );
    one_error(
        r#"{"id": "E", "type": "Ec2Resource", "terminateAfter": "1 hour", "workerGroup": "w"}"#,
        "E.workerGroup FIELD_NOT_ALLOWED:  'workerGroup' is not allowed on a resource: set it on the activities",
    );
}

#[test]
fn an_unknown_type_is_reported_with_the_nearest() {
    one_error(
        r#"{"id": "A", "type": "CopyActivty"}"#,
        "A.type UNKNOWN_TYPE:  there is no type 'CopyActivty' (did you mean 'CopyActivity'?)",
    );
}

#[test]
fn unknown_fields_are_warnings_with_the_nearest_and_user_fields_are_free() {
    assert_eq!(
        warnings(
            r##"{"id": "A", "type": "S3DataNode", "filePath": "s3://b/#{myX}#{my_x}", "filepath": "x", "myX": "y",
                "my_x": "z"}"##
        ),
        [
            "A.filepath UNKNOWN_FIELD:  'filepath' is not a field of type 'S3DataNode' (did you mean 'filePath'?); \
             fields of your own begin with 'my'"
        ]
    );
    assert_eq!(warnings(r#"{"id": "P", "filePath": "s3://b/k"}"#), Vec::<String>::new());
}

#[test]
fn own_fields_have_legal_values_on_the_right_objects() {
    let objects = r#"
        {"id": "C", "type": "CopyActivity", "myLoadMode": "merge", "myMaxRejects": "1 percent",
         "myRejectsPath": "/tmp", "myDateFormat": "QQ", "myOncePerRun": "true", "myLoadmode": "append"},
        {"id": "F", "type": "CSV", "myHeader": "yes"}, {"id": "P", "myMaxRejects": "101%"}"#;
    assert_eq!(
        errors(objects),
        [
            "C.myDateFormat INVALID_FIELD_VALUE:  'myDateFormat' value must be a Joda date pattern such as \
             'dd/MM/yyyy'. Found 'QQ': the letter `Q` cannot be read",
            "C.myLoadMode INVALID_FIELD_VALUE:  'myLoadMode' value must be 'append' or 'replace' or 'upsert'. Found \
             'merge'",
            "C.myMaxRejects INVALID_FIELD_VALUE:  'myMaxRejects' value must be a count of rows or a percentage such \
             as '1%'. Found '1 percent'",
            "C.myRejectsPath INVALID_FIELD_VALUE:  'myRejectsPath' value must be an S3 prefix, s3://bucket/prefix. \
             Found '/tmp'",
            "F.myHeader INVALID_FIELD_VALUE:  'myHeader' value must be 'true' or 'false'. Found 'yes'",
            "P.myMaxRejects INVALID_FIELD_VALUE:  'myMaxRejects' value must be a count of rows or a percentage such \
             as '1%'. Found '101%'",
        ]
    );
    assert_eq!(
        warnings(objects),
        [
            "C.myLoadmode UNKNOWN_FIELD:  'myLoadmode' has no effect here (did you mean 'myLoadMode'?)",
            "C.myOncePerRun MISPLACED_FIELD:  'myOncePerRun' has no effect here: it is only read on SnsAlarm",
        ]
    );
}

#[test]
fn an_own_field_takes_one_value_unless_it_may_repeat() {
    one_error(
        r#"{"id": "C", "type": "CopyActivity", "myLoadMode": ["append", "replace"], "myNullValues": ["-", "NA"]}"#,
        "C.myLoadMode INVALID_FIELD_VALUE:  'myLoadMode' takes one value. Found 2",
    );
}

#[test]
fn value_fields_are_legal_on_activities_and_formats() {
    let legal = r#"{"id": "C", "type": "CopyActivity", "myDateFormat": ["dd/MM/yyyy", "d.M.yy"], "myColumn": "a dd/MM/yyyy"},
        {"id": "F", "type": "TSV", "myDecimal": ",", "myGrouping": " ", "myTrue": ["oui", "si"], "myPercent": "true"}"#;
    assert_eq!(errors(legal).iter().filter(|error| error.contains(".my")).count(), 0);
    let objects = r#"{"id": "F", "type": "Custom", "columnSeparator": "|", "myDateFormat": "DD/MM/YYYY", "myColumn": ["born",
        "born hh:mm"], "myDecimal": "..", "myTrailingSign": "yes"}"#;
    assert_eq!(
        errors(objects),
        [
            "F.myColumn INVALID_FIELD_VALUE:  'myColumn' value must be a column and a Joda date pattern such as \
             'order_date dd/MM/yyyy'. Found 'born'",
            "F.myColumn INVALID_FIELD_VALUE:  'myColumn' value must be a column and a Joda date pattern such as \
             'order_date dd/MM/yyyy'. Found 'born hh:mm': an hour of 12 needs `a` for am or pm; `H` is the hour of 24",
            "F.myDateFormat INVALID_FIELD_VALUE:  'myDateFormat' value must be a Joda date pattern such as \
             'dd/MM/yyyy'. Found 'DD/MM/YYYY': the letter `D` cannot be read; `d` is the day of the month",
            "F.myDecimal INVALID_FIELD_VALUE:  'myDecimal' value must be one character that is not a letter, a digit, +, - \
             or %. Found '..'",
            "F.myTrailingSign INVALID_FIELD_VALUE:  'myTrailingSign' value must be 'true' or 'false'. Found 'yes'",
        ]
    );
}
