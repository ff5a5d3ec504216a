//! Scripts as editors on other systems save them, started by the service.

use aws_sdk_datapipeline::types::PipelineObject;

use super::World;
use super::stack::{BUCKET, Stack, object, refers, string, value};

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn finished(attempt: &[(String, String)]) {
    assert_eq!(value(attempt, "@status"), "FINISHED", "{attempt:?}");
}

/// A staged shell command without inputs, whose script is in the field `key`.
fn shell(key: &str, script: &str) -> Vec<PipelineObject> {
    let fields = vec![
        string("type", "ShellCommandActivity"),
        string("stage", "true"),
        string(key, script),
        string("scriptArgument", "report.csv"),
        refers("output", "Out"),
    ];
    let out = vec![string("type", "S3DataNode"), string("directoryPath", &format!("s3://{BUCKET}/out"))];
    vec![object("Shell", fields), object("Out", out)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_script_from_windows_runs_with_a_note_and_its_files_have_clean_names() {
    let script = "\u{feff}#!/bin/bash\r\nset -e\r\nif true; then\r\n  echo \"$1\" > ${OUTPUT1_STAGING_DIR}/$1\r\nfi\r\nexit 0\r\n";
    let at = format!("s3://{BUCKET}/run.sh");
    for (key, text) in [("command", script), ("scriptUri", at.as_str())] {
        let stack = Stack::start().await;
        stack.put("run.sh", script).await;
        let attempt = stack.run(shell(key, text)).await;
        finished(&attempt);
        let note = value(&attempt, "note");
        assert!(
            note.ends_with("the script has the line ends of Windows; the CR was removed from 6 lines"),
            "{note}"
        );
        assert_eq!(stack.get("out/report.csv").await, b"report.csv\n");
        let list =
            stack.clients.s3.list_objects_v2().bucket(BUCKET).prefix("out/").send().await.expect("listed");
        assert_eq!(list.contents().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_from_windows_holds() {
    let stack = Stack::start().await;
    let check =
        vec![string("type", "ShellCommandPrecondition"), string("command", "\u{feff}true\r\nexit 0\r\n")];
    let work = vec![
        string("type", "ShellCommandActivity"),
        string("command", "true"),
        refers("precondition", "Check"),
    ];
    let attempt = stack.run(vec![object("Check", check), object("Work", work)]).await;
    finished(&attempt);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_in_utf_16_is_refused_by_its_name() {
    let world = World::new("").await;
    let stack = Stack::start().await;
    stack.put("run.sh", utf16("echo a\r\n")).await;
    stack.put("run.sql", utf16("SELECT 1;\r\n")).await;
    let at = format!("s3://{BUCKET}/run.sh");
    let attempt = stack.run(shell("scriptUri", &at)).await;
    assert_eq!(value(&attempt, "errorId"), "BadInput:Encoding", "{attempt:?}");
    let message = format!("{at}: the script is in UTF-16; save the file as UTF-8");
    assert_eq!(value(&attempt, "errorMessage"), message);
    let attempt = stack.run(sql(&world, "scriptUri", &format!("s3://{BUCKET}/run.sql"))).await;
    assert_eq!(value(&attempt, "errorId"), "BadInput:Encoding", "{attempt:?}");
}

fn database(world: &World) -> PipelineObject {
    let fields = vec![
        string("type", "JdbcDatabase"),
        string("connectionString", &world.postgres.url()),
        string("username", "postgres"),
        string("*password", "none"),
        string("jdbcDriverClass", "org.postgresql.Driver"),
    ];
    object("Db", fields)
}

fn node(id: &str, table: &str, queries: &[(&str, &str)]) -> PipelineObject {
    let mut fields = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", table)];
    fields.extend(queries.iter().map(|(key, value)| string(key, value)));
    object(id, fields)
}

/// A `SqlActivity` whose script is in the field `key`, and whose output creates the table `made`.
fn sql(world: &World, key: &str, script: &str) -> Vec<PipelineObject> {
    let fields = vec![
        string("type", "SqlActivity"),
        refers("database", "Db"),
        refers("output", "Made"),
        string(key, script),
    ];
    let create = "\u{feff}CREATE TABLE made (\r\n  id int\r\n)";
    vec![object("Sql", fields), database(world), node("Made", "made", &[("createTableSql", create)])]
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_with_byte_order_marks_and_cr_lf_runs() {
    let script =
        "\u{feff}-- first;\r\nINSERT INTO made\r\n  VALUES (1);\r\n\u{feff}INSERT INTO made VALUES (2);\r\n";
    let at = format!("s3://{BUCKET}/run.sql");
    for (key, text) in [("script", script), ("scriptUri", at.as_str())] {
        let world = World::new("").await;
        let stack = Stack::start().await;
        stack.put("run.sql", script).await;
        finished(&stack.run(sql(&world, key, text)).await);
        assert_eq!(world.rows("SELECT * FROM made ORDER BY id").await, "1 2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_property_gives_the_schema_and_a_property_needs_a_value() {
    let world = World::new("CREATE SCHEMA shop").await;
    let stack = Stack::start().await;
    let with = |property: &str| {
        let mut objects = sql(&world, "script", "INSERT INTO made VALUES (1)");
        objects[1].fields.push(string("jdbcProperties", "ApplicationName=mine"));
        objects[1].fields.push(string("jdbcProperties", property));
        objects
    };
    finished(&stack.run(with("currentSchema=shop")).await);
    assert_eq!(world.rows("SELECT * FROM shop.made").await, "1");
    let attempt = stack.run(with("a secret")).await;
    let message = value(&attempt, "errorMessage");
    assert!(message.contains("a property that is not name=value (jdbcProperties, value 2)"), "{message}");
    assert!(!message.contains("a secret"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_of_an_error_counts_the_lines_of_a_script_with_a_mark() {
    let world = World::new("").await;
    let stack = Stack::start().await;
    let attempt = stack.run(sql(&world, "script", "\u{feff}SELECT 1;\r\nSELECT nothing;\r\n")).await;
    let message = value(&attempt, "errorMessage");
    assert!(message.starts_with("script of `Sql`, line 2, column 8: "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_a_node_with_byte_order_marks_run() {
    let world = World::new("").await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id\n1\n2\n").await;
    let file = |id: &str, key: &str| {
        let path = format!("s3://{BUCKET}/{key}");
        let fields =
            vec![string("type", "S3DataNode"), string("filePath", &path), refers("dataFormat", "Csv")];
        object(id, fields)
    };
    let copy = || {
        let fields = vec![string("type", "CopyActivity"), refers("input", "In"), refers("output", "Out")];
        object("Copy", fields)
    };
    let csv = || object("Csv", vec![string("type", "CSV"), string("myHeader", "true")]);
    let queries = [
        ("createTableSql", "\u{feff}CREATE TABLE made (id int)"),
        ("insertQuery", "\u{feff}INSERT INTO made (id) VALUES (?)"),
    ];
    let objects = vec![copy(), csv(), file("In", "in.csv"), node("Out", "made", &queries), database(&world)];
    finished(&stack.run(objects).await);
    assert_eq!(world.rows("SELECT * FROM made ORDER BY id").await, "1 2");
    let queries = [("selectQuery", "\u{feff}SELECT id FROM made ORDER BY id")];
    let objects = vec![copy(), csv(), file("Out", "out.csv"), node("In", "made", &queries), database(&world)];
    finished(&stack.run(objects).await);
    assert_eq!(stack.get("out.csv").await, b"id\n1\n2\n");
}
