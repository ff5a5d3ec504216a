//! The staging folders that shell commands name.

use super::*;

const NODES: &str = r#"{"id": "In", "type": "S3DataNode", "filePath": "s3://b/k"},
    {"id": "Out", "type": "S3DataNode", "directoryPath": "s3://b/out"},
    {"id": "File", "type": "S3DataNode", "filePath": "s3://b/f"},
    {"id": "Table", "type": "DynamoDBDataNode", "tableName": "t"}"#;

fn shell(fields: &str) -> String {
    format!(r#"{{"id": "A", "type": "ShellCommandActivity", {fields}}}, {NODES}"#)
}

const STAGED: &str =
    r#""stage": "true", "input": [{"ref": "Table"}, {"ref": "In"}], "output": {"ref": "Out"}"#;

#[test]
fn a_folder_of_a_staged_node_may_be_named() {
    let fields = r#""command": "cp ${INPUT1_STAGING_DIR}/k $OUTPUT1_STAGING_DIR", "scriptArgument": ["${INPUT1_STAGING_DIR}/k"]"#;
    assert_eq!(errors(&shell(&format!("{fields}, {STAGED}"))), Vec::<String>::new());
    assert_eq!(warnings(&shell(&format!("{fields}, {STAGED}"))), Vec::<String>::new());
}

#[test]
fn a_folder_without_a_node_is_an_error_where_it_stands() {
    for (fields, line) in [
        (
            r#""command": "cat ${INPUT9_STAGING_DIR}/k""#,
            "A.command INVALID_FIELD_VALUE:  'command' uses ${INPUT9_STAGING_DIR}, but the activity has one input in S3",
        ),
        (
            r#""command": "cat $1", "scriptArgument": ["x", "${INPUT2_STAGING_DIR}/k"]"#,
            "A.scriptArgument INVALID_FIELD_VALUE:  'scriptArgument' uses ${INPUT2_STAGING_DIR}, but the activity has \
             one input in S3",
        ),
        (
            r#""command": "rm -rf $OUTPUT2_STAGING_DIR/*""#,
            "A.command INVALID_FIELD_VALUE:  'command' uses ${OUTPUT2_STAGING_DIR}, but the activity has one output in S3",
        ),
    ] {
        one_error(&shell(&format!("{fields}, {STAGED}")), line);
    }
    let report =
        validate(&definition(&shell(&format!(r#""command": "a ${{INPUT9_STAGING_DIR}}", {STAGED}"#)), ""));
    assert_eq!(report.errors[0].offset, Some(2));
}

#[test]
fn without_stage_there_are_no_folders() {
    let unstaged = r#""command": "cat ${INPUT1_STAGING_DIR}/k", "input": {"ref": "In"}"#;
    let line = "A.command INVALID_FIELD_VALUE:  'command' uses ${INPUT1_STAGING_DIR}, but the activity has no staging \
                folders: set `stage` to true";
    one_error(&shell(unstaged), line);
    one_error(&shell(&format!(r#"{unstaged}, "stage": "FALSE""#)), line);
    // The value of a run is not known.
    assert_eq!(
        errors(&shell(&format!(r##"{unstaged}, "stage": "#{{@healthStatus}}""##))),
        Vec::<String>::new()
    );
}

#[test]
fn a_command_from_a_parent_is_checked_for_each_activity() {
    let objects = format!(
        r#"{{"id": "P", "command": "ls ${{INPUT1_STAGING_DIR}}", "stage": "true"}},
           {{"id": "A", "type": "ShellCommandActivity", "parent": {{"ref": "P"}}, "input": {{"ref": "In"}}}},
           {{"id": "B", "type": "ShellCommandActivity", "parent": {{"ref": "P"}}}}, {NODES}"#
    );
    one_error(
        &objects,
        "P.command INVALID_FIELD_VALUE:  'command' uses ${INPUT1_STAGING_DIR}, but the activity has no input in S3 ('B')",
    );
}

#[test]
fn a_name_without_braces_in_an_argument_and_a_file_as_output_are_warnings() {
    let bare = format!(r#""command": "cat $1", "scriptArgument": "$INPUT1_STAGING_DIR/k", {STAGED}"#);
    assert_eq!(
        warnings(&shell(&bare)),
        [
            "A.scriptArgument INVALID_FIELD_VALUE:  'scriptArgument' contains $INPUT1_STAGING_DIR, which the command gets \
             as it is written: write ${INPUT1_STAGING_DIR} to give it the folder"
        ]
    );
    let file = r#""command": "date > ${OUTPUT1_STAGING_DIR}/f", "stage": "true", "output": {"ref": "File"}"#;
    assert_eq!(
        warnings(&shell(file)),
        [
            "A.command INVALID_FIELD_VALUE:  'command' uses ${OUTPUT1_STAGING_DIR}, but the files in it are not uploaded, \
             because 'File' has a 'filePath': give it a 'directoryPath'"
        ]
    );
}
