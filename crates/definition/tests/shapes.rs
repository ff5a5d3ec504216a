//! A part of a file that has the wrong shape gives one finding: validation does not report the consequences.

use definition::diagnosis::{OutsideValues, diagnose};

const DEFAULT: &str = r#"{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE",
    "pipelineLogUri": "s3://l/", "workerGroup": "wg", "role": "r", "resourceRole": "r"}"#;
const WORK: &str = r##"{"id": "A", "type": "ShellCommandActivity", "command": "echo #{myA} #{myB}"}"##;
const PARAMETERS: &str = r#"[{"id": "myA"}, {"id": "myB"}]"#;
const VALUES: &str = r#"{"myA": "1", "myB": "2"}"#;

fn found(objects: &str, parameters: &str, values: &str) -> Vec<String> {
    let text = format!("{{\"objects\":\n{objects},\n\"parameters\":\n{parameters},\n\"values\":\n{values}}}");
    let findings = diagnose(&text, OutsideValues::default()).findings;
    let place = |line: usize| text.lines().nth(line - 1).unwrap_or_default();
    findings
        .iter()
        .map(|finding| {
            let at = finding.span.expect("a place").at;
            assert!(!place(at.line).is_empty() && at.column <= place(at.line).chars().count());
            finding.message.clone()
        })
        .collect()
}

#[track_caller]
fn one(found: &[String], begin: &str) {
    assert!(found.len() == 1 && found[0].starts_with(begin), "{found:#?}");
}

#[test]
fn a_right_file_has_no_findings() {
    assert_eq!(found(&format!("[{DEFAULT}, {WORK}]"), PARAMETERS, VALUES), Vec::<String>::new());
}

#[test]
fn values_of_another_shape() {
    let objects = format!("[{DEFAULT}, {WORK}]");
    for (values, what) in [
        (r#"[{"myA": "1"}, {"myB": "2"}]"#, "a list"),
        (r#"["myA=1", "myB=2"]"#, "a list"),
        (r#"[{"id": "myA", "value": "1"}]"#, "a list"),
        (r#"[{"id": "myA", "stringValue": "1"}]"#, "a list"),
        ("null", "null"),
        ("\"x\"", "a string"),
        ("5", "a number"),
    ] {
        one(
            &found(&objects, PARAMETERS, values),
            &format!(
                "`values` must be an object, found {what}: write the values as {{\"myDay\": \"2026-01-31\"}}"
            ),
        );
    }
    one(
        &found(&objects, PARAMETERS, r#"{"myA": 1, "myB": "2"}"#),
        "the value of parameter `myA` must be a string",
    );
    one(
        &found(&objects, PARAMETERS, r#"{"myA": null, "myB": "2"}"#),
        "the value of parameter `myA` must be a string",
    );
    one(&found(&objects, PARAMETERS, r#"{"myA": ["1", ["2"]], "myB": "2"}"#), "the value of parameter `myA`");
    one(&found(&objects, PARAMETERS, r#"{"myA": {"x": "1"}, "myB": "2"}"#), "the value of parameter `myA`");
}

#[test]
fn parameters_of_another_shape() {
    let objects = format!("[{DEFAULT}, {WORK}]");
    for parameters in [r#"{"myA": {"type": "String"}, "myB": {}}"#, "null", "\"x\"", "true"] {
        one(&found(&objects, parameters, VALUES), "`parameters` must be a list, found ");
    }
    one(
        &found(&objects, r#"["myA", {"id": "myB"}]"#, VALUES),
        "an element of `parameters` must be an object",
    );
    let attribute = "attribute `type` of parameter `myB` must be a string, found a number";
    one(&found(&objects, r#"[{"id": "myA"}, {"id": "myB", "type": 5}]"#, VALUES), attribute);
    let default = r#"[{"id": "myA", "default": 5}, {"id": "myB"}]"#;
    one(
        &found(&objects, default, r#"{"myB": "2"}"#),
        "attribute `default` of parameter `myA` must be a string",
    );
}

#[test]
fn objects_of_another_shape() {
    for objects in [&format!(r#"{{"Default": {DEFAULT}, "A": {WORK}}}"#), "null", "\"x\"", "5"] {
        one(&found(objects, PARAMETERS, VALUES), "`objects` must be a list, found ");
    }
    let nested = format!("[[{DEFAULT}, {WORK}]]");
    one(&found(&nested, PARAMETERS, VALUES), "an element of `objects` must be an object, found a list");
    let number = format!(
        r#"[{DEFAULT}, {WORK}, {{"id": 7, "type": "S3DataNode"}}, {{"id": "B", "type": "ShellCommandActivity",
            "command": "x", "input": {{"ref": "7"}}}}]"#
    );
    one(
        &found(&number, PARAMETERS, VALUES),
        "`id` must be a string, found a number: put it in double quotes",
    );
}

#[test]
fn fields_of_another_shape() {
    for (field, begin) in [
        (r#""command": 5"#, "field `command` must be a string, found a number: put it in double quotes"),
        (r#""command": false"#, "field `command` must be a string, found a boolean: put it in double quotes"),
        (r#""command": null"#, "field `command` must be a string, found null: give it a text, or remove it"),
        (
            r#""command": [["x"]]"#,
            "field `command` must be a string, found a list: write each text without brackets",
        ),
        (r#""command": {"text": "x"}"#, "the object in field `command` must be of the form"),
        (r#""scriptUri": 5"#, "field `scriptUri` must be a string"),
        (r#""command": "x", "input": {"ref": 5}"#, "`ref` must be a string, found a number"),
        (r#""command": "x", "input": {"ref": ["S"]}"#, "`ref` must be a string, found a list"),
        (r#""command": "x", "name": 7"#, "`name` must be a string, found a number"),
        (r#""command": "x", "stage": true"#, "field `stage` must be a string, found a boolean"),
    ] {
        let node = r#"{"id": "S", "type": "S3DataNode", "filePath": "s3://b/k"}"#;
        let work = format!(r#"{{"id": "B", "type": "ShellCommandActivity", {field}}}"#);
        one(&found(&format!("[{DEFAULT}, {WORK}, {node}, {work}]"), PARAMETERS, VALUES), begin);
    }
    let group = DEFAULT.replace(r#""workerGroup": "wg""#, r#""workerGroup": 5"#);
    one(&found(&format!("[{group}, {WORK}]"), PARAMETERS, VALUES), "field `workerGroup` must be a string");
    let item = r#"{"id": "B", "fields": [{"key": "type", "stringValue": "ShellCommandActivity"},
        {"key": "command", "stringValue": 5}]}"#;
    one(
        &found(&format!("[{DEFAULT}, {WORK}, {item}]"), PARAMETERS, VALUES),
        "`stringValue` must be a string",
    );
}
