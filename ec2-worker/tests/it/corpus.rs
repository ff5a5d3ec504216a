//! The corpus: files as people have them, each with a side-car that says how to load the file and which rows must result.
//!
//! A case is a file `NAME` in `tests/corpus` and the side-car `NAME.case.json` beside it. The fields of the side-car:
//!
//! - `origin`: where such a file comes from;
//! - `table`: the columns of the table, as in CREATE TABLE;
//! - `format`: the fields of the data format; its `type` is CSV if it is missing;
//! - `activity`: fields of the CopyActivity;
//! - `insert`: the `insertQuery` of the table's node, with TABLE in place of its name;
//! - `rows`: the rows as PostgreSQL shows them, in order; `null` is NULL;
//! - `refused`: for each refused row its line, its column or `null`, and a part of the reason;
//! - `fails`: a part of the message, if the load must fail;
//! - `notes`: parts of the notes, if a note is the point of the case;
//! - `python`: how Python's csv module reads the file (`encoding`, `skip`, `header`, and arguments of csv.reader), if
//!   the module can read it. The rows that psycopg stores from this reading must equal the rows of our load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_datapipeline::types::{Field, PipelineObject};
use e2e::postgres::NativePostgres;
use serde::Deserialize;
use tokio_postgres::SimpleQueryMessage;

use super::connect;
use super::stack::{BUCKET, Stack, object, refers, string, value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    origin: String,
    table: String,
    #[serde(default)]
    format: BTreeMap<String, Values>,
    #[serde(default)]
    activity: BTreeMap<String, Values>,
    insert: Option<String>,
    rows: Option<Vec<Row>>,
    #[serde(default)]
    refused: Vec<Refused>,
    fails: Option<String>,
    #[serde(default)]
    notes: Vec<String>,
    python: Option<serde_json::Value>,
}

/// The texts of a row; `None` is NULL.
type Row = Vec<Option<String>>;
/// The line of a refused row, its column, and a part of the reason.
type Refused = (u64, Option<String>, String);

/// One value of a field, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Returns every file of the corpus with its case, by name.
fn cases() -> Vec<(PathBuf, Case)> {
    let entries =
        std::fs::read_dir(corpus()).expect("the corpus").map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| side_car(path).is_some()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let path = side_car(&file).expect("it was there");
        let text = std::fs::read_to_string(&path).expect("readable");
        let case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (file, case)
    };
    files.into_iter().map(read).collect()
}

/// Returns the side-car of a file, if the file has one.
fn side_car(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let path = file.with_file_name(format!("{name}.case.json"));
    path.exists().then_some(path)
}

fn fields(values: &BTreeMap<String, Values>) -> Vec<Field> {
    let all = values.iter().flat_map(|(key, values)| match values {
        Values::One(value) => vec![string(key, value)],
        Values::Many(values) => values.iter().map(|value| string(key, value)).collect(),
    });
    all.collect()
}

fn definition(case: &Case, name: &str, table: &str, url: &str) -> Vec<PipelineObject> {
    let mut format = fields(&case.format);
    if !case.format.contains_key("type") {
        format.push(string("type", "CSV"));
    }
    let database = vec![
        string("type", "JdbcDatabase"),
        string("connectionString", url),
        string("jdbcDriverClass", "org.postgresql.Driver"),
        string("username", "postgres"),
        string("*password", "unused"),
    ];
    let file = vec![
        string("type", "S3DataNode"),
        string("filePath", &format!("s3://{BUCKET}/{name}")),
        refers("dataFormat", "Format"),
    ];
    let mut node = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", table)];
    node.extend(case.insert.iter().map(|insert| string("insertQuery", &insert.replace("TABLE", table))));
    let mut copy = vec![string("type", "CopyActivity"), refers("input", "In"), refers("output", "Out")];
    copy.extend(fields(&case.activity));
    if !case.refused.is_empty() && !case.activity.contains_key("myMaxRejects") {
        copy.push(string("myMaxRejects", &case.refused.len().to_string()));
    }
    let objects = [("Format", format), ("Db", database), ("In", file), ("Out", node), ("Load", copy)];
    objects.into_iter().map(|(id, fields)| object(id, fields)).collect()
}

