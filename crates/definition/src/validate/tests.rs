//! The rules of validation, one at a time.

use super::*;
use crate::{file, schema};

const DEFAULT: &str = r#"{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE",
    "pipelineLogUri": "s3://logs/", "workerGroup": "wg", "role": "r", "resourceRole": "r"}"#;

fn definition(objects: &str, rest: &str) -> Definition {
    let text = format!(r#"{{"objects": [{DEFAULT}, {objects}] {rest}}}"#);
    let definition = file::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    // An editor must not refuse what we take.
    if validate(&definition).is_ok() {
        assert_eq!(schema::tests::complaints(&text), Vec::<String>::new(), "{text}");
    }
    definition
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            let field = problem.field.as_ref().map_or("-", FieldKey::as_str);
            format!("{}.{field} {problem}", problem.object)
        })
        .collect()
}

fn errors(objects: &str) -> Vec<String> {
    lines(&validate(&definition(objects, "")).errors)
}

fn warnings(objects: &str) -> Vec<String> {
    // What nothing leads to has a test of its own; elsewhere objects stand alone.
    let warnings = validate(&definition(objects, "")).warnings;
    lines(&warnings.into_iter().filter(|problem| problem.code != "UNUSED").collect::<Vec<_>>())
}

#[track_caller]
fn one_error(objects: &str, line: &str) {
    assert_eq!(errors(objects), [line]);
}

#[test]
fn a_whole_load_has_no_problems() {
    let objects = r##"
        {"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://h/d", "username": "u",
         "jdbcDriverClass": "org.postgresql.Driver", "*password": "#{*myPassword}"},
        {"id": "Csv", "type": "CSV", "myHeader": "true"},
        {"id": "In", "type": "S3DataNode", "filePath": "s3://b/#{myDay}/#{Db.username}.csv", "dataFormat": {"ref": "Csv"},
         "Db": {"ref": "Db"}},
        {"id": "Out", "type": "SqlDataNode", "table": "orders", "database": {"ref": "Db"},
         "selectQuery": "select * from #{table}"},
        {"id": "Load", "type": "CopyActivity", "input": {"ref": "In"}, "output": {"ref": "Out"},
         "onFail": {"ref": "Alarm"}, "myMaxRejects": "1%", "retryDelay": "30 seconds", "maximumRetries": "#{myTries}"},
        {"id": "Alarm", "type": "SnsAlarm", "topicArn": "arn", "subject": "s", "message": "#{node.errorMessage}"}"##;
    let rest = r#", "parameters": [{"id": "*myPassword"}, {"id": "myDay"}, {"id": "myTries", "type": "Integer"}],
        "values": {"*myPassword": "p", "myDay": "2030-01-01", "myTries": "3"}"#;
    let report = for_activation(&definition(objects, rest));
    assert_eq!(lines(&report.errors), Vec::<String>::new());
    assert_eq!(report.warnings.len(), 1, "{:?}", lines(&report.warnings));
}

