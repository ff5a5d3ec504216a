//! `myPublish`: the tables of a run that are put in place together.

use super::*;

const NODES: &str = r#"{"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://h/d", "*password": "p",
      "username": "u", "jdbcDriverClass": "d"},
    {"id": "Other", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://h/e", "*password": "p",
      "username": "u", "jdbcDriverClass": "d"},
    {"id": "File", "type": "S3DataNode", "filePath": "s3://b/k"},
    {"id": "Table", "type": "SqlDataNode", "table": "t", "database": {"ref": "Db"}}"#;

fn load(id: &str, fields: &str) -> String {
    format!(
        r#"{{"id": "{id}", "type": "CopyActivity", "input": {{"ref": "File"}}, "output": {{"ref": "Table"}},
            "myPublish": "together" {fields}}}"#
    )
}

fn publisher(fields: &str) -> String {
    format!(
        r#"{{"id": "Put", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "SELECT 1", "myPublish": "here" {fields}}}"#
    )
}

fn found(objects: &[String]) -> Vec<String> {
    let report = validate(&definition(&format!("{NODES}, {}", objects.join(", ")), ""));
    let problems = report.errors.into_iter().chain(report.warnings);
    lines(&problems.filter(|problem| problem.code == INVALID).collect::<Vec<_>>())
}

fn invalid(place: &str, message: &str) -> Vec<String> {
    vec![format!("{place} INVALID_FIELD_VALUE:  {message}")]
}

#[test]
fn one_activity_that_waits_for_all_others_puts_the_tables_in_place() {
    let after_all = r#", "dependsOn": {"ref": "B"}"#;
    let chain = [load("A", ""), load("B", r#", "dependsOn": {"ref": "A"}"#)];
    let with = |publisher: String| found(&[chain.to_vec(), vec![publisher]].concat());
    assert_eq!(with(publisher(after_all)), Vec::<String>::new());
    assert_eq!(
        with(publisher(r#", "dependsOn": {"ref": "A"}"#)),
        invalid(
            "Put.dependsOn",
            "'Put' puts the tables of this run in place, but does not wait for 'B': add 'B' to the 'dependsOn' of 'Put', or \
             give 'B' 'myPublish' 'each'"
        )
    );
    assert_eq!(
        found(&chain),
        invalid(
            "A.myPublish",
            "'myPublish' is 'together', but no activity puts the tables in place: add a SqlActivity with 'myPublish' 'here' \
             that depends on all the others"
        )
    );
    let second = publisher(after_all).replace("Put", "Second");
    assert_eq!(
        found(&[chain.to_vec(), vec![publisher(after_all), second]].concat()),
        invalid(
            "Second.myPublish",
            "'Put' has 'myPublish' 'here' already: one activity puts all tables in place"
        )
    );
}

#[test]
fn tables_of_two_databases_or_schedules_cannot_be_put_in_place_together() {
    let after = r#", "dependsOn": {"ref": "A"}"#;
    assert_eq!(
        found(&[load("A", ""), publisher(after).replace(r#"{"ref": "Db"}"#, r#"{"ref": "Other"}"#)]),
        invalid(
            "A.myPublish",
            "'myPublish' is 'together', but 'A' and 'Put' do not use the same 'database', and one transaction cannot put \
             tables of two databases in place"
        )
    );
    let daily =
        r#"{"id": "Daily", "type": "Schedule", "period": "1 day", "startDateTime": "2026-01-01T00:00:00"}"#;
    let scheduled = r#", "schedule": {"ref": "Daily"}"#;
    assert_eq!(
        found(&[daily.to_owned(), load("A", scheduled), publisher(after)]),
        invalid(
            "A.myPublish",
            "'myPublish' is 'together', but 'A' and 'Put' do not have the same 'schedule'"
        )
    );
    assert_eq!(
        found(&[daily.to_owned(), load("A", scheduled), publisher(&format!("{after}{scheduled}"))]),
        invalid(
            "A.myPublish",
            "with 'myPublish' 'together', two runs at the same time would replace each other's next tables, and one \
             would fail: set \
             'maxActiveInstances' of Default to 1"
        )
    );
}

#[test]
fn an_activity_that_has_nothing_to_put_in_place_is_reported() {
    assert_eq!(
        found(&[publisher("")]),
        invalid(
            "Put.myPublish",
            "'myPublish' is 'here', but no activity has 'together': there is nothing to put in place"
        )
    );
}

#[test]
fn only_a_sql_activity_can_put_tables_in_place() {
    let copy = load("Copy", "").replace("together", "here");
    assert_eq!(
        found(&[load("A", ""), copy.replace("\"myPublish\"", r#""dependsOn": {"ref": "A"}, "myPublish""#)]),
        invalid("Copy.myPublish", "'myPublish' is 'here', which is for a SqlActivity")
    );
}

#[test]
fn a_script_that_would_see_old_rows_is_reported() {
    let each = publisher(r#", "dependsOn": {"ref": "A"}"#).replace("Put", "Each").replace("here", "each");
    let put = publisher(r#", "dependsOn": [{"ref": "A"}, {"ref": "Each"}]"#);
    let found = found(&[load("A", ""), each.clone(), put]);
    assert!(
        matches!(&found[..], [one] if one.starts_with("Each.myPublish INVALID_FIELD_VALUE:  'Each' has 'myPublish' 'each' and waits for 'A'")),
        "{found:?}"
    );
}