/// Returns what is wrong with the outcome of a case; nothing if it is right.
async fn problems(
    stack: &Stack,
    client: &tokio_postgres::Client,
    url: &str,
    file: &Path,
    case: &Case,
    table: &str,
) -> Vec<String> {
    let name = file.file_name().and_then(|name| name.to_str()).expect("a UTF-8 name");
    stack.put(name, std::fs::read(file).expect("readable")).await;
    client.batch_execute(&format!("CREATE TABLE {table} ({})", case.table)).await.expect("a table");
    let attempt = stack.run(definition(case, name, table, url)).await;
    let all = |key: &str| {
        attempt
            .iter()
            .filter(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut problems = Vec::new();
    let message = all("errorMessage");
    match &case.fails {
        Some(part) if value(&attempt, "@status") == "FAILED" && message.contains(part) => {}
        Some(part) => problems.push(format!("must fail with `{part}`: {message}")),
        None if value(&attempt, "@status") == "FINISHED" => {}
        None => problems.push(format!("failed: {message}")),
    }
    for note in case.notes.iter().filter(|note| !all("note").contains(note.as_str())) {
        problems.push(format!("no note `{note}` in: {}", all("note")));
    }
    let loaded = rows(client, &format!("SELECT * FROM {table}")).await;
    let expected = if case.fails.is_some() { Some(Vec::new()) } else { case.rows.clone() };
    if expected.as_ref().is_some_and(|expected| *expected != loaded) {
        problems.push(format!("rows are {}", serde_json::to_string(&loaded).expect("texts")));
    }
    if !case.refused.is_empty() {
        let query =
            format!("SELECT line, nullif(column_name, ''), reason FROM {table}_rejects ORDER BY line");
        let made = self::rows(client, &format!("SELECT to_regclass('{table}_rejects')")).await;
        let refused = if made == [[None]] { Vec::new() } else { self::rows(client, &query).await };
        let fits = |(found, wanted): (&Row, &Refused)| {
            found[0].as_deref() == Some(&wanted.0.to_string())
                && found[1] == wanted.1
                && found[2].as_ref().is_some_and(|reason| reason.contains(&wanted.2))
        };
        if refused.len() != case.refused.len() || !refused.iter().zip(&case.refused).all(fits) {
            problems.push(format!("refused are {}", serde_json::to_string(&refused).expect("texts")));
        }
    }
    problems
}

async fn rows(client: &tokio_postgres::Client, query: &str) -> Vec<Row> {
    let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
        }
        _ => None,
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_corpus_loads_or_is_refused_as_its_side_car_says() {
    let postgres = NativePostgres::start();
    let url = postgres.url();
    let client = connect(&url).await;
    client.batch_execute("SET timezone = 'UTC'").await.expect("a setting");
    let stack = Stack::start().await;
    let cases = cases();
    let mut wrong = Vec::new();
    let mut read_by_python = Vec::new();
    for (index, (file, case)) in cases.iter().enumerate() {
        let table = format!("case_{index}");
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if case.origin.trim().is_empty() {
            wrong.push(format!("{name}: its origin is missing"));
        }
        for problem in problems(&stack, &client, &url, file, case, &table).await {
            wrong.push(format!("{name}: {problem}"));
        }
        if let Some(python) = &case.python {
            client
                .batch_execute(&format!("CREATE TABLE {table}_python ({})", case.table))
                .await
                .expect("a table");
            read_by_python.push((name.into_owned(), table, serde_json::json!([file, python])));
        }
    }
    run_python(&url, &read_by_python);
    for (name, table, _) in &read_by_python {
        let differ = |one: &str, other: &str| {
            format!("SELECT r::text FROM {one} r EXCEPT ALL SELECT r::text FROM {other} r")
        };
        let theirs = format!("{table}_python");
        let (ours, theirs) = (differ(table, &theirs), differ(&theirs, table));
        let (ours, theirs) = (rows(&client, &ours).await, rows(&client, &theirs).await);
        if !ours.is_empty() || !theirs.is_empty() {
            wrong.push(format!("{name}: we read {ours:?}, Python reads {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Lets Python's csv module read the files, and psycopg store their rows.
fn run_python(url: &str, cases: &[(String, String, serde_json::Value)]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    let list: BTreeMap<&str, &serde_json::Value> =
        cases.iter().map(|(_, table, case)| (table.as_str(), case)).collect();
    let list = serde_json::to_string(&list).expect("JSON");
    let status = Command::new(&python).arg(tests.join("tests/it/corpus.py")).arg(url).arg(list).status();
    let status = status.unwrap_or_else(|error| panic!("{}: {error}; run tests/setup", python.display()));
    assert!(status.success(), "corpus.py");
}