#[test]
fn empty_values_and_missing_names_are_fatal() {
    let mut definition = definition(r#"{"id": "A", "x": "", "y": {"ref": ""}}"#, "");
    definition.objects[1].name.clear();
    let report = validate(&definition);
    assert!(report.is_fatal());
    assert_eq!(
        lines(&report.errors),
        [
            "A.name MISSING_FIELD:  an object lacks its 'name'",
            "A.x EMPTY_FIELD:  'x' must not be empty: give it a value or leave it out",
            "A.y EMPTY_FIELD:  'y' must not be empty: give it a value or leave it out",
        ]
    );
}

#[test]
fn limits_are_fatal() {
    let many: Vec<_> = (0..100).map(|n| format!(r#"{{"id": "O{n}", "type": "CSV"}}"#)).collect();
    one_error(
        &many.join(","),
        "Default.- LIMIT_EXCEEDED:  the definition has 101 objects; at most 100 are allowed",
    );
    let long = format!(r#"{{"id": "A", "myText": "{}"}}"#, "x".repeat(10_241));
    one_error(&long, "A.myText LIMIT_EXCEEDED:  'myText' has 10241 bytes; at most 10240 are allowed");
    one_error(r#"{"id": "A"}, {"id": "A"}"#, "A.- DUPLICATE_ID:  the id 'A' stands for more than one object");
}

#[test]
fn a_definition_far_beyond_the_limits_is_answered_quickly() {
    let mut definition = Definition::default();
    for n in 0..5_000 {
        let id = format!("Object{n}");
        let fields = vec![crate::Field::reference("parent", format!("Object{}", n + 1)); 20];
        definition.objects.push(crate::PipelineObject { id: id.as_str().into(), name: id.clone(), fields });
        definition.values.push(crate::ParameterValue { id: format!("myValue{n}"), value: id });
    }
    let report = validate(&definition);
    assert!(report.is_fatal());
    assert_eq!(report.errors.len(), 3, "{:?}", report.errors);
}

#[test]
fn a_dangling_reference_is_told_with_the_nearest_id() {
    one_error(
        r#"{"id": "Node", "type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Cvs"}},
           {"id": "Csv", "type": "CSV"}"#,
        "Node.dataFormat DANGLING_REFERENCE:  'dataFormat' refers to 'Cvs', which the definition lacks (did you mean 'Csv'?)",
    );
    one_error(
        r#"{"id": "A", "type": "CSV", "myFriend": {"ref": "Fromat"}}, {"id": "Format", "type": "CSV"}"#,
        "A.myFriend DANGLING_REFERENCE:  'myFriend' refers to 'Fromat', which the definition lacks (did you mean 'Format'?)",
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
fn required_fields_and_choices_are_named() {
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
        "S.startDateTime CONFLICTING_FIELDS:  only one of 'startDateTime', 'startAt' may be given",
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
        (r#""maximumRetries": "6"}"#, "'maximumRetries' value must be a whole number from 0 to 5. Found '6'"),
        (
            r#""maximumRetries": "two"}"#,
            "'maximumRetries' value must be a whole number from 0 to 5. Found 'two'",
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
            "S.occurrences CONFLICTING_FIELDS:  only one of 'occurrences', 'endDateTime' may be given",
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
fn messages_are_cut_and_hold_no_secrets() {
    let activity = |retries: &str| {
        format!(
            r#"{{"id": "A", "type": "ShellCommandActivity", "command": "x", "maximumRetries": "{retries}"}}"#
        )
    };
    let long = errors(&activity(&"é".repeat(4_000)));
    assert!(long[0].chars().count() < 1_100 && long[0].ends_with("..."));
    let rest = r#", "parameters": [{"id": "*mySecret", "default": "hunter2"}]"#;
    let report = validate(&definition(&activity("#{*mySecret}"), rest));
    assert_eq!(lines(&report.errors), Vec::<String>::new());
}

#[test]
fn expressions_must_be_readable_and_functions_known() {
    let node = |path: &str| errors(&format!(r#"{{"id": "N", "type": "S3DataNode", "filePath": "{path}"}}"#));
    assert_eq!(
        node("s3://b/#{1 + }"),
        [
            "N.filePath INVALID_EXPRESSION:  'filePath' holds an expression that is not understood, at character 14: \
             expected a number, a string or a name, found `}`"
        ]
    );
    assert_eq!(
        node("s3://b/#{formt(@scheduledStartTime, 'YYYY')}"),
        [
            "N.filePath INVALID_EXPRESSION:  'filePath' calls 'formt', which is no function (did you mean 'format'?)"
        ]
    );
    assert_eq!(
        node("s3://b/#{day()}"),
        ["N.filePath INVALID_EXPRESSION:  'filePath' calls 'day' with 0 arguments; it takes 1"]
    );
    assert_eq!(
        node("s3://b/#{@scheduledStartTime.format('QQ')}"),
        ["N.filePath INVALID_EXPRESSION:  'filePath' holds 'QQ', which is no Joda date pattern"]
    );
    assert_eq!(
        node("s3://b/#{node.filePath}"),
        ["N.filePath INVALID_EXPRESSION:  'filePath' uses 'node', which only actions and preconditions have"]
    );
    assert_eq!(
        node("s3://b/#{never"),
        errors(r##"{"id": "N", "type": "S3DataNode", "filePath": "s3://b/#{never"}"##)
    );
}

#[test]
fn the_name_of_an_object_is_no_expression() {
    assert_eq!(errors(r##"{"id": "N", "name": "#{", "type": "CSV"}"##), Vec::<String>::new());
}

#[test]
fn an_undeclared_parameter_is_told_once_where_it_is_stated() {
    let objects = r##"{"id": "P", "filePath": "s3://b/#{myDya}"},
        {"id": "A", "type": "S3DataNode", "parent": {"ref": "P"}},
        {"id": "B", "type": "S3DataNode", "parent": {"ref": "P"}}"##;
    let found =
        lines(&validate(&definition(objects, r#", "parameters": [{"id": "myDay", "default": "x"}]"#)).errors);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("P.filePath UNKNOWN_PARAMETER:  'filePath' uses 'myDya'"), "{found:?}");
}

#[test]
fn names_that_an_object_lacks_fail_every_try() {
    let found = errors(
        r##"{"id": "N", "type": "SqlDataNode", "table": "t", "selectQuery": "select * from #{tabel}"},
            {"id": "A", "type": "ShellCommandActivity", "command": "#{input.filePath} #{input.x} #{output.y}",
             "input": {"ref": "F"}}, {"id": "F", "type": "S3DataNode", "directoryPath": "s3://b/"}"##,
    );
    assert_eq!(
        found,
        [
            "N.selectQuery UNKNOWN_NAME:  'selectQuery' uses 'tabel', which the object lacks (did you mean 'table'?)",
            "A.command UNKNOWN_NAME:  'command' uses 'input.x', but 'F' has no 'x'",
            "A.command UNKNOWN_NAME:  'command' uses 'output.y', but 'output' is no reference here",
        ]
    );
}

#[test]
fn an_action_leaves_blank_what_it_does_not_know_and_is_warned_of_it() {
    let alarm = r##"{"id": "S", "type": "SnsAlarm", "topicArn": "arn", "subject": "#{tpoicArn}",
        "message": "#{x.y} #{node.anything}"}"##;
    assert_eq!(errors(alarm), Vec::<String>::new());
    assert_eq!(
        warnings(alarm),
        [
            "S.message UNKNOWN_NAME:  'message' uses 'x.y', but 'x' is no reference here",
            "S.subject UNKNOWN_NAME:  'subject' uses 'tpoicArn', which the object lacks (did you mean 'topicArn'?)",
        ]
    );
}

#[test]
fn what_is_said_of_a_type_that_does_not_exist_is_not_said_again_of_its_fields() {
    one_error(
        r##"{"id": "A", "type": "ShellCommandActivity", "command": "x", "myInput": {"ref": "B"},
             "stdout": "#{myInput.z}"}, {"id": "B", "type": "CSw"}"##,
        "B.type UNKNOWN_TYPE:  there is no type 'CSw' (did you mean 'CSV'?)",
    );
}

#[test]
fn on_demand_may_be_said_by_an_expression() {
    let objects = r##"{"id": "P", "scheduleType": "#{myType}", "myType": "OnDemand"},
        {"id": "A", "type": "ShellCommandActivity", "parent": {"ref": "P"}, "command": "x"}"##;
    assert_eq!(errors(objects), Vec::<String>::new());
}

#[test]
fn values_need_a_declaration_of_their_type() {
    let rest = r#", "parameters": [
            {"id": "myCount", "type": "Integer"}, {"id": "myOne"}, {"id": "myPath", "type": "AWS::S3::ObjectKey"},
            {"id": "myWord", "allowedValues": ["a", "b"]}, {"id": "other", "type": "Text", "optional": "perhaps"},
            {"id": "*mySecret", "type": "Integer"}],
        "values": {"myCount": "few", "myOne": ["1", "2"], "myPath": "/tmp", "myWord": "c", "myCuont": "1",
            "other": "x", "*mySecret": "hunter2"}"#;
    let report = validate(&definition(r#"{"id": "A"}"#, rest));
    let found = lines(&report.errors);
    assert_eq!(
        found,
        [
            "myCount.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myCount' must be a whole number. Found \
             'few'",
            "myOne.- INVALID_PARAMETER_VALUE:  the parameter 'myOne' has 2 values but 'isArray' is not 'true'",
            "myPath.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myPath' must be an S3 location, \
             s3://bucket/key. Found '/tmp'",
            "myWord.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myWord' is not among its \
             'allowedValues'. Found 'c'",
            "other.id INVALID_PARAMETER:  the id of the parameter 'other' must begin with 'my' ('*my' for a secret)",
            "other.type INVALID_PARAMETER:  the parameter 'other' has the type 'Text'; there are String, Integer, \
             Double, AWS::S3::ObjectKey",
            "other.optional INVALID_PARAMETER:  'optional' of the parameter 'other' must be 'true' or 'false'. Found \
             'perhaps'",
            "*mySecret.- INVALID_PARAMETER_VALUE:  the value of the parameter '*mySecret' must be a whole number. \
             Found a secret",
        ]
    );
    let warned = lines(&report.warnings);
    assert!(
        warned
            .iter()
            .any(|line| line
                .contains("'myCuont', which 'parameters' does not declare (did you mean 'myCount'?)")),
        "{warned:?}"
    );
}

#[test]
fn a_required_value_may_be_missing_until_activation() {
    let definition = definition(
        r##"{"id": "A", "myText": "#{myA}#{myB}"}"##,
        r#", "parameters": [{"id": "myA"}, {"id": "myB", "optional": "true"}]"#,
    );
    let put = validate(&definition);
    assert_eq!((put.errors.len(), put.warnings.len()), (0, 1));
    let activation = for_activation(&definition);
    assert_eq!(
        lines(&activation.errors),
        [
            "myA.- MISSING_PARAMETER_VALUE:  the parameter 'myA' has no value: give one, or declare a default or \
             'optional'"
        ]
    );
}

#[test]
fn runtime_fields_cannot_be_set_and_resources_have_no_runner() {
    one_error(
        r#"{"id": "A", "type": "CSV", "@status": "FINISHED"}"#,
        "A.@status READ_ONLY_FIELD:  '@status' is read-only: the service sets it, a definition cannot",
    );
    one_error(
        r#"{"id": "E", "type": "Ec2Resource", "terminateAfter": "1 hour", "workerGroup": "w"}"#,
        "E.workerGroup FIELD_NOT_ALLOWED:  'workerGroup' is not allowed on a resource: leave it to the activities",
    );
}

#[test]
fn an_unknown_type_is_told_with_the_nearest() {
    one_error(
        r#"{"id": "A", "type": "CopyActivty"}"#,
        "A.type UNKNOWN_TYPE:  there is no type 'CopyActivty' (did you mean 'CopyActivity'?)",
    );
}

#[test]
fn unknown_fields_are_warnings_with_the_nearest_and_user_fields_are_free() {
    assert_eq!(
        warnings(
            r#"{"id": "A", "type": "S3DataNode", "filePath": "s3://b/k", "filepath": "x", "myX": "y", "my_x": "z"}"#
        ),
        [
            "A.filepath UNKNOWN_FIELD:  'filepath' is not a field of type 'S3DataNode' (did you mean 'filePath'?); \
             fields of your own begin with 'my'"
        ]
    );
    assert_eq!(warnings(r#"{"id": "P", "filePath": "s3://b/k"}"#), Vec::<String>::new());
}

#[test]
fn circles_of_parents_and_of_waiting_are_errors() {
    one_error(
        r#"{"id": "A", "parent": {"ref": "A"}}, {"id": "B", "parent": {"ref": "A"}}"#,
        "A.parent INHERITANCE_CYCLE:  the parents of object `A` go round in a circle: `A`",
    );
    let shell = r#""type": "ShellCommandActivity", "command": "x""#;
    one_error(
        &format!(
            r#"{{"id": "A", {shell}, "dependsOn": {{"ref": "B"}}}}, {{"id": "B", {shell}, "dependsOn": {{"ref": "C"}}}},
               {{"id": "C", {shell}, "dependsOn": {{"ref": "B"}}}}"#
        ),
        "B.dependsOn DEPENDENCY_CYCLE:  objects wait for each other in a circle: 'B', 'C' and again",
    );
    one_error(
        &format!(
            r#"{{"id": "A", {shell}, "input": {{"ref": "N"}}, "output": {{"ref": "N"}}}},
               {{"id": "N", "type": "S3DataNode", "directoryPath": "s3://b/"}}"#
        ),
        "A.- DEPENDENCY_CYCLE:  objects wait for each other in a circle: 'A', 'N' and again",
    );
}

#[test]
fn fields_that_use_each_other_are_an_error() {
    one_error(
        r##"{"id": "N", "type": "SqlDataNode", "table": "#{schemaName}", "schemaName": "a#{table}",
            "selectQuery": "#{table}"}"##,
        "N.schemaName INVALID_EXPRESSION:  fields use each other in a circle: 'schemaName', 'table' and again",
    );
}

#[test]
fn our_own_fields_have_legal_values_and_places() {
    let objects = r#"
        {"id": "C", "type": "CopyActivity", "myLoadMode": "merge", "myMaxRejects": "1 percent",
         "myRejectsPath": "/tmp", "myDateFormat": "QQ", "myOncePerRun": "true", "myLoadmode": "append"},
        {"id": "F", "type": "CSV", "myHeader": "yes"}, {"id": "P", "myMaxRejects": "101%"}"#;
    assert_eq!(
        errors(objects),
        [
            "C.myDateFormat INVALID_FIELD_VALUE:  'myDateFormat' value must be a Joda date pattern such as \
             'dd/MM/yyyy'. Found 'QQ'",
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
            "C.myLoadmode UNKNOWN_FIELD:  'myLoadmode' means nothing here (did you mean 'myLoadMode'?)",
            "C.myOncePerRun MISPLACED_FIELD:  'myOncePerRun' has no effect here: it is read on SnsAlarm only",
        ]
    );
}

#[test]
fn one_of_our_own_fields_takes_one_value_unless_it_may_repeat() {
    one_error(
        r#"{"id": "C", "type": "CopyActivity", "myLoadMode": ["append", "replace"], "myNullValues": ["-", "NA"]}"#,
        "C.myLoadMode INVALID_FIELD_VALUE:  'myLoadMode' takes one value. Found 2",
    );
}

#[test]
fn a_name_of_the_service_is_known_only_where_the_service_sets_it() {
    let found = errors(
        r##"{"id": "A", "type": "ShellCommandActivity", "command": "#{hostname} #{node}"},
            {"id": "B", "type": "CSV", "escapeChar": "#{hostname}"}"##,
    );
    assert_eq!(
        found,
        [
            "A.command UNKNOWN_NAME:  'command' uses 'node', which the object lacks",
            "B.escapeChar UNKNOWN_NAME:  'escapeChar' uses 'hostname', which the object lacks",
        ]
    );
}

#[test]
fn what_the_service_recommends_is_a_warning() {
    let text = r#"{"objects": [{"id": "Default", "scheduleType": "ondemand", "role": "r", "resourceRole": "r"},
        {"id": "A", "type": "ShellCommandActivity", "command": "x", "runsOn": {"ref": "E"}},
        {"id": "E", "type": "Ec2Resource"}]}"#;
    let report = validate(&file::parse(text).unwrap());
    assert!(report.is_ok());
    let fields: Vec<_> =
        report.warnings.iter().map(|it| (it.object.as_str(), it.field.as_ref().unwrap().as_str())).collect();
    assert_eq!(
        fields,
        [("Default", "failureAndRerunMode"), ("A", "pipelineLogUri"), ("E", "terminateAfter")]
    );
}

fn all_warnings(objects: &str, rest: &str) -> Vec<String> {
    lines(&validate(&definition(objects, rest)).warnings)
}

#[test]
fn what_no_activity_leads_to_is_warned_of_and_so_are_unused_parameters() {
    let objects = r##"{"id": "A", "type": "ShellCommandActivity", "command": "#{myUsed}", "input": {"ref": "In"},
         "parent": {"ref": "P"}},
        {"id": "P", "stdout": "s3://b/x"}, {"id": "In", "type": "S3DataNode", "filePath": "s3://b/k"},
        {"id": "Alone", "type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Csv"}},
        {"id": "Csv", "type": "CSV"}"##;
    let rest = r#", "parameters": [{"id": "myUsed"}, {"id": "myUnused"}], "values": {"myUsed": "1", "myUnused": "2"}"#;
    assert_eq!(
        all_warnings(objects, rest),
        [
            "Alone.- UNUSED:  nothing that runs refers to 'Alone', so it does nothing: refer to it, or take it away",
            "Csv.- UNUSED:  nothing that runs refers to 'Csv', so it does nothing: refer to it, or take it away",
            "myUnused.id UNUSED:  no field uses the parameter 'myUnused': write #{myUnused} where it is meant, or take \
             it away",
        ]
    );
}

#[test]
fn secrets_that_others_can_read_are_warned_of() {
    let objects = r##"{"id": "A", "type": "SqlActivity", "database": {"ref": "Db"}, "script": "select '#{*myPw}'"},
        {"id": "B", "type": "SqlActivity", "database": {"ref": "Db2"}, "script": "select 1"},
        {"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:x?user=u&password=hush", "username": "u",
         "jdbcDriverClass": "c", "*password": "hush"},
        {"id": "Db2", "type": "JdbcDatabase", "connectionString": "jdbc:x", "username": "u",
         "jdbcDriverClass": "c", "*password": "#{myDbPassword}"}"##;
    let rest = r#", "parameters": [{"id": "*myPw"}, {"id": "myDbPassword"}], "values": {"*myPw": "p", "myDbPassword": "p"}"#;
    let found = all_warnings(objects, rest);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found.iter().all(|line| line.contains("CLEAR_SECRET") && !line.contains("hush")), "{found:#?}");
}

#[test]
fn a_schedule_that_never_fires_is_warned_of() {
    let schedule = |end: &str| {
        warnings(&format!(
            r#"{{"id": "S", "type": "Schedule", "period": "1 day", "startDateTime": "2030-01-01T00:00:00",
                "endDateTime": "{end}"}}"#
        ))
    };
    assert_eq!(schedule("2030-01-02T00:00:00"), Vec::<String>::new());
    assert_eq!(
        schedule("2030-01-01T23:00:00"),
        [
            "S.endDateTime NEVER_FIRES:  'endDateTime' comes before the first period is over, so the schedule never fires"
        ]
    );
}

#[test]
fn a_longer_interval_waits_for_so_many_shorter_ones_only() {
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
    let told = |short: &str| {
        let errors = errors(&schedules(short));
        errors.into_iter().filter(|line| line.contains("LIMIT_EXCEEDED")).collect::<Vec<_>>()
    };
    assert_eq!(told("1 hour"), Vec::<String>::new());
    assert_eq!(
        told("30 minutes"),
        [
            "Sum.dependsOn LIMIT_EXCEEDED:  'Sum' runs each 1 day and 'Load' each 30 minutes: it would wait for 48 \
          instances at once; at most 32 are allowed"
        ]
    );
}
