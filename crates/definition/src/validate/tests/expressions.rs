//! Expressions, and the names in them.

use super::*;

#[test]
fn expressions_must_be_readable_and_functions_known() {
    let node = |path: &str| errors(&format!(r#"{{"id": "N", "type": "S3DataNode", "filePath": "{path}"}}"#));
    assert_eq!(
        node("s3://b/#{1 + }"),
        [
            "N.filePath INVALID_EXPRESSION:  'filePath' contains an expression that cannot be parsed, at character 14: \
             expected a number, a string or a name, found `}`"
        ]
    );
    assert_eq!(
        node("s3://b/#{formt(@scheduledStartTime, 'YYYY')}"),
        [
            "N.filePath INVALID_EXPRESSION:  'filePath' calls 'formt', which is not a function (did you mean 'format'?)"
        ]
    );
    assert_eq!(
        node("s3://b/#{day()}"),
        ["N.filePath INVALID_EXPRESSION:  'filePath' calls 'day' with 0 arguments; it takes 1"]
    );
    assert_eq!(
        node("s3://b/#{@scheduledStartTime.format('QQ')}"),
        ["N.filePath INVALID_EXPRESSION:  'filePath' contains 'QQ', which is not a Joda date pattern"]
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
fn an_undeclared_parameter_is_reported_once_where_it_is_stated() {
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
            "N.selectQuery UNKNOWN_NAME:  'selectQuery' uses 'tabel', which is not a field of the object (did you mean 'table'?)",
            "A.command UNKNOWN_NAME:  'command' uses 'input.x', but 'F' has no field 'x'",
            "A.command UNKNOWN_NAME:  'command' uses 'output.y', but 'output' is not a reference here",
        ]
    );
}

#[test]
fn an_unknown_name_in_an_action_is_a_warning() {
    let alarm = r##"{"id": "S", "type": "SnsAlarm", "topicArn": "arn", "subject": "#{tpoicArn}",
        "message": "#{x.y} #{node.anything}"}"##;
    assert_eq!(errors(alarm), Vec::<String>::new());
    assert_eq!(
        warnings(alarm),
        [
            "S.message UNKNOWN_NAME:  'message' uses 'x.y', but 'x' is not a reference here",
            "S.subject UNKNOWN_NAME:  'subject' uses 'tpoicArn', which is not a field of the object (did you mean 'topicArn'?)",
        ]
    );
}

#[test]
fn an_unknown_type_hides_the_errors_about_its_fields() {
    one_error(
        r##"{"id": "A", "type": "ShellCommandActivity", "command": "x", "myInput": {"ref": "B"},
             "stdout": "#{myInput.z}"}, {"id": "B", "type": "CSw"}"##,
        "B.type UNKNOWN_TYPE:  there is no type 'CSw' (did you mean 'CSV'?)",
    );
}

#[test]
fn fields_that_use_each_other_are_an_error() {
    one_error(
        r##"{"id": "N", "type": "SqlDataNode", "table": "#{schemaName}", "schemaName": "a#{table}",
            "selectQuery": "#{table}"}"##,
        "N.schemaName INVALID_EXPRESSION:  fields use each other in a cycle: 'schemaName', 'table', then 'schemaName' again",
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
            "A.command UNKNOWN_NAME:  'command' uses 'node', which is not a field of the object",
            "B.escapeChar UNKNOWN_NAME:  'escapeChar' uses 'hostname', which is not a field of the object",
        ]
    );
}
