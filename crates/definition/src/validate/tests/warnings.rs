//! Warnings about definitions that can run, but probably contain a mistake.

use super::*;

#[test]
fn a_missing_recommended_field_is_a_warning() {
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
fn unused_objects_and_parameters_are_warnings() {
    let objects = r##"{"id": "A", "type": "ShellCommandActivity", "command": "#{myUsed}", "input": {"ref": "In"},
         "parent": {"ref": "P"}},
        {"id": "P", "stdout": "s3://b/x"}, {"id": "In", "type": "S3DataNode", "filePath": "s3://b/k"},
        {"id": "Alone", "type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Csv"}},
        {"id": "Csv", "type": "CSV"}"##;
    let rest = r#", "parameters": [{"id": "myUsed"}, {"id": "myUnused"}], "values": {"myUsed": "1", "myUnused": "2"}"#;
    assert_eq!(
        all_warnings(objects, rest),
        [
            "Alone.- UNUSED:  no activity leads to 'Alone', so it has no effect: refer to it, or remove it",
            "Csv.- UNUSED:  no activity leads to 'Csv', so it has no effect: refer to it, or remove it",
            "myUnused.id UNUSED:  no field uses the parameter 'myUnused': write #{myUnused} in a field, or remove the parameter",
        ]
    );
}

