//! The rules of validation, one at a time. This module tests whole definitions; its submodules test the parts
//! of a definition.

mod copies;
mod expressions;
mod fields;
mod parameters;
mod publication;
mod references;
mod staging;
mod warnings;

use super::*;
use crate::{file, schema};

const DEFAULT: &str = r#"{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE",
    "pipelineLogUri": "s3://logs/", "workerGroup": "wg", "role": "r", "resourceRole": "r"}"#;

fn definition(objects: &str, rest: &str) -> Definition {
    let text = format!(r#"{{"objects": [{DEFAULT}, {objects}] {rest}}}"#);
    let definition = file::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    // An editor must not refuse a definition that validation accepts.
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
    // Unused objects have a test of their own. In the other tests, most objects have no activity that leads to them.
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
            "A.name MISSING_FIELD:  the object has no 'name'",
            "A.x EMPTY_FIELD:  'x' must not be empty: give it a value or remove it",
            "A.y EMPTY_FIELD:  'y' must not be empty: give it a value or remove it",
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
    one_error(r#"{"id": "A"}, {"id": "A"}"#, "A.- DUPLICATE_ID:  the id 'A' is used by more than one object");
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
fn a_definition_beyond_the_limits_gets_no_errors_about_fields_that_were_not_inherited() {
    let default = DEFAULT.replace('}', &format!(r#", "myNote": [{}]}}"#, [r#""x""#; 400].join(",")));
    let activities: Vec<_> = (0..200)
        .map(|n| format!(r#"{{"id": "A{n}", "type": "ShellCommandActivity", "command": "true"}}"#))
        .collect();
    let text = format!(r#"{{"objects": [{default}, {}]}}"#, activities.join(","));
    let report = validate(&file::parse(&text).expect("a definition"));
    let errors = lines(&report.errors);
    assert!(!errors.is_empty() && errors.iter().all(|line| line.contains("LIMIT_EXCEEDED")), "{errors:?}");
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