#[test]
fn a_load_that_aws_reads_in_another_way_is_one_warning() {
    let objects = |format: &str| {
        format!(
            r##"{{"id": "A", "type": "CopyActivity", "input": {{"ref": "In"}}, "output": {{"ref": "Out"}}}},
            {{"id": "B", "type": "CopyActivity", "input": {{"ref": "In"}}, "output": {{"ref": "Out"}}}},
            {{"id": "In", "type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {{"ref": "Csv"}}}},
            {{"id": "Out", "type": "SqlDataNode", "table": "t", "database": {{"ref": "Db"}}}},
            {{"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:x", "username": "u",
              "jdbcDriverClass": "c", "*password": "#{{*myPw}}"}},
            {{"id": "Csv", "type": "CSV"{format}}}"##
        )
    };
    let rest = r#", "parameters": [{"id": "*myPw"}], "values": {"*myPw": "p"}"#;
    let found = all_warnings(&objects(""), rest);
    assert!(matches!(&found[..], [one] if one.starts_with("Csv.- READS_DIFFERENTLY")), "{found:#?}");
    assert_eq!(all_warnings(&objects(r#", "myHeader": "true""#), rest), Vec::<String>::new());
}

#[test]
fn secrets_that_others_can_read_are_warnings() {
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
fn the_name_of_a_secret_is_no_secret() {
    let objects = r##"{"id": "A", "type": "SqlActivity", "database": {"ref": "Db"}, "script": "select 1"},
        {"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:x", "username": "u", "jdbcDriverClass": "c",
         "myPasswordSecret": "#{myPasswordSecret}"}"##;
    let rest = r#", "parameters": [{"id": "myPasswordSecret"}], "values": {"myPasswordSecret": "ssm:/db"}"#;
    assert_eq!(all_warnings(objects, rest), Vec::<String>::new());
}

#[test]
fn a_secret_is_found_through_the_values_of_parameters() {
    let objects = r##"{"id": "A", "type": "ShellCommandActivity", "workerGroup": "w", "command": "curl #{myUrl}"},
        {"id": "B", "type": "ShellCommandActivity", "workerGroup": "w", "command": "curl #{myPlain}"}"##;
    let rest = r##", "parameters": [{"id": "*myPw"}, {"id": "myUrl", "default": "http://#{myUser}"},
        {"id": "myUser"}, {"id": "myHost"}, {"id": "myPlain"}],
        "values": {"*myPw": "p", "myUser": "me:#{*myPw}@host", "myPlain": "#{myHost}", "myHost": "h"}"##;
    let found = all_warnings(objects, rest);
    let wanted = "A.command CLEAR_SECRET";
    assert!(matches!(&found[..], [one] if one.starts_with(wanted) && one.contains("'*myPw'")), "{found:#?}");
}

#[test]
fn a_schedule_that_never_starts_a_run_is_a_warning() {
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
            "S.endDateTime NEVER_FIRES:  'endDateTime' is before the end of the first period, so the schedule never starts a run"
        ]
    );
}

#[test]
fn a_field_of_the_user_that_nothing_reads_is_a_warning() {
    let objects = |fields: &str| {
        format!(
            r##"{{"id": "A", "type": "ShellCommandActivity", "command": "x", "input": {{"ref": "In"}}, {fields}}},
               {{"id": "In", "type": "S3DataNode", "filePath": "s3://b/k", "myFolder": "f"}},
               {{"id": "B", "type": "ShellCommandActivity", "command": "#{{input.myFolder}}", "input": {{"ref": "In"}}}}"##
        )
    };
    for used in [
        r##""myCity": "x", "stdout": "s3://b/#{myCity}""##,
        r#""myMaxRejct": "1", "stdout": "s3://b/#{myMaxRejct}""#,
    ] {
        assert_eq!(warnings(&objects(used)), Vec::<String>::new());
    }
    assert_eq!(
        warnings(&objects(r#""myCity": ["x", "y"]"#)),
        [
            "A.myCity UNKNOWN_FIELD:  'myCity' has no effect here: no expression uses it, and Downspout has no such field"
        ]
    );
    assert_eq!(
        warnings(&objects(r#""myMaxrejects": "1""#)),
        ["A.myMaxrejects UNKNOWN_FIELD:  'myMaxrejects' has no effect here (did you mean 'myMaxRejects'?)"]
    );
    // The first letter may be misspelt too.
    assert_eq!(
        warnings(&objects(r#""myNaxRejects": "1""#)),
        ["A.myNaxRejects UNKNOWN_FIELD:  'myNaxRejects' has no effect here (did you mean 'myMaxRejects'?)"]
    );
}

#[test]
fn a_field_that_the_dialect_does_not_use_is_a_warning() {
    let of = |fields: &str| warnings(&format!(r#"{{"id": "F", "type": "CSV", {fields}}}"#));
    assert_eq!(
        of(r##""myDialect": "xlsx", "myCommentPrefix": "#", "mySheet": "Prices", "mySkipLines": "2""##),
        [
            "F.myCommentPrefix IGNORED_FIELD:  'myCommentPrefix' has no effect with 'myDialect' xlsx: a workbook has cells and no text"
        ]
    );
    let json = of(
        r##""myDialect": "json", "myCommentPrefix": "#", "mySkipLines": "1", "myHeader": "true", "myEncoding": "utf-8""##,
    );
    assert!(
        matches!(&json[..], [comment, lines] if comment.contains("'myCommentPrefix'") && lines.contains("'mySkipLines'")),
        "{json:#?}"
    );
    assert_eq!(of(r#""myDialect": "json", "myHeader": "false""#).len(), 1);
    assert_eq!(of(r#""myDialect": "auto", "myQuote": "none", "myHeader": "true""#).len(), 1);
    assert_eq!(of(r#""myHeader": "true", "mySheet": "x""#).len(), 1);
    let inherited = warnings(
        r##"{"id": "P", "myCommentPrefix": "#"}, {"id": "F", "type": "CSV", "parent": {"ref": "P"}, "myDialect": "xlsx"}"##,
    );
    assert_eq!(inherited.len(), 1, "{inherited:#?}");
}

#[test]
fn patterns_that_give_a_date_two_meanings_are_an_error() {
    let of = |fields: &str| errors(&format!(r#"{{"id": "F", "type": "CSV", {fields}}}"#));
    assert_eq!(
        of(r#""myDateFormat": ["dd/MM/yyyy", "yyyy.MM.dd", "MM/dd/yyyy"]"#),
        [
            "F.myDateFormat INVALID_FIELD_VALUE:  'dd/MM/yyyy' and 'MM/dd/yyyy' read the same text as two different dates; keep \
             the one that the file has, or give each column its own pattern by 'myColumn'"
        ]
    );
    assert_eq!(of(r#""myColumn": ["a dd/MM/yyyy", "b MM/dd/yyyy"]"#), Vec::<String>::new());
    let column = of(r#""myColumn": ["a d/M/yy", "a MM/dd/yyyy"]"#);
    assert!(matches!(&column[..], [one] if one.ends_with("in column 'a'")), "{column:#?}");
}

#[test]
fn more_retries_than_aws_documents_are_reported_where_they_are_stated() {
    let activity =
        r#"{"id": "A", "type": "ShellCommandActivity", "command": "true", "parent": {"ref": "P"}}"#;
    assert_eq!(
        warnings(&format!(r#"{activity}, {{"id": "P", "maximumRetries": "10"}}"#)),
        [
            "P.maximumRetries ABOVE_LIMIT_OF_AWS:  'maximumRetries' is above 5, the most that the documentation of AWS allows"
        ]
    );
    assert_eq!(
        warnings(&format!(r#"{activity}, {{"id": "P", "maximumRetries": "5"}}"#)),
        Vec::<String>::new()
    );
}
